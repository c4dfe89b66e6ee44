"""LoRA adapters in GGUF: may this file be added to that model? Asked of the headers alone, before llama.cpp sees it.

llama.cpp ends the process over ranks that differ and over an embedding that is the output too; norms it leaves out
without a word, and an activated LoRA (aLoRA) it would apply to every token.
"""

from __future__ import annotations

from pathlib import Path

from models.errors import ModelError
from models.gguf_header import Header, Tensor, read_header

EMBEDDING, OUTPUT = "token_embd.weight", "output.weight"
_READABLE = ("F32", "F16", "BF16", "Q8_0")
_A, _B = ".lora_a", ".lora_b"


def check(path: Path, base: Header) -> Header:
    """The header of an adapter that fits the model.

    Raises:
        ModelError: it is missing, damaged, no LoRA adapter, or made for another model; the message names the tensor.
    """
    try:
        header = read_header(path)
    except ModelError as error:
        raise ModelError(error.message, "Name a LoRA adapter in GGUF; convert it again if it is damaged.") from None
    kind = header.text("general.type"), header.text("adapter.type")
    if kind != ("adapter", "lora"):
        what = "a model" if any(tensor.name == EMBEDDING for tensor in header.tensors) else "something else"
        raise ModelError(f"{path} is not a LoRA adapter but {what}.", "Name a LoRA adapter in GGUF.")
    if header.architecture != base.architecture:
        raise _misfit(path, f"it is made for a {header.architecture} model, and this one is {base.architecture}")
    if "adapter.alora.invocation_tokens" in header.metadata:
        raise _unusable(path, "it is an activated LoRA, for what comes after certain tokens only")
    if not isinstance(header.metadata.get("adapter.lora.alpha"), float):
        raise _unusable(path, "it does not say its alpha")
    tensors = {tensor.name: tensor for tensor in header.tensors}
    models = {tensor.name: tensor for tensor in base.tensors}
    if not tensors:
        raise _unusable(path, "it holds no tensors")
    for tensor in header.tensors:
        name = tensor.name.removesuffix(_A).removesuffix(_B)
        if tensor.name == name:
            raise _unusable(path, f"tensor {name} is neither {_A} nor {_B}, and llama.cpp would leave it out")
        if tensor.type not in _READABLE:
            raise _unusable(path, f"tensor {tensor.name} is of the type {tensor.type}")
        if name == EMBEDDING and OUTPUT not in models:
            raise _unusable(path, f"it changes {name}, which in this model is the output too")
        _check_pair(path, name, tensors.get(name + _A), tensors.get(name + _B), models.get(name))
    return header


def _check_pair(path: Path, name: str, a: Tensor | None, b: Tensor | None, model: Tensor | None) -> None:
    if a is None or b is None:
        raise _unusable(path, f"tensor {name} has only one of {_A} and {_B}")
    if model is None:
        raise _misfit(path, f"it changes {name}, which this model does not have")
    if any(len(tensor.shape) != 2 for tensor in (a, b, model)):
        raise _unusable(path, f"the tensors of {name} are not matrices")
    columns, rows = model.shape
    rank = b.shape[0]
    # The embedding's A is transposed: rows of it are looked up.
    wanted = ((rank, rows), (rank, columns)) if name == EMBEDDING else ((columns, rank), (rank, rows))
    if (a.shape, b.shape) != wanted:
        shapes = " and ".join("×".join(map(str, tensor.shape)) for tensor in (a, b))
        raise _misfit(path, f"its tensors of {name} are {shapes}, for a matrix of {columns}×{rows}")


def _misfit(path: Path, why: str) -> ModelError:
    return ModelError(f"{path} does not fit this model: {why}.", "Choose the model that it was trained on.")


def _unusable(path: Path, why: str) -> ModelError:
    return ModelError(f"{path} cannot be used: {why}.", "Merge it into its model before that is converted.")
