"""Write a checkpoint as GGUF: the header by the gguf package, the tensors streamed.

Which tensors stay float32 and how numbers are rounded follows llama.cpp's own converter, so that both write the same
bytes.
"""

from __future__ import annotations

import errno
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import BufferedWriter
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal, get_args

import gguf
import numpy as np
import yaml
from gguf import GGMLQuantizationType, LlamaFileType
from gguf.gguf_writer import WriterState
from numpy.typing import NDArray

from convert.architectures.architecture import Architecture
from convert.progress import OnProgress, silent
from convert.safetensors import finite
from convert.tensors import Dtype, LazyTensor
from models.errors import ModelError, UsageError, UserError
from models.gguf_header import Header, read_header
from models.pull import check_space, sync_folder

Choice = Literal["auto", "f32", "f16", "bf16"]
Typed = tuple[str, LazyTensor, Dtype]  # with the type that it is written in

_FILE_TYPES = {
    "f32": LlamaFileType.ALL_F32,
    "f16": LlamaFileType.MOSTLY_F16,
    "bf16": LlamaFileType.MOSTLY_BF16,
}
_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
_PIECE = 2 << 20  # bytes that are read, converted and written at once: they stay in the processor's cache
_FLUSH = 128 << 20  # bytes that are sent to the disk at once
_CARD = 4 << 20  # bytes of README.md
_HEADER = 16 << 20  # bytes: what a header takes beside the tokenizer, generously


def choose_dtype(architecture: Architecture, dtype: Choice = "auto") -> Literal["f32", "f16", "bf16"]:
    """``auto``: BF16 or F16, whichever the first matrix in one of the two has; F16 if none has.

    Raises:
        UsageError: not one of the choices.
    """
    if dtype not in get_args(Choice):
        raise UsageError(f"{dtype} is not a type that a conversion writes.", f"Choose: {', '.join(get_args(Choice))}.")
    if dtype != "auto":
        return dtype
    for name, tensor in architecture.checkpoint.stored.items():
        if len(tensor.shape) >= 2 and tensor.dtype in ("BF16", "F16") and architecture.plain_name(name) is not None:
            return "bf16" if tensor.dtype == "BF16" else "f16"
    return "f16"


def disk_need(architecture: Architecture, dtype: Choice = "auto") -> int:
    """Bytes that ``write_gguf`` will take, rounded up by some megabytes."""
    chosen = choose_dtype(architecture, dtype)
    tokenizer = (architecture.checkpoint.folder / name for name in ("tokenizer.json", "tokenizer.model"))
    return (
        sum(_size(name, tensor, chosen) for name, tensor in architecture.tensors())
        + sum(file.stat().st_size for file in tokenizer if file.is_file())
        + _HEADER
    )


def plan(architecture: Architecture, dtype: Choice = "auto", pre: str | None = None) -> Header:
    """The header of the file that ``write_gguf`` would write, before anything is converted.

    Raises:
        ModelError: as :func:`write_gguf`, but for damage of the tensors' numbers.
    """
    chosen = choose_dtype(architecture, dtype)
    tensors = [(name, tensor, _type(name, tensor, chosen)) for name, tensor in architecture.tensors()]
    writer = _prepare(architecture, tensors, chosen, pre, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.gguf"
        with path.open("xb") as file:
            _write_header(writer, [file])
            data = sum(gguf.GGUFWriter.ggml_pad(info.nbytes, 32) for part in writer.tensors for info in part.values())
            file.truncate(file.tell() + data)  # a hole, which takes no space
        return read_header(path)


def write_gguf(
    architecture: Architecture,
    path: Path,
    *,
    dtype: Choice = "auto",
    pre: str | None = None,
    split_size: int | None = None,
    on_progress: OnProgress = silent,
) -> list[Path]:
    """Convert. The files appear whole, all of them, or not at all.

    Args:
        path: the new file; parts of a split one are named ``stem-00001-of-00003.gguf``, as llama.cpp names them.
        pre: the pre-tokenizer, where the caller knows better.
        split_size: most bytes of tensors in a part; without it one file. A single larger tensor has its own part.
        on_progress: bytes of tensors written, and all of them.

    Returns:
        The files, in order.

    Raises:
        ModelError: the checkpoint is damaged or not of a kind that can be converted; file and tensor are named.
        UserError: the file exists already, or the disk is full or cannot be written.
    """
    chosen = choose_dtype(architecture, dtype)
    if split_size is not None and split_size <= 0:
        raise UsageError("The size of a part has to be positive.")
    tensors = [(name, tensor, _type(name, tensor, chosen)) for name, tensor in architecture.tensors()]
    writer = _prepare(architecture, tensors, chosen, pre, split_size or 0)
    return write_tensors(writer, path, tensors, space=disk_need(architecture, dtype), on_progress=on_progress)


def add_infos(writer: gguf.GGUFWriter, tensors: Sequence[Typed]) -> None:
    """Tell the writer which tensors there will be."""
    for name, tensor, type_ in tensors:
        size = math.prod(tensor.shape) * _BYTES[type_]
        writer.add_tensor_info(name, tensor.shape, np.dtype(np.float32), size, GGMLQuantizationType[type_])


def write_tensors(
    writer: gguf.GGUFWriter, path: Path, tensors: Sequence[Typed], *, space: int, on_progress: OnProgress = silent
) -> list[Path]:
    """Write what the writer knows, and the numbers of the tensors that it was told of, in the same order.

    Args:
        space: bytes that this takes.

    Returns, raises: as :func:`write_gguf`.
    """
    if not path.parent.is_dir():
        raise UserError(f"{path.parent}: no such folder.", "Make it first.")
    paths: list[Path] = writer.format_shard_names(path)
    for taken in (path, *paths):
        if taken.exists():
            raise UserError(f"{taken} exists already.", "Remove it, or choose another name.")
    check_space(path.parent, space, f"{path.name} needs")
    total, done = sum(math.prod(tensor.shape) * _BYTES[type_] for _, tensor, type_ in tensors), 0
    todo = iter(tensors)
    with _whole(paths) as files, ThreadPoolExecutor(1) as background:
        with _disk(path):
            _write_header(writer, files)
        flushed, flushing = 0, background.submit(os.fsync, files[0].fileno())
        for file, part in zip(files, writer.tensors, strict=True):
            for name, tensor, type_ in (next(todo) for _ in part):
                for piece in _pieces(name, tensor, type_):
                    done += piece.nbytes
                    with _disk(path):
                        file.write(piece.data)
                        # The disk works while the next pieces are computed: little is left for the fsync at the end.
                        if done - flushed >= _FLUSH and flushing.done():
                            flushing.result()
                            flushed, flushing = done, background.submit(os.fsync, file.fileno())
                    on_progress(done, total)
                with _disk(path):
                    writer.write_padding(file, file.tell())
        with _disk(path):
            flushing.result()  # an error of the disk is told once only, and would be lost
    return paths


def _prepare(
    architecture: Architecture, tensors: Sequence[Typed], dtype: str, pre: str | None, split_size: int
) -> gguf.GGUFWriter:
    """A writer that knows all but the numbers."""
    writer = gguf.GGUFWriter(None, gguf.MODEL_ARCH_NAMES[architecture.arch], split_max_size=split_size)
    add_infos(writer, tensors)
    writer.add_type(gguf.GGUFType.MODEL)
    _add_card(architecture.checkpoint.folder, writer)
    architecture.write_metadata(writer)
    writer.add_file_type(_FILE_TYPES[dtype])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    architecture.vocabulary(pre).write(writer)
    return writer


def _add_card(folder: Path, writer: gguf.GGUFWriter) -> None:
    """Name, licence, languages and so on, from the model card and the names of things."""
    card = folder / "README.md"
    for file in (card, folder / "generation_config.json"):
        if file.exists() and not (file.is_file() and file.stat().st_size <= _CARD):
            raise ModelError(f"{file}: not a file, or larger than {_CARD >> 20} MB.", "Remove it.")
    counts = writer.get_total_parameter_count()
    # Whatever strangers write into a card, the package that reads it may raise anything.
    try:
        lines = card.read_text("utf-8").replace("\t", "  ").splitlines() if card.exists() else []
        head = "\n".join(takewhile(lambda line: line != "---", lines[1:])) if lines[:1] == ["---"] else ""
        # Aliases of aliases make a small text into an endless one, and no card needs them.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(head)):
            raise ValueError("aliases in YAML are not read")
        metadata = gguf.Metadata.load(None, Path(os.path.abspath(folder)), None, counts[0])
        metadata.name = metadata.name or folder.name or "model"
        metadata.size_label = metadata.size_label or gguf.size_label(*counts)
        for field in ("tags", "languages"):  # 1.5 is a number in YAML, and the Norwegian "no" is False
            if values := getattr(metadata, field):
                setattr(metadata, field, ["no" if value is False else str(value) for value in values])
        metadata.set_gguf_meta_model(writer)
        for entry in writer.kv_data[0].values():
            if entry.type == gguf.GGUFValueType.STRING:
                entry.value = str(entry.value)
            writer._pack_val(entry.value, entry.type, add_vtype=True, sub_type=entry.sub_type)  # raises if it cannot be
    except Exception as error:
        raise ModelError(
            f"{card}, config.json or generation_config.json: the description of the model cannot be read: {error}.",
            "Correct what is between the two lines --- at the top of README.md, or remove the file.",
        ) from error


def _write_header(writer: gguf.GGUFWriter, files: list[BufferedWriter]) -> None:
    writer.fout, writer.state = files, WriterState.EMPTY  # it would open them under their final names
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for file in files:
        writer.write_padding(file, file.tell())


def _type(name: str, tensor: LazyTensor, dtype: str) -> Dtype:
    """Vectors, norms and what is no weight stay float32."""
    if len(tensor.shape) <= 1 or name.endswith("_norm.weight") or not name.endswith(".weight") or dtype == "f32":
        return "F32"
    return "BF16" if dtype == "bf16" else "F16"


def _size(name: str, tensor: LazyTensor, dtype: str) -> int:
    return math.prod(tensor.shape) * _BYTES[_type(name, tensor, dtype)]


def _pieces(name: str, tensor: LazyTensor, type_: Dtype) -> Iterator[NDArray[Any]]:
    """The numbers as they are written, some rows at a time."""
    rows = tensor.shape[0]
    step = max(1, _PIECE // (math.prod(tensor.shape[1:]) * _BYTES[tensor.dtype]))
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        if tensor.dtype == type_:
            piece = np.ascontiguousarray(tensor.read(start, stop))
        else:
            piece = _round(tensor.rows(start, stop), type_)
        # What was read from a file is finite already.
        if (tensor.dtype != type_ or type_ == "F32") and not finite(piece, type_):
            raise ModelError(
                f"{name} has numbers, between row {start} and {stop}, that are too large for {type_}.",
                "Convert to f32, or to bf16 instead of f16: --quant BF16",
            )
        yield piece


def _round(values: NDArray[np.float32], type_: Dtype) -> NDArray[Any]:
    """To the nearest, ties to even."""
    if type_ == "F16":
        with np.errstate(over="ignore"):
            return values.astype(np.float16)
    if type_ == "F32":
        return values
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = bits >> 16
    rounded &= 1
    rounded += 0x7FFF
    rounded += bits
    rounded >>= 16
    return rounded.astype(np.uint16)


@contextmanager
def _whole(paths: Sequence[Path]) -> Iterator[list[BufferedWriter]]:
    """Files to write, under the names ``*.partial``; on success they get their names, otherwise nothing stays."""
    partials = [path.with_name(f"{path.name}.partial") for path in paths]
    files: list[BufferedWriter] = []
    renamed: list[Path] = []
    try:
        with _disk(paths[0]):
            for partial in partials:
                partial.unlink(missing_ok=True)  # left by a killed run
                files.append(partial.open("xb"))
        yield files
        with _disk(paths[0]):
            for file in files:
                file.flush()
                os.fsync(file.fileno())
                file.close()
            for partial, path in zip(partials, paths, strict=True):
                partial.replace(path)
                renamed.append(path)
            sync_folder(paths[0].parent)
    except BaseException:
        for file in files:
            with suppress(OSError):  # it would write what it still holds
                file.close()
        for path in (*partials, *renamed):
            path.unlink(missing_ok=True)
        raise


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Errors of writing, told to the user."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"The disk of {path.parent} became full.",
                "Free some space and convert again; nothing half written stayed.",
            ) from error
        raise UserError(f"{path}: cannot be written: {error.strerror or error}.") from error
