"""Pulling one file into its folder of the store: missing ranges from the first source that has them, checked, renamed.

Nothing is trusted but the digest of the whole; nothing that has arrived is thrown away but what is proven bad.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import filelock

from models.catalogue import Download
from models.errors import Cancelled, IntegrityError, NetworkError, UserError
from models.sources import Fetch, Phase, Range, Source, Unavailable, digest_of, missing_ranges, parts_of

SCRATCH = ".wheels"
# Beside the models' folders, so that a folder can be removed under its lock.
_LOCKS = ".locks"
# Free space that must remain: manifests, the file system's own needs, other programs.
MARGIN = 64 << 20
# Seconds between two reports of progress.
_TICK = 0.1


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a pull is. ``done`` and ``total`` are bytes of the whole file; ``source`` is empty while verifying."""

    entry_id: str
    source: str
    phase: Phase
    done: int
    total: int


OnProgress = Callable[[PullProgress], None]
OnNote = Callable[[str], None]


def partial_of(folder: Path, entry: Download) -> Path:
    """Where the file grows; named by its digest, so that no other version of it is mistaken for its beginning."""
    return folder / f"{entry.file}.{entry.sha256[:8]}.partial"


class _Meter:
    """Passes on at most ten reports a second, from any thread, and every change of phase."""

    def __init__(self, entry: Download, callback: OnProgress | None):
        self._entry, self._callback = entry, callback
        self._next, self._phase = 0.0, ""
        self._lock = threading.Lock()
        self.source = ""

    def __call__(self, phase: Phase, done: int) -> None:
        if self._callback is None:
            return
        with self._lock:
            now = time.monotonic()
            if now < self._next and phase == self._phase and done < self._entry.size:
                return
            self._next, self._phase = now + _TICK, phase
            source = "" if phase == "verify" else self.source
            self._callback(PullProgress(self._entry.id, source, phase, done, self._entry.size))


def complete(
    folder: Path,
    entry: Download,
    sources: Sequence[Source],
    on_progress: OnProgress | None,
    on_note: OnNote,
    cancelled: threading.Event,
    replaces: str | None = None,
) -> str | None:
    """Make ``folder / entry.file`` whole and right; the caller holds the lock of the folder.

    A file that is there already is checked, and repaired if it is wrong. Returns the origin for the manifest; None when
    nothing had to be fetched.

    Args:
        replaces: the sha256 that the file there had when it was installed, if it was.

    Raises:
        NetworkError, IntegrityError, Cancelled, UserError (no space).
    """
    final, partial = folder / entry.file, partial_of(folder, entry)
    meter = _Meter(entry, on_progress)
    job = Fetch(entry, partial, folder / SCRATCH, [], meter, on_note, cancelled)

    def verifying(done: int) -> None:
        job.stop_if_cancelled()
        meter("verify", done)

    origin = None
    if final.exists():
        if final.stat().st_size == entry.size and _digest(final, verifying) == entry.sha256:
            return None
        if replaces != entry.sha256:
            on_note(f"{entry.file} is another version; fetching this one")  # the old one stays until then
        else:
            on_note(f"{entry.file} is damaged; fetching what is wrong in it")
            if final.is_symlink() or (final.stat().st_size >= entry.size and not parts_of(entry)):
                final.unlink()  # not ours to repair; or no digest tells which part is bad
            else:
                final.replace(partial)
    if partial.exists() and partial.stat().st_size > entry.size:
        partial.unlink()
    for last_try in (False, True):
        missing = missing_ranges(entry, partial, verifying)
        if missing:
            _check_space(folder, entry, missing, wheels=any(source.name == "packages" for source in sources))
            origin = _from_first(sources, replace(job, missing=missing), meter)
        actual = _digest(partial, verifying)
        if actual == entry.sha256:
            break
        if not parts_of(entry):
            partial.unlink()  # no digest tells which part is bad
            raise _wrong(entry, actual, "The bad copy was removed; fetch it anew: ")
        if last_try:
            raise _wrong(entry, actual, "What is right is kept; try again later: ")
        on_note(f"{entry.file} has a wrong digest; fetching what is wrong in it")
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(final)
    sync_folder(folder)
    shutil.rmtree(job.scratch, ignore_errors=True)
    return origin


def _wrong(entry: Download, actual: str, hint: str) -> IntegrityError:
    return IntegrityError(f"{entry.file} has sha256 {actual} instead of {entry.sha256}.", f"{hint}{entry.pull_command}")


def _digest(path: Path, check: Callable[[int], None]) -> str:
    with path.open("rb") as file:
        return digest_of(file, max(path.stat().st_size, 1), check)


def _from_first(sources: Sequence[Source], job: Fetch, meter: _Meter) -> str:
    """Ask one source after the other; each goes on where the one before it stopped."""
    entry, reasons = job.entry, []

    def check(_done: int) -> None:
        job.stop_if_cancelled()

    for source in sources:
        if not source.offers(entry):
            reasons.append(f"{source.name}: the catalogue knows no such file there")
            continue
        meter.source = source.name
        try:
            return source.fetch(job)
        except Unavailable as reason:
            reasons.append(f"{source.name}: {reason}")
            job.note(f"{source.name}: {reason}")
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise UserError(
                    f"The disk of {job.partial.parent} became full.",
                    f"Free some space, then go on where it stopped: {entry.pull_command}",
                ) from error
            raise
        job = replace(job, missing=missing_ranges(entry, job.partial, check))
    raise NetworkError(
        f"No source has {entry.id}: {'; '.join(reasons)}.",
        "Look at the network and try again, it goes on where it stopped; or bring the file: "
        f"{entry.pull_command} --from PATH",
    )


def _check_space(folder: Path, entry: Download, missing: Sequence[Range], *, wheels: bool) -> None:
    partial = partial_of(folder, entry)
    there = partial.stat().st_size if partial.exists() else 0
    need = entry.size - there + MARGIN
    if entry.packages and wheels:  # those on their way, and pip's own copy while it saves one
        need += 4 * min(max(part.size for part in entry.packages.parts), sum(stop - start for start, stop in missing))
    check_space(folder, need, f"{entry.id} needs")


def check_space(folder: Path, need: int, what: str) -> None:
    """Look before a long download instead of failing at its end.

    Raises:
        UserError: the disk of ``folder`` has less than ``need`` bytes free.
    """
    free = shutil.disk_usage(folder).free
    if free < need:
        raise UserError(
            f"{what} {size_text(need)} of disk space, and {folder} has {size_text(free)} free.",
            "Free some space (assistant models rm NAME), or move the store with ASSISTANT_MODELS.",
        )


def refuse_offline(entry: Download, sources: Sequence[Source]) -> None:
    """
    Raises:
        NetworkError: a source needs the network, and ASSISTANT_OFFLINE is set.
    """
    offline = os.environ.get("ASSISTANT_OFFLINE", "") not in ("", "0")
    if offline and any(source.name != "local" for source in sources):
        raise NetworkError(
            f"Not pulling {entry.id}: ASSISTANT_OFFLINE is set.",
            f"Unset it, or bring the file: {entry.pull_command} --from PATH",
        )


@contextlib.contextmanager
def locked_folder(root: Path, name: str, note: OnNote | None, cancelled: threading.Event) -> Iterator[Path]:
    """The folder of this model in the store ``root``, for us alone. ``note`` None: do not wait, raise."""
    folder = root / name
    try:
        (root / _LOCKS).mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(root / _LOCKS / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            if note is None:
                raise UserError(
                    f"{name} is being pulled by another process.", "Wait for it, or stop it first."
                ) from None
            note(f"another pull of {name} is running; waiting for it")
            while True:
                try:
                    lock.acquire(timeout=0.2)
                    break
                except filelock.Timeout:
                    if cancelled.is_set():
                        raise Cancelled() from None
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The model store {root} cannot be written: {error.strerror}.",
            "Look at its permissions, or move the store with ASSISTANT_MODELS.",
        ) from error
    try:
        yield folder
    finally:
        # Leave no empty folders behind a pull that brought nothing.
        for empty in (folder / SCRATCH / "tmp", folder / SCRATCH, folder):
            with contextlib.suppress(OSError):
                empty.rmdir()
        lock.release()


def size_text(size: int) -> str:
    """Bytes for people, in powers of ten as disks and downloads are sold."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}" if size < 10 * factor else f"{size / factor:.0f} {unit}"
    return f"{size} B"


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut; Windows has no such call and needs none."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
