"""A file that computes as fast as a model quantized in a certain way, without quantizing the model.

Speed depends on the shapes and types of the tensors, not on their numbers. So a few rows of every matrix are quantized
in its type and repeated until the matrix is full: what takes minutes for a whole model takes seconds. The few rows also
say how much the type loses of these very weights.

Checked against the real Q4_K_M of a 1.5B, ten times in turns on one thread of a machine with other work: the stand-in's
prefill is 0.99 of the real file's, its decode 1.04 (medians of the pairs).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from convert.progress import OnProgress, silent
from models.errors import ModelError
from models.gguf_header import TYPES, Header, Tensor
from models.llama.quantizers import quantize_rows

SAMPLE = 16_000_000  # numbers that are looked at, of all matrices together
_FEWEST_ROWS = 4
_PIECE = 16 << 20  # bytes that are written at once
_TYPE_IDS = {name: number for number, (name, _, _) in TYPES.items()}
Importance = Mapping[str, NDArray[np.float32]]  # tensor -> of its columns


class Sample:
    """Rows of every matrix of a model, evenly spread over it.

    Args:
        importance: of the columns of some of the matrices, as an imatrix says.

    Raises:
        ModelError: numbers in them are not finite.
    """

    def __init__(self, header: Header, importance: Importance | None = None):
        self.header, self.importance = header, importance or {}
        matrices = [tensor for tensor in header.tensors if len(tensor.shape) > 1]
        each = SAMPLE // max(1, len(matrices))
        self.rows = {tensor.name: self._read(tensor, each // tensor.shape[0]) for tensor in matrices}

    def _read(self, tensor: Tensor, count: int) -> NDArray[np.float32]:
        total = math.prod(tensor.shape[1:])
        raw = np.memmap(self.header.files[tensor.part], np.uint8, "r", tensor.offset, (total, tensor.size // total))
        chosen = np.linspace(0, total - 1, min(total, max(count, _FEWEST_ROWS))).astype(np.intp)
        rows = gguf.dequantize(np.ascontiguousarray(raw[chosen]), gguf.GGMLQuantizationType[tensor.type])
        if not np.isfinite(rows).all():
            raise ModelError(
                f"{self.header.files[tensor.part]} is damaged: {tensor.name} has numbers that are not finite.",
                "Convert the checkpoint again, or fetch it again.",
            )
        return np.asarray(rows, np.float32)

    def quantize(self, types: Mapping[str, str], threads: int, on_progress: OnProgress = silent) -> Quantized:
        """The rows in these types; tensors that are not named keep theirs."""
        parameters = {tensor.name: math.prod(tensor.shape) for tensor in self.header.tensors}
        types = {
            tensor.name: types.get(tensor.name, tensor.type) if tensor.name in self.rows else tensor.type
            for tensor in self.header.tensors
        }
        blocks: dict[str, NDArray[np.uint8]] = {}
        lost = 0.0

        def one(name: str) -> tuple[NDArray[np.uint8], float]:
            rows, weights = self.rows[name], self.importance.get(name)
            if weights is not None and len(weights) != rows.shape[1]:
                raise ModelError(
                    f"The importance matrix is of another model: {name} has {rows.shape[1]:,} columns, not "
                    f"{len(weights):,}.",
                    "Compute it from this model.",
                )
            quantized = quantize_rows(rows, types[name], weights)
            error = gguf.dequantize(quantized, gguf.GGMLQuantizationType[types[name]]) - rows
            scale = np.ones(1, np.float32) if weights is None else weights
            size = float((rows * rows * scale).sum(dtype=np.float64))
            return quantized, float((error * error * scale).sum(dtype=np.float64)) / size if size else 0.0

        with ThreadPoolExecutor(threads) as pool:
            for done, (name, (quantized, error)) in enumerate(zip(self.rows, pool.map(one, self.rows), strict=True)):
                on_progress(done, len(self.rows))
                blocks[name] = quantized
                lost += error * parameters[name]
        return Quantized(self.header, types, blocks, lost / sum(parameters[name] for name in self.rows))


@dataclass(frozen=True, slots=True)
class Quantized:
    """
    Attributes:
        error: what is lost: the squared error of the rows by their squares, both weighted with the importance of the
            columns where it is known; the mean of all parameters.
    """

    header: Header
    types: dict[str, str]
    blocks: dict[str, NDArray[np.uint8]]
    error: float

    def write(self, path: Path, on_progress: OnProgress = silent) -> None:
        """The stand-in, as a file; (done, total) in bytes.

        Vectors and metadata are the model's own.
        """
        header = self.header
        stated = header.metadata.get("general.alignment", 32)
        alignment = stated if isinstance(stated, int) else 32
        sizes = [
            self._rows(tensor) * self.blocks[tensor.name].shape[1] if tensor.name in self.blocks else tensor.size
            for tensor in header.tensors
        ]
        infos, offset = [], 0
        for tensor, size in zip(header.tensors, sizes, strict=True):
            name, dims = tensor.name.encode(), len(tensor.shape)
            infos.append(struct.pack("<Q", len(name)) + name + struct.pack(f"<I{dims}Q", dims, *tensor.shape))
            infos.append(struct.pack("<IQ", _TYPE_IDS[self.types[tensor.name]], offset))
            offset += -(-size // alignment) * alignment
        head = struct.pack("<4sIQQ", b"GGUF", 3, len(header.tensors), len(header.metadata))
        head += _metadata(header) + b"".join(infos)
        with path.open("wb") as file:
            file.write(head + bytes(-len(head) % alignment))
            done = 0
            for tensor, size in zip(header.tensors, sizes, strict=True):
                for piece in self._pieces(tensor):
                    on_progress(done, offset)
                    done += file.write(piece)
                done += file.write(bytes(-size % alignment))

    @staticmethod
    def _rows(tensor: Tensor) -> int:
        return math.prod(tensor.shape[1:])

    def _pieces(self, tensor: Tensor) -> Iterator[bytes | memoryview]:
        blocks = self.blocks.get(tensor.name)
        if blocks is None:
            with self.header.files[tensor.part].open("rb") as file:
                file.seek(tensor.offset)
                yield file.read(tensor.size)
            return
        rows = self._rows(tensor)
        piece = np.tile(blocks, (max(1, _PIECE // blocks.nbytes), 1))
        for start in range(0, rows, len(piece)):
            yield piece[: rows - start].data


def _metadata(header: Header) -> bytes:
    """All items as they lie in the first file; it is no longer one of several."""
    with header.files[0].open("rb") as file:
        items = file.read(header.metadata_size)[24:]  # behind the magic, the version and two counts
    key = struct.pack("<Q11sI", 11, b"split.count", gguf.GGUFValueType.UINT16)
    return items.replace(key + struct.pack("<H", len(header.files)), key + struct.pack("<H", 1))
