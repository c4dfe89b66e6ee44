"""Places as people name them, in two languages; the numbers are GeoNames' own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assistant.domains.travel.names import fold
from assistant.domains.travel.places import DATA, Ambiguous, Place, Places


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    with Places.open() as table:
        yield table


def one(places: Places, text: str) -> Place:
    found = places.resolve(text)
    assert isinstance(found, Place), f"{text}: {found}"
    return found


@pytest.mark.parametrize(
    ("text", "name", "country"),
    [
        ("в Тбилиси", "Tbilisi", "GE"),
        ("из Москвы", "Moscow", "RU"),
        ("до Нижнего Новгорода", "Nizhny Novgorod", "RU"),
        ("в Набережных Челнах", "Naberezhnye Chelny", "RU"),
        ("в Великих Луках", "Velikie Luki", "RU"),
        ("в Санкт-Петербурге", "Saint Petersburg", "RU"),
        ("в Питер", "Saint Petersburg", "RU"),
        ("СПб", "Saint Petersburg", "RU"),
        ("В НЬЮ-ЙОРК", "New York City", "US"),
        ("нью йорка", "New York City", "US"),
        ("Ростове-на-Дону", "Rostov-on-Don", "RU"),
        ("из Орла", "Oryol", "RU"),
        ("в Ельце", "Yelets", "RU"),
        ("в Казани", "Kazan", "RU"),
        ("из Перми", "Perm", "RU"),
        ("город Ярославль", "Yaroslavl", "RU"),
        ("г. Казань", "Kazan", "RU"),
        ("в Карловых Варах", "Karlovy Vary", "CZ"),
        ("в Ницце", "Nice", "FR"),
        ("Алма-Ату", "Almaty", "KZ"),
        ("в Плёсе", "Plyos", "RU"),
        ("NYC", "New York City", "US"),
        ("LA", "Los Angeles", "US"),
        ("to the Hague", "The Hague", "NL"),
        ("St. Petersburg", "Saint Petersburg", "RU"),
        ("München", "Munich", "DE"),
        ("Cologne", "Cologne", "DE"),
        ("Bombay", "Mumbai", "IN"),
        ("Wien", "Vienna", "AT"),
    ],
)
def test_towns_in_any_case_and_spelling(places: Places, text: str, name: str, country: str) -> None:
    found = one(places, text)
    assert (found.name_en, found.country, found.kind) == (name, country, "city")


@pytest.mark.parametrize(
    ("text", "kind", "country"),
    [
        ("to the Netherlands", "country", "NL"),
        ("в Грузию", "country", "GE"),
        ("США", "country", "US"),
        ("в ОАЭ", "country", "AE"),
        ("UK", "country", "GB"),
        ("Тунис", "country", "TN"),
        ("на Мальдивах", "country", "MV"),
        ("на Кипре", "country", "CY"),
        ("на Бали", "island", "ID"),
        ("Bali", "island", "ID"),
        ("на Тенерифе", "island", "ES"),
        ("остров Крит", "island", "GR"),
        ("на Пхукете", "island", "TH"),
        ("на Байкал", "lake", "RU"),
        ("на Камчатку", "region", "RU"),
        ("на Алтае", "region", "RU"),
        ("в Тоскане", "region", "IT"),
        ("в Татарстане", "region", "RU"),
        ("Texas", "region", "US"),
    ],
)
def test_countries_islands_and_regions(places: Places, text: str, kind: str, country: str) -> None:
    found = one(places, text)
    assert (found.kind, found.country) == (kind, country)


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("Paris, Texas", "Texas"),
        ("Париж, Техас", "Texas"),
        ("Париж в Техасе", "Texas"),
        ("Paris (TX)", "Texas"),
        ("Paris Texas", "Texas"),
        ("Moscow, Idaho", "Idaho"),
        ("London, Ontario", "Ontario"),
        ("Saint Petersburg, Florida", "Florida"),
        ("Birmingham, AL", "Alabama"),
    ],
)
def test_a_qualifier_names_the_smaller_namesake(places: Places, text: str, region: str) -> None:
    assert one(places, text).region_en == region


def test_a_country_may_qualify_too(places: Places) -> None:
    assert one(places, "Париж, Франция").id == one(places, "paris, fr").id == one(places, "Paris").id
    assert places.resolve("Paris, Idaho, Texas") is None
    assert places.resolve("Париж, Грузия") is None


def test_far_larger_namesakes_win_and_others_are_asked_about(places: Places) -> None:
    assert one(places, "Paris").country == "FR"
    assert one(places, "Moscow").country == "RU"
    assert one(places, "London").country == "GB"
    found = places.resolve("Валенсия")
    assert isinstance(found, Ambiguous)
    assert not found.misspelt
    assert {each.country for each in found.candidates} == {"ES", "VE"}
    told = [places.describe(each, "ru") for each in found.candidates]
    assert len(set(told)) == len(told)
    for each in found.candidates:
        assert one(places, places.specify(each, "ru")).id == each.id
    # The country, or the state of the USA.
    georgia = places.resolve("Georgia")
    assert isinstance(georgia, Ambiguous)
    assert {(each.kind, each.country) for each in georgia.candidates} == {("country", "GE"), ("region", "US")}


def test_home_breaks_a_tie(places: Places) -> None:
    found = places.resolve("Валенсия", near=one(places, "Мадрид"))
    assert isinstance(found, Place)
    assert found.country == "ES"


def test_a_clear_slip_is_understood_and_a_doubtful_one_asked_back(places: Places) -> None:
    assert one(places, "Тбилисси").name_en == "Tbilisi"
    assert one(places, "в Екатеринбурхе").name_en == "Yekaterinburg"
    found = places.resolve("Лондн")
    assert isinstance(found, Ambiguous)
    assert found.misspelt
    assert found.candidates[0].name_en == "London"


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "Нарния", "Wakanda", "Хогвартс", "музей", "еда", "море", "на море", "домой", "Европа", "the",
        "of", "in", "😀", "%", "'; drop table place; --", "\x00", "а" * 10_000, "Москва " * 2_000, "#99", "12345",
    ],
)  # fmt: skip
def test_what_is_no_place_is_unknown(places: Places, text: str) -> None:
    assert places.resolve(text) is None


def test_airports_by_code_and_name(places: Places) -> None:
    # Codes: IATA.
    assert (one(places, "SVO").kind, one(places, "SVO").iata) == ("airport", "SVO")
    assert one(places, "TBS").timezone == "Asia/Tbilisi"
    assert one(places, "из Шереметьево").iata == one(places, "svo").iata == "SVO"
    assert one(places, "Heathrow").iata == "LHR"


def test_a_place_says_where_it_comes_from(places: Places) -> None:
    tbilisi = one(places, "Тбилиси")
    # https://www.geonames.org/611717
    assert tbilisi.id == 611717
    assert (round(tbilisi.latitude, 2), round(tbilisi.longitude, 2)) == (41.69, 44.83)
    assert tbilisi.timezone == "Asia/Tbilisi"
    assert "611717" in tbilisi.source
    assert "CC BY" in tbilisi.source
    bali = one(places, "Бали")
    assert bali.source == "airportsdata DPS"
    anchor = places.anchor(bali)
    assert anchor is not None
    assert anchor.iata == "DPS"
    assert one(places, "#611717") == tbilisi


def test_letters_are_folded_alike() -> None:
    assert fold("Зелёный  Йорк") == "зеленый йорк"
    assert fold("Зе\u043b\u0435\u0308ный И\u0306орк") == "зеленый йорк"
    assert fold("São Tomé") == "sao tome"
    assert fold("Xi’an") == "xian"
    assert fold("Bălți") == "balti"
    assert fold("St. John's") == "saint johns"


def test_the_table_was_built_from_the_lists_beside_it(places: Places) -> None:
    for line in (DATA / "destinations.tsv").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            kind, country, gateway, english, russian = line.split("\t")
            for name in (*english.split(";"), *russian.split(";")):
                found = [(each.kind, each.country, each.stands) for each in places.find(name)]
                assert (kind, country, f"airport:{gateway}") in found, name
    for line in (DATA / "aliases.tsv").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            country, _, names = line.split("\t")
            for name in names.split(";"):
                assert country in {each.country for each in places.find(name)}, name
