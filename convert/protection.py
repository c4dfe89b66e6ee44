"""What protecting super weights costs and buys, against spending the same bytes on other layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convert.quantization.mixture import category, layer_of
from convert.quantization.recipe import Recipe, for_size, protect
from models.errors import UsageError
from models.gguf_header import Header


@dataclass(frozen=True, slots=True)
class Protection:
    """
    Attributes:
        raised: tensor -> its type before and after.
        bytes: that it took.
        without: KL divergence (mean, nats) of the same file with nothing raised.
        elsewhere: the same with as many tensors of the same kind in other layers raised, for the same bytes; None:
            there are none.
    """

    raised: dict[str, tuple[str, str]]
    bytes: int
    without: float | None = None
    elsewhere: float | None = None


def protected(
    recipe: Recipe, header: Header, tensors: Sequence[str], limit: int | None = None, *, has_imatrix: bool = False
) -> Recipe:
    """The recipe with these tensors raised. With a limit of bytes for the file the others get less, and if there is no
    room even so, nothing is raised."""
    raised, room = protect(recipe, header, tensors), limit or 0
    while limit is not None and raised.size > limit:
        room -= raised.size - limit
        try:
            raised = protect(for_size(header, room, has_imatrix=has_imatrix), header, tensors)
        except UsageError:
            return recipe
    return raised


def of(protected: Recipe, unprotected: Recipe, tensors: Sequence[str]) -> Protection | None:
    """None: nothing was raised."""
    pairs = {name: (unprotected.types[name], protected.types[name]) for name in tensors}
    raised = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return Protection(raised, protected.size - unprotected.size) if raised else None


def elsewhere(protection: Protection, unprotected: Recipe, header: Header) -> Recipe | None:
    """The unprotected recipe with the same bytes spent on the same kind of tensor in other layers, nearest to the
    middle of the model; None: there are not as many."""
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    taken: list[str] = []
    for name, (before, _) in protection.raised.items():
        others = [
            other
            for other in shapes
            if category(other) == category(name)
            and shapes[other] == shapes[name]
            and unprotected.types[other] == before
            and other not in protection.raised
            and other not in taken
        ]
        if not others:
            return None
        taken.append(min(others, key=lambda other: abs(2 * layer_of(other) - header.layers)))
    return protect(unprotected, header, taken)
