"""The folder of intermediate files: what was finished before a kill is not done again.

Beside every file stands what it was made from. If that is the same at the next run, the file is kept; else it is made
anew. The maker writes whole files only (``*.partial``, then rename), so a file without its stamp is made again.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import filelock

from models.errors import UserError
from models.files import write_whole

FOLDER = ".convert"  # of all work folders in a store
_LOCK = "in-use.lock"


class Work:
    """
    Args:
        folder: made on entering; one process at a time.

    Raises:
        UserError: another process works there, or it cannot be written.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._lock = filelock.FileLock(folder / _LOCK)

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise UserError(
                f"{self.folder} is in use: another conversion to the same name is running.", "Wait for it, or stop it."
            ) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.folder.is_dir() and [path.name for path in self.folder.iterdir()] == [_LOCK]:
            self.remove()  # nothing was finished
        self._lock.release()

    def made(self, name: str, inputs: Mapping[str, Any], make: Callable[[Path], object]) -> Path:
        """The file (or folder) ``name``, made by ``make(path)`` from these inputs; kept if it was made before."""
        path = self.folder / name
        if self.has(name, inputs):
            return path
        self._stamp(name).unlink(missing_ok=True)
        try:
            make(path)
        except BaseException:
            with contextlib.suppress(OSError):  # of a folder what is in it is kept
                path.rmdir()
            raise
        self._write(self._stamp(name), self._stamped(path, inputs))
        return path

    def value(self, name: str, inputs: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
        """As :meth:`made`, for what can be written as JSON."""
        path = self.made(name, inputs, lambda path: self._write(path, compute()))
        return json.loads(path.read_bytes())

    def has(self, name: str, inputs: Mapping[str, Any]) -> bool:
        """It is there, whole, and was made from these inputs."""
        try:
            stamped = json.loads(self._stamp(name).read_bytes())
        except (OSError, ValueError):
            return False
        same: bool = stamped == self._stamped(self.folder / name, inputs)
        return same

    @property
    def size(self) -> int:
        """Bytes of all that is in it."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def drop(self, name: str) -> None:
        """Remove what is no longer needed."""
        self._stamp(name).unlink(missing_ok=True)
        path = self.folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder and all in it."""
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # of other conversions, or a user's own folder
            if self.folder.parent.name == FOLDER:
                self.folder.parent.rmdir()

    @staticmethod
    def _stamped(path: Path, inputs: Mapping[str, Any]) -> Any:
        """What it was made from, and the sizes of its files; as JSON gives it back."""
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        sizes = {file.relative_to(path.parent).as_posix(): file.stat().st_size for file in files}
        return json.loads(json.dumps({"inputs": inputs, "files": sizes}))

    def _stamp(self, name: str) -> Path:
        return self.folder / f"{name}.made-from.json"

    @staticmethod
    def _write(path: Path, value: Any) -> None:
        write_whole(path, json.dumps(value, ensure_ascii=False, indent=1).encode())
