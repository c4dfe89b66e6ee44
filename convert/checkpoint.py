"""A published checkpoint: a folder with ``config.json`` and weights in safetensors, one file or several.

Nothing is loaded: tensors are read a few rows at a time. PyTorch pickles are refused: to read one is to run the code
that is in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convert import fp8
from convert.json_files import DAMAGED, MAX_JSON, read_object
from convert.safetensors import Stored, check_name, read_tensors
from convert.tensors import LazyTensor
from models.errors import ModelError
from models.gguf_header import MAX_TENSORS

INDEX = "model.safetensors.index.json"
MAX_CONFIG = 4 << 20
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_SHARD = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})\.safetensors")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """
    Attributes:
        config: ``config.json``.
        tensors: by name; shards by file name, names sorted within a shard, as other converters order them. FP8 is
            dequantized, its scales are left out.
        stored: what the files hold, scales too, in the same order.
    """

    folder: Path
    config: dict[str, Any]
    tensors: dict[str, LazyTensor]
    stored: dict[str, Stored]

    @classmethod
    def open(cls, folder: Path) -> Checkpoint:
        """Read and check ``config.json``, the index and the headers of all files with weights.

        Raises:
            ModelError: something is missing, damaged, contradictory, or of a kind that cannot be read; the file and
                the tensor are named.
        """
        if not folder.is_dir():
            raise ModelError(f"{folder}: not a folder.", "Give the folder of the checkpoint, with config.json in it.")
        config = read_object(folder / "config.json", limit=MAX_CONFIG)
        stored = _stored(folder)
        quantization = _quantization(folder, config)
        return cls(folder, config, fp8.dequantize(stored, quantization), stored)

    def json(self, name: str) -> dict[str, Any] | None:
        """A file of the folder; None if there is none.

        Raises:
            ModelError: too big, or not a JSON object.
        """
        path = self.folder / name
        return read_object(path, limit=MAX_JSON) if path.exists() else None


def _stored(folder: Path) -> dict[str, Stored]:
    index = _index(folder)
    files = sorted(set(index.values())) if index is not None else _files(folder)
    found: dict[str, Stored] = {}
    for file in files:
        for name, tensor in read_tensors(folder / file).items():
            if name in found:
                raise tensor.error(f"stands in {found[name].file.name} too", "Keep only one set of the weights.")
            if index is not None and index.get(name) != file:
                where = f"puts it into {index[name]}" if name in index else "does not know it"
                raise tensor.error(f"{INDEX} {where}", DAMAGED)
            found[name] = tensor
        if len(found) > MAX_TENSORS:
            raise ModelError(f"{folder}: more than {MAX_TENSORS} tensors.")
    if index is not None and (missing := index.keys() - found.keys()):
        name = min(missing)
        raise ModelError(f"{folder / index[name]}: tensor {name} is missing, which {INDEX} puts there.", DAMAGED)
    if not found:
        raise ModelError(f"{folder}: the safetensors files hold no tensors.", DAMAGED)
    return found


def _index(folder: Path) -> dict[str, str] | None:
    """tensor -> file, or None where there is no index."""
    path = folder / INDEX
    if not path.exists():
        return None
    weight_map = read_object(path, unique=True).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelError(f"{path}: has no weight_map.", DAMAGED)
    for name, file in weight_map.items():
        check_name(path, name)
        if not isinstance(file, str) or not file.endswith(".safetensors") or Path(file).name != file or "\\" in file:
            raise ModelError(f"{path}: tensor {name}: {str(file)[:80]!r} is not a safetensors file's name.")
        if not (folder / file).exists():
            raise ModelError(
                f"{folder / file} is missing: {INDEX} puts the tensor {name} there.", "Download the missing file."
            )
    return weight_map


def _files(folder: Path) -> list[str]:
    """The files with weights where there is no index."""
    names = sorted(path.name for path in folder.iterdir())
    files = [name for name in names if name.startswith("model") and name.endswith(".safetensors")]
    for name in files:
        if match := _SHARD.fullmatch(name):
            count = int(match["count"])
            for number in range(1, min(count, MAX_TENSORS) + 1):
                shard = f"{match['stem']}-{number:05d}-of-{count:05d}.safetensors"
                if shard not in files:
                    raise ModelError(f"{folder / shard} is missing.", "Download the missing file.")
    if files:
        return files
    if pickles := [name for name in names if name.endswith(_PICKLES)]:
        raise ModelError(
            f"{folder / pickles[0]} is a PyTorch pickle: whoever reads one runs the code that is in it. Not read.",
            "Most models are published as safetensors too: download model*.safetensors instead.",
        )
    raise ModelError(
        f"{folder}: no model.safetensors and no model-00001-of-….safetensors.",
        "Give the folder of a checkpoint as it is published, with all of its files.",
    )


def _quantization(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """``quantization_config``, if it is of a kind that can be undone."""
    text = config.get("text_config")
    found = config.get("quantization_config") or (text.get("quantization_config") if isinstance(text, dict) else None)
    if not found:
        return {}
    method = found.get("quant_method") if isinstance(found, dict) else None
    if not isinstance(found, dict) or method != "fp8":
        raise ModelError(
            f"{folder / 'config.json'}: the weights are quantized, as {str(method)[:40]!r}; of such, only fp8 is read.",
            "Use the original checkpoint in BF16.",
        )
    return found
