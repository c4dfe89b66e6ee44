"""Which files there are: the walk over what the user named, one entry a file, with what identifies it.

Folders are read recursively and in order, one at a time, so that 100,000 files stream. A link to a file is that file; a
link to a folder inside a folder is not followed: it may lead back into a loop, or out to the whole disk.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Folders of programs, not of their users. Names that begin with a dot are left out besides.
_NOT_THE_USERS = frozenset({"__pycache__", "node_modules", "site-packages", "lost+found", "$RECYCLE.BIN"})
# Lock files of office programs, copies of editors.
_LEFT_BEHIND = re.compile(
    r"~\$.*|\.~lock\..*|.*~|.*\.(?:swp|swo|tmp|bak|part|partial|crdownload)", re.IGNORECASE | re.DOTALL
)

_NO_TEXT = {
    "a picture": "jpg jpeg jpe png gif bmp ico icns webp tif tiff heic heif avif jxl psd ai cr2 nef arw dng xcf svg",
    "sound": "mp3 wav flac ogg oga opus m4a aac wma aiff mid midi",
    "video": "mp4 mkv avi mov webm wmv flv m4v mpg mpeg 3gp",
    "an archive": "zip gz tgz bz2 tbz xz txz zst 7z rar tar lz4 cab iso dmg img jar war whl egg apk deb rpm msi",
    "a program": "exe dll so dylib o a obj lib class pyc pyo wasm elf sys",
    "a font": "ttf otf woff woff2 eot",
    "a database": "db sqlite sqlite3 mdb accdb",
    "data of a program": "gguf safetensors onnx pt pth bin npy npz pkl pickle parquet h5 tflite",
}
# Controls, line ends, and marks that turn the direction of what follows.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_LAST_TIME = (1 << 63) - 1  # that a database can hold
NOT_A_FILE = "is a pipe, a socket or a device, not a file"
_SORT_OF_SUFFIX = {f".{suffix}": sort for sort, suffixes in _NO_TEXT.items() for suffix in suffixes.split()}


@dataclass(frozen=True)
class Found:
    """A regular file. ``path`` is absolute; ``size`` in bytes; ``mtime_ns`` as the file system has it, from 1677 to
    2262."""

    path: Path
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path, about: os.stat_result) -> Found:
        return cls(path, about.st_size, max(-_LAST_TIME, min(_LAST_TIME, about.st_mtime_ns)))


@dataclass(frozen=True)
class Skipped:
    """What was left out, and why: ``reason`` is one line without the path, the same for the same sort of file."""

    path: Path
    reason: str


def walk(paths: Iterable[str | Path]) -> Iterator[Found | Skipped]:
    """Every file under ``paths``: folders recursively and sorted, files as they are named, each file once.

    Hidden files and folders, those of programs (``node_modules``) and what editors leave behind are passed over in
    silence, unless they are named directly. Nothing is opened; no error is raised: it becomes a :class:`Skipped`.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        top = Path(os.path.abspath(os.path.expanduser(path)))
        try:
            about = top.stat()
        except (OSError, ValueError) as error:
            yield Skipped(top, why_not_read(error))
            continue
        if stat.S_ISDIR(about.st_mode):
            yield from _folder(top, seen)
        else:
            yield from _file(top, about, seen)


def digest_of(path: Path) -> str:
    """SHA-256 of the file's bytes, as 64 hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb", opener=open_regular) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_regular(path: str, flags: int) -> int:
    """An ``opener`` for :func:`open` that does not wait for the other end if the path has become a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def sort_without_text(path: Path) -> str | None:
    """What a file is that holds no text by its name (``"a picture"``), or None if it may hold some."""
    return _SORT_OF_SUFFIX.get(path.suffix.lower())


def printable(path: Path | str) -> str:
    """A name that fits on one line of any terminal, whatever bytes the file system has."""
    name = os.fsencode(path).decode("utf-8", "replace")
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", name)


def _folder(top: Path, seen: set[tuple[int, int]]) -> Iterator[Found | Skipped]:
    waiting = [os.fspath(top)]  # a stack of our own: depth is bounded by the path's length, not by Python's stack
    while waiting:
        path = waiting.pop()
        try:
            about = os.lstat(path)
            is_link = stat.S_ISLNK(about.st_mode)
            if is_link:
                about = os.stat(path)
            if not stat.S_ISDIR(about.st_mode):
                yield from _file(Path(path), about, seen)
                continue
            if is_link and path != os.fspath(top):
                yield Skipped(Path(path), "is a link to a folder: add that folder itself")
                continue
            if _again(about, seen):
                continue
            with os.scandir(path) as entries:
                names = [entry.name for entry in entries if is_wanted(entry.name)]
        except OSError as error:
            yield Skipped(Path(path), why_not_read(error))
            continue
        waiting.extend(os.path.join(path, name) for name in sorted(names, reverse=True))


def is_wanted(name: str) -> bool:
    """Whether a file or folder of this name is the user's own: neither hidden, nor a program's, nor left behind."""
    return not (name.startswith(".") or name in _NOT_THE_USERS or _LEFT_BEHIND.fullmatch(name))


def _file(path: Path, about: os.stat_result, seen: set[tuple[int, int]]) -> Iterator[Found | Skipped]:
    if not stat.S_ISREG(about.st_mode):
        yield Skipped(path, NOT_A_FILE)
    elif _again(about, seen):
        return
    elif sort := sort_without_text(path):
        yield Skipped(path, f"is {sort}: no text to read")
    else:
        yield Found.of(path, about)


def _again(about: os.stat_result, seen: set[tuple[int, int]]) -> bool:
    """Whether this file or folder came before under another path; file systems without numbers never say so."""
    identity = (about.st_dev, about.st_ino)
    if identity in seen:
        return True
    if about.st_ino:
        seen.add(identity)
    return False


def why_not_read(error: OSError | ValueError) -> str:
    """The operating system's words, as the end of a sentence."""
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, PermissionError):
        return "may not be read (permission denied)"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read ({error.strerror.lower()})"
    return "is no path"  # a NUL in it
