"""How a model is asked about a text: the text first and the request last, so that another request about the same text
finds it in the KV cache; and how what it answers is laid out."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assistant.engine.engine import Constraint, Message
from assistant.memory.grounding import neutralise
from assistant.memory.stemming import stems
from assistant.tasks import minutes
from assistant.tasks.languages import name_of
from assistant.tasks.styles import (
    ABOUT_NOTES,
    CONCERNS,
    FIRMLY,
    FOCUS,
    FOCUSED,
    NOTHING,
    NOTING,
    REQUESTS,
    REWORD,
    SHOTS,
    SYSTEM,
    TRANSLATE,
    Style,
)
from assistant.templates.fields import Language

if TYPE_CHECKING:
    from assistant.tasks.faithfulness import Point

_POINT_WORDS = 15  # of one bullet
_LONGEST_POINT = 280  # characters
_LONGEST_FOCUS = 400


@dataclass(frozen=True, slots=True)
class Asking:
    """How the model is spoken to for one summary.

    Attributes:
        language: of the summary: a code, a name, or :data:`~assistant.tasks.languages.SAME`.
        focus: what it is to be about; empty: everything.
        shots: notes and minutes are asked for with examples.
    """

    style: Style
    language: str
    focus: str = ""
    shots: bool = True

    @property
    def tongue(self) -> Language:
        """In which the model is told what to do."""
        return "ru" if self.language == "ru" else "en"

    def about(self, text: str, request: str) -> list[Message]:
        """A request about a text. Nothing in the text can end it."""
        return [Message("system", SYSTEM[self.tongue]), Message("user", f"{_tagged(text)}\n\n{request}")]

    def made_of(self, text: str, request: str) -> list[Message]:
        """The request of :meth:`final` about a text. Minutes have an example: what is said becomes what was decided."""
        system, asked = self.about(text, request)
        if self.style != "minutes" or not self.shots:
            return [system, asked]
        meeting, lists = minutes.EXAMPLE[self.tongue]
        answer = json.dumps(lists, ensure_ascii=False, separators=(",", ":"))
        return [system, Message("user", f"{_tagged(meeting)}\n\n{self.final(0)}"), Message("assistant", answer), asked]

    def noting(self, text: str, *, before: str = "") -> list[Message]:
        """A note on a passage, with examples.

        Args:
            before: what the model should know of what stands before the passage.
        """
        messages = [Message("system", NOTING[self.tongue].format(inlanguage=self._in_language))]
        for asked, answer in SHOTS[self.tongue] if self.shots else ():
            messages += [Message("user", _tagged(asked)), Message("assistant", answer)]
        context = f"<before>{_fenced(before)}</before>\n" if before else ""
        return [*messages, Message("user", context + _tagged(text))]

    def echoes(self, note: str, passage: str) -> bool:
        """Whether a note says something of the examples: small models take them for a part of the text."""
        shown = {stem for _, answer in SHOTS[self.tongue] for stem in stems(answer)}
        return bool((set(stems(note)) & shown) - set(stems(passage)))

    @property
    def on_focus(self) -> str:
        return FOCUS[self.tongue].format(focus=self._focus) if self.focus else ""

    def final(self, words: int, *, of_notes: bool = False, firmly: bool = False) -> str:
        """What the style asks for. ``firmly``: about its language."""
        tongue = self.tongue
        points = points_of(words)
        focused = FOCUSED.get(self.style) if self.focus else None
        request = (focused or REQUESTS[self.style])[tongue].format(
            words=words, points=points, inlanguage=self._in_language, focus=self._focus
        )
        request = f"{ABOUT_NOTES[tongue]} {request}" if of_notes else request
        lines = [
            request,
            "" if focused else self.on_focus,
            FIRMLY[tongue].format(inlanguage=self._in_language) if firmly else "",
        ]
        return "\n".join(filter(None, lines))

    def concerns(self) -> tuple[str, tuple[str, str]]:
        """The question whether a text says anything on the focus, and yes and no."""
        question, answers = CONCERNS[self.tongue]
        return question.format(focus=self._focus), answers

    def nothing(self) -> str:
        """The summary of a text that says nothing on the focus."""
        return NOTHING[self.tongue].format(focus=self._focus)

    def reworded(self, words: int) -> str:
        return REWORD[self.tongue].format(words=words, inlanguage=self._in_language)

    def translated(self) -> str:
        return TRANSLATE[self.tongue].format(into=f"into {name_of(self.language)}")

    @property
    def _focus(self) -> str:
        return _fenced(" ".join(self.focus.split()))[:_LONGEST_FOCUS].rstrip(" .?!")

    @property
    def _in_language(self) -> str:
        if self.tongue == "ru":
            return "по-русски"
        return f"in {name_of(self.language)}" if self.language else "in the language of the text"


def points_of(words: int) -> int:
    """How many lines of a list are so many words."""
    return max(1, round(words / _POINT_WORDS))


def list_constraint(words: int) -> Constraint:
    """A list of at most three times the points that so many words are: small models go on for ever."""
    most = 3 * points_of(words)
    line = rf"- [^\n]{{8,{_LONGEST_POINT}}}"
    return Constraint("regex", rf"{line}(\n{line}){{0,{most - 1}}}")


def with_request(messages: Sequence[Message], request: str) -> list[Message]:
    """With a request below what the last message says."""
    *others, last = messages
    return [*others, Message(last.role, f"{last.content}\n\n{request}")] if request else [*messages]


def sentence_constraint(least: int, most: int, *, spaces: bool = True) -> Constraint:
    """One sentence of so many words; ``spaces`` part them, or each character is one, with marks between."""
    if not spaces:
        return Constraint("regex", rf"[^\s]{{{max(least, 1)},{most + most // 4}}}")
    return Constraint("regex", rf"[^\s]{{1,40}}( [^\s]{{1,40}}){{{max(least, 1) - 1},{most - 1}}}")


def laid_out(points: Sequence[Point], parts: Sequence[int], asking: Asking, marks: Sequence[str] = ()) -> str:
    """The text of a summary: ``[?]`` stands after a point that the source does not bear, then its mark.

    Args:
        parts: of each point the place of its paragraph or heading.
    """
    groups: dict[int, list[str]] = {}
    for place, (point, part) in enumerate(zip(points, parts, strict=True)):
        doubt = " [?]" if point.unsupported else ""
        mark = f" {marks[place]}" if marks and marks[place] else ""
        groups.setdefault(part, []).append(f"{point.text}{doubt}{mark}")
    if asking.style == "bullets":
        return "\n".join(f"- {line}" for group in groups.values() for line in group)
    if asking.style == "minutes":
        headings = minutes.headings(asking.tongue)
        return "\n\n".join(
            f"## {headings[part]}\n\n" + "\n".join(f"- {line}" for line in groups[part]) for part in sorted(groups)
        )
    return "\n\n".join(" ".join(group) for group in groups.values())


def _tagged(text: str) -> str:
    return f"<text>\n{_fenced(text)}\n</text>"


def _fenced(text: str) -> str:
    """The text without markers of chat templates, and without the tags that it stands between."""
    return re.sub(r"<(?=\s*/?\s*(?:text|before)\b)", "‹", neutralise(text), flags=re.IGNORECASE)
