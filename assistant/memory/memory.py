"""The memory as a chat and the command line hold it: the index, its embedder, and how both are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.memory.citations import ATTACHED
from assistant.memory.facts import Facts
from assistant.memory.feedback import Feedback
from assistant.memory.index import DEFAULT_COLLECTION, Filter, Index
from models.errors import UsageError
from models.paths import memory_file

if TYPE_CHECKING:
    import threading

    from assistant.memory.embedding import CrossEncoder, Embedder
    from assistant.memory.index import Passage
    from assistant.memory.ingest import Event
    from assistant.memory.retrieval import Hit, Retrieved

SHORT_CHUNK = 300  # tokens: no more of a long attached file are looked for than may find room
FAR_BEHIND = 0.1  # of the score of the best passage
PASSAGES = 6  # found for a question; how many of them the model reads is a matter of room


@dataclass(frozen=True, slots=True)
class Recall:
    """What there is on a question.

    Attributes:
        hits: passages, those of attached files first; the best first.
        told: a fact about the user bears on it; those are in the prompt anyway.
    """

    hits: tuple[Hit, ...]
    told: bool


class Memory:
    """The user's memory. The embedder is loaded when something is searched or added; facts need none."""

    def __init__(self, index: Index):
        self.index = index
        self.facts = Facts(index.database)
        self.feedback = Feedback(index.database)
        self._embedder: Embedder | None = None
        self._attached: dict[tuple[Path, int, int], Memory] = {}

    @classmethod
    def open(cls, path: Path | None = None) -> Memory:
        """The memory in this file; None: the user's own, created when it is not there.

        Raises:
            UserError: the file cannot be used.
        """
        return cls(Index.open(path or memory_file()))

    def close(self) -> None:
        for attached in self._attached.values():
            attached.close()
        self.index.close()

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def embedder(self) -> Embedder:
        """The one whose vectors are in the index; for an empty index the best that is installed."""
        from assistant.memory.embedding import best_installed, load_embedder

        used = self.index.embedder
        if self._embedder is None or (used and used.name != self._embedder.name):  # another program may change it
            self._embedder = load_embedder(used.name if used else best_installed())
        return self._embedder

    @cached_property
    def reranker(self) -> CrossEncoder | None:
        from assistant.memory.embedding import load_reranker

        return load_reranker()

    def add(
        self,
        paths: Iterable[Path],
        *,
        collection: str = DEFAULT_COLLECTION,
        stop: threading.Event | None = None,
        forget: Callable[[Sequence[int]], object] | None = None,
    ) -> Iterator[Event]:
        """Files and folders into memory; see :func:`assistant.memory.ingest.add`."""
        from assistant.memory import ingest

        options: dict[str, Any] = {"collection": collection, "stop": stop, "forget": forget}
        return ingest.add(self.index, lambda: self.embedder, list(paths), **options)

    def search(
        self, query: str, *, limit: int = 10, filter: Filter | None = None, context: str | None = None
    ) -> Retrieved:
        """The passages nearest to a query; ``context`` is the question before it.

        Raises:
            IndexUnusable: the index has vectors of another version of its embedder.
        """
        from assistant.memory.retrieval import Retriever

        embedder = self.embedder
        if self.index.embedder:
            self.index.use_embedder(embedder.name, embedder.version, embedder.dims)
        retriever = Retriever(self.index, embedder, self.reranker, self.feedback)
        return retriever.search(query, limit=limit, filter=filter or Filter(), context=context)

    def recall(
        self,
        question: str,
        *,
        documents: bool = True,
        collection: str | None = None,
        files: Sequence[Path] = (),
        room: int = 0,
        before: str | None = None,
        cited: Sequence[int] = (),
    ) -> Recall:
        """What there is on a question.

        Args:
            documents: look in the documents of memory, of ``collection`` only if it is given.
            files: attached to this question; each that fits ``room`` (tokens of the embedder) is taken whole.
            before: the question before this one, which may be needed to understand it.
            cited: the chunks that its answer cited: what a follow-up is about when nothing else is found.

        Raises:
            UserError: a file cannot be read, or the memory cannot.
        """
        from assistant.memory.retrieval import Hit, is_short

        hits = [hit for file in files for hit in self._read_attached(file, question, room // len(files))]
        told = False
        if documents:
            filter = Filter(collection=collection)
            # A short question may be a new one, or need the one before it: what finds the better passage is right.
            contexts = dict.fromkeys([None, before if is_short(question) else None])
            ways = [self.search(question, limit=PASSAGES, filter=filter, context=context) for context in contexts]
            told_of = [way for way in ways if way.confident]
            if told_of:
                found = max(told_of, key=lambda way: way.hits[0].score).hits
                # What is far behind the best only takes time to read, and confuses a small model.
                hits += [hit for hit in found if hit.score >= FAR_BEHIND * found[0].score]
            elif not hits and cited:
                hits += [Hit.of(passage) for passage in self.index.passages(cited, filter)]
            told = self.facts.bear_on(question)
        return Recall(tuple(hits), told)

    def _read_attached(self, file: Path, question: str, room: int) -> list[Hit]:
        """The passages of a file: all of them in order if they fit, else those nearest to the question."""
        from assistant.memory.retrieval import Hit

        memory = self._attach(file)
        (document,) = memory.index.documents()
        passages = memory.index.texts_of(document.id)
        if sum(passage.tokens for passage in passages) <= room:
            hits = [Hit.of(passage) for passage in passages]
        else:
            hits = list(memory.search(question, limit=max(1, room // SHORT_CHUNK)).hits)
        return [replace(hit, passage=_not_ours(hit.passage)) for hit in hits]

    def _attach(self, file: Path) -> Memory:
        """A memory of this file alone, kept while the file stays as it is."""
        from assistant.memory.documents import Skipped, walk
        from assistant.memory.ingest import add

        if file.is_dir():
            raise UsageError(f"{file} is a folder.", "Attach files, or add it to memory.")
        (found,) = walk([file])
        if isinstance(found, Skipped):
            raise UsageError(f"{file} cannot be attached: {found.reason}", "Check the name after @.")
        key = (file, found.size, found.mtime_ns)
        if key not in self._attached:
            for old in [known for known in self._attached if known[0] == file]:
                self._attached.pop(old).close()
            memory = Memory(Index.in_memory())
            memory._embedder, memory.reranker = self.embedder, self.reranker
            for event in add(memory.index, lambda: self.embedder, [file]):
                if isinstance(event, Skipped):
                    raise UsageError(f"{file} cannot be attached: {event.reason}", "Check the file after @.")
            self._attached[key] = memory
        return self._attached[key]

    def about_user(self, count_tokens: Callable[[str], int]) -> str:
        """What the user told about themselves, for a prompt; empty: nothing."""
        return self.facts.for_prompt(count_tokens)


def _not_ours(passage: Passage) -> Passage:
    """The passage without the numbers of the index that it was read into, which mean others in the user's memory."""
    return replace(passage, chunk_id=ATTACHED, place=replace(passage.place, document_id=ATTACHED))
