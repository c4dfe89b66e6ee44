"""Claims that nothing offline can know: fares, prices, hours, visas, weather, rates, schedules, distances, safety.

Each kind has words that make a clause such a claim by themselves, and words that do so beside an assertion ("trains"
and "run"). Advice to look something up is no claim. Matched against lower case with ``е`` for ``ё``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_STRONG = {
    "visa": r"visas?|e-?visas?|visa-free|passports?|customs|immigration|entry (?:permits?|rules?|requirements?)"
    r"|residence permits?|border (?:control|guards?|crossings?)|виз|виз[аыуео]\w?|визов\w+|безвиз\w+"
    r"|загранпаспорт\w*|паспорт\w*"
    r"|таможн\w+|миграцион\w+|пограничн\w+|границ(?:е|у|ы)|консульств\w+|посольств\w+",
    "price": r"charges|pric(?:e|es|ed|ey|y|ing)"
    r"|fares?|costs?|costly|cheap(?:er|est|ly)?|(?:in)?expensive|pricey|affordable"
    r"|bargains?|discount\w*|free of charge|free (?:entry|entrance|admission|of|for (?!what|you|walk|rest)|on"
    r"|shuttle|parking|wi-?fi|breakfast|access)"
    r"|(?:is|are|be|it's|for|entirely|completely|totally) free(?! (?:to|time|day|morning|afternoon|evening|hour))"
    r"|(?:admission|entrance|entry|service|tourist)[- ](?:fee|charge|tax|is|costs?)s?|fees?|surcharges?"
    r"|tips? (?:is|are)|tipping"
    r"|dollars?|euros?|bucks?|cents?|pounds?|sterling|rubles?|roubles?|yen|yuan|rupees?|lari|lira|baht|dirhams?"
    r"|usd|eur|rub|gbp|gel"
    r"|[$€£₽₾¥₺₹]|luxur\w+ rates?|saves? money|pay (?:at|only|nothing|about|around|less|more|extra)"
    r"|цен[аыуео]|ценам?и?|цен|расценк\w+|стоимост\w+|сто(?:ит|ят|или|ило|ила|ить) (?:около|примерно|всего|не|от"
    r"|до|очень|дешев|дорог|недорог|копейк|как|столько|меньше|больше|порядка|в среднем|\d)\w*"
    r"|обойд[её]тся|обойдутся|дешев\w*|подешев\w*|недорог\w*|дорого(?!г)|дороги[ех] (?:отел|ресторан|билет"
    r"|магазин)\w*|слишком дорог\w+|очень дорог\w+"
    r"|бесплатн\w*|платн\w+|скидк\w+|тариф\w*|вход свободн\w+|за вход|руб(?:л\w*)?|доллар\w*|евро"
    r"|фунт\w* стерлингов|лари|лир[аыу]?|бат(?:ов|а)?"
    r"|юан\w+|иен[аыу]?|копе(?:ек|йк\w+)|чаевые|сбор(?:ы|ов)? (?:составля|платит)\w+|экономит деньги",
    "hours": r"(?:is|are|it's|stays?|remains?|be|being|keeps?) (?:\w+ )?(?:open|closed|shut)|opens|closes|opened"
    r"|closed|shuts|opening (?:hours?|times?|days?)"
    r"|open (?:at|on|from|until|till|late|early|daily|every|all|seven|around|to|for|year)|close (?:at|on|early"
    r"|late|for)|(?:around|round) the clock|24/7|24 hours"
    r"|(?:until|till) (?:late|midnight|dawn|noon)|last (?:entry|admission)|business hours|working hours|days? off"
    r"|o'clock|a\.m\.?|p\.m\.?|\d ?[ap]m"
    r"|открыт[аоы]?|закрыт[аоы]?|открыва\w+ся(?! (?:вид|панорам))|закрыва\w+ся|открыва(?:ет|ют)|закрыва(?:ет|ют)"
    r"|работа(?:ет|ют|ли|л|ла|ло)|ежедневн\w+|круглосуточн\w+|круглый (?:год|день)"
    r"|выходн(?:ой|ого) (?:день|дня)|выходной|(?:часы|режим|график) работы|без выходных|без перерыва"
    r"|перерыв на обед|санитарн\w+ д\w+|допоздна"
    r"|(?:до|после|с) (?:полуночи|рассвета|обеда и до)|в полночь",
    "weather": r"weather|climate|temperatures?|humid\w*|rain(?:s|y|ing|fall)?|snow(?:s|y|ing|fall)?|sunny|sunshine"
    r"|cloud(?:y|s)|storm\w*|wind(?:y|s)|fog\w*"
    r"|chilly|frost\w*|heat ?wave|mild|degrees|celsius|fahrenheit|monsoon\w*|(?:dry|rainy|wet|high|low|peak"
    r"|tourist|ski|swimming) season"
    r"|(?:is|are|gets?|be|it's|feels?|becomes?|stays?|very|quite|pleasantly|usually|still|already|rather"
    r"|too) (?:\w+ )?(?:warm|hot|cold|cool|dry|wet)(?! (?:drink|dish|meal|food|tea|chocolate))"
    r"|(?:warm|hot|cold|cool|dry|wet|heat) (?:days?|nights?|evenings?|mornings?|spells?|air|water|sea|summers?"
    r"|winters?|month|in|during|enough|and|by|at)"
    r"|погод\w*|климат\w*|температур\w*|влажн\w+|дожд\w+|снег\w*|снеж\w+|солнечн\w+|солнц[ея] (?:свет|гре|жар"
    r"|пе)\w+|облачн\w+|пасмурн\w+|гроз[аыу]?|шторм\w*"
    r"|ветрен\w+|ветер|ветра|ветр[ыо]\w*|туман\w*|мороз\w*|жар[акуы]\w*|жарк\w+|холодн\w+|холода\w*|холодает"
    r"|прохлад\w+|потеплени\w+|тепл(?:о|ая|ые|ый|ое|ее|а|ы)(?! (?:одежд|вещ|кофт|свитер|прием|шарф))"
    r"|сухо|сух(?:ой|ая) (?:сезон|погод|климат)\w*|градус\w*|сезон\w*|метел\w+|вода прогре\w+|прогрева\w+",
    "rate": r"exchange (?:rates?|offices?|bureaus?)|rate of exchange|trades? at|worth (?:about|around|roughly)"
    r"|currency|currencies|convert\w* (?:at|to)"
    r"|курс(?:а|у|ом|е)?(?! (?:кулинар|лекц|вин))|(?:менять|обменять|поменять|обменивать) (?:деньги|рубли|доллары"
    r"|валют\w*)|обменник\w*|обменн\w+|валют\w*",
    "schedule": r"timetables?|schedules?|departs|departing|arrives? at|direct (?:flight|train|bus|ferr)\w*"
    r"|non-?stop|hourly|last (?:train|bus|metro|flight|ferry|tram)"
    r"|(?:every|each) (?:hour|half|few minutes|quarter|ten|twenty|fifteen|thirty|five)|metros?|subways?"
    r"|underground|trams?|funiculars?|cable cars?|chairlifts?|night bus(?:es)?"
    r"|расписани\w+|отправля\w+ся|отходит|отходят|прибыва\w+|курсиру\w+|прям(?:ой|ые|ых|ым|ого) (?:рейс|поезд"
    r"|автобус|перел)\w*|последн\w+ (?:поезд|автобус|рейс|электричк|трамва|паром)\w*"
    r"|кажд\w+ (?:час|полчаса|минут|пол)\w*|метро|трамва\w+|фуникул\w+|канатн\w+|канатк\w+|подвесн\w+ дорог\w+"
    r"|ноч(?:ной"
    r"|ные) (?:автобус|поезд)\w*|каждые",
    "safety": r"safe(?:ty|r|st)?|safely|unsafe|danger(?:s|ous)?|crimes?|criminals?|pickpockets?|thie(?:f|ves)"
    r"|theft|scam\w*|robb\w+|terroris\w+|risk\w*|secure|no-go"
    r"|tap water|vaccin\w+|malaria|rabies|drinkable|potable"
    r"|(?:не)?безопас\w*|опасн\w*|опасен|преступн\w*|карманник\w*|мошенник\w*|мошеннич\w+|вор[ыа]?|воров\w*"
    r"|краж\w+|грабеж\w*|террор\w+|риск\w*"
    r"|криминал\w*|вод\w+ из-под крана|прививк\w+|вакцин\w+|малярия|малярии|спокойный район",
    "rule": r"illegal|prohibited|forbidden|banned|mandatory|compulsory|required|allowed|by law|fined|fines"
    r"|запрещ\w+|разрешен\w*|обязательн\w+|требу\w+ся|штраф\w*|по закону|нельзя|законодательств\w+|(?:not|n't) "
    r"(?:needed|necessary|need to|have to)|unnecessary|не нуж(?:ен|н\w+)|не обязательн\w+|необязательн\w+"
    r"|обойтись без",
    "distance": r"kilomet\w+|kms?|miles?|met(?:er|re)s|minutes?|walking distance|stone's throw|hours? (?:away"
    r"|drive|ride|walk|by|from|flight|of)|hour's (?:drive|walk|ride)|half an hour"
    r"|(?:short|quick|brief|minute|hour|long) (?:drive|ride|walk from|walk to|flight|hop)|far from|not far"
    r"|close to|next to|steps (?:from|away)|blocks? (?:away|from)"
    r"|километр\w*|км|миль|мили|милях|метр(?:а|ов|ах|е|ы)?|минут\w*|в двух шагах|рукой подать"
    r"|шагов\w+ доступност\w*|получас\w*|полчаса"
    r"|час\w* (?:езды|пути|ходьбы|полета|лета|дороги|на (?:машине|поезде|автобусе|самолете|метро|такси))|в часе"
    r"|за час|(?:до|от) \w+(?: \w+)? (?:пешком|ехать|идти|езды|лететь|всего|недалеко|близко|недолго)|всего ничего"
    r"|недалеко от|близко к|далеко от|неподалеку от|в паре (?:шагов|кварталов|часов)|кварталах? от",
}  # fmt: skip
_ASSERTED = {
    "price": (
        r"tickets?|admission|entry|entrance|taxis?|tours?|meals?|hotels?|билет\w*|вход\w*|такси|отел\w+|ужин\w*"
        r"|обед\w*|экскурси\w+",
        r"low|sold|sell|affordable|only|per (?:person|head|night|day)|at the (?:door|entrance)|on the spot|(?:not"
        r"|n't) need|unnecessary|included|за человека|с человека|на месте|продаются|продают|входит в|включен\w*"
        r"|не нуж\w+|хватит",
    ),
    "schedule": (
        r"trains?|bus(?:es)?|flights?|ferr(?:y|ies)|planes?|boats?|shuttles?|transport|airlines?|minibus(?:es)?"
        r"|поезд\w*|автобус\w*|рейс\w*|паром\w*|маршрутк\w+|электричк\w+|самолет\w*|шаттл\w*|аэроэкспресс\w*"
        r"|катер\w*|транспорт\w*",
        r"runs?|leaves?|arrives?|goes|go every|every|daily|direct|first|last|takes|operates?|fly|flies|frequent\w*"
        r"|often|connects?|regular\w*|late|at night|all day|stops? at|ход[ия]т|летает|летают|лета[ею]т|ид[её]т"
        r"|едет|едут|занимает|часто|регулярн\w+|кажд\w+|до поздн\w+|ночью|останавлива\w+|есть прям\w+|довез\w+"
        r"|связыва\w+|не ход\w+",
    ),
    "hours": (
        r"museums?|shops?|markets?|restaurants?|cafes?|cafés?|galler\w+|churches|church|bars?|baths?|musea|музе\w+"
        r"|магазин\w*|рын\w+|ресторан\w*|кафе|галере\w+|храм\w*|бар[ыа]?|бан[яию]",
        r"from (?:early|morning|dawn|noon)|all night|all day|until|till|at dawn|до (?:утра|ночи|вечера|позднего"
        r"|поздней)|всю ночь|весь день|с (?:самого )?утра до|с утра и до|не по\w+ выходн\w+|по выходным|по будням"
        r"|на выходных",
    ),
    "rule": (
        r"book(?:ing|ings)?|reserv\w+|permits?|helmets?|insurance|licen[cs]es?|(?:за)?брониров\w+|разрешени\w+"
        r"|страховк\w+|документ\w*",
        r"needed|necessary|not need|don't need|without|нужн\w+|не нужн\w+|необходим\w+|обязан\w+|без",
    ),
}  # fmt: skip
# What may stand in advice to find something out.
_LOOKING_UP = (
    r"check|look up|looked up|look for|find out|ask|confirm|verify|compare|see online|search|consult|make sure"
    r"|enquire|inquire|read up"
    r"|проверьте|проверить|уточните|уточнить|узнайте|узнать|посмотрите|посмотреть|спросите|спросить|сверьте"
    r"|сверьтесь|поищите|найдите|сравните|выясните"
)  # fmt: skip
_ASSERTION = (
    r"(?:is|are|was|were|will|it's|that's|isn't|aren't|won't|needn't|don't|doesn't|has|have|cost|costs|need|needs"
    r"|needed|opens|closes|runs|leaves|starts|usually|always|never|daily|free|cheap|low|safe|warm|hot|cold|sunny"
    r"|mild|only|about \d|\d)"
    r"|не нуж\w+|нужн?[аыо]?|требу\w+|стоит|стоят|открыт\w*|закрыт\w*|работает|работают|бесплатн\w*|дешев\w*"
    r"|дорог(?:о|ие|ая)|ежедневно|каждый|ходит|ходят|обычно|всегда|никогда|безопасно|тепло|холодно|жарко|солнечно|\d+"
)  # fmt: skip
_CLAUSE = re.compile(r"(?:[^,;:()—–.!?|]|(?<=\d)[,.:](?=\d)|\.(?=\w))+")


def _words(text: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?<![\w-])(?:{text})(?![\w-])|[$€£₽₾¥₺₹°]" if "$" in text else rf"(?<![\w-])(?:{text})(?![\w-])"
    )


_STRONG_PATTERNS = {kind: _words(text) for kind, text in _STRONG.items()}
_ASSERTED_PATTERNS = {kind: (_words(topic), _words(verb)) for kind, (topic, verb) in _ASSERTED.items()}
_INDIRECT = re.compile(  # a question within advice: "check whether you need", "узнайте, нужна ли"
    rf"(?<!\w)(?:{_LOOKING_UP})(?: \w+){{0,2}} (?:whether|if|when|how|what|which|where|who|сколько|когда|как|какие"
    rf"|где)(?!\w)"
    r"|^\s*(?:whether|if|when|how|what|which|сколько|когда|как|какие|какой|где)(?!\w)|\sли(?!\w)"
)
_ADVICE = _words(_LOOKING_UP)
_ASSERTS = _words(_ASSERTION)


def claims(sentence: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, kind) of what a sentence claims. Clauses of advice are passed over, with the lists that follow."""
    lowered = "".join(char.lower() if len(char.lower()) == 1 else char for char in sentence)
    lowered = lowered.replace("ё", "е").replace("’", "'")
    advised = False
    for clause in _CLAUSE.finditer(lowered):
        text = clause[0]
        advice = bool(_ADVICE.search(text))
        advised = (advice or advised) and (not _ASSERTS.search(text) or bool(_INDIRECT.search(text)))
        if advised:
            continue
        for kind, strong in _STRONG_PATTERNS.items():
            if found := strong.search(text):
                yield clause.start() + found.start(), clause.start() + found.end(), kind
        for kind, (topic, verb) in _ASSERTED_PATTERNS.items():
            found = topic.search(text)
            if found and verb.search(text):
                yield clause.start() + found.start(), clause.start() + found.end(), kind
