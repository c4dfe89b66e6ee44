"""Texts, with what an editor made of some of them: ``‹was|is›``."""

from __future__ import annotations

import re

ENGLISH = """\
The harbour ‹comittee|committee› met on Tuesday evening to discuss the repairs that the storm ‹has made|had
made› necessary. Nobody ‹was suprised|was surprised› that the old pier ‹need|needs› a new deck; the planks were
laid in 1974 and ‹is|are› rotten in at least ‹fourty|forty› places. What did surprise the members was the state
of the piles below. The diver, who ‹have|has› inspected them every spring ‹since|for› eleven years, reported
that nine of the sixty piles have lost more than a third of ‹there|their› diameter, and that two of them can be
moved by hand. Until they are replaced, he ‹recomended|recommended›, no vehicle heavier ‹then|than› two tonnes
should drive onto the pier.

The treasurer presented three offers. The first is the ‹cheepest|cheapest›, but the company cannot begin before
‹october|October›, and the autumn gales usually arrive in the last week of September. The second ‹offer
are|offer is› about twelve per cent dearer; the work would start in June and take ‹aproximately|approximately›
seven weeks. The third includes ‹a new|new› lighting and a ramp for wheelchairs, which the town has wanted for
years, but ‹it's|its› price is ‹to|too› high unless the ‹goverment|government› pays half of it. After a long
‹discusion|discussion› the committee ‹decide|decided› to accept the second offer, ‹and|and to› apply for a grant
for the ramp separately. Mrs Lindqvist will write to the ‹minister|ministry› before the end of ‹the month|this
month›. Fishermen who use the pier ‹will|will be› informed by letter, and the ferry ‹will has|will have› to land
at the southern quay ‹untill|until› the middle of August."""

RUSSIAN = """\
В прошлую субботу наш кружок ‹ездел|ездил› на экскурсию в старую усадьбу, которая стоит на высоком берегу реки.
Дорога заняла ‹по чти|почти› три часа, ‹потомучто|потому что› мост у деревни ремонтируют и автобус поехал в
объезд. Зато из окна мы увидели ‹озёро|озеро›, о котором никто из нас раньше не слышал. В усадьбе нас встретила
экскурсовод ‹Анна Петровна|Анна Петровна,› она работает там уже двадцать лет и знает историю каждого дерева в
парке. Сначала она показала нам главный дом. Его ‹построеный|построили› в конце восемнадцатого века, и с тех пор
он дважды горел. После второго пожара хозяева ‹решыли|решили› не восстанавливать левое крыло, поэтому сейчас дом
выглядит ‹не симметрично|несимметрично›.

Больше всего всем ‹понравился|понравилась› библиотека. В ней хранится около четырёх ‹тысячь|тысяч› книг на пяти
языках, и многие из них с пометками владельцев. Одна из книг, подаренная хозяину усадьбы известным поэтом, лежит
под стеклом. После обеда мы гуляли по парку, кормили уток и рисовали. Погода была ‹хорошей|хорошая›, хотя утром
обещали ‹дожд|дождь›. Домой мы вернулись поздно вечером, ‹уставшии|уставшие›, но довольные. В следующий раз мы
‹хочем|хотим› поехать туда зимой, чтобы ‹увидить|увидеть› парк под снегом и покататься на лыжах вдоль реки."""

CODE = '''\
import csv
from pathlib import Path


def read_rows(path‹|: Path›)‹| -> list[dict[str, str]]›:
    """Read all rows of a CSV file."""
    with ‹open(path)|path.open(encoding="utf-8", newline="")› as file:
        return list(csv.DictReader(file))


def total_by_month(rows‹|: list[dict[str, str]]›)‹| -> dict[str, float]›:
    """Sum the amounts of each month."""
    totals‹|: dict[str, float]› = {}
    for row in rows:
        month = row["date"][:7]
        ‹if month not in totals:
            totals[month] = 0
        totals[month] += float(row["amount"])|totals[month] = totals.get(month, 0.0) + float(row["amount"])›
    return totals


def write_report(totals‹|: dict[str, float]›, path‹|: Path›)‹| -> None›:
    """Write one line a month, the latest first."""
    lines = []
    for month, total in sorted(totals.items(), reverse=True):
        lines.append(f"{month};{total:.2f}")
    ‹open(path, "w").write("\\n".join(lines))|path.write_text("\\n".join(lines) + "\\n", encoding="utf-8")›


def main()‹| -> None›:
    rows = read_rows(‹|Path(›"payments.csv"‹|)›)
    write_report(total_by_month(rows), ‹|Path(›"report.csv"‹|)›)
    print(f"{len(rows)} rows")
'''

ARTICLE = """\
Sourdough is bread that rises without baker's yeast. Instead it relies on a starter: a paste of flour and water
in which wild yeasts and lactic acid bacteria live together. The yeasts produce carbon dioxide, which lifts the
dough; the bacteria produce lactic and acetic acid, which give the bread its sour taste and keep it from going
mouldy. A starter that is fed every day with equal weights of flour and water at 25 degrees Celsius doubles its
volume in four to six hours. Rye flour makes it livelier, because it contains more minerals and more of the
enzymes that turn starch into sugar. A starter that has been neglected in the refrigerator for a month usually
recovers after three feedings.

The oldest sourdough that archaeologists have found was baked around 3700 BC near Lake Biel in Switzerland.
Until the nineteenth century nearly all leavened bread was made in this way; then breweries began to sell
pressed yeast, which needs two hours where a starter needs ten. In San Francisco, gold miners of 1849 kept their
starters warm by sleeping beside them, and the bacterium that dominates there was named Fructilactobacillus
sanfranciscensis after the city."""

QUOTES = """\
According to the article, sourdough relies on a starter: "a paste of flour and water in which wild yeasts and
lactic acid bacteria live together". Its acids "give the bread its sour taste and keep it from going mouldy". A
starter fed daily "with equal weights of flour and water at 25 degrees Celsius doubles its volume in four to six
hours", and one that was neglected for a month "usually recovers after three feedings". Most bread was made like
this until breweries "began to sell pressed yeast, which needs two hours where a starter needs ten". The oldest
known loaf dates from around 3700 BC and was found near Lake Biel in Switzerland."""

CHAT = """\
Learning to swim as an adult is mostly a matter of trusting the water. Begin where you can stand, and practise
breathing out with your face below the surface until it feels dull. Only then try to float on your back, with
someone's hand under your shoulders if that helps. Kicking comes next: small, quick movements from the hip,
ankles loose. Most people hold their breath when they start using their arms, and that is why they tire after
ten metres. Take lessons twice a week rather than once, because the body forgets quickly, and do not compare
yourself with the children in the next lane. After two months you will probably manage a slow length without
stopping, and from there it is only patience."""


def unwrapped(text: str) -> str:
    """Each paragraph on one line."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def before_and_after(text: str) -> tuple[str, str]:
    """The text before and after the edit."""
    return re.sub(r"‹([^|]*)\|[^›]*›", r"\1", text), re.sub(r"‹[^|]*\|([^›]*)›", r"\1", text)
