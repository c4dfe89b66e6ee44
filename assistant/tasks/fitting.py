"""A summary as it leaves the program: what its source does not bear is said again or left out, and it is as long as was
asked."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assistant.engine.engine import Event
from assistant.memory.claims import claims_of
from assistant.memory.sentences import Span
from assistant.tasks.condensing import ENDS, Said, Told, lines_of, plain, sentences_of, tokens_of
from assistant.tasks.faithfulness import Indexed, Point, check, evidence, mend
from assistant.tasks.languages import is_in
from assistant.tasks.length import alike, around, centrality, choose, has_spaces, words_of
from assistant.tasks.prompting import Asking, sentence_constraint

if TYPE_CHECKING:
    from assistant.memory.embedding import Embedder

_EVIDENCE = 400  # tokens
_ATTEMPTS = 4  # to make one sentence longer or shorter
_SHORTEST = 4  # words of a sentence
_LOWER = 0.5  # what a point is worth that the model did not choose for the summary itself
_OF_SENTENCES = ("paragraph", "bullets", "abstract")  # styles that a sentence of the source can stand in
_FAR_LONGER = 2.5  # times the words of a point: too long to stand for it
_SPECIFIC = 0.3  # more, for each number and name, up to four: a sentence that could stand in any summary says little
_FIRST = 0.5  # more, what the model says first: it is what the text is about
_MOST = 400  # candidates
_NEARLY = 0.05  # of the words asked for: near enough not to look farther


@dataclass(frozen=True, slots=True)
class Kept:
    """A sentence or line of a summary with what it rests on; ``chosen``: by the model, not to fill up."""

    said: Said
    point: Point
    chosen: bool = True

    @property
    def words(self) -> int:
        return words_of(self.point.text)


@dataclass(frozen=True)
class Fitting:
    """The last steps of one summary.

    Attributes:
        told: asks the model.
        asking: of the summary, in its language.
        indexed: its source.
        room: tokens that fit the window beside a short request and its answer.
    """

    told: Told
    asking: Asking
    indexed: Indexed
    room: int
    embedder: Embedder | None = None

    def checked(self, said: Sequence[Said], *, chosen: bool = True) -> list[Kept]:
        points = check(
            [one.text for one in said], self.indexed, within=[one.within for one in said], embedder=self.embedder
        )
        return [Kept(one, point, chosen) for one, point in zip(said, points, strict=True)]

    def mended(self, kept: Sequence[Kept]) -> Generator[Event, None, list[Kept]]:
        """What is not supported gets one more pass, and is at last said as the source says it."""
        found = []
        for one in kept:
            if one.point.unsupported:
                read = evidence(self.indexed, one.point, min(_EVIDENCE, self.room), self.told.count)
                point = yield from mend(
                    self.told.call,
                    one.point,
                    self.indexed,
                    self.asking.tongue,
                    evidence=read,
                    within=one.said.within,
                    options=replace(
                        self.told.options,
                        max_tokens=tokens_of(2 * one.words + 10, self.asking.language),
                        keep_state=False,
                        think="off",
                    ),
                    embedder=self.embedder,
                )
                one = replace(one, point=point)
                if point.unsupported and self.asking.style in _OF_SENTENCES:
                    found += self._in_its_own_words(one) or [one]
                    continue
            found.append(one)
        return found

    def _in_its_own_words(self, one: Kept) -> list[Kept]:
        """The sentences of the source that a point rests on, in their order; none that are in another language, or far
        longer."""
        said = [
            replace(one.said, text=plain(self.indexed.text[start:end]), within=(start, end))
            for start, end in sorted(one.point.spans)
            if not self.indexed.text.startswith("#", start)  # a heading
        ]
        own = self.checked([each for each in said if is_in(each.text, self.asking.language)])
        return [each for each in own if not each.point.unsupported and 3 < each.words <= _FAR_LONGER * one.words]

    def in_language(self, said: Sequence[Said]) -> Generator[Event, None, list[Said]]:
        """With what is in another language translated."""
        found = []
        for one in said:
            if not is_in(one.text, self.asking.language):
                messages = self.asking.about(one.text, self.asking.translated())
                result = yield from self.told.ask(
                    messages, tokens_of(2 * words_of(one.text) + 10, self.asking.language)
                )
                one = replace(one, text=next(iter(lines_of(result)), one.text))
            found.append(one)
        return found

    def fitted(
        self, kept: Sequence[Kept], words: int, *, exactly: bool, pools: Iterable[Callable[[], Sequence[Said]]]
    ) -> Generator[Event, None, list[Kept]]:
        """So many of them, and of the pools where they are too short, that they have the words asked for.

        Args:
            exactly: within the tolerance; else about so many, and nothing is added.
            pools: more sentences, the best first; each is asked for where those before it are not enough.
        """
        kept = _distinct(kept)
        low, high = around(words) if exactly else (words // 2, 2 * words)
        if exactly and self.asking.style != "minutes":
            kept = yield from self._filled(kept, pools, high, lambda kept: _supported_words(kept) >= low)
        doubtful = any(one.point.unsupported for one in kept)
        filled = any(not one.chosen for one in kept)
        if exactly or self.asking.style != "minutes":  # a decision is marked rather than lost
            too_long = sum(one.words for one in kept) > high
            kept = self._chosen(kept, low, high, words) if too_long or filled or doubtful else kept
        kept = _in_order(kept)
        if exactly:
            kept = yield from self._adjusted(kept, low, high)
            if self.asking.style in _OF_SENTENCES and not low <= sum(one.words for one in kept) <= high:
                # What cannot be said in so many words makes room for what the source says in them.
                more = yield from self._filled(kept, pools, high, lambda kept: False)
                other = _in_order(self._chosen(more, low, high, words))
                kept = other if low <= sum(one.words for one in other) <= high else kept
        return kept

    def _filled(
        self,
        kept: list[Kept],
        pools: Iterable[Callable[[], Sequence[Said]]],
        high: int,
        enough: Callable[[Sequence[Kept]], bool],
    ) -> Generator[Event, None, list[Kept]]:
        """With sentences of the pools that the source bears, until they are enough."""
        for pool in pools:
            if enough(kept):
                break
            room = 2 * high - sum(one.words for one in kept)
            able = [one for one in pool() if words_of(one.text) <= high]
            more = yield from self.in_language(self._most_central(able, max(room, high)))
            supported = [one for one in self.checked(more, chosen=False) if not one.point.unsupported]
            # First what nothing of the summary rests on: the same sentence again would only repeat it.
            said = {span for one in kept for span in one.point.spans[:1]}
            fresh = [one for one in supported if not said.intersection(one.point.spans[:1])]
            kept = _distinct([*kept, *(fresh if enough([*kept, *fresh]) else supported)])
        return kept

    def _most_central(self, said: Sequence[Said], words: int) -> list[Said]:
        """As many as have so many words."""
        values = centrality([one.text for one in said])
        found: set[int] = set()
        for place in sorted(range(len(said)), key=lambda place: -values[place])[:_MOST]:
            if words <= 0:
                break
            found.add(place)
            words -= words_of(said[place].text)
        return [said[place] for place in sorted(found)]

    def _chosen(self, kept: Sequence[Kept], low: int, high: int, words: int) -> list[Kept]:
        values = centrality([one.point.text for one in kept])
        worth = [
            _worth(one, value + (0 if place else _FIRST))
            for place, (one, value) in enumerate(zip(kept, values, strict=True))
        ]
        lengths = [one.words for one in kept]
        found = choose(lengths, worth, *around(words, _NEARLY))  # or else it would always be as long as it may be
        if not low <= sum(lengths[place] for place in found) <= high:
            found = choose(lengths, worth, low, high)
        return [kept[place] for place in found]

    def _adjusted(self, kept: list[Kept], low: int, high: int) -> Generator[Event, None, list[Kept]]:
        """Single sentences made longer or shorter until the words are those asked for."""
        tried: set[int] = set()
        for _ in range(_ATTEMPTS):
            total = sum(one.words for one in kept)
            if low <= total <= high:
                break
            able = [place for place in range(len(kept)) if place not in tried]
            if not able:
                break
            place = max(able, key=lambda place: kept[place].words)
            tried.add(place)
            one, rest = kept[place], total - kept[place].words
            least, most = max(low - rest, _SHORTEST), high - rest
            if most < least:
                continue
            # Longer by what stands around it in the source, at most three times as long in one step.
            most = min(most, 3 * one.words + 10)
            least = min(least, most)
            again = yield from self.reworded(one, least, most)
            if again:
                kept = [*kept[:place], again, *kept[place + 1 :]]
        return kept

    def reworded(self, one: Kept, least: int, most: int) -> Generator[Event, None, Kept | None]:
        """The same in ``least`` to ``most`` words; None: not without saying what the source does not."""
        text = one.point.text
        if least > one.words:
            read = evidence(self.indexed, one.point, min(_EVIDENCE, self.room), self.told.count)
            text = f"{text}\n{read}" if read else text
        for words in dict.fromkeys(((least + most) // 2, least, most)):
            result = yield from self.told.ask(
                self.asking.about(text, self.asking.reworded(words)),
                tokens_of(2 * most, self.asking.language),
                sentence_constraint(least, most, spaces=has_spaces(one.point.text)),
            )
            said = " ".join(" ".join(sentences_of(result)).split())
            ended = words_of(said) < most or said.endswith(ENDS)
            if not (least <= words_of(said) <= most and ended and is_in(said, self.asking.language)):
                continue
            (again,) = self.checked([replace(one.said, text=said)], chosen=one.chosen)
            if not again.point.unsupported or one.point.unsupported:
                return again
        return None


def _supported_words(kept: Sequence[Kept]) -> int:
    return sum(one.words for one in kept if not one.point.unsupported)


def _distinct(kept: Sequence[Kept]) -> list[Kept]:
    """Without what others say already; of two, the one that the source bears stays, or the first. What only fills up
    says the same also if it rests on the same sentence."""
    found: list[Kept] = []
    for one in kept:
        same = next(
            (
                place
                for place, other in enumerate(found)
                if alike(other.point.text, one.point.text)
                or (not one.chosen and set(one.point.spans[:1]) & set(other.point.spans))
            ),
            None,
        )
        if same is None:
            found.append(one)
        elif found[same].point.unsupported and not one.point.unsupported:
            found[same] = replace(one, said=replace(one.said, part=found[same].said.part))
    return found


def _worth(one: Kept, centrality: float) -> float:
    """Of two choices with the same words the fuller one wins, so that each word is worth something whatever it says."""
    if one.point.unsupported:
        return 0.0
    specific = _SPECIFIC * min(len(claims_of(one.point.text)), 4)
    return (0.1 + centrality + specific) * one.words * (1.0 if one.chosen else _LOWER)


def _in_order(kept: Sequence[Kept]) -> list[Kept]:
    """What was added stands where its source does, in the paragraph of what stands before it."""
    found = [one for one in kept if one.chosen]
    for one in (one for one in kept if not one.chosen):
        place = next((place for place, other in enumerate(found) if _start(other) > _start(one)), len(found))
        part = found[max(place - 1, 0)].said.part if found else 0
        found.insert(place, replace(one, said=replace(one.said, part=part)))
    return found


def _start(one: Kept) -> int:
    span: Span | None = one.point.spans[0] if one.point.spans else one.said.within
    return span[0] if span else -1
