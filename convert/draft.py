"""Draft models: who can draft for a model, and how to make one of a small sibling.

Only a model with the same vocabulary can (``models.vocabulary``), and only one that is read much faster pays: drafting
k tokens costs k reads of the draft for one of the target (Leviathan et al., arXiv 2211.17192).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from convert import architectures
from convert.checkpoint import Checkpoint
from convert.progress import OnProgress, silent
from convert.quantization import recipe
from convert.quantization.quantize import quantize
from convert.work import FOLDER, Work
from convert.write import write_gguf
from models import catalogue, vocabulary
from models.catalogue import Catalogue, Entry
from models.errors import ModelError, UsageError
from models.gguf_header import Header, read_header
from models.importing import name_of
from models.store import Installed, Store

# Measured with Qwen2.5-Coder-0.5B, whose rows of 896 numbers K types cannot divide, on two cores beside other work, the
# best of six; tokens a second read and written: Q4_0 217 and 17 (428 MB), Q8_0 247 and 9 (676 MB), IQ4_NL 115 and 16
# (431 MB), Q5_0 45 and 13 (490 MB), Q4_K_M 32 and 10 (491 MB).
DEFAULT = "Q4_0"
# Of the target's bytes. A draft of half of them cannot win much even where most of its tokens are accepted.
LARGEST = 0.5
_SIMILAR = 0.2  # by how much numbers of parameters differ for which makers say the same: some store the embedding twice


@dataclass(frozen=True, slots=True)
class Partner:
    """A model that can draft.

    Attributes:
        name: in the store, or the catalogue's id.
        size: bytes.
        installed: None: it has to be pulled first, and its vocabulary is as the catalogue says, not checked.
    """

    name: str
    size: int
    installed: Installed | None = None

    @property
    def note(self) -> str:
        """What to do, for people."""
        return f"{self.name} drafts" if self.installed else f"assistant models pull {self.name}"


def partner(target: Installed | Path, store: Store, known: Catalogue | None = None) -> Partner | None:
    """The best draft model for a target, in the store or else in the catalogue; None: neither has any.

    Of those in the store the nearest relative by name, of these the smallest: it is read fastest.

    Raises:
        ModelError: the target is missing or damaged.
    """
    known = known or catalogue.load()
    model = target if isinstance(target, Installed) else Installed(target.stem, target.absolute())
    header = model.header()
    meant = _entry(model, header, known)
    wanted = known.find(meant.draft) if meant and meant.draft else None
    names = _words(model.name, header.name)

    def rank(one: Installed) -> tuple[bool, int, int]:
        return wanted is not None and one.name == wanted.id, len(names & _words(one.name, one.header().name)), -one.size

    possible = [one for one in store.installed() if can_draft(header, one)]
    if possible:
        best = max(possible, key=rank)
        return Partner(best.name, best.size, best)
    return Partner(wanted.id, wanted.size) if wanted and wanted.size <= LARGEST * header.size else None


def can_draft(target: Header, draft: Installed) -> bool:
    """Small enough, and of the same vocabulary."""
    try:
        return draft.size <= LARGEST * target.size and vocabulary.mismatch(target.files[0], draft.path) is None
    except ModelError:  # a damaged file drafts for nobody
        return False


def make_draft(
    target: Path,
    source: Path,
    out: Path,
    *,
    type: str = DEFAULT,
    threads: int | None = None,
    on_progress: OnProgress = silent,
) -> None:
    """Make a draft model of a small sibling by quantizing it. ``out`` appears whole or not at all.

    Args:
        source: GGUF of the sibling, if possible unquantized.
        type: a mixture of llama.cpp.

    Raises:
        ModelError: the vocabularies differ, or a file cannot be used.
        UsageError: the draft would be too large to pay, or what :func:`convert.quantization.quantize.quantize` refuses.
    """
    if reason := vocabulary.mismatch(target, source):
        raise ModelError(f"{source} cannot draft for {target}: {reason}.", "Choose a sibling of the same family.")
    header = read_header(source)
    mixture = recipe.mixture(header, type)
    largest = int(LARGEST * read_header(target).size)
    if mixture.size > largest:
        raise UsageError(
            f"As {type} {source.name} has {mixture.size:,} bytes: a draft for {target.name} that pays has at most "
            f"{largest:,}.",
            "Choose a smaller sibling.",
        )
    quantize(source, out, mixture, threads=threads, allow_requantize=True, on_progress=on_progress)


def _entry(model: Installed, header: Header, known: Catalogue) -> Entry | None:
    """What the catalogue knows of the model, or of the one that it was made from: of the same architecture and number
    of parameters, with the most words in common in their names."""
    if model.entry:
        return model.entry
    names = _words(model.name, header.name)
    alike = [
        entry
        for entry in known
        if entry.architecture == header.architecture
        and abs(entry.params - header.parameters) <= _SIMILAR * header.parameters
        and len(names & _words(entry.id)) > 1
    ]
    return max(alike, key=lambda entry: len(names & _words(entry.id)), default=None)


def _words(*names: str | None) -> set[str]:
    return set(re.findall(r"[a-z]+|\d+", " ".join(name or "" for name in names).lower()))


def install_draft(
    target: Installed,
    source: Path,
    store: Store,
    *,
    type: str = DEFAULT,
    name: str | None = None,
    threads: int | None = None,
    on_progress: OnProgress = silent,
) -> Installed:
    """Make a draft model of a small sibling, put it into the store, and let it draft for the target.

    Args:
        source: the sibling: a checkpoint's folder, or a GGUF file. name: of the draft in the store.

    Raises:
        As :func:`make_draft`; UsageError: the name is taken, or the target is not in the store.
    """
    if target.manifest is None:
        raise UsageError(f"{target.path} is not in the store.", "Bring it in: assistant models import FILE")
    name = name or name_of(Path(f"{source.absolute().stem}-{type}-draft.gguf"))
    store.check_free(name, source="convert")
    with Work(store.root / FOLDER / name) as work:
        try:
            if source.is_dir():
                unquantized = work.folder / "sibling.gguf"
                unquantized.unlink(missing_ok=True)
                write_gguf(architectures.find(Checkpoint.open(source)), unquantized, on_progress=on_progress)
            else:
                unquantized = source
            made = work.folder / f"{name}.gguf"
            made.unlink(missing_ok=True)
            make_draft(target.path, unquantized, made, type=type, threads=threads, on_progress=on_progress)
            origin = str(source.absolute())
            draft = store.import_file(made, name, how="move", source="convert", replace=True, origin=origin)
        finally:  # nothing of it would be used again
            work.remove()
    store.set_draft(target.name, draft.name)
    return draft
