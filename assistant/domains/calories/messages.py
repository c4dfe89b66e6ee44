"""What the calories say to the user, in English and Russian. A test holds both to the same keys and placeholders."""

from __future__ import annotations

from datetime import date
from typing import Literal

ENGLISH = {
    # nutrients and tables
    "kcal": "kcal",
    "protein": "protein",
    "fat": "fat",
    "carbohydrate": "carbohydrate",
    "fibre": "fibre",
    "food": "Food",
    "grams": "g",
    "p": "P",
    "f": "F",
    "c": "C",
    "source": "Source",
    "total": "Total",
    "unknown_food": "{span}: **not found**",
    "doubtful_food": "{span}: **how much?**",
    "estimate_mark": "≈",
    "estimate_note": "≈ is an estimate from a recipe.",
    "missing_note": "– is what the table does not say; sums leave it out.",
    "nothing_recorded_day": "Nothing is recorded for {day}.",
    "of_goal": "{value} of {goal} ({percent} %)",
    "left": "{value} left",
    "over": "{value} over",
    "made_of": "In 100 g:",
    "in_grams": "{value} g",
    "week_title": "{first} – {last}, kcal a day",
    "goal_line": "goal {kcal}",
    "average": "On average {kcal} kcal over {days} with entries: protein {protein} g, fat {fat} g, "
    "carbohydrate {carbohydrate} g.",
    "days": "day|days",
    "entries": "entry|entries",
    "empty_week": "Nothing is recorded from {first} to {last}.",
    "today": "today",
    "yesterday": "yesterday",
    "breakfast": "breakfast",
    "lunch": "lunch",
    "dinner": "dinner",
    "snack": "snack",
    # goal
    "no_such_age": "Nobody is {age} years old.",
    "a_child": "This equation is for adults of {adult} years and more, and children must not diet by a program.",
    "ask_doctor": "Talk to a doctor about it.",
    "check_profile": "Check the number.",
    "check_number": "Check the number.",
    "no_such_height": "A height of {value} cm is not between {low} and {high} cm.",
    "no_such_weight": "A weight of {value} kg is not between {low} and {high} kg.",
    "too_thin": "At a body mass index of {index} kg/m² (below {thin} is underweight) losing weight would do harm.",
    "goal_too_low": "{kcal} kcal a day is less than {least}, the least that is safe without a doctor.",
    "goal_too_high": "{kcal} kcal a day is more than {most}, which hardly anybody eats.",
    "goal_note": "Mifflin–St Jeor (1990): {resting} kcal at rest × {factor} for activity = {expenditure} kcal{aim}.",
    "goal_aim": ", {kcal} for the aim",
    "raised": "That would be {kcal} kcal; {least} is the least that is safe without a doctor.",
    "no_room": "That is no less than you spend: eating less is no safe way to lose weight here; ask a doctor.",
    "beyond_study": "The equation was measured up to the age of {age}: above it the number is rougher.",
    "goal_yours": "The number is yours.",
    "goal_is": "Goal: {kcal} kcal a day; protein {protein} g, fat {fat} g, carbohydrate {carbohydrate} g "
    "(20, 30 and 50 % of the energy).",
    "no_goal": "There is no goal yet: “goal 2000”, or `assistant calories profile` works one out.",
    "goal_forgotten": "There is no goal any more.",
    "disclaimer": "This is arithmetic from tables, no medical advice. With an illness, in pregnancy or while "
    "breastfeeding, ask a doctor or a dietician.",
    # proposals
    "proposal": "Here is how I read it. Nothing is recorded yet.",
    "read_as": "{meal}, {day}",
    "weights": "Grams: {foods}.",
    "unknown": "I do not know {spans}. What is it? “{number} = cottage cheese” names it, "
    "“drop {number}” leaves it out.",
    "how_to_answer": "**yes** records it · **{number} = 150 g** corrects an amount · "
    "**{number} = cottage cheese** a food · **drop {number}** · **no** discards it.",
    "how_to_answer_unknown": "**{number} = cottage cheese**, **{number} = 150 g** correct it · **no** discards it.",
    "recorded": "Recorded: {foods}.",
    "recorded_before": "Recorded: {foods}; “undo” takes it back.",
    "not_recorded_before": "Left out, because it is not known or not sure: {foods}.",
    "left_out": "Left out, because I do not know it: {foods}.",
    "learnt": "From now on “{span}” is {food}.",
    "discarded": "Discarded. Nothing was recorded.",
    "terminal_question": "Record it? yes · 2 = 150 g · 2 = cottage cheese · drop 2 · no",
    "no_model": "Only the grammar read this, without a model.",
    "nothing_waits": "Nothing waits for an answer. Tell me what you ate: “200 g cottage cheese and a glass of milk”.",
    "nothing_known": "Nothing of this can be recorded yet: I do not know {spans}.",
    "no_such_number": "There is no number {number}.",
    "no_such_food": "I do not know “{words}”.",
    "not_an_amount": "I cannot weigh “{words}” for {food}. Give grams: “{number} = 150 g”.",
    "impossible_amount": "“{words}” is no amount of food for one meal.",
    "choose": "Which one is “{words}”? Answer with a number, or name it: “{number} = …”.",
    "choose_id": "Which one is “{words}”? Give the name of one, or its id behind the =:",
    "nothing_left": "Nothing is left of it. Nothing was recorded.",
    "answer_only": "This was only an answer; nothing is recorded. To record it, say what you ate.",
    "future_day": "{day} has not come yet: a diary is for what was eaten.",
    "no_such_day": "“{words}” is no date.",
    "no_food": "I see no food in this, and nothing is recorded. This is a food diary and answers nothing else: tell me "
    "what you ate (“200 g cottage cheese and a glass of milk”), or ask for “help”.",
    "thanks": "You are welcome.",
    "help": "I keep a food diary: tell me what you ate, and I work out energy and nutrients from the tables of the "
    "USDA, with the source of each number.\n\n"
    "- “200 g cottage cheese and a glass of milk”, “yesterday for dinner borscht”: a meal; several lines are several\n"
    "- **today**, **yesterday**, **week**: what is recorded · **undo** takes the last change back\n"
    "- **goal 2000** sets a goal; `assistant calories profile` works one out from age, height and weight\n"
    "- **drop 12**, **12 = 150 g**: change entry 12 of the diary",
    "still_waiting": "What I read before still waits for your answer (yes, no).",
    "undone_add": "Taken back: {foods}.",
    "undone_remove": "In the diary again: {foods}.",
    "undone_edit": "As before: {foods}.",
    "undone_learnt": "Forgotten what was learnt.",
    "nothing_to_undo": "There is nothing to take back.",
    "removed": "Removed: {foods}. “undo” brings it back.",
    "edited": "Changed: {foods}. “undo” takes it back.",
    "with_this": "With this, {day}",
    "so_far": "So far, {day}",
}

RUSSIAN = {
    "kcal": "ккал",
    "protein": "белки",
    "fat": "жиры",
    "carbohydrate": "углеводы",
    "fibre": "клетчатка",
    "food": "Еда",
    "grams": "г",
    "p": "Б",
    "f": "Ж",
    "c": "У",
    "source": "Источник",
    "total": "Всего",
    "unknown_food": "{span}: **не найдено**",
    "doubtful_food": "{span}: **сколько?**",
    "estimate_mark": "≈",
    "estimate_note": "≈ — оценка по рецепту.",
    "missing_note": "– — в таблице этого нет; в сумму не входит.",
    "nothing_recorded_day": "Записей нет: {day}.",
    "of_goal": "{value} из {goal} ({percent} %)",
    "left": "осталось {value}",
    "over": "больше на {value}",
    "made_of": "В 100 г:",
    "in_grams": "{value} г",
    "week_title": "{first} – {last}, ккал в день",
    "goal_line": "цель {kcal}",
    "average": "В среднем {kcal} ккал, {days} с записями: белки {protein} г, жиры {fat} г, углеводы {carbohydrate} г.",
    "days": "день|дня|дней",
    "entries": "запись|записи|записей",
    "empty_week": "С {first} по {last} записей нет.",
    "today": "сегодня",
    "yesterday": "вчера",
    "breakfast": "завтрак",
    "lunch": "обед",
    "dinner": "ужин",
    "snack": "перекус",
    "no_such_age": "Возраста {age} не бывает.",
    "a_child": "Эта формула — для взрослых, от {adult} лет; детям нельзя худеть или поправляться по программе.",
    "ask_doctor": "Поговорите об этом с врачом.",
    "check_profile": "Проверьте число.",
    "check_number": "Проверьте число.",
    "no_such_height": "Рост {value} см — не от {low} до {high} см.",
    "no_such_weight": "Вес {value} кг — не от {low} до {high} кг.",
    "too_thin": "При индексе массы тела {index} кг/м² (меньше {thin} — недостаток веса) худеть вредно.",
    "goal_too_low": "{kcal} ккал в день меньше, чем {least}: ниже без врача опасно.",
    "goal_too_high": "{kcal} ккал в день больше, чем {most}: столько почти никто не ест.",
    "goal_note": "Миффлин — Сан-Жеор (1990): {resting} ккал в покое × {factor} за активность = "
    "{expenditure} ккал{aim}.",
    "goal_aim": ", {kcal} ради цели",
    "raised": "Вышло бы {kcal} ккал; {least} — меньше без врача опасно.",
    "no_room": "Это не меньше, чем вы тратите: есть ещё меньше опасно, спросите врача.",
    "beyond_study": "Формулу проверяли до {age} лет: дальше число грубее.",
    "goal_yours": "Число ваше.",
    "goal_is": "Цель: {kcal} ккал в день; белки {protein} г, жиры {fat} г, углеводы {carbohydrate} г "
    "(20, 30 и 50 % энергии).",
    "no_goal": "Цели ещё нет: «цель 2000», или её рассчитает `assistant calories profile`.",
    "goal_forgotten": "Цели больше нет.",
    "disclaimer": "Это арифметика по таблицам, а не совет врача. При болезни, беременности и кормлении грудью "
    "спросите врача или диетолога.",
    "proposal": "Вот как я это понял. Пока ничего не записано.",
    "read_as": "{meal}, {day}",
    "weights": "Граммы: {foods}.",
    "unknown": "Не знаю: {spans}. Что это? «{number} = творог» — назвать, «убери {number}» — пропустить.",
    "how_to_answer": "**да** — записать · **{number} = 150 г** — исправить количество · **{number} = творог** — еду · "
    "**убери {number}** · **нет** — не записывать.",
    "how_to_answer_unknown": "**{number} = творог**, **{number} = 150 г** — исправить · **нет** — не записывать.",
    "recorded": "Записано: {foods}.",
    "recorded_before": "Записано: {foods}; «отмени» — чтобы убрать.",
    "not_recorded_before": "Не записано, потому что неизвестно или под вопросом: {foods}.",
    "left_out": "Не записано, потому что неизвестно: {foods}.",
    "learnt": "Теперь «{span}» — это {food}.",
    "discarded": "Хорошо, ничего не записано.",
    "terminal_question": "Записать? да · 2 = 150 г · 2 = творог · убери 2 · нет",
    "no_model": "Это прочитано по одной грамматике, без модели.",
    "nothing_waits": "Ответа ничто не ждёт. Напишите, что вы съели: «200 г творога и стакан молока».",
    "nothing_known": "Записать пока нечего, не знаю: {spans}.",
    "no_such_number": "Номера {number} нет.",
    "no_such_food": "Не знаю, что такое «{words}».",
    "not_an_amount": "Не могу взвесить «{words}» ({food}). Назовите граммы: «{number} = 150 г».",
    "impossible_amount": "«{words}» — так много или так мало за раз не едят.",
    "choose": "Что из этого «{words}»? Ответьте номером или назовите иначе: «{number} = …».",
    "choose_id": "Что из этого «{words}»? Напишите после = название или код:",
    "nothing_left": "Ничего не осталось, ничего и не записано.",
    "answer_only": "Это только ответ, в дневник ничего не записано. Чтобы записать, напишите, что вы съели.",
    "future_day": "{day} ещё не наступило: в дневнике — то, что съедено.",
    "no_such_day": "Такой даты нет: «{words}».",
    "no_food": "Еды здесь не вижу, ничего не записано. Это дневник питания, на другое он не отвечает: напишите, что вы "
    "съели («200 г творога и стакан молока»), или «помощь».",
    "thanks": "Пожалуйста.",
    "help": "Я веду дневник питания: напишите, что вы съели, и я сосчитаю энергию, белки, жиры и углеводы по таблицам "
    "USDA, с источником каждого числа.\n\n"
    "- «200 г творога и стакан молока», «вчера на ужин борщ» — еда; несколько строк — несколько приёмов\n"
    "- **сегодня**, **вчера**, **неделя** — что записано · **отмени** — вернуть последнее изменение\n"
    "- **цель 2000** — задать цель; `assistant calories profile` рассчитает её по возрасту, росту и весу\n"
    "- **убери 12**, **12 = 150 г** — изменить запись 12 в дневнике",
    "still_waiting": "Прежнее ещё ждёт ответа (да, нет).",
    "undone_add": "Убрано: {foods}.",
    "undone_remove": "Снова в дневнике: {foods}.",
    "undone_edit": "Как было: {foods}.",
    "undone_learnt": "Выученное забыто.",
    "nothing_to_undo": "Отменять нечего.",
    "removed": "Убрано: {foods}. «Отмени» — вернуть.",
    "edited": "Изменено: {foods}. «Отмени» — вернуть.",
    "with_this": "С этим {day}",
    "so_far": "Уже записано, {day}",
}

LANGUAGES = {"en": ENGLISH, "ru": RUSSIAN}
_WEEKDAYS = {"en": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], "ru": ["пн", "вт", "ср", "чт", "пт", "сб", "вс"]}
_MONTHS = {
    "en": ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    "ru": ["янв", "фев", "мар", "апр", "мая", "июн", "июл", "авг", "сен", "окт", "ноя", "дек"],
}


class Words:
    """The messages of one language: ``words("key", name=value)``."""

    def __init__(self, language: str = "en"):
        self.language: Literal["en", "ru"] = "ru" if language == "ru" else "en"
        self._messages = LANGUAGES[self.language]

    def __call__(self, key: str, **values: object) -> str:
        return self._messages[key].format(**values)

    def number(self, value: float | None, digits: int = 0) -> str:
        """As this language writes it; a dash for what is not known."""
        if value is None:
            return "–"
        text = f"{value + 0.0:,.{digits}f}".replace("-", "−" if round(value, digits) else "")
        return text.replace(",", "\u00a0").replace(".", ",") if self.language == "ru" else text

    def count(self, number: int, key: str) -> str:
        """``1 день``, ``2 дня``, ``5 дней``; ``1 day``, ``2 days``."""
        forms = self._messages[key].split("|")
        if self.language == "en":
            form = forms[number != 1]
        elif number % 10 == 1 and number % 100 != 11:
            form = forms[0]
        else:
            form = forms[1] if 2 <= number % 10 <= 4 and not 12 <= number % 100 <= 14 else forms[2]
        return f"{self.number(number)} {form}"

    def day(self, day: date, today: date | None = None) -> str:
        """``Mon 16 Nov``; with ``today`` also which of the last two days it is, and the year if it is another one."""
        text = f"{self.weekday(day)} {day.day} {_MONTHS[self.language][day.month - 1]}"
        if today and day.year != today.year:
            text += f" {day.year}"
        ago = (today - day).days if today else -1
        return f"{self(('today', 'yesterday')[ago])}, {text}" if ago in (0, 1) else text

    def weekday(self, day: date) -> str:
        return _WEEKDAYS[self.language][day.weekday()]

    def meal(self, name: str) -> str:
        """What a meal is called; nothing where nobody said which one it was."""
        return self(name) if name else ""
