"""An encoder of the XLM-R family with random weights and a small vocabulary: a folder that can be imported."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import sentencepiece
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from real_e5 import bert_graph
from sentencepiece import sentencepiece_model_pb2 as proto

PIECES = 120
DIMS = 16


class RandomWeights:
    """Sizes and tensors as ``bert_graph`` asks for them."""

    hidden, layers, heads, inner, epsilon = DIMS, 2, 2, 32, 1e-12
    _sizes = {"emb.pos": 64 * hidden, "emb.type": hidden, "fi.b": inner}  # noqa: RUF012

    def __init__(self, seed: int = 7):
        self._seed = seed

    def _normal(self, name: str, *shape: int) -> NDArray[np.float32]:
        random = np.random.default_rng([self._seed, zlib.crc32(name.encode())])
        return (random.standard_normal(shape) / 2).astype(np.float32)

    def floats(self, name: str) -> NDArray[np.float32]:
        size = next((size for end, size in self._sizes.items() if name.endswith(end)), self.hidden)
        return self._normal(name, size)

    def matrix(self, name: str, columns: int) -> NDArray[np.float32]:
        rows = {"emb.word": PIECES + 2}.get(name, self.inner if name.endswith("fi.w") else self.hidden)
        return self._normal(name, rows, columns)


def write_encoder(folder: Path, *, json_tokenizer: bool = False, head: str = "", **manifest: Any) -> Path:
    """
    Args:
        json_tokenizer: a tokenizer.json instead of the SentencePiece model; both give the same ids.
        head: "sentence_embedding" adds the mean over all positions as an output; "logits" one score a row.
        manifest: other fields than the usual.
    """
    folder.mkdir(parents=True)
    bert_graph(RandomWeights(), folder / "model.onnx")
    if head:
        _add_head(folder / "model.onnx", head)
    vocabulary = _sentencepiece_model()
    if json_tokenizer:
        (folder / "tokenizer.json").write_text(json.dumps(_definition(vocabulary)), encoding="utf-8")
    else:
        (folder / "sentencepiece.bpe.model").write_bytes(vocabulary)
    fields = {"name": "small", "kind": "reranker" if head == "logits" else "embedder", "dims": DIMS, "max_tokens": 48}
    fields |= {"query_prefix": "ask: ", "passage_prefix": "text: "}
    (folder / "manifest.json").write_text(json.dumps({**fields, **manifest}))
    return folder


def _add_head(path: Path, head: str) -> None:
    model = onnx.load(path)
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array([1]), "axis"))
    graph.node.append(helper.make_node("ReduceMean", ["last_hidden_state", "axis"], ["mean"], keepdims=0))
    columns = DIMS
    if head == "logits":
        columns = 1
        column = np.random.default_rng(3).standard_normal((DIMS, 1)).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(column, "column"))
        graph.node.append(helper.make_node("Gather", ["last_hidden_state", "zero"], ["first"], axis=1))
        graph.initializer.append(numpy_helper.from_array(np.array(0), "zero"))
        graph.node.append(helper.make_node("MatMul", ["first", "column"], [head]))
        del graph.output[:]
    else:
        graph.node.append(helper.make_node("Identity", ["mean"], [head]))
    graph.output.append(helper.make_tensor_value_info(head, TensorProto.FLOAT, ["n", columns]))
    onnx.save(model, path)


def _sentencepiece_model() -> bytes:
    """Trained on a few words; the same bytes every time."""
    words = "the cat sleeps on a sofa кошка спит на диване поезд билет train ticket ask: text: Ёлка ﬁve №5 , . ( )"
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([words] * 20),
        model_writer=model,
        vocab_size=PIECES,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
        num_threads=1,
    )
    return model.getvalue()


def _definition(vocabulary: bytes) -> dict[str, Any]:
    """The tokenizer.json that transformers makes of such a file."""
    model = proto.ModelProto()
    model.ParseFromString(vocabulary)
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [(piece.piece, piece.score) for piece in model.pieces][3:]
    charsmap = base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()
    around = {"single": ["<s>", "A", "</s>"], "pair": ["<s>", "A", "</s>", "</s>", "B", "</s>"]}
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": number, "content": token, "special": True, "normalized": False}
            | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
            for number, token in enumerate(specials)
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Precompiled", "precompiled_charsmap": charsmap},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True},
        "post_processor": {
            "type": "TemplateProcessing",
            **{
                kind: [
                    {"Sequence" if part in "AB" else "SpecialToken": {"id": part, "type_id": 0}} for part in template
                ]
                for kind, template in around.items()
            },
            "special_tokens": {
                token: {"id": token, "ids": [number], "tokens": [token]} for number, token in enumerate(specials)
            },
        },
        "model": {"type": "Unigram", "unk_id": 3, "vocab": [*((token, 0.0) for token in specials), *pieces]},
    }
