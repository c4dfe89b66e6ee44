"""The KV cache of many texts at once: what they begin with is computed once and shared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from assistant.engine.slots import Slot
from models.llama import Context, Row

PREFIXES = 4  # that are kept; examples in two languages are two
_WORTH = 24  # tokens more in common than with any kept prefix: from then on a prefix of its own is kept


@dataclass(slots=True)
class _Prefix:
    """What several requests begin with. ``users``: slots that share its cells now."""

    tokens: list[int]
    sequence: int
    users: int = 0


@dataclass(slots=True)
class _Place:
    """Where a slot is. ``cells``: of its own; ``expected``: those that it was promised."""

    sequences: list[int]
    prefix: _Prefix | None
    shared: int
    cells: int = 0
    expected: int = 0


@dataclass(slots=True)
class Sequences:
    """Gives slots their sequences in a context, and counts its cells, of which each computed token takes one.

    Args:
        decode: computes a batch.
    """

    context: Context
    decode: Callable[[Sequence[Row]], None]
    _prefixes: list[_Prefix] = field(default_factory=list)  # the one used last is the last
    _places: dict[int, _Place] = field(default_factory=dict)
    _free: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._free = list(range(self.context.sequences))

    @property
    def room(self) -> int:
        """Cells that nothing is in."""
        taken = sum(place.cells for place in self._places.values())
        return self.context.n_ctx - taken - sum(len(prefix.tokens) for prefix in self._prefixes)

    def place(self, slot: Slot, waiting: Sequence[Slot]) -> bool:
        """Give the slot its sequences, with what they can share; False: there is no room now. ``waiting``: requests
        that come after it, and may begin like it.

        Raises:
            Aborted: the context was stopped.
        """
        promised = sum(max(0, place.expected - place.cells) for place in self._places.values())
        prefix, shared = self._longest(slot.tokens)
        common = max((_common(slot.tokens[:-1], other.tokens) for other in waiting), default=0)
        if common >= shared + _WORTH and self.room - promised >= slot.cells_needed:
            prefix, shared = self._add(slot.tokens[:common], prefix, shared)
        needed = slot.cells_needed - shared
        while len(self._free) < slot.sequences_needed or self.room - promised < needed:
            if not self._make_room(prefix):
                return False
        own = [self._free.pop() for _ in range(slot.sequences_needed)]
        if prefix:
            for sequence in own:
                self.context.copy_sequence(prefix.sequence, sequence, shared)
            prefix.users += 1
        self._places[slot.number] = _Place(own, prefix, shared, expected=needed)
        slot.begin(own, shared)
        return True

    def computing(self, slot: Slot, rows: int) -> None:
        """So many rows of the slot are in the next batch."""
        self._places[slot.number].cells += rows

    def release(self, slot: Slot) -> None:
        place = self._places.pop(slot.number)
        for sequence in place.sequences:
            self.context.remove_sequence(sequence)
        self._free += place.sequences
        if place.prefix:
            place.prefix.users -= 1

    def _make_room(self, keep: _Prefix | None) -> bool:
        """Forget the prefix that was of no use for longest; False: all are in use."""
        unused = next((prefix for prefix in self._prefixes if not prefix.users and prefix is not keep), None)
        if unused is None:
            return False
        self._prefixes.remove(unused)
        self.context.remove_sequence(unused.sequence)
        self._free.append(unused.sequence)
        return True

    def _longest(self, tokens: list[int]) -> tuple[_Prefix | None, int]:
        """The prefix that shares most with these tokens, and how many: not the last, whose logits are needed."""
        best, shared = None, 0
        for prefix in self._prefixes:
            same = min(_common(prefix.tokens, tokens), len(tokens) - 1)
            if same > shared:
                best, shared = prefix, same
        if best:
            self._prefixes.remove(best)
            self._prefixes.append(best)
        return best, shared

    def _add(self, tokens: list[int], base: _Prefix | None, shared: int) -> tuple[_Prefix | None, int]:
        """Compute a new prefix on what is there of it; the old one where there is no room for it."""
        if len(self._prefixes) == PREFIXES and not self._make_room(base):
            return base, shared
        if not self._free or self.room < len(tokens):
            return base, shared
        sequence = self._free.pop()
        if base:
            self.context.copy_sequence(base.sequence, sequence, shared)
        prefix = _Prefix(tokens, sequence)
        self._prefixes.append(prefix)
        for start in range(shared, len(tokens), self.context.n_batch):
            stop = min(start + self.context.n_batch, len(tokens))
            self.decode([Row(tokens[place], place, (sequence,), False) for place in range(start, stop)])
        return prefix, len(tokens)


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens from the beginning are the same."""
    different = (place for place, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    return next(different, min(len(first), len(second)))
