"""Many requests in the batches of one engine: continuous batching (Yu et al. 2022, Orca).

Each batch has the next tokens of all requests that are being answered; when one ends, the next takes its place. What
the requests begin with, such as the instructions and examples of a template, is computed once. Choices are scored side
by side, all of one request in the batch of its prompt.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from assistant.engine.engine import GenerateOptions, Message, Result
from assistant.engine.loaded import Loaded
from assistant.engine.scoring import check_choices, close_reasoning
from assistant.engine.sequences import PREFIXES, Sequences
from assistant.engine.slots import ScoringSlot, Slot, WritingSlot
from assistant.engine.speculation.costs import BatchCosts
from models import llama
from models.errors import Cancelled, ModelError, UserError
from models.llama import Aborted, Row

_MOST = 32  # answers written side by side: what t(N) is known of
_PAYS = 0.95  # more of them have to bring the time of a token down to this, or fewer are as good
_OUTPUT_BYTES = 64 << 20  # of logits
_LOOK_AHEAD = 8  # requests at least: what they begin with is found by comparing them
_CELLS = (1024, 8192)  # of the KV cache at first, at least and at most; it grows for a request that needs more
_MOST_SEQUENCES = 128


@dataclass(frozen=True)
class Request:
    """One of many questions.

    Attributes:
        choices: the answer is one of these, which are scored; ``options`` then say nothing. Empty: it is generated.
    """

    messages: Sequence[Message]
    options: GenerateOptions = field(default_factory=GenerateOptions)
    choices: tuple[str, ...] = ()


def sequences_that_pay(costs: BatchCosts) -> int:
    """How many answers to write side by side: as few as give a token in about the least time, t(N) / N."""
    best = min(costs(count) / count for count in range(1, _MOST + 1))
    return next(count for count in range(1, _MOST + 1) if costs(count) / count * _PAYS <= best)


class Many:
    """Answers requests.

    Args:
        width: answers written side by side.
        alone: answers a request as if it were the only one, for those that cannot share a batch.
        is_cancelled: between batches, the same as an abort within one.
    """

    def __init__(
        self,
        loaded: Loaded,
        requests: Iterable[Request],
        width: int,
        alone: Callable[[Request], Result],
        is_cancelled: Callable[[], bool],
    ):
        self._loaded = loaded
        self._requests = enumerate(requests)
        self._taken: dict[int, Request] = {}
        self._width = width
        self._alone = alone
        self._is_cancelled = is_cancelled
        self._exhausted = False
        self._waiting: deque[Slot] = deque()
        self._slots: list[Slot] = []  # the first began first
        self._sequences: Sequences | None = None

    def run(self) -> Iterator[tuple[int, Result | UserError]]:
        """Yields the number of a request with its answer, as soon as it is there.

        Raises:
            Cancelled: it was stopped; what is unfinished is lost.
        """
        try:
            while True:
                yield from self._pull()
                if not (self._waiting or self._slots):
                    return
                yield from self._admit()
                if self._slots:
                    yield from self._step()
        except Aborted as aborted:
            raise Cancelled() from aborted
        finally:
            self.close()

    # Requests

    def _pull(self) -> Iterator[tuple[int, Result | UserError]]:
        """Take as many requests as can begin soon; those that are answered at once are yielded."""
        while not self._exhausted and len(self._waiting) < max(self._width, _LOOK_AHEAD):
            taken = next(self._requests, None)
            if taken is None:
                self._exhausted = True
                return
            number, request = taken
            try:
                slot = self._slot(number, request)
            except UserError as error:
                yield number, error
                continue
            if slot is None:
                yield number, self._answer_alone(request)
            else:
                self._taken[number] = request
                self._waiting.append(slot)

    def _answer_alone(self, request: Request) -> Result | UserError:
        try:
            return self._alone(request)
        except Cancelled:
            raise
        except UserError as error:
            return error

    def _slot(self, number: int, request: Request) -> Slot | None:
        """None: it cannot share a batch.

        Raises:
            UserError: it cannot be answered.
        """
        loaded, options = self._loaded, request.options
        if not request.choices:
            if options.beams > 1:
                return None
            return WritingSlot(number, loaded, loaded.prompt(request.messages, options), options)
        check_choices(request.choices)
        model = loaded.model
        cut = [tuple(model.tokenize(text, add_special=False, parse_special=False)) for text in request.choices]
        if sum(map(len, cut)) > llama.UBATCH or len(cut) > self._outputs - PREFIXES:
            return None
        prompt = loaded.tokenize(close_reasoning(loaded.format.render(request.messages), loaded.format))
        slot = ScoringSlot(number, model, prompt, dict(zip(request.choices, cut, strict=True)))
        return slot if slot.cells_needed <= loaded.cache.limit else None  # which says what does not fit

    # Memory

    @property
    def _outputs(self) -> int:
        """Rows of logits in one batch, and sequences: llama.cpp wants as many of those."""
        room = _OUTPUT_BYTES // (4 * self._loaded.model.vocabulary_size)
        return max(self._width + PREFIXES, min(room, _MOST_SEQUENCES))

    def _admit(self) -> Iterator[tuple[int, Result | UserError]]:
        """Let requests begin, as long as the next batch has room for them; one for which there is no memory here is
        answered alone."""
        while self._waiting and self._pending < llama.UBATCH:
            slot, *others = self._waiting
            if isinstance(slot, WritingSlot) and sum(isinstance(o, WritingSlot) for o in self._slots) >= self._width:
                return
            if self._sequences and self._sequences.place(slot, others):
                self._slots.append(self._waiting.popleft())
                continue
            if self._slots:
                return
            try:
                self._grow(slot)
            except ModelError:
                self._waiting.popleft().close()
                yield slot.number, self._answer_alone(self._taken.pop(slot.number))

    @property
    def _pending(self) -> int:
        return sum(len(slot.rows) for slot in self._slots)

    def _grow(self, slot: Slot) -> None:
        """An empty context that has room for this slot, and for others beside it while there is memory.

        Raises:
            ModelError: there is not enough memory for it alone.
        """
        had = self._sequences.context.n_ctx if self._sequences else 0
        self._close_context()
        smallest, largest = _CELLS
        wanted = 2 * had or min(max(self._width * slot.cells_needed, smallest), largest)
        most = self._loaded.room_aside() // 2
        if slot.cells_needed > most:
            raise ModelError("There is not enough memory for several requests side by side.")
        cells = max(min(wanted, most), slot.cells_needed)
        context = self._loaded.cache.aside(cells, sequences=self._outputs, outputs=self._outputs)
        self._sequences = Sequences(context, self._decode)

    def _preempt(self) -> None:
        """Take the cells of the answer that began last: it is computed again when there is room."""
        slot = next(slot for slot in reversed(self._slots) if isinstance(slot, WritingSlot))
        self._slots.remove(slot)
        assert self._sequences is not None
        self._sequences.release(slot)
        self._waiting.appendleft(slot)

    # Batches

    def _step(self) -> Iterator[tuple[int, Result | UserError]]:
        """Compute one batch, and yield what is finished."""
        sequences = self._sequences
        assert sequences is not None
        context = sequences.context
        rows: list[Row] = []
        shares: list[tuple[Slot, int]] = []
        readers: list[Slot] = []
        most = min(context.n_batch, sequences.room)
        for slot in sorted(self._slots, key=lambda slot: len(slot.rows)):  # answers go on, prompts take what is left
            before = len(rows)
            while slot.rows and len(rows) < most and len(readers) < context.outputs:
                rows.append(slot.rows.popleft())
                if rows[-1].output:
                    readers.append(slot)
            shares.append((slot, len(rows) - before))
        if not rows:
            self._preempt()
            return
        started = time.perf_counter()
        self._decode(rows)
        seconds = time.perf_counter() - started
        for slot, count in shares:
            sequences.computing(slot, count)
            slot.spent(count, seconds * count / len(rows))
        ended: dict[int, Result | UserError] = {}
        for place, slot in enumerate(readers):
            if slot.number in ended:
                continue
            try:
                slot.read(context, place - len(readers))
            except UserError as error:  # a constraint that cannot go on
                ended[slot.number] = error
            if slot.result:
                ended[slot.number] = slot.result
        for slot in [slot for slot in self._slots if slot.number in ended]:
            self._slots.remove(slot)
            sequences.release(slot)
            slot.close()
            del self._taken[slot.number]
        yield from ended.items()

    def _decode(self, rows: Sequence[Row]) -> None:
        """Raises Aborted: it was stopped before or meanwhile."""
        assert self._sequences is not None
        if self._is_cancelled():
            raise Aborted
        self._sequences.context.decode_rows(rows)

    def _close_context(self) -> None:
        if self._sequences:
            self._sequences.context.close()
        self._sequences = None

    def close(self) -> None:
        """Free what it computes in."""
        for slot in (*self._slots, *self._waiting):
            slot.close()
        self._close_context()
