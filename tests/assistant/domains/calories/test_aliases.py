"""What everyday words mean: the food, and whether its energy is what people mean by the word."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assistant.domains.calories.foods import DATA, SURE, Foods
from assistant.domains.calories.lemmas import words

# What is said → the food; the energy per 100 g that labels and tables of cooked food give for it.
EVERYDAY = """
молоко | sr24:01077 | 55 65
молоко 2,5% | sr24:01079 | 45 57
обезжиренное молоко | sr24:01085 | 30 37
кефир | fndds:kefir | 45 60
кефир 1% | sr24:01088 | 35 45
кефир 3,2% | sr24:01230 | 55 65
ряженка | recipe:ryazhenka | 55 75
творог | recipe:tvorog-5 | 110 130
творог 9% | recipe:tvorog-9 | 145 170
творог 18% | recipe:tvorog-18 | 210 240
обезжиренный творог | recipe:tvorog-0 | 70 100
сметана | sr24:01056 | 185 215
сметана 15% | recipe:smetana-15 | 145 170
сливки 10% | sr24:01049 | 110 135
сливочное масло | sr24:01001 | 700 750
растительное масло | sr24:04506 | 880 900
оливковое масло | sr24:04053 | 880 900
сыр | sr24:01022 | 330 380
плавленый сырок | sr24:01048 | 250 310
брынза | sr24:01019 | 240 280
яйцо | sr24:01129 | 145 160
сырое яйцо | sr24:01123 | 140 150
жареное яйцо | sr24:01128 | 180 210
яичница | sr24:01128 | 180 210
омлет | sr24:01130 | 140 190
гречка | sr24:20010 | 85 115
сухая гречка | sr24:20009 | 330 350
гречневая каша на молоке | recipe:buckwheat-milk | 85 125
овсянка | sr24:08121 | 65 95
овсянка на молоке | recipe:oatmeal-milk | 90 115
рис | sr24:20045 | 115 135
рисовая каша | recipe:rice-milk | 90 110
манка | recipe:semolina-milk | 85 110
макароны | sr24:20100 | 140 165
сухие макароны | sr24:20099 | 340 375
хлеб | sr24:18069 | 250 275
чёрный хлеб | recipe:rye-bread | 190 235
лаваш | sr24:18041 | 235 285
картошка | sr24:11367 | 75 95
жареная картошка | recipe:fried-potato | 170 215
картофельное пюре | sr24:11657 | 80 115
картошка фри | fndds:potato-french-fries-fast-food | 280 330
помидоры | sr24:11529 | 15 25
солёный огурец | sr24:11941 | 8 20
квашеная капуста | sr24:11439 | 15 30
тушёная капуста | recipe:stewed-cabbage | 70 105
морковь по-корейски | recipe:korean-carrot | 110 150
варёная свёкла | sr24:11081 | 40 52
курица | sr24:05013 | 165 200
куриная грудка | sr24:05064 | 150 170
сырая куриная грудка | sr24:05062 | 105 120
варёная куриная грудка | sr24:05065 | 135 155
говядина | fndds:beef-stew-meat | 210 260
печень | sr24:13326 | 150 200
котлета | recipe:cutlet | 220 280
паровая котлета | recipe:cutlet-steamed | 120 170
шашлык | recipe:shashlik-pork | 240 320
докторская колбаса | recipe:doctor-sausage | 240 265
копчёная колбаса | sr24:07069 | 320 420
сосиски | recipe:sosiska | 240 280
сало | sr24:10165 | 700 820
селёдка | recipe:herring-salted | 200 260
слабосолёная сёмга | recipe:salmon-salted | 180 220
жареная рыба | recipe:cod-fried | 150 200
крабовые палочки | sr24:15138 | 70 100
борщ | recipe:borscht | 40 65
щи | recipe:shchi | 30 50
окрошка | recipe:okroshka-kvass | 45 75
окрошка на кефире | recipe:okroshka-kefir | 45 75
солянка | recipe:solyanka | 50 90
куриный суп | recipe:noodle-soup | 30 60
оливье | recipe:olivier | 160 210
винегрет | recipe:vinegret | 80 135
селёдка под шубой | recipe:shuba | 150 210
греческий салат | recipe:greek-salad | 90 140
плов | recipe:plov | 150 210
макароны по-флотски | recipe:navy-pasta | 160 220
пельмени | recipe:pelmeni | 190 250
вареники с творогом | recipe:vareniki-tvorog | 170 220
манты | recipe:manty | 180 230
хинкали | recipe:khinkali | 170 235
хачапури | recipe:khachapuri-imeretian | 240 300
чебурек | recipe:chebureki | 250 310
шаурма | recipe:shawarma | 170 230
блины | recipe:blin | 180 235
сырники | recipe:syrniki | 180 240
творожная запеканка | recipe:zapekanka | 150 200
драники | sr24:11672 | 190 270
голубцы | recipe:golubtsy | 100 160
холодец | recipe:kholodets | 100 200
яблоко | sr24:09003 | 45 60
банан | sr24:09040 | 85 97
черешня | sr24:09070 | 50 70
арбуз | sr24:09326 | 25 35
курага | sr24:09032 | 215 250
грецкие орехи | sr24:12155 | 640 670
семечки | sr24:12036 | 570 610
сахар | sr24:19335 | 380 400
мёд | sr24:19296 | 300 330
сгущёнка | sr24:01095 | 315 335
шоколад | sr24:19120 | 520 560
зефир | recipe:zefir | 295 330
халва | sr24:19117 | 465 540
мороженое | fndds:ice-cream-vanilla | 190 235
чай с сахаром | recipe:tea-sugar | 10 30
кофе с молоком | recipe:coffee-milk | 8 30
капучино | recipe:cappuccino | 27 55
квас | recipe:kvass | 20 35
компот | recipe:compote | 30 65
кола без сахара | sr24:14416 | 0 5
пиво | sr24:14003 | 40 50
водка | sr24:14051 | 220 240
майонез | sr24:04025 | 620 730
milk | sr24:01077 | 55 65
skim milk | sr24:01085 | 30 37
2% milk | sr24:01079 | 45 55
egg | sr24:01129 | 145 160
scrambled eggs | sr24:01132 | 140 190
cottage cheese | sr24:01012 | 80 110
greek yogurt | fndds:yogurt-greek-ns-as-to-type-of-milk-plain | 55 100
cheddar | sr24:01009 | 395 415
butter | sr24:01001 | 700 750
olive oil | sr24:04053 | 880 900
bread | sr24:18069 | 250 275
whole wheat bread | sr24:18075 | 240 260
toast | sr24:18070 | 280 310
oatmeal | sr24:08121 | 65 95
oats dry | sr24:08120 | 370 390
rice | sr24:20045 | 115 135
brown rice | sr24:20037 | 105 125
pasta | sr24:20100 | 140 165
spaghetti bolognese | recipe:spaghetti-bolognese | 120 170
chicken breast | sr24:05064 | 150 170
raw chicken breast | sr24:05062 | 105 120
chicken thigh | sr24:05098 | 170 220
chicken nuggets | fndds:chicken-nuggets-from-fast-food | 260 320
ground beef | sr24:23220 | 220 280
steak | fndds:beef-steak-nfs | 200 280
bacon | sr24:10124 | 450 560
ham | sr24:07029 | 110 180
salmon | sr24:15237 | 180 230
smoked salmon | sr24:15077 | 110 210
canned tuna | sr24:15121 | 85 130
shrimp | sr24:15151 | 85 125
potato | sr24:11367 | 75 95
baked potato | sr24:11356 | 85 105
french fries | fndds:potato-french-fries-fast-food | 280 330
broccoli | sr24:11091 | 25 45
carrots | sr24:11124 | 35 45
cucumber | sr24:11205 | 10 18
avocado | sr24:09037 | 155 170
hummus | fndds:hummus-plain | 165 260
apple | sr24:09003 | 45 60
strawberries | sr24:09316 | 28 40
almonds | sr24:12061 | 570 600
peanut butter | sr24:16098 | 580 610
pizza | sr24:21302 | 240 300
cheeseburger | sr24:21090 | 250 310
hot dog | sr24:21118 | 230 300
burrito | fndds:burrito-nfs | 180 240
caesar salad | recipe:caesar-chicken | 130 200
chicken noodle soup | recipe:noodle-soup | 30 60
borscht | recipe:borscht | 40 65
sushi | fndds:sushi-topped-with-salmon | 90 160
pancakes | sr24:18293 | 220 290
croissant | sr24:18239 | 390 420
donut | sr24:18255 | 380 440
cheesecake | fndds:cheesecake-plain | 300 410
dark chocolate | sr24:19904 | 530 610
milk chocolate | sr24:19120 | 520 560
ice cream | fndds:ice-cream-vanilla | 190 235
popcorn | fndds:popcorn-nfs | 380 530
honey | sr24:19296 | 300 330
coffee | sr24:14209 | 0 3
latte | recipe:latte | 40 60
green tea | fndds:tea-hot-leaf-green | 0 2
orange juice | sr24:09206 | 40 50
coke | sr24:14400 | 36 44
diet coke | sr24:14416 | 0 5
red wine | sr24:14096 | 80 90
whey protein | fndds:nutritional-powder-mix-whey-based-nfs | 340 420
ketchup | sr24:11935 | 90 115
"""
# Words for whole kinds of dishes: what they stand for is offered, never taken.
WIDE = ["суп", "салат", "каша", "фрукты", "пирог", "мясо", "soup", "salad", "fruit", "pie"]


@pytest.fixture(scope="module")
def foods() -> Iterator[Foods]:
    with Foods.open() as opened:
        yield opened


def cases() -> list[tuple[str, str, float, float]]:
    found = []
    for line in EVERYDAY.strip().splitlines():
        said, food, energy = line.split(" | ")
        low, high = map(float, energy.split())
        found.append((said, food, low, high))
    return found


@pytest.mark.parametrize(("said", "food", "low", "high"), cases(), ids=lambda value: str(value))
def test_everyday_words(foods: Foods, said: str, food: str, low: float, high: float) -> None:
    first = foods.look_up(said)[0]
    assert (first.food.id, first.score >= SURE) == (food, True)
    assert first.food.per_100g.kcal is not None
    assert low <= first.food.per_100g.kcal <= high


@pytest.mark.parametrize("said", WIDE)
def test_kinds_of_dishes_are_not_taken_without_asking(foods: Foods, said: str) -> None:
    found = foods.look_up(said)
    assert not found or found[0].score < SURE or found[0].how == "text"


def rows() -> list[list[str]]:
    lines = (DATA / "aliases.tsv").read_text("utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")][1:]


def test_every_name_means_a_food_that_has_it(foods: Foods) -> None:
    named: dict[str, tuple[str, set[str]]] = {}
    for food, *names in (row[:3] for row in rows()):
        for name in ";".join(names).split(";"):
            # A wide name may also be one of the table's own, word for word.
            if name.strip() and not name.endswith("?"):
                key = " ".join(sorted(word.text for word in words(name)))
                named.setdefault(key, (name.strip(), set()))[1].add(food)
    lost = []
    for name, owners in named.values():
        found = foods.look_up(name, limit=1)
        if not found or found[0].food.id not in owners or found[0].score < SURE:
            lost.append((name, [(one.food.id, one.score) for one in found]))
    assert not lost
    assert len({owner for _, owners in named.values() for owner in owners}) > 1200


def test_dishes_and_drinks_have_a_usual_portion(foods: Foods) -> None:
    without = {
        row[0]
        for row in rows()
        if row[0].startswith("recipe:")
        and (food := foods.get(row[0]))
        and not any(measure.unit == "serving" for measure in food.measures)
    }
    assert without == set()
