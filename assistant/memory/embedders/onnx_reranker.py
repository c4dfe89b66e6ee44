"""Rerankers as ONNX models: question and passage read together (Nogueira & Cho 2019), more exact than two vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.memory.embedders.graph import Graph
from assistant.memory.embedders.manifest import Manifest
from assistant.memory.embedders.tokenizer import load_tokenizer
from assistant.memory.embedders.windows import windows_of
from models.errors import ModelError

# Of the tokens of one run, at most this part is the question's.
QUERY_PART = 0.25


class OnnxReranker:
    """What the manifest says of a folder.

    Raises:
        ModelError: a file is missing or damaged, or gives no single score for a pair.
    """

    def __init__(self, folder: Path, manifest: Manifest, threads: int):
        self.name, self.version = manifest.name, manifest.version
        self._max_tokens = manifest.max_tokens
        self._tokenizer = load_tokenizer(folder)
        self._graph = Graph(folder / manifest.graph, ["logits"], 2, padding=self._tokenizer.padding, threads=threads)
        (_, logits, _), *_ = self._graph.batches([self._tokenizer.frame.pair(*self._tokenizer.ids(["one", "two"]))])
        if logits.shape != (1, 1) or not np.isfinite(logits).all():
            raise ModelError(f"{folder / manifest.graph} gives {logits.shape[1]} scores for a pair, or none: {logits}.")

    def score(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """How well each text answers the query, (n,), from 0 to 1; of a long text the best window counts."""
        frame = self._tokenizer.frame
        room = self._max_tokens - len(frame.pair([], []))
        question, *passages = self._tokenizer.ids([query, *texts])
        question = question[: int(room * QUERY_PART)]
        windows = [windows_of(ids, room - len(question)) for ids in passages]
        rows = [frame.pair(question, ids) for each in windows for ids in each]
        logits = np.empty(len(rows), dtype=np.float32)
        for numbers, output, _ in self._graph.batches(rows):
            logits[numbers] = output[:, 0]
        firsts = np.cumsum([0, *(len(each) for each in windows)])[:-1]
        best = np.maximum.reduceat(logits, firsts) if rows else logits
        return np.asarray(1 / (1 + np.exp(-best)), dtype=np.float32)
