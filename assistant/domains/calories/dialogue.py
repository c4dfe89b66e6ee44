"""The food diary in the chat: a meal is read and shown, the user's answers correct or record it.

What waits for an answer is kept in the diary by the conversation's number: a chat that is closed loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from assistant.domains.call import Call
from assistant.domains.calories import goal as goals
from assistant.domains.calories import tables, units
from assistant.domains.calories.amending import Ambiguous, amended, edit
from assistant.domains.calories.chart import week_lines
from assistant.domains.calories.diary import Diary
from assistant.domains.calories.entry import Entry, total
from assistant.domains.calories.foods import Foods, Nutrients
from assistant.domains.calories.messages import Words
from assistant.domains.calories.proposal import Meals, read
from assistant.domains.calories.replies import QUESTION, Drop, Fix, Pick, Plain, Reply, SetGoal, Show
from assistant.domains.calories.replies import read as read_reply
from assistant.domains.calories.sections import NoSuchDay
from assistant.domains.calories.units import UNITS
from assistant.engine.calls import Computed
from assistant.engine.engine import Delta, Event
from assistant.memory.stemming import language_of
from models.errors import UsageError, UserError

# What waits in a chat that is not kept: nothing of it reaches the disk before the user says yes.
_unkept: dict[str, Any] = {}
_WEEK_WIDTH = 78


def reply(call: Call) -> Iterator[Event]:
    """Answer one message. While the model reads, its progress is yielded; at last the answer in Markdown and a
    :class:`Computed` whose data is ``{"kind", …}``: proposed rows, recorded entries, a day.

    Raises:
        DiaryError: the diary cannot be read or written. as :meth:`Engine.generate`.
    """
    with Diary.open() as diary, Foods.open() as foods:
        turn = _Turn(call, diary, foods)
        text = "\n\n".join(filter(None, (yield from turn.answer())))
        yield Delta(text)
        yield Computed(text, "", "stop", 0, 0, data=turn.data)


class _Turn:
    """One message and its answer, as paragraphs."""

    def __init__(self, call: Call, diary: Diary, foods: Foods):
        self.call, self.diary, self.foods, self.today = call, diary, foods, call.today
        stored = _unkept if call.conversation_id is None else diary.proposal(call.conversation_id)
        self.waiting = Meals.from_json(stored, foods) if stored else None
        # "2" and "1 = 150" are of no language: they answer in that of the meal.
        said = call.text if any(map(str.isalpha, call.text)) or not self.waiting else self.waiting.words
        self.say = Words(call.language if said is call.text else language_of(said))
        self.goal = diary.goal
        self.data: dict[str, Any] = {"kind": "nothing"}

    def answer(self) -> Generator[Event, None, list[str]]:
        say = self.say
        try:
            replies = read_reply(self.call.text, self.today)
            if self.waiting and not replies:
                replies = self._bare_amount()
            if replies and not (isinstance(replies[0], Pick) and not (self.waiting and self.waiting.choosing)):
                return self._obey(replies)
            meals = yield from read(
                self.call.engine, self.call.text, self.foods, self.diary,
                language=say.language, today=self.today, check=self.call.check,
            )  # fmt: skip
        except NoSuchDay as error:
            return [say("no_such_day", words=error)]
        return self._meals(meals)

    # ---- a meal

    def _meals(self, meals: Meals) -> list[str]:
        say = self.say
        future = [number for number, (day, *_) in enumerate(meals.rows, 1) if day > self.today]
        told = [say("future_day", day=say.day(meals.rows[number - 1][0], self.today)) for number in future[:1]]
        meals = meals.without(*future).asking(self.foods)
        if not meals.rows:
            asked = [*told, *meals.questions] or [say("no_food")]
            return [*asked, self._still_waiting()]
        if QUESTION.search(self.call.text) and meals.known:
            self.data = {"kind": "question", **meals.parsed()}
            return [
                *self._tables(meals, with_days=False),
                say("answer_only"),
                say("still_waiting") if self.waiting else "",
            ]
        if not meals.known and self.waiting:
            spans = _listed(row.span for _, row in meals.unknown)
            return [say("nothing_known", spans=spans), *meals.questions, say("still_waiting")]
        with self.diary.database.transaction():
            told += self._record_waiting()
            self._keep(meals)
        return [*told, *self._proposal(meals)]

    def _record_waiting(self) -> list[str]:
        """A meal that nobody objected to is recorded when the next one is told; not in a chat that has no number: it
        may not be the same one."""
        waiting = self.waiting
        if not waiting or self.call.conversation_id is None:
            return []
        entries = waiting.record(self.diary, doubtful=False)
        left = [row.span for *_, row in waiting.rows if not row.item or row.doubtful]
        return [
            self.say("recorded_before", foods=self._named(entries)) if entries else "",
            self.say("not_recorded_before", foods=_listed(left)) if left else "",
        ]

    def _proposal(self, meals: Meals) -> list[str]:
        say = self.say
        self.data = {"kind": "proposal", **meals.parsed()}
        known = meals.known
        chosen = meals.choosing.number if meals.choosing else 0
        unknown = [one for one in meals.unknown if not one[1].doubtful and one[0] != chosen]
        asked = list(meals.questions)
        if unknown:
            spans = _listed(row.span for _, row in unknown)
            asked.append(say("unknown", spans=spans, number=unknown[0][0]))
        weights = [
            f"{tables.name_of(item.food, say.language)}: {item.how}"
            for item in (row.item for row in known)
            if item and (item.unit not in UNITS or UNITS[item.unit].kind != "mass")
        ]
        if weights:
            asked.append(say("weights", foods="; ".join(map(tables.escaped, weights))))
        how = say("how_to_answer" if known else "how_to_answer_unknown", number=1)
        return [say("proposal"), *self._tables(meals), *asked, self._choice(meals) or how]

    def _tables(self, meals: Meals, *, with_days: bool = True) -> list[str]:
        """The meals as they would be recorded, and the days with them."""
        say, parts = self.say, list[str]()
        for day, meal, rows in tables.proposed(meals, say):
            parts += [f"**{tables.title(meal, day, self.today, say)}**", tables.markdown(rows, say)]
        foods = [row.item.food for row in meals.known if row.item]
        parts += tables.notes(foods, say)
        for day in dict.fromkeys(day for day, _, row in meals.rows if row.item and with_days):
            items = [row.item.nutrients for when, _, row in meals.rows if row.item and when == day]
            before = self.diary.entries(day, day)
            if before or self.goal:
                parts.append(self._day("with_this", day, sum(items, total(before))))
        return [*parts, self._disclaimer() if with_days else ""]

    def _choice(self, meals: Meals) -> str:
        """The foods to choose from, if that is asked."""
        if not meals.choosing:
            return ""
        foods = [self.foods.get(id) for id in meals.choosing.candidates]
        lines = [
            f"{number}. {tables.name_of(food, self.say.language)} ({food.id}, {self._energy(food.per_100g.kcal)})"
            for number, food in enumerate(foods, 1)
            if food
        ]
        return self.say("choose", words=meals.choosing.words, number=meals.choosing.number) + "\n\n" + "\n".join(lines)

    # ---- answers and wishes

    def _bare_amount(self) -> list[Reply]:
        """``150 г`` alone says how much of the only food, or of the only one whose amount nobody said."""
        text = self.call.text.strip(" .!")
        whole = any(quantity.start == 0 and quantity.end == len(text) for quantity in units.find(text))
        assert self.waiting
        rows = list(enumerate(self.waiting.rows, 1))
        open_rows = rows if len(rows) == 1 else [one for one in rows if one[1][2].item and one[1][2].item.assumed]
        return [Fix(open_rows[0][0], text)] if whole and len(open_rows) == 1 else []

    def _obey(self, replies: list[Reply]) -> list[str]:
        first = replies[0]
        if isinstance(first, Fix | Drop | Pick):
            return self._correct(replies) if self.waiting else self._correct_entries(replies)
        if isinstance(first, Show):
            return [self._show(first.day), self._disclaimer()]
        if isinstance(first, SetGoal):
            return self._set_goal(first.kcal)
        kinds: Mapping[str, Callable[[], list[str]]] = {
            "yes": self._yes, "no": self._no, "undo": self._undo, "week": self._week,
            "goal": self._show_goal, "help": self._help, "thanks": self._thanks,
        }  # fmt: skip
        return kinds[first.kind]()

    def _correct(self, replies: list[Reply]) -> list[str]:
        say = self.say
        assert self.waiting
        meals, wrong = amended(self.waiting, replies, self.foods, say)
        if not meals.rows:
            self._keep(None)
            self.data = {"kind": "discarded"}
            return [say("nothing_left")]
        self._keep(meals)
        self.waiting = meals
        if Plain("yes") in replies and not wrong and not meals.choosing:
            return self._yes()
        return [*wrong, *self._proposal(meals)]

    def _correct_entries(self, replies: list[Reply]) -> list[str]:
        """Numbers are the diary's where nothing waits."""
        say, told = self.say, list[str]()
        for one in replies:
            try:
                if isinstance(one, Drop):
                    told.append(say("removed", foods=self._named(self.diary.remove(*one.numbers))))
                elif isinstance(one, Fix):
                    edited = edit(self.diary, one.number, one.words, self.foods, say)
                    told.append(say("edited", foods=self._named([edited])))
            except Ambiguous as several:
                names = (f"{tables.name_of(food, say.language)} ({food.id})" for food in several.foods)
                told += [say("choose_id", words=several.words), "\n".join(f"- {name}" for name in names)]
            except UserError as error:
                number = one.number if isinstance(one, Fix) else ", ".join(map(str, getattr(one, "numbers", ())))
                told.append(error.message if isinstance(error, UsageError) else say("no_such_number", number=number))
        self.data = {"kind": "edited"}
        return told or [say("nothing_waits")]

    def _yes(self) -> list[str]:
        say, meals = self.say, self.waiting
        if not meals:
            return [say("nothing_waits")]
        if not meals.known:
            return [say("nothing_known", spans=_listed(row.span for _, row in meals.unknown)), *meals.questions]
        with self.diary.database.transaction():
            entries = meals.record(self.diary, doubtful=True)
            self._keep(None)
        self.data = {"kind": "recorded", "entries": [entry.to_json() for entry in entries]}
        told = [say("recorded", foods=self._named(entries))]
        if meals.unknown:
            told.append(say("left_out", foods=_listed(row.span for _, row in meals.unknown)))
        for row in meals.known:
            if row.corrected and row.item:
                told.append(say("learnt", span=row.span, food=tables.name_of(row.item.food, say.language)))
        for day in dict.fromkeys(entry.day for entry in entries):
            told.append(self._day("so_far", day, total(self.diary.entries(day, day))))
        return [*told, self._disclaimer()]

    def _no(self) -> list[str]:
        if not self.waiting:
            return [self.say("nothing_waits")]
        self._keep(None)
        self.data = {"kind": "discarded"}
        return [self.say("discarded")]

    def _undo(self) -> list[str]:
        undone, say = self.diary.undo(), self.say
        self.data = {"kind": "undone"}
        if not undone:
            return [say("nothing_to_undo")]
        entries = undone.restored or undone.removed
        told = say(f"undone_{undone.kind}", foods=self._named(entries)) if entries else say("undone_learnt")
        return [told, self._still_waiting()]

    def _thanks(self) -> list[str]:
        return [self.say("thanks"), self._still_waiting()]

    def _help(self) -> list[str]:
        self.data = {"kind": "help"}
        return [self.say("help")]

    def _show(self, day: date) -> str:
        entries = self.diary.entries(day, day)
        self.data = {"kind": "day", "day": day.isoformat(), "entries": [entry.to_json() for entry in entries]}
        return tables.day_in_markdown(day, entries, self.goal, self.today, self.say)

    def _week(self) -> list[str]:
        days = self.diary.days(self.today - timedelta(6), self.today)
        self.data = {"kind": "week", "first": days[0].day.isoformat(), "last": days[-1].day.isoformat()}
        lines = week_lines(days, self.goal, self.say, _WEEK_WIDTH)
        return ["```\n" + "\n".join(lines) + "\n```", self._disclaimer()]

    def _set_goal(self, kcal: float | None) -> list[str]:
        if kcal is None:
            self.diary.goal = None
            return [self.say("goal_forgotten")]
        try:
            self.goal = goals.from_number(kcal, self.diary.profile, self.say)
        except UserError as error:
            return [error.message, error.hint or ""]
        self.diary.goal = self.goal
        return self._show_goal()

    def _show_goal(self) -> list[str]:
        if not self.goal:
            return [self.say("no_goal")]
        self.data = {"kind": "goal", "goal": asdict(self.goal)}
        return [goals.described(self.goal, self.say), self._disclaimer()]

    # ---- pieces

    def _keep(self, meals: Meals | None) -> None:
        stored = meals.to_json() if meals else None
        if self.call.conversation_id is None:
            _unkept.clear()
            _unkept.update(stored or {})
        else:
            self.diary.propose(self.call.conversation_id, stored)

    def _day(self, key: str, day: date, sums: Nutrients) -> str:
        title = self.say(key, day=self.say.day(day, self.today))
        if self.goal:
            return f"{title}:\n{tables.day_markdown(sums, self.goal, self.say)}"
        return f"{title}: {tables.summary(sums, self.say)}"

    def _still_waiting(self) -> str:
        return self.say("still_waiting") if self.waiting else ""

    def _disclaimer(self) -> str:
        """Once in a conversation, with the first goal that is shown."""
        conversation = self.call.conversation_id
        due = self.goal is not None and (conversation is None or self.diary.disclaim(conversation))
        return f"*{self.say('disclaimer')}*" if due else ""

    def _energy(self, kcal: float | None) -> str:
        return f"{self.say.number(kcal)} {self.say('kcal')}/100 {self.say('grams')}"

    def _named(self, entries: Iterable[Entry]) -> str:
        return ", ".join(
            f"{tables.name_of(entry, self.say.language)} {self.say('in_grams', value=self.say.number(entry.grams))}"
            for entry in entries
        )


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"«{word}»" for word in words)
