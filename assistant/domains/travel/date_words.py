"""The words of dates, spans of time and seasons, English and Russian, as regular expressions.

They are matched against text in lower case with ``е`` for ``ё``.
"""

from __future__ import annotations

import re
from functools import cache

from assistant.domains.travel.numerals import CARDINALS, ORDINALS, alternation


def _numbered(*names: str, first: int) -> dict[str, int]:
    return {name: number for number, words in enumerate(names, first) for name in words.split()}


def _any(words: dict[str, int]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


MONTHS = _numbered(
    "january jan январь января январе январю янв", "february feb февраль февраля феврале февралю фев",
    "march mar март марта марте марту", "april apr апрель апреля апреле апрелю апр", "may май мая мае маю",
    "june jun июнь июня июне июню", "july jul июль июля июле июлю", "august aug август августа августе августу авг",
    "september sept sep сентябрь сентября сентябре сентябрю сент сен",
    "october oct октябрь октября октябре октябрю окт", "november nov ноябрь ноября ноябре ноябрю нояб ноя",
    "december dec декабрь декабря декабре декабрю дек",
    first=1,
)  # fmt: skip
WEEKDAYS = _numbered(
    "monday mon понедельник понедельника", "tuesday tue вторник вторника", "wednesday wed среду среды",
    "thursday thu четверг четверга", "friday fri пятницу пятницы", "saturday sat субботу субботы",
    "sunday sun воскресенье воскресенья",
    first=0,
)  # fmt: skip
SEASONS = {
    "winter": 12, "зимой": 12, "зиму": 12, "зимы": 12, "spring": 3, "весной": 3, "весну": 3, "весны": 3, "summer": 6,
    "летом": 6, "лето": 6, "лета": 6, "autumn": 9, "осенью": 9, "осень": 9, "осени": 9,
}  # fmt: skip
UNITS = {
    r"days?|дн(?:ей|я|ям|ями|и|ев)|день|денек|деньк(?:а|и|ов)|сутки|суток": 1,
    r"nights?|ноч(?:ей|и|ь|евок|евки)": 1,
    r"weeks?|wks?|недел(?:ь|и|я|ю|ьку|ек)": 7,
    r"months?|месяц(?:а|ев)?": 30,
    r"years?|год(?:а)?|лет": 365,
}
MONTH = rf"(?:{_any(MONTHS)})(?!\w)\.?"
WEEKDAY = _any(WEEKDAYS)
UNIT = "|".join(UNITS)
NUMBER = rf"\d+|{alternation(CARDINALS)}"
_TENS = r"(?:twenty|thirty|forty|сорок|двадцать|тридцать)"
_DAY = rf"(?:\d{{1,3}}(?:st|nd|rd|th|[- ]?(?:го|е|ое|ого)(?!\w))?|{alternation(ORDINALS)})"
_YEAR = r"(?:\s*,?\s*(?:of\s+|в\s+)?(?P<y>(?:1[89]|[2-9]\d)\d\d)(?!\d|[-.]\d)(?:\s*(?:года?|г\.?)(?!\w))?)?"
TO = r"\s*(?:-|–|—|−|to|through|thru|until|till|and|по|до|и)\s*"
BARE_YEAR = r"(?:\s*,?\s*(?P<y>2\d\d\d)(?:\s*(?:года?|г\.?))?)?"
_NO_COUNT = (
    rf"(?!\s*[-–]?\s*(?:(?:{UNIT})|people|persons?|adults?|kids|child|of us|человек|взросл|дет)(?!\w))"
    r"(?![\d.:]|\s?[-–/]\s?\d)"
)

ISO = r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})"
DOTTED = r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})(?:\.(?P<y>\d{4}|\d{2}))?\.?"
SLASHED = r"(?P<d>\d{1,2})/(?P<m>\d{1,2})(?:/(?P<y>\d{4}|\d{2}))?"
RANGES = (
    rf"(?P<d>{_DAY}){TO}(?:the\s+)?(?P<d2>{_DAY})\s*(?:of\s+)?(?P<m>{MONTH}){_YEAR}",
    rf"(?P<m>{MONTH})\s*(?:the\s+)?(?P<d>{_DAY}){TO}(?:the\s+)?(?P<d2>{_DAY}){_NO_COUNT}{_YEAR}",
    rf"(?P<d>{_DAY})\s*(?:of\s+)?(?P<m>{MONTH}){TO}(?:the\s+)?(?P<d2>{_DAY})(?!\s*{MONTH}){_NO_COUNT}{_YEAR}",
)
DAYS = (
    rf"(?P<d>{_DAY})\s*(?:of\s+)?(?P<m>{MONTH}){_YEAR}",
    rf"(?P<m>{MONTH})\s*(?:the\s+)?(?P<d>{_DAY}){_NO_COUNT}{_YEAR}",
)
BACK = (  # the last day, behind the first
    r"(?:обратно|назад|до|по|к|(?:и\s+)?верн\w+|возвращ\w+|back|return\w*|home|until|till|to)(?:\s+(?:on|the|by|к|до))*\s+"
    r"(?P<d>\d{1,2})(?:-?(?:го|е|ое|му)|st|nd|rd|th)(?:\s+числ\w+)?"
)
DAY_ALONE = r"(?P<d>\d{1,2})(?:-?го)?\s+числа|the\s+(?P<d2>\d{1,2})(?:st|nd|rd|th)"

PAST = (
    rf"yesterday|last (?:week|weekend|month|year|{_any(SEASONS)}|{MONTH})|вчера|позавчера|(?:[вн]а? )?прошл\w+ "
    rf"(?:недел\w|месяце?|году?|выходны\w|{_any(SEASONS)}|{MONTH})"
)
NEXT = r"next|upcoming|(?:на |в )?(?:следующ|будущ)\w+"
THIS = r"this|coming|the coming|(?:на |в )?(?:эт(?:от|у|о|и|их|ой|им|ом)|ближайш\w+)"
WEEKEND = r"weekend|выходны[ехм]|вых(?:и|ах)"
WEEK = r"week|недел[юе]"
THAT_MONTH = r"month|месяце?"
SHIFTS = {"the day after tomorrow": 2, "послезавтра": 2, "tomorrow": 1, "завтра": 1, "today": 0, "сегодня": 0}

PART = (
    r"(?:(?:the\s+)?(?:(?:beginning|start|middle|end|first half|second half)\s+of|early|mid|late)[\s-]+"
    r"|(?:начал|середин|кон(?:ец|ц))\w*\s+|(?:перв|втор)\w+\s+половин\w+\s+)"
)
_BREAKS = r"(?:spring|summer|autumn|winter|half-term|school) (?:break|holidays?|vacation)"
VAGUE = (
    rf"(?:на |в |к |под |over |for |at |during )?(?:майски(?:е|х|м)(?: праздник\w*| каникул\w*)?|{_BREAKS}"
    r"|новогодни(?:е|х|м)(?: праздник\w*| каникул\w*)|нов(?:ый|ого|ому|ым) год(?:а|у|ом)?"
    r"|(?:the )?new year(?:'?s)?(?: eve| day)?|(?:christmas|xmas|easter)(?! (?:market|tree|food|light))"
    r"|рождеств[оау]|пасх[уие]|(?:весенн|осенн|летн|зимн)и(?:е|х) каникул\w*|каникулы|каникулах"
    r"|sometime|some day|someday|soon|когда-нибудь|как-нибудь|скоро"
    r"|(?:a )?few (?:days|weeks)|several (?:days|weeks)|some days|несколько (?:дней|недель|суток))"
)
# "48 hours in Berlin" are two days.
HOURS = r"(?P<n>2[4-9]|[3-9]\d|1\d\d)\s*(?:hours?|час(?:а|ов))(?=\s+(?:in|at|в|во|на)\s)"
# "дней на шесть": about as many.
ABOUT = rf"(?P<u>{UNIT})\s+на\s+(?P<n>{NUMBER})(?:\s*[-–—]\s*(?P<n2>{NUMBER}))?(?!\s*(?:человек|чел|взрос|дет|персон))"
# Lengths of time in one word, or with a word for the number that is none elsewhere.
LENGTHS = {
    r"fortnight": 14, r"(?:a )?long weekend|длинны[ехм] выходны[ехм]": 3, r"однодневн\w+": 1,
    r"полторы недели|a week and a half|one and a half weeks": 11, r"полмесяца|half a month": 15,
    r"пару недель|пара недель|(?:a )?couple of weeks": 14, r"пар[ау] (?:дней|деньков)|(?:a )?couple of days": 2,
    r"(?:a|the|one|на) weekend|weekend|(?:на )?(?:выходны[ехм]|вых(?:и|ах))|уик-?энд": 2,
    r"двухнедельн\w+": 14, r"недельн\w+": 7, r"двухдневн\w+": 2, r"трехдневн\w+": 3, r"четырехдневн\w+": 4,
    r"пятидневн\w+": 5, r"шестидневн\w+": 6, r"семидневн\w+": 7, r"десятидневн\w+": 10,
    r"(?:half a|полдня|пол-?дня)(?: day)?": 1,
}  # fmt: skip
COUNTED = (
    rf"(?P<sign>-|−|минус\s|minus\s|negative\s)?(?:(?P<n>{NUMBER})(?:\s*(?:-|–|—|to|or|или)\s*(?P<n2>{NUMBER}))?"
    rf"[\s-]*(?:full\s|whole\s|полных\s|дневн\w+|x\s)?|(?P<one>a|an|на|one|every|целый|целую)\s(?:whole\s)?)?"
    rf"(?P<u>{UNIT}|дневн\w+)"
)


# What is counted in units of time and is no length of the trip: ages, prices and rates for a unit.
_AGE = rf"\d{{1,3}}|{alternation(CARDINALS)}"
_MINOR = r"(?:сын|доч|дет[яеи]|реб[её]н|малыш|внук|внуч|baby|son|daughter|kid|child|toddler|infant)\w*"
ASIDES = (
    rf"(?P<n>{_AGE})(?:\s*(?:,|и|and|&)\s*(?:{_AGE}))*[\s-]*(?:лет|год(?:а|ик|ика|иков)?|years?|yrs?|y\.?o\.?)"
    r"(?:[\s-]olds?)?",
    rf"{_MINOR}[\s,(:–-]*(?:aged?\s)?(?:{NUMBER})[\s-]*(?:месяц\w*|мес\.?|months?)|"
    rf"(?:{NUMBER})[\s-]*months?[\s-]olds?",
    rf"(?:per|/)\s*(?:{UNIT}|сут)|в\s+(?:день(?!\s+рожд)|сутки|ночь|месяц)|(?:a|each|every)\s+night",
)
# "2 years in Paris" is a length, however long.
NO_AGE_BEFORE = re.compile(r"(?:\bна|\bfor|\bчерез|\bin|\bover|\bза)\s+$")
NO_AGE_AFTER = re.compile(r"\s+(?:trip|in|around|across|through|travel\w*|в|во|по)(?!\w)")


@cache
def pattern(text: str) -> re.Pattern[str]:
    """The expression between the ends of words."""
    return re.compile(rf"(?<![\w.])(?:{text})(?!\w)")
