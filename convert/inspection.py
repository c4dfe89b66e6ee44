"""What a model file or a checkpoint is, as plain data, without loading it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from convert import architectures
from convert.checkpoint import Checkpoint
from convert.report import types_of
from convert.write import choose_dtype, plan
from models.gguf_header import Array, Header, read_header


def inspect(path: Path) -> dict[str, Any]:
    """Of a GGUF file (a model, an adapter, an importance matrix), or of a checkpoint's folder. ``tensors`` lists all of
    them with shape and type; shapes have the length of a row last.

    Raises:
        ModelError: it is damaged, or neither.
    """
    return _of_checkpoint(Checkpoint.open(path)) if path.is_dir() else _of_file(read_header(path, is_model=False))


def _of_checkpoint(checkpoint: Checkpoint) -> dict[str, Any]:
    architecture = architectures.find(checkpoint)
    planned = _of_file(plan(architecture))
    tensors = [
        {"name": name, "shape": list(stored.shape), "type": stored.dtype, "file": stored.file.name}
        for name, stored in checkpoint.stored.items()
    ]
    counts = Counter(stored.dtype for stored in checkpoint.stored.values())
    names = checkpoint.config.get("architectures") or []
    return planned | {
        "kind": "checkpoint",
        "architecture": f"{', '.join(map(str, names))} → {type(architecture).arch.name.lower()}",
        "quantisation": f"none; converts to {choose_dtype(architecture).upper()}",
        "files": len({stored.file for stored in checkpoint.stored.values()}),
        "types": {kind: {"tensors": count} for kind, count in counts.most_common()},
        "tensors": tensors,
    }


def _of_file(header: Header) -> dict[str, Any]:
    types = types_of((tensor.type, tensor.size) for tensor in header.tensors)
    return {
        "kind": header.text("general.type") or "model",
        "name": header.name,
        "architecture": header.architecture,
        "quantisation": header.quantisation,
        "parameters": header.parameters,
        "size": header.size,
        "files": len(header.files),
        "context_length": header.context_length,
        "layers": header.layers,
        "vocabulary": header.vocab_size,
        "chat_template": header.has_chat_template,
        "licence": header.licence,
        "types": {kind: {"tensors": count, "bytes": size} for kind, (count, size) in types.items()},
        "metadata": {key: _short(value) for key, value in header.metadata.items()},
        "tensors": [
            {"name": tensor.name, "shape": list(reversed(tensor.shape)), "type": tensor.type}
            for tensor in header.tensors
        ],
    }


def _short(value: Any) -> Any:
    return f"{value.length:,} × {value.type}" if isinstance(value, Array) else value
