"""The steps of a conversion after the checkpoint was read: each makes a file in the work folder, or reads the one that
an earlier run has made from the same inputs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from convert import imatrix, super_weights
from convert.calibration import calibration_text, evaluation_text
from convert.measuring import quality, speed, this_machine
from convert.measuring.quality import Quality
from convert.measuring.speed import Speed
from convert.measuring.this_machine import Candidate, Choice
from convert.options import Options
from convert.progress import OnProgress
from convert.quantization import recipe
from convert.quantization.quantize import quantize
from convert.quantization.recipe import Recipe
from convert.quantization.tensor_types import FLOATS
from convert.super_weights import SuperWeight
from convert.texts import hash_of, read_text
from convert.work import Work
from models import fit, hardware
from models.fingerprint import fingerprint
from models.gguf_header import Header, read_header

Inputs = dict[str, Any]  # what a file was made from, as JSON

_WINDOW = 1024  # tokens, for the estimate whether a model fits into memory to be run
_STAND_IN = "Q8_0"  # for a source that does not


class Display(Protocol):
    """Who is told how far it is."""

    def step(self, name: str, number: int | None, count: int | None) -> None: ...

    def progress(self, done: int, total: int) -> None: ...

    def note(self, line: str) -> None: ...


class Progress:
    """Announces steps, and keeps their times.

    Attributes:
        names: of all steps, as soon as they are known.
        seconds: that each took in this run.
    """

    def __init__(self, display: Display):
        self._display = display
        self.names: tuple[str, ...] = ()
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[OnProgress]:
        number = self.names.index(name) + 1 if name in self.names else None
        self._display.step(name, number, len(self.names) or None)
        began = time.perf_counter()
        yield self._display.progress
        self.seconds[name] = time.perf_counter() - began

    def note(self, line: str) -> None:
        self._display.note(line)


def stands_in(header: Header) -> bool:
    """The model is too large to be run and compared here as it is; a file of eight bits has to stand for it."""
    need = fit.memory_need(header, _WINDOW).total + header.size // 2  # itself, and one of at most half its size
    return need > hardware.memory().available and header.quantisation in FLOATS


def memory_to_run(header: Header) -> int:
    """Bytes, of the model itself or of what stands for it."""
    need = fit.memory_need(header, _WINDOW)
    weights = min(need.weights, recipe.mixture(header, _STAND_IN).size) if stands_in(header) else need.weights
    return need.total - need.weights + weights


class Steps:
    """
    Args:
        source: the unquantized GGUF. inputs: what it was made from.
    """

    def __init__(self, work: Work, options: Options, progress: Progress, source: Path, inputs: Inputs):
        self._work, self._options, self._progress = work, options, progress
        self.source, self.header = source, read_header(source)
        self._inputs = inputs
        self.imatrix: Path | None = None
        self._reference: Path | None = None

    @property
    def reference_name(self) -> str:
        return "source" if self.reference == self.source else f"{_STAND_IN} of the source"

    @property
    def reference(self) -> Path:
        """What is run where the unquantized model is meant: the source itself, or where memory is too small for it, a
        file of eight bits, which differs little."""
        if self._reference is None:
            self._reference = self.source
            if stands_in(self.header):
                with self._progress.step("stand-in") as progress:
                    self._progress.note(f"The source does not fit into memory; {_STAND_IN} stands for it.")
                    used = recipe.mixture(self.header, _STAND_IN)
                    self._reference = self.quantized("stand-in", used, progress)
        return self._reference

    @property
    def _run_inputs(self) -> Inputs:
        return {**self._inputs, "reference": self.reference_name}

    def calibrate(self) -> str:
        """Get the importance matrix; returns what it was computed from, in words."""
        options = self._options
        with self._progress.step("imatrix") as progress:
            if options.imatrix:
                self.imatrix = options.imatrix
                found = imatrix.Imatrix.read(options.imatrix)
                return f"{options.imatrix}, of {', '.join(found.datasets) or 'unknown text'}"
            text = read_text(options.calibration) if options.calibration else calibration_text()
            name = options.calibration.name if options.calibration else "built-in English and Russian text"
            inputs = {**self._run_inputs, "text": hash_of(text), "chunks": options.chunks}

            def compute(path: Path) -> None:
                imatrix.collect(
                    self.reference,
                    text,
                    chunks=options.chunks,
                    threads=options.threads,
                    dataset=name,
                    on_progress=progress,
                ).write(path)

            self.imatrix = self._work.made("imatrix.gguf", inputs, compute)
            found = imatrix.Imatrix.read(self.imatrix)
            return f"{found.chunks} × {found.chunk_size} tokens of {name}"

    def find_super_weights(self) -> list[SuperWeight]:
        with self._progress.step("super weights") as progress:
            found = self._work.value(
                "super-weights.json",
                self._run_inputs,
                lambda: [asdict(one) for one in super_weights.find(self.reference, on_progress=progress)],
            )
        return [SuperWeight(**one) for one in found]

    def measure_types(self) -> Choice:
        """Candidates for this machine; one of them is chosen."""
        with self._progress.step("measure types") as progress:
            inputs = {**self._inputs, "imatrix": self.imatrix and fingerprint(self.imatrix)}

            def measure() -> dict[str, Any]:
                choice = this_machine.choose(
                    self.source,
                    imatrix=self.imatrix,
                    threads=self._options.threads,
                    folder=self._work.folder,
                    on_progress=progress,
                )
                return asdict(choice)

            found = self._work.value("candidates.json", inputs, measure)
        return Choice(**{**found, "candidates": [Candidate(**one) for one in found["candidates"]]})

    def quantize(self, used: Recipe, file_name: str) -> Path:
        with self._progress.step("quantize") as progress:
            return self.quantized("quantized", used, progress, file_name)

    def quantized(self, folder: str, used: Recipe, progress: OnProgress, file_name: str = "model.gguf") -> Path:
        matrix = self.imatrix and fingerprint(self.imatrix)
        inputs = {**self._inputs, "types": dict(used.types), "base": used.base, "imatrix": matrix, "name": file_name}

        def make(path: Path) -> None:
            self._work.drop(path.name)
            path.mkdir()
            quantize(
                self.source,
                path / file_name,
                used,
                imatrix=self.imatrix,
                threads=self._options.threads,
                allow_requantize=self._options.requantize,
                on_progress=progress,
            )

        return self._work.made(folder, inputs, make) / file_name

    def measure_quality(self, result: Path, variants: Sequence[Path] = ()) -> list[Quality]:
        """Of the result and of its variants, against the reference."""
        options = self._options
        text = read_text(options.text) if options.text else evaluation_text()
        files = [result, *variants]
        inputs = {
            **self._run_inputs,
            "files": [fingerprint(file) for file in files],
            "text": hash_of(text),
            "chunks": options.quality_chunks,
        }
        with self._progress.step("quality") as progress:
            found = self._work.value(
                "quality.json",
                inputs,
                lambda: [
                    {**asdict(one), "model": str(one.model)}
                    for one in quality.compare(
                        self.reference,
                        files,
                        text,
                        chunks=options.quality_chunks,
                        threads=options.threads,
                        on_progress=progress,
                    )
                ],
            )
        return [Quality(**{**one, "model": Path(one["model"])}) for one in found]

    def variants(self, recipes: Mapping[str, Recipe]) -> list[Path]:
        """Other versions of the result, to compare it with."""
        if not recipes:
            return []
        with self._progress.step("variants") as progress:
            return [self.quantized(name, one, progress) for name, one in recipes.items()]

    def measure_speed(self, result: Path) -> Speed:
        with self._progress.step("speed") as progress:
            return speed.measure(result, threads=self._options.threads, on_progress=progress)
