"""What an answer stands on: each ``[n]`` checked against the passages that were in the prompt, and where it stands.

The ids are the program's. A sentence without one is attributed to the passage that says the same, and a sentence whose
numbers or names are in no passage it cites is marked with what is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assistant.memory.claims import Claim, Evidence, claims_of
from assistant.memory.files import digest_of, printable
from assistant.memory.grounding import LINED_KINDS, Source, is_refusal
from assistant.memory.markers import parse, sentences_with_ids
from assistant.memory.sentences import Span, sentences
from assistant.memory.stemming import stems

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assistant.memory.embedding import Embedder
    from assistant.memory.index import Index, Place

ATTACHED = 0  # in place of a document's number: a file that stood before the model without being in memory

State = Literal["fresh", "changed", "vanished", "removed"]

SAME_WORDS = 0.6  # share of a sentence's stems that a passage must have to be what it stands on
FOREIGN_WORDS = 0.3  # with less than this in every passage, it is not from them
SHORTEST_STATEMENT = 4  # stems
SAME_MEANING = 5.0  # how far above the ranking's zero a cosine must be, times its weight: 0.5 of use-multilingual


@dataclass(frozen=True, slots=True)
class Citation:
    """One source of an answer; it can be stored, and outlives the passage.

    Attributes:
        id: the n of ``[n]``.
        page, line, end_line: 1-based, of the cited sentence; None: the format has none.
        start, end: characters of the document's text: the sentence that fits best, else the whole passage.
        digest: of the file, as it was read.
        score: of the passage in the ranking, 0 to 1.
        attributed: the model did not cite it, or another in its place; the program found that it says the same.
    """

    id: int
    document_id: int
    chunk_id: int
    path: str
    title: str
    page: int | None
    line: int | None
    end_line: int | None
    start: int
    end: int
    digest: str
    score: float
    attributed: bool = False

    def to_json(self, state: State | None = None) -> dict[str, Any]:
        """For the history, and for a script, which also wants to know the state now: then ``stale`` is in it."""
        values = asdict(self)
        values["document"], values["chunk"] = values.pop("document_id"), values.pop("chunk_id")
        return values if state is None else values | {"stale": state != "fresh", "state": state}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Citation:
        known = {field.name for field in fields(cls)}
        renamed = values | {"document_id": values["document"], "chunk_id": values["chunk"]}
        return cls(**{name: value for name, value in renamed.items() if name in known})


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A sentence of the answer, ``answer[start:end]``, that nothing it cites supports; ``missing``: the numbers and
    names that are nowhere, empty if it is the statement as a whole."""

    start: int
    end: int
    missing: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {"start": self.start, "end": self.end, "missing": list(self.missing)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Unsupported:
        return cls(values["start"], values["end"], tuple(values["missing"]))


@dataclass(frozen=True, slots=True)
class Checked:
    """``citations`` by id; ``unknown``: ids in the answer that name no passage."""

    citations: tuple[Citation, ...] = ()
    unknown: tuple[int, ...] = ()
    unsupported: tuple[Unsupported, ...] = ()


def check(answer: str, sources: Sequence[Source], *, question: str = "", embedder: Embedder | None = None) -> Checked:
    """What the answer cites, and what of it no passage supports.

    Args:
        sources: the passages that were in the prompt.
        question: its names and numbers may stand in the answer without being in a passage.
        embedder: compares sentences without a citation with passages in another language, by meaning.
    """
    if is_refusal(answer):
        return Checked()
    readers = {source.id: _Reader(source) for source in sources}
    prose, markers = parse(answer)
    asked = Evidence(question)
    found: dict[int, tuple[float, Citation]] = {}
    unsupported = []
    for (start, end), cited in sentences_with_ids(prose, markers):
        statement = _Statement(prose[start:end], asked.stems)
        if not statement.stems or prose[start:end].endswith(("?", ":")) or prose.startswith("#", start):
            continue
        claims = [claim for claim in statement.claims if not asked.has(claim)]
        named = [readers[id] for id in cited if id in readers]
        if named:
            if missing := _missing(statement, claims, named):
                unsupported.append(Unsupported(start, end, missing))
                # Small models give wrong numbers: whoever opens the sources finds the right one, too.
                others = [reader for reader in readers.values() if reader not in named]
                named += [reader for reader in [_supporter(statement, claims, others, embedder)] if reader]
        elif reader := _supporter(statement, claims, list(readers.values()), embedder):
            named = [reader]
        else:
            missing = _missing(statement, claims, readers.values())
            if missing or _is_foreign(statement, readers.values()):
                unsupported.append(Unsupported(start, end, missing))
        for reader in named:
            fit, span = reader.best_span(statement)
            citation = replace(reader.cite(span), attributed=reader.id not in cited)
            before = found.get(reader.id)
            if before is None or (citation.attributed, -fit) < (before[1].attributed, -before[0]):
                found[reader.id] = fit, citation
    ids = dict.fromkeys(id for marker in markers for id in marker.ids)
    for id in ids:  # also those that stand alone, as in a list of sources at the end
        if id in readers and (id not in found or found[id][1].attributed):
            citation = found[id][1] if id in found else readers[id].cite(None)
            found[id] = 0.0, replace(citation, attributed=False)
    return Checked(
        citations=tuple(citation for _, (_, citation) in sorted(found.items())),
        unknown=tuple(id for id in ids if id not in readers),
        unsupported=tuple(unsupported),
    )


def state(citation: Citation, index: Index) -> State:
    """Whether the source still is what was cited. The file is only read where its size or time changed."""
    document = index.document(citation.document_id) if citation.document_id != ATTACHED else None
    if document is None and citation.document_id != ATTACHED:
        return "removed"
    try:
        status = Path(citation.path).stat()
        if document and (status.st_size, status.st_mtime_ns) == (document.size, document.mtime_ns):
            digest = document.digest
        else:
            digest = digest_of(Path(citation.path))
    except (OSError, ValueError):
        return "vanished"
    return "fresh" if digest == citation.digest == (document or citation).digest else "changed"


_WHERE = {"en": ("page", "line"), "ru": ("стр.", "строки")}
_STATES = {
    "en": {"changed": "changed since", "vanished": "the file is gone", "removed": "removed from memory"},
    "ru": {"changed": "изменён с тех пор", "vanished": "файла больше нет", "removed": "удалён из памяти"},
}


def source_line(citation: Citation, language: str = "en", state: State = "fresh") -> str:
    """``[1] guide.md, line 12–18``, as it stands under an answer."""
    language = language if language in _WHERE else "en"
    page, line = _WHERE[language]
    text = f"[{citation.id}] {printable(Path(citation.path).name or citation.title)}"
    if citation.page is not None:
        text += f", {page} {citation.page}"
    elif citation.line is not None:
        last = citation.end_line or citation.line
        several = last > citation.line
        word = "строка" if language == "ru" and not several else line
        text += f", {word} {citation.line}" + (f"–{last}" if several else "")
    return text if state == "fresh" else f"{text} ({_STATES[language][state]})"


def source_lines(citations: Sequence[Citation], index: Index, language: str = "en") -> list[str]:
    """:func:`source_line` of each, with its state now."""
    return [source_line(citation, language, state(citation, index)) for citation in citations]


class _Statement:
    """A sentence of the answer."""

    def __init__(self, text: str, question_stems: frozenset[str]):
        self.text = text
        self.question_stems = question_stems

    @cached_property
    def stems(self) -> frozenset[str]:
        return frozenset(stems(self.text))

    @cached_property
    def claims(self) -> list[Claim]:
        return claims_of(self.text)

    @cached_property
    def evidence(self) -> Evidence:
        return Evidence(self.text)


class _Reader:
    """A passage, as statements are held against it."""

    def __init__(self, source: Source):
        self.id = source.id
        self._source = source
        self._place: Place = source.passage.place
        self._vectors: NDArray[np.float32] | None = None  # of its sentences
        place = self._place
        self.evidence = Evidence(f"{place.title}\n{place.heading or ''}\n{place.path}\n{source.passage.text}")

    @cached_property
    def _sentences(self) -> list[tuple[Span, Evidence]]:
        text = self._source.passage.text
        return [((start, end), Evidence(text[start:end])) for start, end in sentences(text, 0, len(text))]

    def same_script(self, statement: _Statement) -> bool:
        return self.evidence.is_cyrillic == statement.evidence.is_cyrillic

    def share(self, statement: _Statement, claims: Sequence[Claim]) -> float:
        """How much of the statement is here, 0 to 1: of its stems, and in another script of its claims."""
        if not all(map(self.evidence.has, claims)):
            return 0.0
        if not self.same_script(statement):
            return SAME_WORDS if claims else 0.0
        return len(statement.stems & self.evidence.stems) / len(statement.stems)

    def meaning(self, vector: NDArray[np.float32], embedder: Embedder) -> float:
        """The highest cosine of one of the passage's sentences with this vector."""
        if self._vectors is None:  # for all statements, since embedding takes longer than all the rest
            self._vectors = embedder.passages([evidence.text for _, evidence in self._sentences])
        return float((self._vectors @ vector).max(initial=0.0))

    def best_span(self, statement: _Statement) -> tuple[float, Span | None]:
        """The sentence that says it, and how well; None if none has anything of it."""
        scored = [(self._fit(statement, evidence), span) for span, evidence in self._sentences]
        fit, span = max(scored, key=lambda pair: pair[0], default=(0.0, None))
        return (fit, span) if fit > 0 else (0.0, None)

    @staticmethod
    def _fit(statement: _Statement, evidence: Evidence) -> float:
        shared = len(statement.stems & evidence.stems) + 2 * sum(map(evidence.has, statement.claims))
        if not shared:
            return 0.0
        return shared + 0.5 * len(statement.question_stems & evidence.stems) - 0.01 * len(evidence.stems)

    def cite(self, span: Span | None) -> Citation:
        place, text = self._place, self._source.passage.text
        start, end, line, end_line = place.start, place.end, place.line, place.end_line
        if span and len(text) == end - start:  # else the text stands there with other white space
            start, end = start + span[0], start + span[1]
            line, end_line = (line + text.count("\n", 0, offset) for offset in span)
        lined = place.kind in LINED_KINDS
        return Citation(
            id=self.id,
            document_id=place.document_id,
            chunk_id=self._source.passage.chunk_id,
            path=str(place.path),
            title=place.title,
            page=place.page,
            line=line if lined else None,
            end_line=end_line if lined else None,
            start=start,
            end=end,
            digest=place.digest,
            score=self._source.score,
        )


def _missing(statement: _Statement, claims: Sequence[Claim], readers: Collection[_Reader]) -> tuple[str, ...]:
    """The numbers and names that are in none of these passages.

    Names change from language to language (Средиземное море is the Mediterranean): between scripts some are missed, and
    are only told when most are, and more than one.
    """
    missing = [claim for claim in claims if not any(reader.evidence.has(claim) for reader in readers)]
    if not any(reader.same_script(statement) for reader in readers):
        phrases = {claim.phrase for claim in claims if not claim.values}
        found = {claim.phrase for claim in claims if not claim.values and claim not in missing}
        lost = len(phrases - found)
        if lost < 2 or lost * 2 <= len(phrases):
            missing = [claim for claim in missing if claim.values]
    return tuple(claim.text for claim in missing)


def _is_foreign(statement: _Statement, readers: Iterable[_Reader]) -> bool:
    """Whether a statement, not only a few words, is about something else than all passages in its script."""
    shares = [reader.share(statement, ()) for reader in readers if reader.same_script(statement)]
    return len(statement.stems) >= SHORTEST_STATEMENT and bool(shares) and max(shares) < FOREIGN_WORDS


def _supporter(
    statement: _Statement, claims: Sequence[Claim], readers: Sequence[_Reader], embedder: Embedder | None
) -> _Reader | None:
    """The passage that says what a statement without a citation says."""
    ranked = max(
        readers, key=lambda reader: (reader.share(statement, claims), reader.best_span(statement)[0]), default=None
    )
    if ranked and ranked.share(statement, claims) >= SAME_WORDS:
        return ranked
    if embedder:
        from assistant.memory.rerank import scale_of

        able = [reader for reader in readers if all(map(reader.evidence.has, claims))]
        vector = embedder.passages([statement.text])[0]
        meanings = [(reader.meaning(vector, embedder), reader) for reader in able]
        meaning, closest = max(meanings, key=lambda pair: pair[0], default=(0.0, None))
        scale = scale_of(embedder.name)
        return closest if meaning >= scale.zero + SAME_MEANING / scale.weight else None
    return None
