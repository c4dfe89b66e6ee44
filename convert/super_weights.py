"""Super weights: the handful of numbers of ``ffn_down`` that carry a model's huge activations (arXiv 2411.07191).

Lose one and the model breaks. They show in one forward pass over any text: where the largest output of ``ffn_down``
spikes, its row and the column of the input that made it spike name a weight. Then it is set to zero and the search is
repeated. Setting it to zero means here that its contribution, weight × input, is taken from the output that llama.cpp
computed, before the next node reads it: the file stays as it is, it works for every quantized type, and the layers
above see what they would see without the weight.

The paper takes the largest input for the column. That input may meet a small weight, while the spike is the sum of
others: so here it is the input that contributes the most, and a weight counts only if it makes up a good part of the
spike. Where there is a super weight, the two are the same.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from convert.measuring import placement
from convert.progress import OnProgress, silent
from models import fit, hardware
from models.errors import ModelError, UsageError
from models.gguf_header import Header, Tensor, read_header
from models.llama import Context, Model, Observer, Product

PROMPT = "Apple trees blossom in May, and the harvest begins in September."
THRESHOLD = 50.0  # of the reference code, for models of 7B; the activations of smaller ones spike lower
MOST = 32
SHARE = 0.25  # of an output that a super weight makes up
REMAINDER = 0.5  # of the largest output of a layer, and of all layers in repetitions: what is left below is no spike
_DOWN = re.compile(r"blk\.(\d+)\.ffn_down(_exps|_shexp)?\.weight")


@dataclass(frozen=True, slots=True)
class SuperWeight:
    """``weight`` is W[row, column] as the file holds it (dequantized), in the matrix of one ``expert`` where there are
    several. The activations are those of the token at which it spikes, in the pass in which it was found."""

    tensor: str
    layer: int
    row: int
    column: int
    weight: float
    input_activation: float
    output_activation: float
    expert: int | None = None

    def json(self) -> dict[str, Any]:
        """The fields; ``expert`` only where there are experts."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


def find(
    model: Path,
    *,
    prompt: str = PROMPT,
    threshold: float = THRESHOLD,
    most: int = MOST,
    threads: int | None = None,
    on_progress: OnProgress = silent,
) -> list[SuperWeight]:
    """The super weights of a model of any architecture that llama.cpp knows, in the order of the layers.

    Args:
        prompt: what the model reads. Its first token matters most: it is where activations are huge.
        threshold: what both the input and the output of a super weight exceed.
        most: how many are looked for.
        on_progress: (done, total) in layers of the pass; it begins anew with every repetition.

    Raises:
        ModelError: the file cannot be used, or has no ``ffn_down``.
        UsageError: the prompt has no tokens, or too many.
    """
    if not threshold > 0:
        raise UsageError(f"The threshold is {threshold}.", "Give a number above 0; 50 is usual.")
    header = read_header(model)
    search = _Search(header, threshold, most, on_progress)
    if not search.tensors:
        raise ModelError(
            f"{model.name} has no ffn_down, where super weights would be.", "Convert it without protecting them."
        )
    (layers,) = placement.gpu_layers([header], fit.MICRO_BATCH, fit.MICRO_BATCH)
    with Model(header.files[0], gpu_layers=layers) as loaded:
        tokens = loaded.tokenize(prompt, add_special=True, parse_special=False)
        if not 0 < len(tokens) <= fit.MICRO_BATCH:
            raise UsageError(f"The prompt has {len(tokens)} tokens.", f"Give 1 to {fit.MICRO_BATCH}.")
        observer = Observer(lambda product: product.weight in search.tensors, search.see)
        with Context(
            loaded,
            n_ctx=len(tokens),
            threads=threads or hardware.default_threads(),
            outputs=len(tokens),  # else the last layer would compute the last token only
            observer=observer,
        ) as context:
            before = -1
            while before < len(search.found) < most:
                before = len(search.found)
                search.begin()
                context.clear()
                context.decode(tokens, len(tokens))
    return sorted(search.found, key=lambda one: (one.layer, one.tensor, -abs(one.output_activation)))


class _Search:
    """Looks at the layers of one pass after the other. What was found in earlier passes is zero in the present one."""

    def __init__(self, header: Header, threshold: float, most: int, on_progress: OnProgress):
        self._header, self._threshold, self._most, self._on_progress = header, threshold, most, on_progress
        self.tensors = {tensor.name: tensor for tensor in header.tensors if _DOWN.fullmatch(tensor.name)}
        self.found: list[SuperWeight] = []
        self._zeroed: list[SuperWeight] = []

    def begin(self) -> None:
        self._zeroed = list(self.found)

    def see(self, product: Product) -> None:
        layer = int(_DOWN.fullmatch(product.weight)[1])  # type: ignore[index]
        inputs, outputs, experts = product.activations(), product.results().copy(), product.experts()
        if zeroed := [one for one in self._zeroed if one.tensor == product.weight]:
            for known in zeroed:
                outputs[..., known.row] -= _contribution(known, inputs, experts)
            product.replace(outputs)
        else:
            # The inputs of its own layer are the same without a weight, so all of a layer are found in one pass.
            before = [one.output_activation for one in self._zeroed]
            floor = max(self._threshold, REMAINDER * float(np.abs(before or outputs).max()))
            while len(self.found) < self._most:
                one = self._spike(product.weight, layer, floor, inputs, outputs, experts)
                if one is None:
                    break
                self.found.append(one)
                outputs[..., one.row] -= _contribution(one, inputs, experts)
        self._on_progress(layer + 1, self._header.layers)

    def _spike(
        self,
        name: str,
        layer: int,
        floor: float,
        inputs: NDArray[np.float32],
        outputs: NDArray[np.float32],
        experts: NDArray[np.int32] | None,
    ) -> SuperWeight | None:
        place = np.unravel_index(np.abs(outputs).argmax(), outputs.shape)
        token, row, y = place[:-1], int(place[-1]), float(outputs[place])
        if not np.isfinite(y):
            raise ModelError(f"The results of {name} are not finite.", "The model is damaged: make or pull it again.")
        if abs(y) <= floor:
            return None
        expert = None if experts is None else int(experts[token[1:]])
        weights = _row(self._header, self.tensors[name], row, expert)
        of_token = np.broadcast_to(inputs, (*outputs.shape[:-1], inputs.shape[-1]))[token]
        contributions = weights * of_token
        contributions[
            [one.column for one in self.found if (one.tensor, one.row, one.expert) == (name, row, expert)]
        ] = 0
        column = int(np.abs(contributions).argmax())
        weight, x = float(weights[column]), float(of_token[column])
        if abs(x) <= self._threshold or contributions[column] / y < SHARE:
            return None
        return SuperWeight(name, layer, row, column, weight, x, y, expert)


def _contribution(
    one: SuperWeight, inputs: NDArray[np.float32], experts: NDArray[np.int32] | None
) -> NDArray[np.float32]:
    """What it adds to the output of its row, for every token."""
    added = inputs[..., one.column] * np.float32(one.weight)
    return added if experts is None else added * (experts == one.expert)


def _row(header: Header, tensor: Tensor, row: int, expert: int | None) -> NDArray[np.float32]:
    """A row of a matrix in the file, of any type."""
    rows = tensor.shape[1]
    size = tensor.size // (rows * (tensor.shape[2] if len(tensor.shape) > 2 else 1))
    with header.files[tensor.part].open("rb") as file:
        file.seek(tensor.offset + size * ((expert or 0) * rows + row))
        raw = np.frombuffer(file.read(size), np.uint8)
    try:
        return np.asarray(gguf.dequantize(raw, gguf.GGMLQuantizationType[tensor.type]), np.float32)
    except (KeyError, NotImplementedError) as error:
        raise ModelError(
            f"{tensor.name} is of the type {tensor.type}, whose numbers cannot be read here.",
            "Look for super weights in the file that it was quantized from.",
        ) from error
