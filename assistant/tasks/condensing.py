"""What the model is asked on the way from a text to a summary: notes on each passage, and notes on notes.

Work is a generator that yields the engine's events and returns what it found. It asks the same questions whenever it is
run with the same text, so that a run that was stopped finds its answers again.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

from assistant.engine.engine import Constraint, Event, GenerateOptions, Message, Result
from assistant.memory.sentences import Span, sentences
from assistant.memory.stemming import stems
from assistant.tasks.faithfulness import EngineCall, Indexed, Point
from assistant.tasks.length import alike
from assistant.tasks.passages import Passage
from assistant.tasks.prompting import Asking, with_request

NOTE_WORDS = 30  # room for a note
CONTEXT = 60  # tokens of what stands before a passage
KEPT = 3  # notes that become one
ENDS = tuple('.!?…»”"。！？」')  # of a sentence
_LATEST = 3  # notes that another may repeat
_TOKENS_A_WORD = {"en": 2, "ru": 5}  # of an answer, with room to spare; other languages 8
_SPARE = 48

_BULLET = re.compile(r"^\s*(?:[-*•–—]|\d{1,3}[.)])\s+")
_TAG = re.compile(r"</?(?:text|before)>")
_DECORATION = re.compile(r"\*\*|\*(?=\w)|(?<=[^\s*])\*(?!\w)|__(?=\w)|(?<=\w)__|^#+\s+")


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence or line that the model wrote.

    Attributes:
        within: the part of the source that it was made from; None: all of it.
        part: the place of its paragraph, or of its heading in minutes.
    """

    text: str
    within: Span | None = None
    part: int = 0


@dataclass(frozen=True)
class Told:
    """What the work on one summary shares.

    Attributes:
        call: asks the engine.
        count: tokens of a text.
        options: how answers are sampled.
    """

    call: EngineCall
    count: Callable[[str], int]
    options: GenerateOptions

    def ask(
        self, messages: Sequence[Message], tokens: int, constraint: Constraint | None = None, *, keep: bool = False
    ) -> Generator[Event, None, Result]:
        """At most ``tokens`` long. ``keep``: the beginning of the prompt may come again, in another run."""
        options = replace(self.options, max_tokens=tokens, constraint=constraint, beams=1, keep_state=keep, think="off")
        return (yield from self.call(messages, options))


def tokens_of(words: int, language: str) -> int:
    """Room for an answer of so many words."""
    return _TOKENS_A_WORD.get(language, 8) * words + _SPARE


def concerns(told: Told, asking: Asking, text: str, *, keep: bool = False) -> Generator[Event, None, bool]:
    """Whether a whole source says anything on the focus: its own words say so, or the model does."""
    question, answers = asking.concerns()
    return (yield from _yes(told, asking, text, asking.about(text, question), answers, keep))


def on_focus(
    told: Told, asking: Asking, said: Sequence[Said], points: Sequence[Point], indexed: Indexed
) -> Generator[Event, None, list[Said]]:
    """Those that concern the focus: they, or what they rest on, have its words, the rare ones first. Where the
    source does not have them all, the model says which do.

    Args:
        points: the same, with what they rest on.
    """
    held = {stem: indexed.by_stem[stem] for stem in set(stems(asking.focus)) if stem in indexed.by_stem}
    weights = {stem: math.log(1 + len(indexed) / len(places)) for stem, places in held.items()}
    found = []
    for one, point in zip(said, points, strict=True):
        has = set(stems(" ".join([point.text, *(indexed.text[start:end] for start, end in point.spans)])))
        if weights and 2 * sum(weight for stem, weight in weights.items() if stem in has) >= sum(weights.values()):
            found.append(one)
    if not found and len(held) < len(set(stems(asking.focus))):
        question, answers = asking.concerns()
        for one in said:
            if (yield from _yes(told, asking, one.text, asking.about(one.text, question), answers)):
                found.append(one)
    return found


def note_on(
    told: Told, asking: Asking, text: str, passage: Passage, before: Sequence[Said]
) -> Generator[Event, None, list[Said]]:
    """A sentence on one passage; none where it says nothing on the focus, or nothing new.

    Args:
        before: the notes on the passages before it; the last one is shown to the model.
    """
    said = text[passage.start : passage.end]
    # Not where the focus is asked for: what stands before would answer for the passage.
    context = [passage.heading, before[-1].text if before and not asking.focus else ""]
    shown = asking.noting(said, before=_clipped(" | ".join(filter(None, context)), told.count))
    if asking.focus:
        question, answers = asking.concerns()
        if not (yield from _yes(told, asking, said, with_request(shown, question), answers)):
            return []
        shown = with_request(shown, asking.on_focus)
    note = yield from _sentence(told, asking, shown)
    if asking.shots and asking.echoes(note, f"{said} {passage.heading}"):
        plain = replace(asking, shots=False)
        note = yield from _sentence(told, plain, with_request(plain.noting(said), plain.on_focus))
    known = not note or any(alike(note, other.text) for other in before[-_LATEST:])
    return [] if known else [Said(note, (passage.start, passage.end))]


def _clipped(context: str, count: Callable[[str], int]) -> str:
    """As much of what stands before a passage as room was left for."""
    while count(context) > CONTEXT:
        context = context[: len(context) // 2]
    return context


def fewer(told: Told, asking: Asking, notes: Sequence[Said], room: int) -> Generator[Event, None, list[Said]]:
    """Notes on notes: one of each few neighbours, as many as fit ``room`` tokens; the same if hardly one does."""
    number = math.ceil(max(len(notes) / KEPT, 1.3 * sum(told.count(said.text) for said in notes) / room))
    if number >= len(notes):
        return [*notes]
    found: list[Said] = []
    for place in range(number):
        group = notes[len(notes) * place // number : len(notes) * (place + 1) // number]
        shown = asking.noting(" ".join(said.text for said in group))
        note = yield from _sentence(told, asking, with_request(shown, asking.on_focus))
        found.append(Said(note, hull(group)) if note else group[0])
    return found


def _sentence(told: Told, asking: Asking, messages: Sequence[Message]) -> Generator[Event, None, str]:
    result = yield from told.ask(messages, tokens_of(NOTE_WORDS, asking.language))
    found = sentences_of(result)
    return " ".join(found[:2])


def _yes(
    told: Told,
    asking: Asking,
    text: str,
    messages: Sequence[Message],
    answers: tuple[str, str],
    keep: bool = False,
) -> Generator[Event, None, bool]:
    wanted = set(stems(asking.focus))
    if wanted and wanted <= set(stems(text)):
        return True
    choices = Constraint("choices", json.dumps(answers, ensure_ascii=False))
    answer = yield from told.ask(messages, 8, choices, keep=keep)
    return answer.text.strip() == answers[0]


def hull(notes: Sequence[Said]) -> Span | None:
    """The part of the source that all of them were made from."""
    spans = [said.within for said in notes if said.within]
    return (min(start for start, _ in spans), max(end for _, end in spans)) if spans else None


def lines_of(result: Result) -> list[str]:
    """The lines of a list, each once, without their bullets."""
    lines = result.text.strip().splitlines()
    if result.finish_reason != "stop" and len(lines) > 1:
        lines.pop()
    found: list[str] = []
    for line in lines:
        said = plain(_BULLET.sub("", line))
        if said and not said.endswith(":") and not any(alike(said, other) for other in found):
            found.append(said)
    return found


def sentences_of(result: Result) -> list[str]:
    """The sentences of running text, lists in it included, each once."""
    text = result.text.strip()
    found: list[str] = []
    for line in text.splitlines():
        said = plain(_BULLET.sub("", line))
        if not said.endswith(":"):
            found += [said[start:end] for start, end in sentences(said, 0, len(said))]
    if result.finish_reason != "stop" and len(found) > 1 and found[-1][-1] not in ENDS:
        found.pop()
    return [said for place, said in enumerate(found) if not any(alike(said, other) for other in found[:place])]


def plain(line: str) -> str:
    """A line without the marks of Markdown and of our own prompts."""
    return " ".join(_DECORATION.sub("", _TAG.sub("", line)).split())
