"""One summary in the making: in one pass what fits the model's window, else by notes on one passage after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from assistant.engine.engine import Engine, Event, GenerateOptions, Message
from assistant.memory.stemming import stems
from assistant.tasks.condensing import (
    CONTEXT,
    NOTE_WORDS,
    Said,
    Told,
    concerns,
    fewer,
    hull,
    lines_of,
    note_on,
    on_focus,
    plain,
    sentences_of,
    tokens_of,
)
from assistant.tasks.faithfulness import EngineCall, Indexed, Point, evidence
from assistant.tasks.faithfulness import check as checked
from assistant.tasks.fitting import Fitting, Kept
from assistant.tasks.languages import UNSPACED, code_of, is_in, known_language, name_of
from assistant.tasks.length import around, centrality, default_words, has_spaces, words_of
from assistant.tasks.minutes import minutes_constraint, minutes_of
from assistant.tasks.passages import LEAST_ROOM, Passage, passages_of
from assistant.tasks.prompting import Asking, list_constraint, points_of, sentence_constraint, with_request
from assistant.tasks.styles import Style
from models.errors import DoesNotFit, Unanswered

if TYPE_CHECKING:
    from assistant.memory.embedding import Embedder
    from assistant.tasks.sources import Source

PASSAGE = (110, 240)  # tokens that a note is taken of: in short texts, in long ones
MEETING = 1600  # tokens that minutes are taken of
_PASSAGES = 14  # of a short text
_PARAGRAPH = 120  # words that a small model writes at a time
_NOTES = 4  # words of notes from which one word of the summary is made, at most
_TLDR = 2  # sentences
CUT_SHORT = "The minutes may lack something: an answer of the model was cut short."
_EXCERPTS = 12  # places that have the words of the focus
_SHORT_ENOUGH = (12, 200)  # words, characters: such a text is its own summary


@dataclass(frozen=True, slots=True)
class SummaryOptions:
    """What summary is wanted.

    Attributes:
        words: as a reader counts them, kept within 15 %; None: as many as suit style and source.
        language: ``auto``: that of the source; a code or a name: ``en``, ``Russian``.
        focus: what it is to be about; empty: everything.
    """

    style: Style = "paragraph"
    words: int | None = None
    language: str = "auto"
    focus: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a summary is: tokens of the source read, of all; ``then`` when all are: what is done now."""

    done: int
    total: int
    then: str = ""


@dataclass
class Work:
    """One summary in the making. ``passages`` of the source, ``remarks`` on the result, and ``coverage`` are what it
    finds on its way."""

    engine: Engine
    source: Source
    wanted: SummaryOptions
    window: int
    options: GenerateOptions
    call: EngineCall
    embedder: Embedder | None
    passages: list[Passage] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    coverage: float = 0.0
    tokens: int = 0

    def __post_init__(self) -> None:
        text = self.source.text
        self.own_language = known_language(text)
        chosen = self.own_language if self.wanted.language.casefold() == "auto" else code_of(self.wanted.language)
        self.asking = Asking(self.wanted.style, chosen, self.wanted.focus.strip())
        # Notes are taken in the language of the source, in which they can be checked best.
        self.noting = Asking(self.wanted.style, self.own_language, self.wanted.focus.strip())
        self.source_words = words_of(text)
        self.words = self.wanted.words or self._default_words()
        self.exactly = self.wanted.words is not None
        if self.exactly and self.source_words < around(self.words)[0]:
            self.remarks.append(
                f"The text has {self.source_words:,} words: a summary of {self.words:,} would be longer than it. "
                "Its length is that which suits the text."
            )
            self.words, self.exactly = self._default_words(), False
        self.told = Told(self.call, self.count, self.options)
        self.indexed = Indexed(text)

    def _default_words(self) -> int:
        """On a focus there is less to say than on all of the text."""
        return default_words(self.wanted.style, self.source_words // (4 if self.asking.focus else 1))

    def count(self, text: str) -> int:
        return self.engine.count_tokens([Message("user", text)]) - self._frame

    @cached_property
    def _frame(self) -> int:
        """Tokens of a message without text."""
        return self.engine.count_tokens([Message("user", "")])

    def run(self) -> Generator[Event | Reading, None, list[Kept]]:
        fitting = Fitting(self.told, self.asking, self.indexed, self.window // 4, self.embedder)
        own = " ".join(self.source.text.split())
        short = self.source_words <= _SHORT_ENOUGH[0] and len(own) <= _SHORT_ENOUGH[1]
        if short and self.wanted.style != "minutes" and not self.asking.focus:
            self.tokens, self.coverage = self.count(self.source.text), 1.0
            return fitting.checked((yield from fitting.in_language([Said(own)])))
        said, pools = yield from self._said()
        if said and self.asking.focus:
            said, pools = (yield from self._on_focus(said)), [self._own_sentences_on_focus]
        if not said:
            if self.asking.focus:
                self.remarks.append(self.asking.nothing())
                return [Kept(Said(self.asking.nothing()), Point(self.asking.nothing(), (), ()))]
            if self.asking.style == "minutes":
                if CUT_SHORT in self.remarks:
                    raise Unanswered("The model wrote no minutes that could be read.", "Try another model (-m).")
                self.remarks.append("The text has nothing for minutes: no decisions, tasks or questions.")
                return []
            said = self._own_sentences()  # the model wrote nothing
            if not said:
                raise Unanswered("The model wrote nothing, and the text has no sentences.", "Try another model (-m).")
        yield Reading(self.tokens, self.tokens, "checking")
        said = yield from fitting.in_language(said)
        kept = yield from fitting.mended(fitting.checked(said))
        kept = yield from fitting.fitted(kept, self.words, exactly=self.exactly, pools=pools)
        self._remark(kept)
        return kept

    def _on_focus(self, said: list[Said]) -> Generator[Event, None, list[Said]]:
        """Without what does not concern the focus. Where nothing is left, what the model says of those places of the
        source that have its words; or these themselves."""

        def concerning(said: Sequence[Said]) -> Generator[Event, None, list[Said]]:
            points = checked([one.text for one in said], self.indexed, within=[one.within for one in said])
            return (yield from on_focus(self.told, self.asking, said, points, self.indexed))

        found = yield from concerning(said)
        own = [] if found else self._own_sentences_on_focus()
        if own:
            point = Point("", tuple(one.within for one in own[:_EXCERPTS] if one.within), ())
            excerpt = evidence(self.indexed, point, self._room, self.count)
            found = yield from concerning((yield from self._final(excerpt, self.words, None, 0)))
        return found or own

    def _own_sentences_on_focus(self) -> list[Said]:
        wanted = set(stems(self.asking.focus))
        return [one for one in self._own_sentences() if wanted and wanted <= set(stems(one.text))]

    def _remark(self, kept: Sequence[Kept]) -> None:
        """On what was asked for and could not be had."""
        words, (low, high) = sum(one.words for one in kept), around(self.words)
        if self.exactly and not low <= words <= high:
            self.remarks.append(f"{self.words:,} words were asked for; it has {words:,}.")
        foreign = sum(not is_in(one.point.text, self.asking.language) for one in kept)
        if foreign:
            said = name_of(self.asking.language)
            self.remarks.append(f"{said} was asked for; of {len(kept)} sentences {foreign} are in another language.")

    # ── one pass, or many ──

    def _said(self) -> Generator[Event | Reading, None, tuple[list[Said], list[Callable[[], Sequence[Said]]]]]:
        """What the model says, and more to fill up with, the best first."""
        text = self.source.text
        self.tokens = self.count(text)
        if self.tokens <= self._room:
            self.passages = [Passage(0, len(text), "", self.tokens)]
            said = yield from self._in_one_pass()
            self.coverage = self._coverage()
            return said, [self._own_sentences]
        least, most = PASSAGE
        size = MEETING if self.asking.style == "minutes" else max(least, min(most, self.tokens // _PASSAGES))
        self.passages = passages_of(self.source, self.count, min(size, self._room, self._room_for_notes))
        said, notes = yield from self._in_passages()
        self.coverage = self._coverage()
        return said, [lambda: notes, self._own_sentences]

    def _in_one_pass(self) -> Generator[Event | Reading, None, list[Said]]:
        yield Reading(0, self.tokens)
        text = self.source.text
        if self.asking.focus and not (yield from concerns(self.told, self.asking, text, keep=True)):
            return []
        said = yield from self._final(text, self.words, None, 0, keep=True)
        return (yield from self._without_gaps(said)) if self.asking.style == "bullets" else said

    def _without_gaps(self, said: list[Said]) -> Generator[Event | Reading, None, list[Said]]:
        """With a note on each part of the text that no line is about: small models make lists of its beginning."""
        points = checked([one.text for one in said], self.indexed)
        starts = [span[0] for point in points for span in point.spans[:1]]
        size = max(PASSAGE[0], math.ceil(self.tokens / points_of(self.words)))
        placed = [(point.spans[0][0] if point.spans else 0, one) for point, one in zip(points, said, strict=True)]
        for passage in passages_of(self.source, self.count, min(size, self._room_for_notes)):
            if not any(passage.start <= start < passage.end for start in starts):
                notes = yield from note_on(self.told, self.noting, self.source.text, passage, [])
                placed += [(passage.start, note) for note in notes]
        return [one for _, one in sorted(placed, key=lambda pair: pair[0])]

    def _in_passages(self) -> Generator[Event | Reading, None, tuple[list[Said], list[Said]]]:
        """What the summary says, and the notes that it was made from."""
        notes: list[Said] = []
        read = 0
        for passage in self.passages:
            yield Reading(read, self.tokens)
            read += passage.tokens
            if self.asking.style == "minutes":
                text = self.source.text[passage.start : passage.end]
                if not self.asking.focus or (yield from concerns(self.told, self.asking, text)):
                    notes += yield from self._final(text, self.words, (passage.start, passage.end), 0)
            else:
                notes += yield from note_on(self.told, self.noting, self.source.text, passage, notes)
        if self.asking.style == "minutes" or not notes:
            return notes, []
        yield Reading(self.tokens, self.tokens, "combining")
        most = _NOTES * max(self.words, _PARAGRAPH)
        levels = [notes]
        while len(levels[-1]) > 2 and (
            sum(words_of(said.text) for said in levels[-1]) > most or self._pieces(levels[-1]) > self._most_pieces
        ):
            shorter = yield from fewer(self.told, self.noting, levels[-1], self._room_for_notes)
            if len(shorter) == len(levels[-1]):
                break
            levels.append(shorter)
        best, rest = levels[-1], [said for level in levels[-2::-1] for said in level]
        if self.asking.style == "bullets":
            return best, rest
        yield Reading(self.tokens, self.tokens, "writing")
        return (yield from self._written(best)), [*best, *rest]

    def _written(self, notes: Sequence[Said]) -> Generator[Event, None, list[Said]]:
        """The summary from notes, a long one paragraph by paragraph."""
        wanted = max(1, round(self.words / _PARAGRAPH), self._pieces(notes))
        number = int(min(wanted, self._most_pieces, len(notes)))
        found: list[Said] = []
        for part in range(number):
            some = notes[len(notes) * part // number : len(notes) * (part + 1) // number]
            text = "\n".join(f"- {said.text}" for said in some)
            found += yield from self._final(text, math.ceil(self.words / number), hull(some), part, of_notes=True)
        return found

    def _pieces(self, notes: Sequence[Said]) -> int:
        """In how many pieces notes fit the window."""
        return math.ceil(1.1 * sum(self.count(said.text) + 4 for said in notes) / self._room)

    @property
    def _most_pieces(self) -> float:
        return 1 if self.asking.style in ("headline", "tldr") else math.inf

    def _final(
        self,
        text: str,
        words: int,
        within: tuple[int, int] | None,
        part: int,
        *,
        of_notes: bool = False,
        keep: bool = False,
    ) -> Generator[Event, None, list[Said]]:
        """What the style asks for, of the source itself or of notes; once more where it is in another language."""
        constraint = None
        if self.asking.style == "minutes":
            constraint = minutes_constraint(self.asking.tongue)
        elif self.asking.style == "headline":
            least, most = around(words) if self.exactly else (2, words + 2)
            constraint = sentence_constraint(least, most, spaces=self._has_spaces)
        elif self.asking.style == "bullets":
            constraint = list_constraint(words)
        room = self._answer_tokens(words)
        found: list[str] = []
        for firmly in (False, True):
            request = self.asking.final(words, of_notes=of_notes, firmly=firmly)
            result = yield from self.told.ask(self.asking.made_of(text, request), room, constraint, keep=keep)
            if self.asking.style == "minutes":
                lines = minutes_of(result.text, self.asking.tongue)
                if (lines is None or result.finish_reason != "stop") and CUT_SHORT not in self.remarks:
                    self.remarks.append(CUT_SHORT)
                return [Said(line, within, heading) for heading, line in lines or ()]
            found = lines_of(result) if self.asking.style == "bullets" else sentences_of(result)
            if is_in(" ".join(found), self.asking.language):
                break
        if self.asking.style == "headline":
            found = [" ".join(found).strip("\"'«»“”„ ").rstrip(".")] if found else []
        if self.asking.style == "tldr" and len(found) > _TLDR:
            values = centrality(found)
            best = sorted(range(len(found)), key=lambda place: -values[place])[:_TLDR]
            found = [found[place] for place in sorted(best)]
        return [Said(line, within, part) for line in found]

    # ── what it takes ──

    @property
    def _has_spaces(self) -> bool:
        """Whether words of the summary are parted by spaces."""
        language = self.asking.language
        return language not in UNSPACED if language else has_spaces(self.source.text)

    def _answer_tokens(self, words: int | None = None) -> int:
        """Room for the summary itself, a paragraph of it at least."""
        if self.asking.style == "minutes":
            return min(1200, self.window // 3)
        return min(tokens_of(2 * (words or self.words), self.asking.language), self.window // 3)

    @cached_property
    def _room(self) -> int:
        """For a text that the summary is made of at once."""
        for shots in (True, False):
            self.asking = replace(self.asking, shots=shots)
            request = self.asking.made_of("", self.asking.final(999, of_notes=True, firmly=True))
            if self.engine.count_tokens(request) < self.window // 3:
                break
        return self._beside(request, self._answer_tokens())

    @cached_property
    def _room_for_notes(self) -> int:
        """For a passage that a note is taken of. A small window has none for examples."""
        answer = tokens_of(NOTE_WORDS, self.noting.language)
        question, _ = self.noting.concerns() if self.noting.focus else ("", ())
        for shots in (True, False):
            self.noting = replace(self.noting, shots=shots)
            request = with_request(self.noting.noting("", before="x " * CONTEXT), question or " ")
            if self.engine.count_tokens(request) < min(self.window // 2, self.window - answer - 4 * LEAST_ROOM):
                break
        return self._beside(request, answer)

    def _beside(self, request: Sequence[Message], answer: int) -> int:
        """Raises DoesNotFit: there is no room for text."""
        tokens = self.engine.count_tokens(request) + 8
        if self.window - tokens - answer < LEAST_ROOM:
            raise DoesNotFit(
                f"The request takes {tokens:,} tokens and its answer may take {answer:,}, but the window holds "
                f"{self.window:,}: there is no room for the text.",
                "Use a larger window (-o context_length) or another model (-m).",
            )
        return self.window - tokens - answer

    def _coverage(self) -> float:
        """Of the characters that are no white space."""
        text = self.source.text
        read = sum(len("".join(text[passage.start : passage.end].split())) for passage in self.passages)
        return read / len("".join(text.split()))

    def _own_sentences(self) -> list[Said]:
        """Of the source, where nothing else is left to make a summary as long as was asked. Headings are none."""
        sentences = [(self.indexed.sentence(number), span) for number, span in enumerate(self.indexed.spans)]
        return [
            Said(plain(sentence), span)
            for sentence, span in sentences
            if words_of(sentence) > 3 and not sentence.startswith("#")
        ]
