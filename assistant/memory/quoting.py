"""A cited sentence among what stands around it, from the index, or from the file where the index does not have it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.memory.citations import Citation, State, state

if TYPE_CHECKING:
    from assistant.memory.index import Index

AROUND = 1500  # characters shown on each side, cut at a word


@dataclass(frozen=True, slots=True)
class Quote:
    """What a source says.

    Attributes:
        text: the sentence; empty: it is nowhere any more.
        heading: the path to it; empty: unknown.
    """

    before: str
    text: str
    after: str
    heading: str
    state: State


def quote(citation: Citation, index: Index) -> Quote:
    """The cited sentence in its context, as it was when it was cited.

    Reads the file only when the document is not in memory: it was attached to one question.
    """
    now = state(citation, index)
    document = index.document(citation.document_id)
    if document is not None and document.digest == citation.digest:
        return _from_index(citation, index, now)
    if document is not None:  # read again since: the places are those of the new text
        passages = index.passages([citation.chunk_id])
        return Quote("", passages[0].text if passages else "", "", "", now)
    return _from_file(citation) or Quote("", "", "", "", now)


def _from_index(citation: Citation, index: Index, now: State) -> Quote:
    before, cited, after, heading = "", "", "", ""
    for passage in index.texts_of(citation.document_id):
        text, begin = passage.text, passage.place.start
        start = min(len(text), max(0, citation.start - begin))
        end = min(len(text), max(0, citation.end - begin))
        # No more than is shown: a long document would be copied once for each of its chunks.
        before, cited = _joined(before, text[:start])[-2 * AROUND :], _joined(cited, text[start:end])
        after = _joined(after, text[end:])[: 2 * AROUND]
        if start < end:
            heading = heading or passage.place.heading
    return Quote(_last(before), cited, _first(after), heading, now)


def _from_file(citation: Citation) -> Quote | None:
    from assistant.memory import documents

    path = Path(citation.path)
    try:
        if documents.digest_of(path) != citation.digest:
            return None
        text = documents.load(path).text
    except (documents.Unreadable, OSError, ValueError):
        return None
    before, cited, after = text[: citation.start], text[citation.start : citation.end], text[citation.end :]
    return Quote(_last(before), cited, _first(after), "", "fresh")


def _joined(one: str, other: str) -> str:
    """Chunks of a document, which may have lost the empty lines between them."""
    if one.strip() and other.strip():
        return one.rstrip("\n") + "\n\n" + other.lstrip("\n")
    return one + other


def _last(text: str) -> str:
    if len(text) <= AROUND:
        return text.lstrip("\n")
    cut = text.find(" ", len(text) - AROUND)
    return "…" + text[cut if cut >= 0 else len(text) - AROUND :]


def _first(text: str) -> str:
    if len(text) <= AROUND:
        return text.rstrip()
    cut = text.rfind(" ", 0, AROUND)
    return text[: cut if cut >= 0 else AROUND] + "…"
