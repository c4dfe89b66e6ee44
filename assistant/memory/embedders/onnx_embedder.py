"""Embedders as ONNX models: multilingual-e5 (Wang et al. 2024), bge-m3 (Chen et al. 2024), and others like them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.memory.embedders.graph import Graph
from assistant.memory.embedders.manifest import Manifest
from assistant.memory.embedders.tokenizer import load_tokenizer
from assistant.memory.embedders.windows import average_windows, windows_of
from models.errors import ModelError


class OnnxEmbedder:
    """What the manifest says of a folder: its graph, its tokenizer, and how the two become a vector.

    Raises:
        ModelError: a file is missing, damaged, or not what the manifest says.
    """

    whole_chunks = True

    def __init__(self, folder: Path, manifest: Manifest, threads: int):
        assert manifest.dims
        self.name, self.version, self.dims = manifest.name, manifest.version, manifest.dims
        self._manifest = manifest
        self._tokenizer = load_tokenizer(folder)
        pooled = manifest.pooling == "graph"
        self._graph = Graph(
            folder / manifest.graph,
            ["sentence_embedding"] if pooled else ["last_hidden_state", "token_embeddings"],
            2 if pooled else 3,
            padding=self._tokenizer.padding,
            threads=threads,
        )
        sample = self._pooled([self._tokenizer.frame.single(self._tokenizer.ids(["one"])[0])])
        if sample.shape != (1, self.dims) or not 0 < float(np.linalg.norm(sample)) < np.inf:
            raise ModelError(
                f"{folder / manifest.graph} gives vectors of {sample.shape[1]} numbers, length "
                f"{np.linalg.norm(sample):.3g}; {self.dims} numbers that are no zeros were expected."
            )

    def count_tokens(self, text: str) -> int:
        """Tokens of the text alone, without prefix and special tokens."""
        return len(self._tokenizer.ids([text])[0])

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, dims), each row of length 1. With int8 weights the scale of the activations is that of the whole batch,
        so that the neighbours of a text move its vector a little (cosine 0.995)."""
        return self._embed(self._manifest.passage_prefix, texts)

    def query(self, text: str) -> NDArray[np.float32]:
        """(dims,), of length 1."""
        vector: NDArray[np.float32] = self._embed(self._manifest.query_prefix, [text])[0]
        return vector

    def _embed(self, prefix: str, texts: Sequence[str]) -> NDArray[np.float32]:
        frame = self._tokenizer.frame
        room = self._manifest.max_tokens - len(frame.single([]))
        start = self._tokenizer.ids([prefix])[0]
        windows = [
            [ids]
            if len(ids) <= room
            else [[*start, *each] for each in windows_of(ids[len(start) :], room - len(start))]
            for ids in self._tokenizer.ids([prefix + text for text in texts])
        ]
        rows = [frame.single(ids) for each in windows for ids in each]
        return average_windows(self._pooled(rows), windows)

    def _pooled(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] | None = None
        for numbers, output, mask in self._graph.batches(rows):
            if self._manifest.pooling == "cls":
                output = output[:, 0]
            elif self._manifest.pooling == "mean":
                output = np.einsum("nth,nt->nh", output, mask.astype(np.float32)) / mask.sum(axis=1, keepdims=True)
            if vectors is None:
                vectors = np.empty((len(rows), output.shape[1]), dtype=np.float32)
            # Each window counts as much as any other, whatever the length of its vector.
            vectors[numbers] = output / np.maximum(np.linalg.norm(output, axis=1, keepdims=True), 1e-12)
        return np.empty((0, self.dims), dtype=np.float32) if vectors is None else vectors
