"""Read and check the header of a GGUF file before llama.cpp sees it: on a damaged one its asserts end the process.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian. Vocabularies are
walked over, not built: a header of 150,000 tokens takes tens of milliseconds and little memory. Every count, length and
offset is taken as hostile.
"""

from __future__ import annotations

import math
import mmap
import re
import stat
import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.errors import ModelError

# Far above any real model; below what would cost memory or seconds.
MAX_TENSORS = 65_536
MAX_KEYS = 65_536
MAX_ARRAY_STRINGS = 8_000_000  # in the whole header
MAX_KEPT_BYTES = 16 << 20  # of strings that are handed out, all together
KEPT_ARRAY = 1_024  # longer arrays are described, not handed out
MAX_DIMS = 4
MAX_LAYERS = 512  # LLAMA_MAX_LAYERS of llama.cpp
MAX_TOKENS = 2_000_000
LONGEST_TOKEN = 1_024

# id -> (name, values in a block, bytes of a block). From ggml.h by way of the gguf package 0.19.
TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18), 42: ("Q2_0", 64, 18),
}  # fmt: skip

# general.file_type -> the usual name of the mix. From llama.h.
FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE", 39: "NVFP4",
    40: "Q1_0", 41: "Q2_0",
}  # fmt: skip

# Metadata value types: id -> (name, struct format). 8 is a string, 9 an array.
_SCALARS = {
    0: ("uint8", "B"), 1: ("int8", "b"), 2: ("uint16", "H"), 3: ("int16", "h"), 4: ("uint32", "I"), 5: ("int32", "i"),
    6: ("float32", "f"), 7: ("bool", "?"), 10: ("uint64", "Q"), 11: ("int64", "q"), 12: ("float64", "d"),
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_TYPED = {"adapter.lora.alpha": 6}  # llama.cpp reads these unasked, and ends the process over another type

_SPLIT = re.compile(r"^(?P<stem>.+)-(?P<part>\d{5})-of-(?P<count>\d{5})\.gguf$")
_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Array:
    """An array, or a string, too long to be handed out. ``offset``: where an array's items begin in its file."""

    type: str
    length: int
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Tensor:
    """``shape`` in ggml's order (row length first); ``offset`` in bytes from the start of the file ``part``."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    size: int
    part: int = 0


@dataclass(frozen=True)
class Header:
    """What a model file says of itself.

    Attributes:
        files: all parts of a split model, or the one file.
        size: bytes of all of them.
        metadata: numbers, strings and short lists as they are; :class:`Array` for what is long.
        metadata_size: bytes of the first file up to the list of its tensors.
    """

    files: tuple[Path, ...]
    version: int
    size: int
    metadata: dict[str, Any]
    tensors: tuple[Tensor, ...]
    metadata_size: int = 0

    def number(self, key: str, default: int = 0) -> int:
        """An integer of this architecture's own keys, for instance ``block_count``; of a per-layer list the largest;
        never below 0."""
        value = self.metadata.get(f"{self.architecture}.{key}")
        if isinstance(value, list) and value and all(isinstance(item, int) for item in value):
            return int(max(0, *value))
        return int(max(0, value)) if isinstance(value, int) else default

    def text(self, key: str) -> str | None:
        """A string of the metadata, by its full key."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    @property
    def architecture(self) -> str:
        return self.text("general.architecture") or "unknown"

    @property
    def name(self) -> str | None:
        return self.text("general.name")

    @property
    def licence(self) -> str | None:
        return self.text("general.license")

    @property
    def licence_url(self) -> str | None:
        return self.text("general.license.link")

    @property
    def context_length(self) -> int:
        return self.number("context_length")

    @property
    def layers(self) -> int:
        return self.number("block_count")

    @property
    def embedding_length(self) -> int:
        return self.number("embedding_length")

    @property
    def heads(self) -> int:
        return self.number("attention.head_count")

    @property
    def kv_heads(self) -> int:
        return self.number("attention.head_count_kv", self.heads)

    @property
    def head_dims(self) -> tuple[int, int]:
        """Of keys and of values."""
        usual = self.embedding_length // self.heads if self.heads else 0
        return self.number("attention.key_length", usual), self.number("attention.value_length", usual)

    @property
    def sliding_window(self) -> int:
        """Tokens that the sliding-window layers see; 0: every layer sees all."""
        return self.number("attention.sliding_window")

    @property
    def parameters(self) -> int:
        return sum(math.prod(tensor.shape) for tensor in self.tensors)

    @property
    def vocab_size(self) -> int:
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        return tokens.length if isinstance(tokens, Array) else len(tokens) if isinstance(tokens, list) else 0

    @property
    def has_chat_template(self) -> bool:
        return "tokenizer.chat_template" in self.metadata

    @property
    def quantisation(self) -> str:
        """The name of the mix, or of the type that most of the bytes have."""
        named = FILE_TYPES.get(self.metadata.get("general.file_type", -1))
        if named:
            return named
        sizes: Counter[str] = Counter()
        for tensor in self.tensors:
            sizes[tensor.type] += tensor.size
        return sizes.most_common(1)[0][0] if sizes else "none"


def split_parts(path: Path) -> list[Path]:
    """All parts of the model that this file belongs to, in order, whether they exist or not; else the file alone."""
    found = _SPLIT.match(path.name)
    if not found or int(found["count"]) < 2:
        return [path]
    count = int(found["count"])
    return [path.with_name(f"{found['stem']}-{part:05}-of-{count:05}.gguf") for part in range(1, count + 1)]


def read_header(path: Path, *, is_model: bool = True) -> Header:
    """Read and check the header of a model; all parts of a split one. Other files, as importance matrices, need not
    name an architecture.

    Raises:
        ModelError: missing, not a file, not GGUF, of an unknown version, damaged or truncated.
    """
    parts = split_parts(path)
    headers = [_read(part, number, is_model) for number, part in enumerate(parts)]
    first = headers[0]
    if len(parts) > 1:
        _check_split(parts, headers)
    return Header(
        files=tuple(parts),
        version=first.version,
        size=sum(header.size for header in headers),
        metadata=first.metadata,
        tensors=tuple(tensor for header in headers for tensor in header.tensors),
        metadata_size=first.metadata_size,
    )


def _check_split(parts: list[Path], headers: list[Header]) -> None:
    for number, (part, header) in enumerate(zip(parts, headers, strict=True)):
        if header.metadata.get("split.no") != number or header.metadata.get("split.count") != len(parts):
            raise ModelError(f"{part} is not part {number + 1} of {len(parts)} of one model.", "Fetch the parts again.")
    expected = headers[0].metadata.get("split.tensors.count")
    found = sum(len(header.tensors) for header in headers)
    if expected is not None and expected != found:
        raise ModelError(f"{parts[0]} and its parts hold {found} of {expected} tensors.", "Fetch the parts again.")


def read_strings(header: Header, key: str) -> list[bytes]:
    """An array of strings of the metadata, however long; empty if there is none.

    Raises:
        ModelError: the file has changed since the header was read.
    """
    value = header.metadata.get(key)
    if isinstance(value, list):
        return [str(item).encode() for item in value]
    if not isinstance(value, Array) or value.type != "string" or not value.offset:
        return []
    path = header.files[0]
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(path, data).strings(value)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error


def _read(path: Path, part: int, is_model: bool) -> Header:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist.", "Look at the path; a split model needs all its parts.") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(status.st_mode):  # opening a FIFO would wait for ever
        raise ModelError(f"{path} is not a file.", "Name the GGUF file itself.")
    if status.st_size < 24:
        raise ModelError(f"{path} is not a GGUF file: it has {status.st_size} bytes.", _NOT_GGUF)
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(path, data).header(part, is_model)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error


_NOT_GGUF = "Models are .gguf files; see what can be pulled: assistant models --all"


class _Reader:
    """Walks over the bytes once; ``at`` never passes ``end``."""

    def __init__(self, path: Path, data: mmap.mmap):
        self._path, self._data = path, data
        self._at, self._end = 0, len(data)
        self._kept = self._strings = 0

    def header(self, part: int, is_model: bool) -> Header:
        if self._data[:4] != b"GGUF":
            raise ModelError(f"{self._path} is not a GGUF file.", _NOT_GGUF)
        self._at = 4
        version = self._u32()
        if version & 0xFFFF == 0 and version:
            raise ModelError(f"{self._path} is a big-endian GGUF file.", "Fetch the little-endian one.")
        if version not in (2, 3):
            raise ModelError(
                f"{self._path} has GGUF version {version}; versions 2 and 3 are known.",
                "Fetch a newer conversion of the model."
                if version < 2
                else "It may need a newer release of assistant.",
            )
        tensor_count, key_count = self._u64(), self._u64()
        if tensor_count > MAX_TENSORS or key_count > MAX_KEYS:
            raise self._damaged(f"it claims {tensor_count:,} tensors and {key_count:,} keys")
        metadata: dict[str, Any] = {}
        for _ in range(key_count):
            key = self._string(limit=65_535)
            if not isinstance(key, str) or not key or key in metadata:
                raise self._damaged("a metadata key is empty, too long, or there twice")
            type_id = self._u32()
            if _TYPED.get(key, type_id) != type_id:
                raise self._damaged(f"its {key} is not a {_SCALARS[_TYPED[key]][0]}")
            metadata[key] = self._value(type_id, unique=key == "tokenizer.ggml.tokens")
        if not isinstance(metadata.get("general.architecture", None if is_model and part == 0 else ""), str):
            raise self._damaged("it names no architecture")
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 8 <= alignment <= 1 << 20 or alignment & (alignment - 1):
            raise self._damaged(f"its alignment is {alignment}")
        self._check_architecture(metadata)
        metadata_size = self._at
        tensors = self._tensors(tensor_count, alignment, part)
        return Header((self._path,), version, self._end, metadata, tensors, metadata_size)

    def _check_architecture(self, metadata: dict[str, Any]) -> None:
        """Numbers on which llama.cpp aborts instead of refusing the file."""
        architecture = metadata.get("general.architecture")
        for key, most in (("block_count", MAX_LAYERS), ("context_length", (1 << 31) - 1)):
            value = metadata.get(f"{architecture}.{key}", 1)
            if not isinstance(value, int) or not 1 <= value <= most:
                raise self._damaged(f"its {key} is {value}")
        for key in ("layer_norm_epsilon", "layer_norm_rms_epsilon"):
            value = metadata.get(f"{architecture}.attention.{key}", 0.0)
            if not isinstance(value, float) or not 0 <= value < 1:
                raise self._damaged(f"its {key} is {value}")

    def _tensors(self, count: int, alignment: int, part: int) -> tuple[Tensor, ...]:
        found: list[tuple[str, tuple[int, ...], str, int, int]] = []
        names: set[str] = set()
        expected = 0
        for _ in range(count):
            name = self._string(limit=63)
            if not isinstance(name, str) or name in names:
                raise self._damaged("a tensor's name is too long, or there twice")
            names.add(name)
            dims = self._u32()
            if not 1 <= dims <= MAX_DIMS:
                raise self._damaged(f"tensor {name} has {dims} dimensions")
            shape = tuple(self._u64() for _ in range(dims))
            type_id, offset = self._u32(), self._u64()
            if type_id not in TYPES:
                raise ModelError(
                    f"{self._path} holds a tensor of an unknown type ({type_id}).",
                    "The file is damaged, or needs a newer release of assistant.",
                )
            type_name, block, block_bytes = TYPES[type_id]
            values = math.prod(shape)
            if min(shape) < 1 or values >= 1 << 62 or shape[0] % block:
                raise self._damaged(f"tensor {name} has the shape {'×'.join(map(str, shape))}")
            size = values // block * block_bytes
            # llama.cpp accepts no gaps and no overlaps.
            if offset != expected:
                raise self._damaged(f"tensor {name} lies at {offset:,} instead of {expected:,}")
            found.append((name, shape, type_name, offset, size))
            expected = offset + -(-size // alignment) * alignment
        start = -(-self._at // alignment) * alignment
        needed = start + found[-1][3] + found[-1][4] if found else self._at
        if needed > self._end:
            raise self._truncated(needed)
        return tuple(
            Tensor(name, shape, type_name, start + offset, size, part) for name, shape, type_name, offset, size in found
        )

    def _value(self, type_id: int, unique: bool = False) -> Any:
        if type_id in _SCALARS:
            return self._scalars(type_id, 1)[0]
        if type_id == _STRING:
            return self._string()
        if type_id != _ARRAY:
            raise self._damaged(f"a metadata value has the unknown type {type_id}")
        item_type, length = self._u32(), self._u64()
        if item_type == _STRING:
            return self._strings_array(length, unique and length <= MAX_TOKENS)
        if item_type not in _SCALARS:
            raise self._damaged(f"an array has items of type {item_type}")
        if length <= KEPT_ARRAY:
            return list(self._scalars(item_type, length))
        self._skip(length * struct.calcsize(_SCALARS[item_type][1]))
        return Array(_SCALARS[item_type][0], length)

    def _strings_array(self, length: int, unique: bool) -> list[str | Array] | Array:
        """``unique``: llama.cpp aborts on a token that is there twice; empty ones it names itself."""
        self._strings += length
        if self._strings > MAX_ARRAY_STRINGS or length * 8 > self._end - self._at:
            raise self._damaged(f"an array claims {length:,} strings")
        if length <= KEPT_ARRAY:
            return [self._string() for _ in range(length)]
        data, end, at, read = self._data, self._end - 8, self._at, _U64.unpack_from
        begin = at
        hashes: set[int] = set()  # instead of the strings: a vocabulary is walked over, not built
        others = 0 if unique else length
        for _ in range(length):
            if at > end:
                raise self._truncated(at + 8)
            size = read(data, at)[0]
            at += 8 + size
            if unique:
                if 0 < size <= LONGEST_TOKEN:
                    hashes.add(hash(data[at - size : at]))
                else:
                    others += 1
        self._at = at
        self._skip(0)
        if len(hashes) + others < length:
            raise self._damaged("a token of its vocabulary is there twice")
        return Array("string", length, begin)

    def strings(self, array: Array) -> list[bytes]:
        """The items of an array of strings, as they are."""
        data, end, at, read = self._data, self._end - 8, array.offset, _U64.unpack_from
        found = []
        for _ in range(array.length):
            if at > end:
                raise self._truncated(at + 8)
            start = at + 8
            at = start + read(data, at)[0]
            found.append(data[start:at])
        self._at = at
        self._skip(0)
        return found

    def _scalars(self, type_id: int, count: int) -> tuple[Any, ...]:
        values = struct.Struct(f"<{count}{_SCALARS[type_id][1]}")
        start = self._at
        self._skip(values.size)
        return values.unpack_from(self._data, start)

    def _string(self, limit: int = 1 << 20) -> str | Array:
        length = self._u64()
        start = self._at
        self._skip(length)
        if length > limit:
            return Array("string", length)
        self._kept += length
        if self._kept > MAX_KEPT_BYTES:
            raise self._damaged("its metadata is too large")
        return self._data[start : start + length].decode("utf-8", errors="replace")

    def _u32(self) -> int:
        return int(self._scalars(4, 1)[0])

    def _u64(self) -> int:
        return int(self._scalars(10, 1)[0])

    def _skip(self, size: int) -> None:
        if size > self._end - self._at:
            raise self._truncated(self._at + size)
        self._at += size

    def _damaged(self, what: str) -> ModelError:
        return ModelError(f"{self._path} is damaged: {what}.", "Fetch it again: assistant models pull NAME")

    def _truncated(self, needed: int) -> ModelError:
        return ModelError(
            f"{self._path} is truncated or damaged: it has {self._end:,} of {needed:,} bytes.",
            "Fetch it again: assistant models pull NAME",
        )
