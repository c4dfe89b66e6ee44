"""Importance matrices: how strongly each input column of each weight is used, so that quantization errs least there.

The rule and the file are those of llama.cpp's tools/imatrix: for every weight of a block, the sum of the squares of
each input column over all tokens, in float32 and in the order of the tokens, and how many tokens there were; of
experts, those that were sent to each. The text is read in chunks, each in an empty KV cache, its first token replaced
by BOS where the model begins texts with one.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from convert.measuring import placement
from convert.measuring.quality import CHUNK_SIZE, chunked
from convert.progress import OnProgress, silent
from models import fit, hardware
from models.errors import ModelError, UsageError, UserError
from models.gguf_header import Header, read_header
from models.llama import Context, Model, Observer, Product

FEWEST_ROWS = 16  # products of fewer tokens are not counted
_MOST = 1 << 53  # tokens
_SUMS, _COUNTS = ".in_sum2", ".counts"
_HINT = "Compute it again: assistant convert imatrix MODEL"


@dataclass
class Entry:
    """
    Attributes:
        sums: (matrices, columns): sums of squares; the matrices are experts, mostly one.
        counts: (matrices,): of how many tokens.
    """

    sums: NDArray[np.float32]
    counts: NDArray[np.int64]

    def means(self) -> NDArray[np.float32]:
        """(matrices * columns,), as the quantizer takes them: 1 for experts that no token was sent to."""
        counts = self.counts.astype(np.float32)[:, None]
        return np.where(counts > 0, self.sums / np.maximum(counts, 1), np.float32(1)).ravel()


@dataclass
class Imatrix:
    """
    Attributes:
        entries: by the name of the weight.
        chunk_size: tokens; 0 where the file does not say.
        datasets: what the text was.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    chunks: int = 0
    chunk_size: int = 0
    datasets: tuple[str, ...] = ()

    def means(self) -> dict[str, NDArray[np.float32]]:
        """What the quantizer takes."""
        return {name: entry.means() for name, entry in self.entries.items()}

    def write(self, path: Path) -> None:
        """In llama.cpp's GGUF format; the file appears whole or not at all."""
        partial = path.with_name(f"{path.name}.partial")
        try:
            writer = gguf.GGUFWriter(partial, "")  # without an architecture: it is not a model
            writer.add_type("imatrix")
            writer.add_array("imatrix.datasets", list(self.datasets) or ["unknown"])
            writer.add_uint32("imatrix.chunk_count", self.chunks)
            writer.add_uint32("imatrix.chunk_size", self.chunk_size)
            for name, entry in sorted(self.entries.items()):
                matrices = slice(None) if len(entry.counts) > 1 else 0  # llama.cpp writes one matrix as a vector
                writer.add_tensor(name + _SUMS, entry.sums[matrices])
                writer.add_tensor(name + _COUNTS, entry.counts.astype(np.float32)[:, None][matrices])
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            hint = "Free some space." if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Choose another place."
            raise UserError(f"{path} cannot be written: {error.strerror}.", hint) from error
        finally:
            partial.unlink(missing_ok=True)

    @staticmethod
    def read(path: Path) -> Imatrix:
        """Read either of llama.cpp's formats: GGUF, or the older ``.dat``.

        Raises:
            ModelError: missing, damaged, or not an importance matrix.
        """
        if not path.is_file() or not path.stat().st_size:
            raise ModelError(f"{path} does not exist, or is empty.", "Look at the path.")
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                found = _read_gguf(path, data) if data[:4] == b"GGUF" else _read_legacy(path, data)
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror}.", "Look at the path.") from error
        for name, entry in found.entries.items():
            if not np.isfinite(entry.sums).all() or (entry.sums < 0).any() or (entry.counts < 0).any():
                raise ModelError(f"{path} is damaged: a sum or count of {name} is negative or no number.", _HINT)
        if not found.entries:
            raise ModelError(f"{path} holds no importance matrix.", _HINT)
        return found


def collect(
    model: Path,
    text: str,
    *,
    chunk_size: int = CHUNK_SIZE,
    chunks: int | None = None,
    threads: int | None = None,
    output: bool = False,
    dataset: str = "unknown",
    on_progress: OnProgress = silent,
) -> Imatrix:
    """The importance matrix of a model.

    Args:
        model: best not quantized; what is quantized works too.
        text: calibration text, of the kind and in the languages that the model will be used for.
        chunks: how many of ``chunk_size`` tokens are read at the most; None: all that the text has. What remains of
            it is not read.
        output: also of ``output.weight``.
        dataset: the name of the text, for the file.
        on_progress: (done, total) in layers of all chunks.

    Raises:
        ModelError: the file cannot be used, or computes numbers that are not finite.
        UsageError: the text has no whole chunk, or a number makes no sense.
    """
    if chunk_size < FEWEST_ROWS:
        raise UsageError(f"Chunks of {chunk_size} tokens are too short.", f"Take {FEWEST_ROWS} or more; 512 is usual.")
    header = read_header(model)
    sums = _Sums(output)
    done, total = 0, 0

    def see(product: Product) -> None:
        nonlocal done
        sums.add(product)
        if _layer(product.weight) > done % header.layers:
            done += 1
            on_progress(done, total)

    observer = Observer(sums.wants, see)
    outputs = min(chunk_size, fit.MICRO_BATCH)  # of all tokens: else the last layer would compute the last one only
    (layers,) = placement.gpu_layers([header], chunk_size, outputs)
    with (
        Model(header.files[0], gpu_layers=layers) as loaded,
        Context(
            loaded,
            n_ctx=chunk_size,
            threads=threads or hardware.default_threads(),
            outputs=outputs,
            observer=observer,
        ) as context,
    ):
        texts = chunked(loaded, text, chunk_size, chunks or len(text))
        total = len(texts) * header.layers
        for number, tokens in enumerate(texts):
            done = number * header.layers
            on_progress(done, total)
            context.clear()
            for start in range(0, chunk_size, context.n_batch):
                piece = tokens[start : start + context.n_batch]
                context.decode(piece, len(piece))
    on_progress(total, total)
    return Imatrix(sums.entries, len(texts), chunk_size, (dataset,))


def _layer(weight: str) -> int:
    parts = weight.split(".")
    return int(parts[1]) if len(parts) > 2 and parts[0] == "blk" and parts[1].isdecimal() else 0


class _Sums:
    def __init__(self, output: bool):
        self._names = ("blk.", "output.weight") if output else ("blk.",)
        self.entries: dict[str, Entry] = {}

    def wants(self, product: Product) -> bool:
        if not product.is_readable:
            return False
        return product.has_experts or (product.rows >= FEWEST_ROWS and product.weight.startswith(self._names))

    def add(self, product: Product) -> None:
        experts, columns = product.experts(), product.weight_shape[-1]
        matrices = product.weight_shape[0] * product.weight_shape[1]
        entry = self.entries.get(product.weight)
        if entry is None:
            # One count for all matrices of a dense weight, as each sees as many tokens.
            counts = np.zeros(1 if experts is None else matrices, np.int64)
            entry = Entry(np.zeros((len(counts), matrices // len(counts) * columns), np.float32), counts)
            self.entries[product.weight] = entry
        sums = entry.sums.reshape(matrices, columns)  # a view
        x = product.activations()
        if experts is None:
            entry.counts += x[..., 0].size // matrices
            for matrix, rows in _rows_of_matrices(product.weight_shape, x):
                _add_squares(rows, sums[matrix])
        else:
            slots = experts.T.ravel()  # slot after slot, in each the tokens in their order
            for expert in np.unique(slots):
                slot, token = np.divmod(np.flatnonzero(slots == expert), len(experts))
                entry.counts[expert] += len(token)
                _add_squares(x[0, token, slot % x.shape[2]], sums[expert])
        if not np.isfinite(sums).all():
            raise ModelError(
                f"The activations of {product.weight} are not finite.",
                "The model is damaged, or F16 is too narrow for it: convert it as BF16 or F32.",
            )


def _rows_of_matrices(shape: tuple[int, ...], x: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(matrix, rows that it is multiplied with): a weight of fewer dimensions than the activations serves them all."""
    for third in range(x.shape[0]):
        for second in range(x.shape[1]):
            yield third % shape[0] * shape[1] + second % shape[1], x[third, second]


def _add_squares(rows: NDArray[np.float32], sums: NDArray[np.float32]) -> None:
    """Row after row, so that float32 rounds as in llama.cpp."""
    with np.errstate(over="ignore", invalid="ignore"):  # the sums are looked at
        squares = rows * rows
        squares[0] += sums
        np.add.reduce(squares, axis=0, out=sums)


def _read_gguf(path: Path, data: mmap.mmap) -> Imatrix:
    header = read_header(path, is_model=False)
    if header.text("general.type") not in ("imatrix", None) or len(header.files) > 1:
        raise ModelError(f"{path} is not an importance matrix, but a {header.text('general.type')}.", _HINT)
    tensors = {tensor.name: tensor for tensor in header.tensors}
    found = Imatrix(chunks=_number(header, "chunk_count"), chunk_size=_number(header, "chunk_size"))
    datasets = header.metadata.get("imatrix.datasets")
    if isinstance(datasets, list):
        found.datasets = tuple(str(name) for name in datasets)
    for name in sorted(name.removesuffix(_SUMS) for name in tensors if name.endswith(_SUMS)):
        values = []
        for tensor in (tensors.get(name + _SUMS), tensors.get(name + _COUNTS)):
            if tensor is None or tensor.type != "F32":
                raise ModelError(f"{path} is damaged: {name} has no sums and counts in F32.", _HINT)
            values.append(np.frombuffer(data[tensor.offset : tensor.offset + tensor.size], "<f4"))
        sums, counts = values
        if len(sums) % len(counts) or not (np.abs(counts) < _MOST).all():
            raise ModelError(f"{path} is damaged: the counts of {name} make no sense.", _HINT)
        found.entries[name] = Entry(sums.reshape(len(counts), -1), np.rint(counts).astype(np.int64))
    return found


def _number(header: Header, key: str) -> int:
    value = header.metadata.get(f"imatrix.{key}")
    return value if isinstance(value, int) else 0


def _read_legacy(path: Path, data: mmap.mmap) -> Imatrix:
    """Little-endian: number of entries; of each the length of its name, the name, in how many chunks, number of values,
    and the mean squares times the chunks; then, in newer files, the number of chunks and the name of the text."""
    at = 0

    def take(size: int) -> bytes:
        nonlocal at
        if not 0 <= size <= len(data) - at:
            raise ModelError(f"{path} is not an importance matrix, or truncated at byte {at:,}.", _HINT)
        at += size
        return data[at - size : at]

    def number() -> int:
        return int(struct.unpack("<i", take(4))[0])

    found = Imatrix()
    for _ in range(number()):
        name = take(number()).decode("utf-8", "replace")
        count, length = number(), number()
        sums = np.frombuffer(take(4 * length), "<f4")
        if not length or name in found.entries:
            raise ModelError(f"{path} is damaged: {name} is empty, or there twice.", _HINT)
        found.entries[name] = Entry(sums.reshape(1, -1), np.array([count]))
    with contextlib.suppress(ModelError):
        found.chunks = number()
        found.datasets = (take(number()).decode("utf-8", "replace"),)
    return found
