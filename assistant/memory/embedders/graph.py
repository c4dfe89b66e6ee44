"""An encoder as an ONNX graph: rows of token ids in, hidden states or scores out, in batches that fit the caches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

# Tokens a batch, padding included. Measured with multilingual-e5-small in int8 on two cores: 256 to 512 are fastest;
# at 1,024 a token takes up to twice as long.
BATCH_TOKENS = 256
_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
_TYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


class Graph:
    """
    Args:
        outputs: names of the output that is wanted, the best first; ``rank`` is its number of dimensions.
        padding: id that fills rows up.

    Raises:
        ModelError: onnxruntime cannot load the file, or its inputs or outputs are not those of an encoder.
    """

    def __init__(self, path: Path, outputs: Sequence[str], rank: int, *, padding: int, threads: int):
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin while they wait take the cores from the language model, and on a busy machine from
        # themselves: half the speed was measured.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # The arena keeps the memory of the largest batch for ever, and makes nothing faster here.
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common base
            raise ModelError(f"{path} cannot be loaded: {str(error).splitlines()[0]}.") from error
        self._path, self._padding = path, padding
        self._inputs = {each.name: _TYPES.get(each.type) for each in self._session.get_inputs()}
        if "input_ids" not in self._inputs or not set(self._inputs) <= _INPUTS or None in self._inputs.values():
            raise ModelError(f"{path} is not a text encoder: its inputs are {', '.join(self._inputs)}.")
        found = {each.name: each.shape for each in self._session.get_outputs() if len(each.shape or ()) == rank}
        if not found:
            names = ", ".join(each.name for each in self._session.get_outputs())
            raise ModelError(f"{path} has no output with {rank} dimensions: {names}.")
        self._output = next((name for name in outputs if name in found), next(iter(found)))

    def batches(
        self, rows: Sequence[Sequence[int]]
    ) -> Iterator[tuple[list[int], NDArray[np.float32], NDArray[np.bool_]]]:
        """Run all rows, those of similar length together.

        Yields:
            numbers of the rows in this batch, (n,); the output, (n, …); which tokens are not padding, (n, longest).

        Raises:
            ModelError: the graph fails.
        """
        order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
        while order:
            size = 1
            while size < len(order) and (size + 1) * len(rows[order[size]]) <= BATCH_TOKENS:
                size += 1
            numbers, order = order[:size], order[size:]
            yield numbers, *self._run([rows[number] for number in numbers])

    def _run(self, rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        lengths = np.array([len(row) for row in rows])
        mask = np.arange(lengths.max()) < lengths[:, None]
        ids = np.full(mask.shape, self._padding)
        ids[mask] = np.concatenate([np.asarray(row) for row in rows])
        values = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(ids),
        }
        try:
            (output,) = self._session.run(
                [self._output], {name: values[name].astype(kind) for name, kind in self._inputs.items()}
            )
        except Exception as error:
            raise ModelError(f"{self._path} failed: {str(error).splitlines()[0]}.") from error
        return np.asarray(output, dtype=np.float32), mask
