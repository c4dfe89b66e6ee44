"""Quantize a GGUF file by a recipe, in a child process that may crash, be stopped, or outlive nobody.

The child writes ``TARGET.partial``; only what has been verified and is safely on disk gets the name of the target.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from convert.progress import OnProgress, silent
from convert.quantization.mixture import FILE_TYPE_IDS
from convert.quantization.recipe import Recipe
from convert.quantization.tensor_types import FLOATS
from convert.quantization.verify import verify
from models.errors import ModelError, UsageError, UserError
from models.gguf_header import Header, read_header, split_parts
from models.pull import check_space, sync_folder

# Bytes of a tensor's rows that are worked on at once. F16 to Q8_0 of a 1.5B, the type that is computed fastest, on two
# busy cores: 256 MiB are the fastest; 16 and 64 cost time because all threads wait for each other more often, and
# llama.cpp's own 8 GiB cost time and 0.9 GB of memory for new pages.
BUFFER = 256 << 20
_POLL_SECONDS = 0.1
_LOG_LINES = 5  # of llama.cpp's last words, in an error


def quantize(
    source: Path,
    target: Path,
    recipe: Recipe,
    *,
    imatrix: Path | None = None,
    threads: int | None = None,
    allow_requantize: bool = False,
    on_progress: OnProgress = silent,
) -> None:
    """Write ``target``, one file, with the types of the recipe. The source, which may be split, is only read.

    Args:
        imatrix: file of an importance matrix.
        threads: None: one for each CPU.
        allow_requantize: take a source that has quantized tensors, though what they lost stays lost.
        on_progress: bytes written and to be written; what it raises stops the work.

    Raises:
        UsageError: the target exists or is the source, the recipe is for another model, the importance matrix
            is missing or for another model, or the source is quantized.
        ModelError: the source or the importance matrix cannot be used, llama.cpp refused or crashed, no space.
        IntegrityError: the result is not what the recipe says.
    """
    header = read_header(source)
    partial = target.with_name(f"{target.name}.partial")
    _check_paths(header, target, partial)
    _check_recipe(header, recipe, allow_requantize)
    check_imatrix(header, recipe, imatrix)
    check_space(target.parent, recipe.size, f"{target.name} needs")
    job = {
        "source": str(header.files[0]),
        "target": str(partial),
        "file_type": FILE_TYPE_IDS[recipe.base],
        "types": dict(recipe.types),
        "imatrix": str(imatrix) if imatrix else None,
        "threads": threads or 0,
        "allow_requantize": allow_requantize,
    }
    try:
        with _disk(target):
            partial.unlink(missing_ok=True)  # left by a run that was killed
        on_progress(0, recipe.size)
        _run(job, partial, recipe.size, on_progress)
        try:
            verify(partial, header, recipe, lambda: on_progress(recipe.size, recipe.size))
        except ModelError:  # llama.cpp does not notice every write that fails
            check_space(target.parent, recipe.size - _size(partial), "The rest of the file needs")
            raise
        with _disk(target):
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.rename(target)
            sync_folder(target.parent)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _disk(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelError(f"{target} cannot be written: {error.strerror}.") from error


def _check_paths(header: Header, target: Path, partial: Path) -> None:
    for file in header.files:
        for path in (target, partial):
            if path.exists() and path.samefile(file):
                raise UsageError(f"{path} is the source itself.", "Name another file for the result.")
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target} exists already.", "Remove it, or name another file.")
    if split_parts(target) != [target]:
        raise UsageError(f"{target} is the name of a part of a split model.", "Name one file.")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is not a folder.")
    if header.metadata.get("general.alignment", 32) != 32:
        raise ModelError(f"{header.files[0]} is aligned to other than 32 bytes, which llama.cpp cannot quantize.")


def _check_recipe(header: Header, recipe: Recipe, allow_requantize: bool) -> None:
    source = header.files[0]
    if {tensor.name for tensor in header.tensors} != set(recipe.types):
        raise UsageError(f"The recipe {recipe.name} is not for the model in {source}.")
    again = [t for t in header.tensors if t.type not in FLOATS and recipe.types[t.name] != t.type]
    if again and not allow_requantize:
        raise UsageError(
            f"{source} is quantized already: {again[0].name} is {again[0].type}, and what that lost stays lost.",
            "Take the unquantized file, or allow requantizing.",
        )


def check_imatrix(header: Header, recipe: Recipe, path: Path | None) -> None:
    """
    Raises:
        UsageError: the recipe needs one, or it is of another model. ModelError: it cannot be read.
    """
    needy = recipe.needs_imatrix
    if path is None:
        if needy:
            raise UsageError(
                f"{recipe.name} needs an importance matrix: {needy[0]} becomes {recipe.types[needy[0]]}.",
                "Make one: assistant convert imatrix MODEL",
            )
        return
    from convert.imatrix import Imatrix

    entries = Imatrix.read(path).entries
    if not any(name in entries for name in recipe.types):
        raise UsageError(f"{path} is the importance matrix of another model: it has none of its tensors.")
    for tensor in header.tensors:
        columns = tensor.shape[0] * math.prod(tensor.shape[2:])  # of all experts
        if tensor.name in entries and entries[tensor.name].means().size != columns:
            raise UsageError(
                f"{path} is the importance matrix of another model: {tensor.name} has {columns:,} columns, "
                f"not {entries[tensor.name].means().size:,}.",
                "Make it from this very model: assistant convert imatrix MODEL",
            )
    if missing := [name for name in needy if name not in entries]:
        raise UsageError(
            f"{path} has no entry for {missing[0]}, which cannot become {recipe.types[missing[0]]} without.",
            "Make the importance matrix from this very model, or choose a type of more bits.",
        )


def _run(job: dict[str, Any], partial: Path, size: int, on_progress: OnProgress) -> None:
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", __spec__.name],  # -P: no modules from the folder it is started in
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**os.environ, "ASSISTANT_DEBUG": "1"},  # llama.cpp's lines are there even if it crashes
            start_new_session=True,  # Ctrl+C is for us, who then kill it
        )
        try:
            assert child.stdin
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(json.dumps(job).encode() + b"\n")
                child.stdin.flush()
            while True:
                try:
                    status = child.wait(_POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    on_progress(min(_size(partial), size), size)
        finally:
            child.kill()
            child.wait()
            with contextlib.suppress(BrokenPipeError):
                assert child.stdin
                child.stdin.close()
        if status:
            raise _failure(job, status, log, size - _size(partial))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _failure(job: dict[str, Any], status: int, log: IO[bytes], missing: int) -> UserError:
    """What happened, from the child's exit status and last words."""
    log.seek(0)
    lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    try:
        check_space(Path(job["target"]).parent, missing, "The rest of the file needs")
    except UserError as error:
        return error
    if status == 1 and lines:
        return ModelError(lines[-1])
    how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    last = "\n".join(lines[-_LOG_LINES:])
    return ModelError(f"llama.cpp crashed ({how}) while it quantized {job['source']}. Its last words:\n{last}")


def _child() -> None:
    """Do the job that stands on standard input; end when that ends, so that a parent that was killed leaves nothing."""
    job = json.loads(sys.stdin.readline())

    def wait() -> None:
        sys.stdin.read()
        os._exit(errno.EPIPE)

    threading.Thread(target=wait, daemon=True).start()
    from models.llama import quantization

    means = None
    try:
        if job["imatrix"]:
            from convert.imatrix import Imatrix

            means = Imatrix.read(Path(job["imatrix"])).means()
        quantization.quantize(
            Path(job["source"]),
            Path(job["target"]),
            job["file_type"],
            job["types"],
            imatrix=means,
            threads=job["threads"],
            buffer_bytes=BUFFER,
            allow_requantize=job["allow_requantize"],
        )
    except UserError as error:
        sys.exit(error.message)


if __name__ == "__main__":
    _child()
