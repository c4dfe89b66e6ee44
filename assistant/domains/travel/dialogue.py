"""A trip in the chat: what is missing is asked, answers go on from what was said before, and a plan comes out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from assistant.domains.call import Call
from assistant.domains.travel.claims import claims
from assistant.domains.travel.facts import CHECK_ONLINE
from assistant.domains.travel.places import Places
from assistant.domains.travel.plan import make
from assistant.domains.travel.prices import prices_in
from assistant.domains.travel.questions import Question
from assistant.domains.travel.trip import extract
from assistant.engine.calls import Computed
from assistant.engine.engine import Delta, Event

if TYPE_CHECKING:
    pass


def reply(call: Call) -> Iterator[Event]:
    """The events of one answer: work as reasoning, the answer, and at last the plan as data.

    Raises:
        as :meth:`Engine.generate`; UsageError: a price in the text is none; Cancelled: the user stopped it.
    """
    said = [message.content for message in call.before if message.role == "user"]
    with Places.open() as places:
        extraction = yield from extract(
            call.engine,
            call.text,
            places,
            call.today,
            language=call.language,
            before=said,
            options=call.options,
            check=call.check,
        )
        plan = yield from make(
            call.engine,
            extraction,
            places,
            call.today,
            prices=prices_in(extraction.trip.request),
            memory=call.memory() if call.memory and extraction.ready else None,
            collection=call.collection,
            options=call.options,
            check_cancelled=call.check,
        )
    questions = as_list(extraction.questions, call.language, plan.markdown != "")
    text = "\n".join(filter(None, (unknowable(call.text, call.language), plan.markdown, questions)))
    yield Delta(text)
    yield Computed(text, "", "stop", 0, 0, data=plan.to_json())


def unknowable(text: str, language: Literal["en", "ru"]) -> str:
    """What to say to a question about fares, hours, visas, weather and the like; nothing for any other text."""
    if "?" not in text or not (any(claims(text)) or re.search(r"how much|сколько сто[ия]", text, re.IGNORECASE)):
        return ""
    opening = "Этого программа не знает и не выдумывает. Проверьте в интернете: "
    if language == "en":
        opening = "The program does not know this, and makes nothing up. Check online: "
    return f"{opening}{', '.join(CHECK_ONLINE[language])}.\n"


def as_list(questions: Sequence[Question], language: str, planned: bool) -> str:
    """The questions in Markdown, behind a plan or instead of one."""
    if not questions:
        return ""
    if planned:
        opening = "Чтобы уточнить план, ответьте:" if language == "ru" else "To make the plan more exact:"
    else:
        opening = "Чтобы составить план, нужно знать:" if language == "ru" else "Before there can be a plan:"
    return "\n".join([opening, "", *(f"- {question.text}" for question in questions)])
