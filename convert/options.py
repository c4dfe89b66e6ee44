"""What the user asks of a conversion, and whether it makes sense, before anything is done."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from convert.quantization.mixture import MIXTURES
from convert.quantization.tensor_types import FLOATS
from models import catalogue
from models.errors import UsageError
from models.importing import name_of

DEFAULT = "Q4_K_M"
_PART = re.compile(r"-\d{5}-of-\d{5}(?=\.gguf$)")
_TYPE_IN_NAME = re.compile(r"(?i)[-._](bf16|fp?16|fp?32|i?q\d\w*)$")


@dataclass(frozen=True, slots=True)
class Options:
    """
    Attributes:
        quant: a mixture of llama.cpp, or F32, F16, BF16. At most one of quant, backend, target_size and recipe; none of
            them: Q4_K_M.
        backend: choose the mixture for it; "this-machine" measures.
        target_size: bytes that the file may take. recipe: a file with one's own.
        name: in the store. output: write there instead.
        imatrix: a ready importance matrix. calibration: text to compute it from; None: the built-in text.
            importance: compute one; None: where it is worth its time. chunks: of 512 tokens that it reads.
        protect: raise the types of tensors with super weights; None: under 5 bits a weight.
        measure: quality and speed of the result. text: that quality is measured on; None: built-in text that the
            importance matrix has not seen. quality_chunks: of 512 tokens.
        draft: name of the draft model; "none": look for none; None: what fits.
        pre: pre-tokenizer, where it cannot be recognised. revision: of a repository.
        split_size: bytes of a part; only for F32, F16, BF16.
        requantize: allow a source that is quantized already.
    """

    quant: str | None = None
    backend: Literal["cpu", "cuda", "metal", "this-machine"] | None = None
    target_size: int | None = None
    recipe: Path | None = None
    name: str | None = None
    output: Path | None = None
    imatrix: Path | None = None
    calibration: Path | None = None
    importance: bool | None = None
    chunks: int = 40
    protect: bool | None = None
    measure: bool = True
    text: Path | None = None
    quality_chunks: int = 20
    draft: str | None = None
    pre: str | None = None
    revision: str | None = None
    split_size: int | None = None
    requantize: bool = False
    keep_intermediate: bool = False
    threads: int | None = None

    def check(self) -> None:
        """
        Raises:
            UsageError: a contradiction, an unknown type, a file that is not there, or one that is in the way.
        """
        chosen = (self.quant, self.backend, self.target_size, self.recipe)
        if sum(choice is not None for choice in chosen) > 1:
            raise UsageError("--quant, --for, --target-size and --recipe contradict each other.", "Leave one of them.")
        if self.quant and self.quant.upper() not in MIXTURES:
            raise UsageError(f"There is no type {self.quant}.", f"Known are: {', '.join(MIXTURES)}.")
        if self.split_size is not None and not self.is_float:
            raise UsageError("Only F32, F16 and BF16 can be split.", "Leave out --split-size, or add --quant F16.")
        if self.importance is False and (self.imatrix or self.calibration):
            raise UsageError("--no-importance contradicts --imatrix and --calibration.", "Leave one of them out.")
        for path in (self.recipe, self.imatrix, self.calibration, self.text):
            if path and not path.is_file():
                raise UsageError(f"There is no file {path}.", "Look at the path.")
        if self.output and self.name:
            raise UsageError("With -o the model does not go into the store.", "Leave out --name.")
        if self.output and self.output.exists():
            raise UsageError(f"{self.output} exists already.", "Choose another name, or remove it first.")
        if self.output and (self.output.suffix != ".gguf" or _PART.search(self.output.name)):
            raise UsageError(
                f"{self.output.name} is no name for a model: it has to end in .gguf, without the number of a part.",
                f"Write it like this: -o {_PART.sub('', self.output.with_suffix('.gguf').name)}",
            )
        if self.output and not self.output.absolute().parent.is_dir():
            raise UsageError(f"There is no folder {self.output.absolute().parent}.", "Make it first.")

    @property
    def is_float(self) -> bool:
        """Nothing is quantized."""
        return self.quant is not None and self.quant.upper() in FLOATS

    def store_name(self, source: str) -> str:
        """The result's name in the store: what the user says, or the name of the source with what was asked for.

        Raises:
            UsageError: the catalogue has that name for another file.
        """
        if self.name:
            if catalogue.load().find(self.name):
                raise UsageError(f"“{self.name}” is the catalogue's name of another file.", "Choose another --name.")
            return self.name
        asked = self.quant or (f"for-{self.backend}" if self.backend else None) or (self.recipe and self.recipe.stem)
        asked = asked or (f"{self.target_size / 1e9:.3g}gb" if self.target_size is not None else DEFAULT)
        name = name_of(Path(f"{_TYPE_IN_NAME.sub('', source)}-{asked}.gguf"))
        return f"{name}-converted" if catalogue.load().find(name) else name  # that name is of the maker's own file
