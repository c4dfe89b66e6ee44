"""Recipes: the type of every tensor of a file that is to be quantized, known, with its size, before anything starts."""

from __future__ import annotations

import heapq
import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from convert.quantization.mixture import MIXTURES, category, choices, layer_of, needs_imatrix, ordered, quantizable
from convert.quantization.tensor_types import FLOATS, QUANTIZABLE_TO, bits, bytes_of, fitting
from models.errors import UsageError
from models.gguf_header import Header, Tensor

NAMES = tuple(MIXTURES)

# Best first: median KL divergence of Mistral-7B with an imatrix, measured by Artefact2
# (gist.github.com/Artefact2/b5f810600771265fc1e39442288e8ec9). Left out: what another one beats at less size.
LADDER = (
    "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "IQ4_XS", "Q3_K_L", "Q3_K_M", "IQ3_M", "IQ3_S", "IQ3_XS",
    "Q3_K_S", "IQ3_XXS", "Q2_K", "IQ2_M", "Q2_K_S", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S",
)  # fmt: skip

# The next better type of the same kind. Beyond Q8_0 there is nothing left to gain.
_BETTER = {
    "IQ1_S": "IQ2_XXS", "IQ1_M": "IQ2_XXS", "IQ2_XXS": "IQ2_S", "IQ2_XS": "IQ2_S", "IQ2_S": "IQ3_S", "IQ3_XXS": "IQ3_S",
    "IQ3_S": "IQ4_XS", "IQ4_XS": "Q5_K", "Q2_K": "Q3_K", "Q3_K": "Q4_K", "Q4_K": "Q5_K", "Q5_K": "Q6_K", "Q6_K": "Q8_0",
    "Q4_0": "Q5_0", "Q4_1": "Q5_1", "IQ4_NL": "Q5_0", "Q5_0": "Q8_0", "Q5_1": "Q8_0",
}  # fmt: skip
# How much more an error in these matters than in other tensors: what llama.cpp's mixtures imply. An error falls with
# 4 ** -bits, and they give attention's values and the output two bits more than the rest, half of ffn_down one or two.
_SENSITIVITY = {
    "attn_v": 16.0, "attn_qkv": 4.0, "attn_kv_b": 16.0, "output": 16.0, "ffn_down": 4.0, "attn_output": 2.0,
    "attn_k": 2.0,
}  # fmt: skip


class Fallback(NamedTuple):
    """A tensor that gets another type than wanted, because blocks of that do not divide its rows."""

    tensor: str
    wanted: str
    type: str


@dataclass(frozen=True)
class Recipe:
    """
    Attributes:
        name: what to call it.
        base: the mixture that the file says it is (``general.file_type``).
        types: tensor -> type, of every tensor, in the order in which they are written.
        size: bytes of the file.
        bits_per_weight: of all tensors together.
    """

    name: str
    base: str
    types: Mapping[str, str]
    fallbacks: tuple[Fallback, ...]
    size: int
    bits_per_weight: float

    @property
    def needs_imatrix(self) -> list[str]:
        """The tensors that can only be quantized with an importance matrix."""
        return [name for name, type in self.types.items() if needs_imatrix(name, type, self.base)]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; ``read`` understands it."""
        return {**asdict(self), "types": dict(self.types), "fallbacks": [item._asdict() for item in self.fallbacks]}

    def write(self, path: Path) -> None:
        """The full form as JSON."""
        path.write_text(json.dumps(self.as_dict(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path, header: Header, *, has_imatrix: bool = False) -> Recipe:
        """A recipe from a file, for the model of this header.

        TOML or JSON: ``base``, a mixture; ``rules``, regular expression -> type, searched in each tensor's name, the
        first that matches counts; or ``types``, tensor -> type, as :meth:`write` stores it.

        Raises:
            UsageError: it cannot be read, names an unknown type or tensor, a rule matches nothing, or a type needs an
                importance matrix.
        """
        asked = _asked(path)
        if unknown := asked.keys() - {"rules", *cls.__dataclass_fields__}:
            raise UsageError(f"{path}: {min(unknown)} means nothing.", "A recipe has a base, rules, types and a name.")
        base = asked.get("base")
        if not isinstance(base, str):
            raise UsageError(f"{path} names no base.", f'Give the mixture to start from: base = "{LADDER[4]}"')
        tensors = {tensor.name: tensor for tensor in header.tensors if quantizable(tensor, header.architecture)}
        wanted: dict[str, str] = {}
        for pattern, type in asked.get("rules", {}).items():
            try:
                matched = [name for name in tensors if re.search(pattern, name)]
            except (re.error, OverflowError, RecursionError) as error:
                raise UsageError(f"{path}: {pattern!r} is no regular expression: {error}.") from error
            if not matched:
                raise UsageError(
                    f"{path}: the rule {pattern!r} matches no tensor that can be quantized.",
                    "See the names of the tensors: assistant convert inspect FILE",
                )
            wanted = {**dict.fromkeys(matched, _known_type(path, type)), **wanted}
        for name, type in asked.get("types", {}).items():
            if name in tensors:
                wanted[name] = _known_type(path, type)
            elif all(tensor.name != name for tensor in header.tensors):
                raise UsageError(f"{path} names a tensor that the model does not have: {name}.")
        recipe = _mixture(header, base.upper(), has_imatrix)
        recipe = _with(recipe, header, wanted, str(asked.get("name", path.stem)))
        _check_imatrix(recipe, has_imatrix)
        return recipe


def mixture(header: Header, name: str, *, has_imatrix: bool = False) -> Recipe:
    """llama.cpp's own mixture of this name.

    Raises:
        UsageError: it does not exist, or needs an importance matrix.
    """
    recipe = _mixture(header, name, has_imatrix)
    _check_imatrix(recipe, has_imatrix)
    return recipe


def protect(recipe: Recipe, header: Header, tensors: Iterable[str], type: str = "Q8_0") -> Recipe:
    """Raise these tensors, if they have fewer bits. Q8_0: each 32 weights have a scale of their own, so that an outlier
    costs only its neighbours accuracy; in the K types it also coarsens the scales of the other 224 of its block.

    Raises:
        UsageError: no such tensor.
    """
    raised = {}
    for name in tensors:
        if name not in recipe.types:
            raise UsageError(f"The model has no tensor {name}.")
        if bits(recipe.types[name]) < bits(type):
            raised[name] = type
    return _with(recipe, header, raised, f"{recipe.name} + {len(raised)} protected") if raised else recipe


def for_size(header: Header, size: int, *, has_imatrix: bool = False, names: Sequence[str] = LADDER) -> Recipe:
    """The best recipe whose file has at most ``size`` bytes: the best mixture of ``names`` (best first) that is small
    enough, then better types where they gain most for each byte, until nothing more fits.

    The gain of a step is the fall of 4 ** -bits (the square of the rounding error) times the sensitivity of the tensor,
    for each byte that it adds; the sum of steps in order of their gain is close to the best there is.

    Raises:
        UsageError: the smallest one is larger.
    """
    smallest: Recipe | None = None
    for name in (*_source_types(header), *names):
        recipe = _mixture(header, name, has_imatrix)
        if recipe.needs_imatrix and not has_imatrix:
            continue
        if recipe.size <= size:
            return _fill(recipe, header, size)
        if smallest is None or recipe.size < smallest.size:
            smallest = recipe
    if smallest is None:
        raise UsageError("All of these types need an importance matrix.", "Make one: assistant convert imatrix MODEL")
    raise UsageError(
        f"The model cannot be made as small as {size:,} bytes: {smallest.name} has {smallest.size:,}.",
        "Ask for more, or take a smaller model."
        if has_imatrix
        else "Ask for more, or make an importance matrix: with one there are smaller types.",
    )


def for_backend(backend: Literal["cpu", "cuda", "metal"]) -> tuple[str, ...]:
    """Mixtures worth trying on a backend, by what its kernels in llama.cpp are made for. The first is the choice where
    nothing is measured: Q4_K has fast kernels everywhere and the best quality of its size; which type is the fastest on
    a machine, only measuring tells.

    - cpu: types that are repacked for the kernels of the processor (``ggml-cpu/repack.cpp``: Q4_0, Q4_K and IQ4_NL with
      AVX2; on ARM also Q5_K, Q6_K and Q8_0; ``ggml-cpu/amx``: Q4_0, Q4_1, Q4_K … Q6_K, Q8_0 and IQ4_XS). The other IQ
      types look their values up in tables, which costs the CPU more than the bytes save.
    - cuda: all but IQ1_M and the ternary types multiply without being dequantized (``ggml-cuda/mmq.cu``), and decode is
      bound by bytes: the K types, and the IQ types of 3 and 4 bits.
    - metal: kernels for all types; the IQ types cost more than the K types there too (Artefact2's feature matrix), so
      only IQ4_XS, whose table has 16 values.
    """
    return {
        "cpu": ("Q4_K_M", "IQ4_NL", "Q4_0", "Q5_K_M", "Q6_K", "Q8_0"),
        "cuda": ("Q4_K_M", "IQ4_XS", "IQ3_M", "Q5_K_M", "Q6_K", "Q8_0"),
        "metal": ("Q4_K_M", "Q4_0", "IQ4_XS", "Q5_K_M", "Q6_K", "Q8_0"),
    }[backend]


def _mixture(header: Header, name: str, has_imatrix: bool) -> Recipe:
    if name not in MIXTURES:
        raise UsageError(f"There is no mixture {name}.", f"Choose one of: {', '.join(MIXTURES)}")
    chosen = list(choices(header, name, has_imatrix))
    types = {choice.tensor.name: choice.type for choice in chosen}
    fallbacks = tuple(Fallback(tensor.name, wanted, type) for tensor, wanted, type in chosen if wanted != type)
    return _weighed(Recipe(name, name, types, fallbacks, 0, 0.0), header)


def _with(recipe: Recipe, header: Header, wanted: Mapping[str, str], name: str) -> Recipe:
    """The recipe, with other types for some tensors."""
    tensors = {tensor.name: tensor for tensor in header.tensors}
    changed = {name: fitting(type, tensors[name]) for name, type in wanted.items()}
    types = {**recipe.types, **changed}
    if recipe.base in FLOATS and types != recipe.types:
        raise UsageError(  # llama.cpp takes overrides only for quantized mixtures
            f"{recipe.base} cannot be the base of a recipe with other types.",
            f'Take a quantized base, and a last rule for the rest: ".*" = "{recipe.base}"',
        )
    fallbacks = [fallback for fallback in recipe.fallbacks if fallback.tensor not in changed]
    fallbacks += [Fallback(tensor, wanted[tensor], type) for tensor, type in changed.items() if wanted[tensor] != type]
    return _weighed(replace(recipe, name=name, types=types, fallbacks=tuple(fallbacks)), header)


def _weighed(recipe: Recipe, header: Header) -> Recipe:
    """With its size: metadata as they are but for keys that llama.cpp adds or leaves out, the list of tensors, and the
    tensors, all in units of 32 bytes."""
    head = header.metadata_size
    for key, size in (("general.file_type", 4), ("general.quantization_version", 4)):
        head += 0 if key in header.metadata else 12 + len(key) + size
    for key, size in (("split.no", 2), ("split.count", 2), ("split.tensors.count", 4)):
        head -= 12 + len(key) + size if key in header.metadata else 0
    data = total = 0
    for tensor in header.tensors:
        head += 24 + len(tensor.name.encode()) + 8 * _dimensions(tensor.shape)
        data += (size := bytes_of(tensor, recipe.types[tensor.name]))
        total += _padded(size)
    return replace(recipe, size=_padded(head) + total, bits_per_weight=data * 8 / max(header.parameters, 1))


def _dimensions(shape: Sequence[int]) -> int:
    """As ggml counts and writes them: without ones at the end."""
    return max((number for number, length in enumerate(shape, 1) if length > 1), default=1)


def _padded(size: int) -> int:
    return -(-size // 32) * 32


def _source_types(header: Header) -> list[str]:
    """The type of most of the source, if it is not quantized: what fits as it is stays as it is."""
    largest = max(header.tensors, key=lambda tensor: tensor.size, default=None)
    return [largest.type] if largest and largest.type in FLOATS else []


def _fill(recipe: Recipe, header: Header, size: int) -> Recipe:
    left = size - recipe.size
    tied = "output.weight" not in recipe.types
    steps: list[tuple[float, str, Tensor, str]] = []

    def offer(tensor: Tensor, now: str) -> None:
        better = _BETTER.get(now)
        if better is None or (better := fitting(better, tensor)) == now or bits(better) <= bits(now):
            return
        gain = (4 ** -bits(now) - 4 ** -bits(better)) / (bits(better) - bits(now))
        heapq.heappush(steps, (-gain * _sensitivity(tensor.name, header.layers, tied), tensor.name, tensor, better))

    for tensor in ordered(header):
        if quantizable(tensor, header.architecture):
            offer(tensor, recipe.types[tensor.name])
    raised: dict[str, str] = {}
    while steps:
        _, name, tensor, better = heapq.heappop(steps)
        now = raised.get(name, recipe.types[name])
        added = _padded(bytes_of(tensor, better)) - _padded(bytes_of(tensor, now))
        if added <= left:
            left -= added
            raised[name] = better
            offer(tensor, better)
    return _with(recipe, header, raised, f"{recipe.name} + {len(raised)} raised") if raised else recipe


def _sensitivity(name: str, layers: int, tied: bool) -> float:
    kind = "output" if tied and name == "token_embd.weight" else category(name)
    layer = layer_of(name)
    edge = 0 <= layer < layers // 8 or layer >= 7 * layers // 8  # the layers that llama.cpp's mixtures favour
    return _SENSITIVITY.get(kind, 1.0) * (2.0 if edge else 1.0)


def _check_imatrix(recipe: Recipe, has_imatrix: bool) -> None:
    if not has_imatrix and (needy := recipe.needs_imatrix):
        raise UsageError(
            f"{recipe.name} needs an importance matrix: {needy[0]} would be {recipe.types[needy[0]]}.",
            "Make one (assistant convert imatrix MODEL), or choose a type of more bits: Q2_K needs none.",
        )


def _asked(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        asked = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not {'TOML' if path.suffix == '.toml' else 'JSON'}: {error}.") from error
    if not isinstance(asked, dict) or not all(isinstance(asked.get(key, {}), dict) for key in ("rules", "types")):
        raise UsageError(f"{path} is no recipe.", 'It needs a base, and a table of rules: "ffn_down" = "Q6_K"')
    return asked


def _known_type(path: Path, type: Any) -> str:
    for known in QUANTIZABLE_TO:
        if isinstance(type, str) and type.upper() == known:
            return known
    raise UsageError(f"{path}: there is no type {type!r}.", f"Choose one of: {', '.join(QUANTIZABLE_TO)}")
