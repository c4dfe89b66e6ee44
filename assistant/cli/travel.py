"""``assistant travel``: what is known of places, offline."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from assistant.cli.writing import print_json, print_table, shortened
from models.errors import UsageError, UserError

if TYPE_CHECKING:
    from assistant.domains.travel.places import Ambiguous, Place, Places

_TEXTS = {
    "name a place": ("Name a place.", "Назовите место."),
    "example": ('For instance: assistant travel facts "Paris, Texas"', "Например: assistant travel facts Тбилиси"),
    "unknown": ("There is no place {text} in the table.", "Места {text} нет в таблице."),
    "spelling": (
        "Check the spelling, or name a larger town near it: the table has towns, islands, regions and countries.",
        "Проверьте написание или назовите город покрупнее рядом: в таблице города, острова, регионы и страны.",
    ),
    "several": ("{text} may be several places.", "{text}: таких мест несколько."),
    "misspelt": ("There is no place {text} in the table.", "Места {text} нет в таблице."),
    "say which": ("Say which:", "Напишите, какое:"),
    "did you mean": ("Did you mean:", "Возможно:"),
    "no day": ("There is no day {text}.", "Такого дня нет: {text}."),
    "day form": ("Write it as 2027-05-31.", "Напишите так: 2027-05-31 или 31.05.2027."),
    "no holidays": ("The holidays of {text} are not known.", "Праздники ({text}) неизвестны."),
    "online": ("Check them online.", "Посмотрите их в интернете."),
    "years": ("They are known from {first} to {last}.", "Они известны с {first} по {last} год."),
    "check online": ("Not known offline, check online: ", "Без интернета неизвестно, проверьте: "),
    "as the crow flies": ("as the crow flies", "по прямой"),
    "flight": (
        "flight: about {time} (estimate: {formula})",
        "полёт: около {time} (оценка: {formula})",
    ),
}
_CODE = re.compile(r"[a-zA-Z]{2}")
_LOCAL_DAY = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")

_place = click.argument("place", nargs=-1)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_lang = click.option("--lang", type=click.Choice(["en", "ru"]), help="Language of the output; that of the interface.")


class _Travel(click.Group):
    """``plan`` needs a model, and is imported only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["plan", *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name == "plan":
            from assistant.cli.travel_plan import plan

            return plan
        return super().get_command(ctx, name)


@click.group(cls=_Travel, short_help="Plan trips; places, distances, times and holidays, offline.")
def travel() -> None:
    """Plan trips, and see what is known of places: offline, each fact with its source.

    Places are named in English or Russian, in any case. Towns: GeoNames (geonames.org), CC BY 4.0.
    """


@travel.command()
@_place
@click.option("--on", "on", metavar="DATE", help="The day, as 2027-05-31; today by default.")
@click.option("--until", metavar="DATE", help="The last day, for holidays; by default 30 days later.")
@click.option("--from", "home", metavar="HOME", help="Where from: for distance, time and holidays at home.")
@_lang
@_json
def facts(
    place: Sequence[str], on: str | None, until: str | None, home: str | None, lang: str | None, as_json: bool
) -> None:
    """Print what is known of PLACE: time, daylight, money, languages, airports, holidays."""
    from assistant.domains.travel.facts import facts as known_of

    with _places(lang) as (places, say):
        start, end = say.day(on), say.day(until)
        there, origin = say.one(place), say.one([home]) if home is not None else None
        found = known_of(there, start, origin, say.language, until=end, places=places)
    if as_json:
        print_json(found.to_json())
        return
    sources = list(dict.fromkeys(fact.source for fact in found.facts))
    for fact in found.facts:
        click.echo(f"{click.style(fact.label, bold=True)}: {fact.text} [{sources.index(fact.source) + 1}]")
    click.echo(say("check online") + ", ".join(found.check_online) + ".")
    for number, source in enumerate(sources, 1):
        click.echo(click.style(f"[{number}] {source}", dim=True))


@travel.command()
@click.argument("start", metavar="A")
@click.argument("end", metavar="B")
@_lang
@_json
def distance(start: str, end: str, lang: str | None, as_json: bool) -> None:
    """Print how far it is from A to B, and how long a flight takes by a formula."""
    from assistant.domains.travel import geography

    with _places(lang) as (places, say):
        one, other = say.one([start]), say.one([end])
        names = [places.describe(each, say.language, people=False) for each in (one, other)]
    kilometres = geography.distance_km(one, other)
    minutes, formula = geography.flight_minutes(kilometres), geography.formula(say.language)
    if as_json:
        print_json(
            {
                "from": one.to_json(say.language),
                "to": other.to_json(say.language),
                "km": round(kilometres, 1),
                "flight_minutes": minutes,
                "flight_formula": formula,
                "source": geography.SOURCE,
            }
        )
        return
    number = f"{kilometres:,.0f}".replace(",", "\u202f" if say.language == "ru" else ",")
    unit = "км" if say.language == "ru" else "km"
    click.echo(f"{names[0]} – {names[1]}: {number} {unit} ({say('as the crow flies')}; {geography.SOURCE})")
    if minutes:
        click.echo(say("flight", time=geography.duration(minutes, say.language), formula=formula))
    for each in dict.fromkeys((one.source, other.source)):
        click.echo(click.style(each, dim=True))


@travel.command()
@click.argument("country", nargs=-1)
@click.option("--year", type=int, help="This year by default.")
@_lang
@_json
def holidays(country: Sequence[str], year: int | None, lang: str | None, as_json: bool) -> None:
    """Print the national public holidays of COUNTRY, or of the country that a town is in."""
    from assistant.domains.travel import public_holidays
    from assistant.domains.travel.countries import country_name

    with _places(lang) as (places, say):
        text = " ".join(country).strip()
        named = places.country(text) if _CODE.fullmatch(text) else None
        named = named or next((each for each in places.find(text) if each.kind == "country"), None)
        code = (named or say.one(country)).country
    name, chosen = country_name(code, say.language), year if year is not None else date.today().year
    last = public_holidays.last_year(code)
    if not public_holidays.FIRST_YEAR <= chosen <= last:
        hint = say("years", first=public_holidays.FIRST_YEAR, last=last) if last else say("online")
        raise UsageError(say("no holidays", text=f"{name}, {chosen}"), hint)
    found = public_holidays.holidays_between(code, date(chosen, 1, 1), date(chosen, 12, 31), say.language) or []
    if as_json:
        days = [each.to_json() for each in found]
        print_json(
            {"country": code, "name": name, "year": chosen, "holidays": days, "source": public_holidays.source()}
        )
        return
    click.echo(click.style(f"{name}, {chosen}", bold=True))
    weekdays = _WEEKDAYS[say.language]
    print_table([(each.day.isoformat(), weekdays[each.day.weekday()], each.name) for each in found])
    click.echo(click.style(public_holidays.source(), dim=True))


@travel.command("places")
@click.argument("query", nargs=-1)
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True, help="How many.")
@_lang
@_json
def places_(query: Sequence[str], limit: int, lang: str | None, as_json: bool) -> None:
    """List the places that QUERY may name, the likeliest first, with what to type to mean each."""
    with _places(lang) as (places, say):
        found = places.find(say.text(query))[:limit]
        if not found:
            say.one(query)
        if as_json:
            listed = [each.to_json(say.language) for each in found]
            print_json({"query": " ".join(query), "places": listed})
            return
        rows = [(each.kind, places.describe(each, say.language), places.specify(each, say.language)) for each in found]
    print_table(rows)


_WEEKDAYS = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "ru": ("пн", "вт", "ср", "чт", "пт", "сб", "вс"),
}


class _Saying:
    """Texts in one language, and places as they were typed."""

    def __init__(self, language: str, places: Places):
        self.language = language
        self._places = places

    def __call__(self, key: str, /, **values: object) -> str:
        return _TEXTS[key][self.language == "ru"].format(**values)

    def text(self, words: Sequence[str]) -> str:
        """The words that were given.

        Raises:
            UsageError: there are none.
        """
        text = " ".join(words).strip()
        if not text:
            raise UsageError(self("name a place"), self("example"))
        return text

    def one(self, words: Sequence[str]) -> Place:
        """The place that they name.

        Raises:
            UsageError: it may be several.
            UserError: it is none.
        """
        from assistant.domains.travel.places import Ambiguous

        text = self.text(words)
        found = self._places.resolve(text)
        if found is None:
            raise UserError(self("unknown", text=shortened(text, 60)), self("spelling"))
        if isinstance(found, Ambiguous):
            key = "misspelt" if found.misspelt else "several"
            raise UsageError(self(key, text=shortened(text, 60)), self._candidates(found))
        return found

    def day(self, text: str | None) -> date | None:
        """A day as 2027-05-31 or 31.05.2027.

        Raises:
            UsageError: there is no such day.
        """
        if text is None:
            return None
        local = _LOCAL_DAY.fullmatch(text.strip())
        try:
            if local:
                return date(int(local[3]), int(local[2]), int(local[1]))
            return date.fromisoformat(text.strip())
        except ValueError:
            raise UsageError(self("no day", text=shortened(text, 40)), self("day form")) from None

    def _candidates(self, found: Ambiguous) -> str:
        lines = [self("did you mean" if found.misspelt else "say which")]
        for each in found.candidates:
            typed = self._places.specify(each, self.language)
            lines.append(f"  {self._places.describe(each, self.language)}: «{typed}»")
        return "\n".join(lines)


@contextmanager
def _places(lang: str | None) -> Iterator[tuple[Places, _Saying]]:
    from assistant import settings
    from assistant.domains.travel.places import Places
    from assistant.language import interface_language

    language: Any = lang or interface_language(settings.load().language)
    with Places.open() as places:
        yield places, _Saying(language, places)
