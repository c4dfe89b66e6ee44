"""Embedding as a stream: batches cross items, and the embedder computes while others read and write."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from assistant.memory.embedding import Embedder

BATCH = 512  # texts: a quarter of a second of the default embedder
_WAITING = 8 * BATCH  # items that may wait for their vectors, however few texts each of them has

LARGEST = 20_000_000  # of all that waits, in what ``size_of`` counts

Item = TypeVar("Item")
Vectors: TypeAlias = "list[NDArray[np.float32]]"


@dataclass
class _Waiting(Generic[Item]):
    item: Item
    texts: int
    vectors: Vectors = field(default_factory=list)


def embed_ahead(
    embedder: Callable[[], Embedder],
    items: Iterable[Item],
    texts_of: Callable[[Item], Sequence[str]],
    size_of: Callable[[Item], int] = lambda item: 0,
) -> Iterator[list[tuple[Item, Vectors]]]:
    """Every item with the vectors of its texts, (dims,) each, in the order of ``items``, some at a time.

    The embedder has a thread of its own. While it works on one batch, the next items are taken, which is when they are
    read, and the caller has what is ready. An item without texts comes in its turn. ``size_of`` bounds what waits:
    copies of a large document have no texts of their own, and would all be held until a batch is full.
    """
    items_waiting: deque[_Waiting[Item]] = deque()
    texts_waiting: deque[tuple[_Waiting[Item], str]] = deque()
    held = 0
    running: tuple[list[_Waiting[Item]], Future[Any]] | None = None

    with ThreadPoolExecutor(1, "embedder") as thread:

        def turn() -> list[tuple[Item, Vectors]]:
            """Let the next batch begin as soon as the last one ends, and wait for that."""
            nonlocal running, held
            before, running = running, None
            if texts_waiting:
                batch = [texts_waiting.popleft() for _ in range(min(BATCH, len(texts_waiting)))]
                running = [whose for whose, _ in batch], thread.submit(embedder().passages, [text for _, text in batch])
            if before:
                for whose, vector in zip(before[0], before[1].result(), strict=True):
                    whose.vectors.append(vector)
            ready = []
            while items_waiting and len(items_waiting[0].vectors) == items_waiting[0].texts:
                done = items_waiting.popleft()
                held -= size_of(done.item)
                ready.append((done.item, done.vectors))
            return ready

        for item in items:
            texts = texts_of(item)
            waiting = _Waiting(item, len(texts))
            items_waiting.append(waiting)
            held += size_of(item)
            texts_waiting.extend((waiting, text) for text in texts)
            while len(texts_waiting) >= BATCH or len(items_waiting) >= _WAITING or held > LARGEST:
                if ready := turn():
                    yield ready
        while items_waiting:
            if ready := turn():
                yield ready
