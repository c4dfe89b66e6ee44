"""From a checkpoint to an installed model: fetch, check, convert, calibrate, quantize, measure, pair, store.

Every step leaves a file in a work folder beside the result, with a note of what it was made from. A run that was
stopped goes on where it was; a run that ends leaves only the result.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from convert import architectures, draft, protection, write
from convert.architectures.architecture import Architecture
from convert.checkpoint import Checkpoint
from convert.fetch import fetch, repository
from convert.measuring.quality import Quality
from convert.options import DEFAULT, Options
from convert.quantization import recipe
from convert.quantization.quantize import check_imatrix
from convert.quantization.recipe import Recipe
from convert.quantization.tensor_types import FLOATS
from convert.report import Report, types_of
from convert.steps import Display, Inputs, Progress, Steps, memory_to_run
from convert.work import FOLDER, Work
from models import hardware, llama
from models.errors import ModelError, UsageError
from models.fingerprint import fingerprint
from models.gguf_header import Header, read_header, split_parts
from models.pull import MARGIN, check_space, size_text
from models.store import Installed, Store

_FEW_BITS = 5.0  # bits a weight under which super weights are protected
_HELPED_BITS = 5.6  # under which an importance matrix is worth its time: Q5_K_M and smaller
_DTYPES: dict[str, write.Choice] = {"F32": "f32", "F16": "f16", "BF16": "bf16"}
_PROGRAM = [version("assistant"), llama.REQUIRED_VERSION]  # another one may make other files
_READ = ("*.safetensors", "*.json", "tokenizer.model", "*.jinja", "*/*.jinja", "README.md")  # of a checkpoint


@dataclass(frozen=True)
class Plan:
    """What will be done, known before anything large is written.

    Attributes:
        header: of the unquantized GGUF, which may not be there yet.
        recipe: None where types have to be measured first, or nothing is quantized.
        disk: bytes that are needed at the peak.
        notes: what is left out, and why.
    """

    header: Header
    recipe: Recipe | None
    steps: tuple[str, ...]
    disk: int
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe and self.recipe.as_dict(),
            "size": self.recipe.size if self.recipe else None if "measure types" in self.steps else self.header.size,
            "steps": self.steps,
            "disk": self.disk,
            "notes": self.notes,
        }


def unfinished(store: Store) -> list[Work]:
    """Work folders in the store of conversions that did not end."""
    root = store.root / FOLDER
    return [Work(folder) for folder in sorted(root.iterdir()) if folder.is_dir()] if root.is_dir() else []


def _state(file: Path) -> tuple[str, int, int, int]:
    """What changes with its content: copying and unpacking set the first of the times to that of the original."""
    status = file.stat()
    return str(file), status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _of(need: int, room: int) -> str:
    return f"{size_text(need)} of memory, and {size_text(room)} are free"


def _figures(quality: Quality) -> dict[str, float]:
    """For the manifest."""
    return {name: getattr(quality, name) for name in ("kl_mean", "kl_99", "same_top", "ratio")}


def _name_of(folder: Path) -> str:
    """The model's name; in the cache of the hub a folder is named after its commit."""
    if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
        return folder.parent.parent.name.split("--")[-1]
    return folder.name


class Pipeline:
    """
    Args:
        source: a checkpoint's folder, ``org/name`` of the hub, or a GGUF file.

    Raises:
        UsageError: options contradict each other, or the name is taken.
        ModelError: there is no such source.
    """

    def __init__(self, source: str, options: Options, *, store: Store, display: Display):
        options.check()
        self._options, self._store, self._progress = options, store, Progress(display)
        self._folder: Path | None = None
        self._file: Path | None = None
        self._repo: tuple[str, str | None] | None = None
        path = Path(source).expanduser()
        if path.is_dir():
            self._folder = path.resolve()
            name = _name_of(Path(os.path.abspath(path)))
        elif path.is_file() and path.suffix == ".safetensors":
            raise ModelError(
                f"{source} is a part of a checkpoint.", f"Name its folder: assistant convert {path.parent}"
            )
        elif path.is_file():
            self._file = split_parts(path.resolve())[0]
            name = self._file.stem
        elif (found := repository(source)) and not path.parent.is_dir():
            self._repo = (found[0], options.revision or found[1])
            name = found[0].split("/")[1]
        else:
            raise ModelError(
                f"There is no {source}.", "Name a folder with safetensors, a GGUF file, or org/name of the hub."
            )
        self._origin = str(self._folder or self._file or source)
        self._name = options.store_name(name)
        if options.output is None:
            store.check_free(self._name, source="convert")
            self._work = Work(store.root / FOLDER / self._name)
        else:
            output = options.output.absolute()
            self._work = Work(output.with_name(f".{output.name}{FOLDER}"))

    def plan(self) -> Plan:
        """What would be done, without doing it.

        Raises:
            UsageError: the source is a repository of the hub, of which nothing is known before it is fetched.
            ModelError: the source cannot be converted.
        """
        if self._repo:
            raise UsageError("A repository has to be fetched before its tensors are known.", "Leave out --dry-run.")
        return self._plan(self._checked(self._folder))

    def run(self) -> Report:
        """Do it all. What is raised leaves the finished steps in the work folder, for the next run.

        Raises:
            ModelError: the source cannot be converted; file and tensor are named.
            UsageError: the options do not go with this model. UserError: no space, or no memory.
        """
        with self._work as work:
            folder = self._fetched()
            with self._progress.step("check"):
                checked = self._checked(folder)
                plan = self._plan(checked)
                self._progress.names = plan.steps
                for note in plan.notes:
                    self._progress.note(f"Left out: {note}.")
                there = sum(path.stat().st_size for path in work.folder.rglob("*.gguf"))
                check_space(work.folder, max(0, plan.disk - there) + MARGIN, f"{self._name} needs")
            source, inputs = self._converted(checked, folder)
            report = self._finished(plan, source, inputs)
            if self._options.keep_intermediate:
                self._progress.note(f"The intermediate files are in {work.folder}.")
            else:
                work.remove()
        return report

    # --- what is there, and what will be done ---

    def _fetched(self) -> Path | None:
        if self._repo is None:
            return self._folder
        repo, revision = self._repo
        inputs = {"repository": repo, "revision": revision}
        with self._progress.step("fetch") as progress:

            def download(folder: Path) -> None:
                self._origin = fetch(repo, folder, revision=revision, on_progress=progress)

            folder = self._work.made("checkpoint", inputs, download)
            self._origin = self._work.value("origin.json", inputs, lambda: self._origin)
        return folder

    def _checked(self, folder: Path | None) -> Architecture | Header:
        if folder is not None:
            return architectures.find(Checkpoint.open(folder))
        assert self._file
        header = read_header(self._file)
        if header.quantisation not in FLOATS and not self._options.requantize:
            raise ModelError(
                f"{self._file.name} is quantized already ({header.quantisation}): what that lost stays lost.",
                "Take the unquantized model, or do it all the same: assistant convert requantize FILE.gguf",
            )
        return header

    def _plan(self, checked: Architecture | Header) -> Plan:
        options = self._options
        header = checked if isinstance(checked, Header) else write.plan(checked, self._dtype, options.pre)
        from_file = self._file is not None
        steps = ["fetch"] * (self._repo is not None) + ["check"] + ["convert"] * (not from_file)
        disk = 0 if from_file else header.size
        chosen, notes = None, []
        if from_file or not options.is_float:
            room, need = hardware.memory().available, memory_to_run(header)
            runs = need <= room
            if not runs:
                notes.append(f"no importance matrix and no super weights: to run it takes {_of(need, room)}")
            has_imatrix = options.imatrix is not None or (runs and options.importance is not False)
            if options.backend != "this-machine":
                chosen = self._recipe(header, options.quant, has_imatrix=has_imatrix)
                if has_imatrix and not self._wants_importance(chosen):
                    chosen = self._recipe(header, options.quant, has_imatrix=False)
                if options.imatrix:
                    check_imatrix(header, chosen, options.imatrix)
            size = chosen.size if chosen else header.size
            compares = options.measure and need + size <= room
            if options.measure and not compares:
                notes.append(f"quality is not measured: two models in memory take {_of(need + size, room)}")
            protects = runs and self._wants_protection(chosen)
            disk += size * (3 if protects and compares else 1)
            steps += ["imatrix"] * (has_imatrix and self._wants_importance(chosen)) + ["super weights"] * protects
            steps += ["measure types"] * (options.backend == "this-machine") + ["quantize"] + ["quality"] * compares
        steps += ["speed"] * options.measure + ["draft"] * (options.draft != "none")
        return Plan(header, chosen, (*steps, "store" if options.output is None else "write"), disk, tuple(notes))

    @property
    def _dtype(self) -> write.Choice:
        return _DTYPES.get((self._options.quant or "").upper(), "auto")

    @property
    def _file_name(self) -> str:
        return self._options.output.name if self._options.output else f"{self._name}.gguf"

    def _wants_importance(self, chosen: Recipe | None) -> bool:
        options = self._options
        if options.importance is not None:
            return options.importance
        if options.is_float:
            return False
        given = options.imatrix or options.calibration
        return bool(given) or chosen is None or chosen.bits_per_weight < _HELPED_BITS

    def _wants_protection(self, chosen: Recipe | None) -> bool:
        """Of a recipe that is not known yet: perhaps."""
        options = self._options
        if options.protect is not None:
            return options.protect
        if options.recipe or (chosen and not any("ffn_down" in name for name in chosen.types)):
            return False
        return chosen is None or chosen.bits_per_weight < _FEW_BITS

    def _recipe(self, header: Header, quant: str | None, *, has_imatrix: bool) -> Recipe:
        options = self._options
        if options.recipe:
            return Recipe.read(options.recipe, header, has_imatrix=has_imatrix)
        if options.target_size is not None:
            return recipe.for_size(header, options.target_size, has_imatrix=has_imatrix)
        if quant is None and options.backend and options.backend != "this-machine":
            quant = recipe.for_backend(options.backend)[0]
        return recipe.mixture(header, (quant or DEFAULT).upper(), has_imatrix=has_imatrix)

    # --- doing it ---

    def _converted(self, checked: Architecture | Header, folder: Path | None) -> tuple[Path, Inputs]:
        """The unquantized GGUF, and what it was made from."""
        options = self._options
        if isinstance(checked, Header):
            assert self._file
            return self._file, {"program": _PROGRAM, "file": str(self._file), "fingerprint": fingerprint(self._file)}
        assert folder
        files = sorted({path for pattern in _READ for path in folder.glob(pattern)})
        inputs = {
            "program": _PROGRAM,
            "folder": str(folder),
            "files": [_state(path) for path in files if path.is_file()],
            "dtype": self._dtype,
            "pre": options.pre,
            "split size": options.split_size,
            "name": self._file_name,
        }
        with self._progress.step("convert") as progress:

            def make(folder: Path) -> None:
                self._work.drop(folder.name)
                folder.mkdir()
                write.write_gguf(
                    checked,
                    folder / self._file_name,
                    dtype=self._dtype,
                    pre=options.pre,
                    split_size=options.split_size,
                    on_progress=progress,
                )

            made = self._work.made("converted", inputs, make)
        return min(made.glob("*.gguf")), inputs

    def _finished(self, plan: Plan, source: Path, inputs: Inputs) -> Report:
        """All that comes after the unquantized GGUF."""
        steps = Steps(self._work, self._options, self._progress, source, inputs)
        header, result, used = steps.header, source, plan.recipe
        report = Report(
            origin=self._origin,
            architecture=header.architecture,
            parameters=header.parameters,
            licence=header.licence,
            source_type=header.quantisation,
            source_size=header.size,
        )
        if "imatrix" in plan.steps:
            report.calibration = steps.calibrate()
        if "measure types" in plan.steps:
            choice = steps.measure_types()
            report.candidates, report.reason = choice.candidates, choice.reason
            used = self._recipe(header, choice.chosen, has_imatrix=steps.imatrix is not None)
        elif self._options.backend:
            report.reason = f"for {self._options.backend}, unmeasured; --for this-machine compares it with others here"
        if used:
            result = self._quantized(plan, steps, used, report)
        if "speed" in plan.steps:
            report.speed = steps.measure_speed(result)
        self._install(result, report)
        report.seconds = self._progress.seconds
        return report

    def _quantized(self, plan: Plan, steps: Steps, used: Recipe, report: Report) -> Path:
        unprotected, bought, limit = used, None, self._options.target_size
        if "super weights" in plan.steps and self._wants_protection(used):
            report.super_weights = steps.find_super_weights()
            tensors = list(dict.fromkeys(one.tensor for one in report.super_weights))
            used = protection.protected(used, steps.header, tensors, limit, has_imatrix=steps.imatrix is not None)
            bought = protection.of(used, unprotected, tensors)
        report.recipe, report.protection = used, bought
        result = steps.quantize(used, self._file_name)
        if "quality" in plan.steps:
            # With a target size the unprotected one has spent the same bytes elsewhere already.
            other = protection.elsewhere(bought, unprotected, steps.header) if bought and not limit else None
            recipes = {"unprotected": unprotected, "elsewhere": other} if bought else {}
            variants = steps.variants({name: one for name, one in recipes.items() if one})
            report.quality, *others = steps.measure_quality(result, variants)
            report.reference = steps.reference_name
            if bought:
                without, *elsewhere = (one.kl_mean for one in others)
                report.protection = replace(bought, without=without, elsewhere=next(iter(elsewhere), None))
        return result

    def _install(self, result: Path, report: Report) -> None:
        """Move the result to where it belongs, with its partner."""
        files = split_parts(result)
        report.size = sum(file.stat().st_size for file in files)
        report.types = types_of((tensor.type, tensor.size) for tensor in read_header(result).tensors)
        if "draft" in self._progress.names:
            with self._progress.step("draft"):
                report.draft, report.draft_note = self._partner(result)
        with self._progress.step(self._progress.names[-1]) as progress:
            if self._options.output:
                folder = self._options.output.absolute().parent
                if taken := [file.name for file in files if (folder / file.name).exists()]:
                    raise UsageError(f"{folder / taken[0]} exists already.", "Remove it, and run this again.")
                report.files = [str(file.rename(folder / file.name)) for file in files]
                return
            installed = self._store.import_file(
                result,
                self._name,
                how="move",
                source="convert",
                origin=report.origin,
                recipe=dict(report.recipe.types) if report.recipe else None,
                quality=_figures(report.quality) if report.quality else None,
                draft=report.draft,
                replace=True,
                on_progress=lambda done: progress(done.done, done.total),
            )
            report.name = installed.name
            report.files = [str(installed.path)]

    def _partner(self, result: Path) -> tuple[str | None, str | None]:
        """The draft model's name in the store, or a note for the user."""
        if self._options.draft:
            chosen = self._store.choose_draft(self._options.draft, Installed(self._name, result))
            return (chosen.name, None) if chosen else (None, None)
        found = draft.partner(result, self._store)
        if found is None and self._options.output:
            return None, None
        if found is None:
            return None, f"nobody yet: assistant convert draft {self._name} --from SIBLING"
        return (found.name, None) if found.installed else (None, f"{found.name}: {found.note}")
