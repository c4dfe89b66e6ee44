"""What scripts name becomes text: files, folders, patterns, ``file://`` URLs, standard input; one at a time."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

from assistant.memory.documents import Document, Unreadable, load, load_stream
from assistant.memory.files import Found, is_wanted, printable, walk, why_not_read
from assistant.memory.loaders.encoding import clean
from assistant.memory.loaders.extracted import WithoutText
from assistant.memory.sentences import Span

STDIN = "-"

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_Identity = tuple[int, int] | Path


@dataclass(frozen=True)
class Source:
    """A text and where it comes from. Offsets count characters of ``text``.

    Attributes:
        name: as the user named it, for the screen; ``-`` is standard input.
        text: cleaned as :attr:`Document.text <assistant.memory.documents.Document.text>` is.
        title: what the file calls itself, or its name; may be empty of standard input.
        is_markdown: lines with ``#`` are headings.
        digest: of the text, 64 hexadecimal digits.
        path: absolute; None of what is no file.
        pages: offsets at which pages 1, 2, … begin; empty if there are none.
        kind: the format, as of :class:`~assistant.memory.documents.Document`.
    """

    name: str
    text: str
    title: str
    is_markdown: bool
    digest: str
    path: Path | None = None
    pages: tuple[int, ...] = ()
    kind: str = "text"


@dataclass(frozen=True)
class Unread:
    """What could not be read. ``reason`` goes on after the name in a sentence; ``missed``: its text is missing, as that
    of a broken document, or of a file that the user named; a picture that was met with in a folder has none."""

    name: str
    reason: str
    missed: bool = True


def read_sources(names: Sequence[str], *, stdin: BinaryIO | None = None) -> Iterator[Source | Unread]:
    """Read what is named, in order, each file once however often and by whatever path it is named.

    Args:
        names: files, folders (all in them), patterns such as ``docs/**/*.md``, ``file://`` URLs, ``-``.
        stdin: what ``-`` reads: text in any encoding, or a file of any format.
    """
    seen: set[_Identity] = set()
    for name in names:
        if name == STDIN:
            if stdin is not None:
                yield _from_stream(stdin, STDIN)
                stdin = None
        elif url := _URL.match(name):
            path = _path_of_url(name)
            if path is None:
                reason = "names another machine, and nothing is fetched: download it first"
                yield Unread(printable(name), reason if url[1].lower() != "file" else "is no path of this machine")
            else:
                yield from _from_path(path, path, seen)
        elif "\0" in name or not name:
            yield Unread(printable(name), "is no path")
        elif glob.has_magic(name) and not os.path.lexists(name):
            matches = _matches(name)
            if not matches:
                yield Unread(printable(name), "matches no file")
            for match in matches:
                yield from _from_path(match, match, seen)
        else:
            yield from _from_path(os.path.expanduser(name), name, seen)


def source_of(text: str, name: str = "text") -> Source:
    """A text that the caller has; what is written with Markdown's headings is read as Markdown.

    Its line ends become ``\\n``, its letters NFC, and control characters go: spans count characters of the result.
    """
    text = clean(text)
    return Source(name, text, name, looks_like_markdown(text), _digest(text))


def spans_in(text: str, spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans of what :func:`source_of` made of a text, as spans of the text itself."""
    if not spans or clean(text) == text:
        return tuple(spans)
    starts, ends, begin = [], [], 0
    for end in range(1, len(text) + 1):
        if end < len(text) and _goes_on(text, end):
            continue
        said = len(clean(text[begin:end]))
        starts += [begin] * said
        ends += [end] * said
        begin = end
    return tuple((starts[start], ends[end - 1]) for start, end in spans)


def _goes_on(text: str, place: int) -> bool:
    """Whether what is here becomes one character with what is before it, or none."""
    char = text[place]
    if char.isascii():
        return (char == "\n" and text[place - 1] == "\r") or not _cleaned(char)
    return unicodedata.combining(char) > 0 or "\u1161" <= char <= "\u11c2" or not _cleaned(char)


_cleaned = lru_cache(4096)(clean)


def looks_like_markdown(text: str) -> bool:
    """Whether there is a heading with ``#`` on a line of its own, as comments of programs and settings seldom are."""
    return re.search(r"(?:\A|\n[ \t]*\n)#{1,6}[ \t]+\S[^\n]*\n[ \t]*(?:\n|\Z)", text[:200_000]) is not None


def _from_path(path: str, name: str, seen: set[_Identity]) -> Iterator[Source | Unread]:
    """A file, all in a folder, or what comes through a pipe such as ``<(git log)``."""
    try:
        about = os.stat(path)
        if stat.S_ISFIFO(about.st_mode) or (stat.S_ISCHR(about.st_mode) and path.startswith(("/dev/fd/", "/dev/std"))):
            with open(path, "rb") as stream:
                yield _from_stream(stream, printable(name))
            return
    except (OSError, ValueError) as error:
        yield Unread(printable(name), why_not_read(error))
        return
    is_folder, empty = stat.S_ISDIR(about.st_mode), True
    top = os.path.abspath(path)
    for found in walk([path]):
        empty = False
        inner = os.path.relpath(found.path, top)
        shown = printable(os.path.join(name, inner) if inner != os.curdir else name)
        if not isinstance(found, Found):
            yield Unread(shown, found.reason, missed=inner == os.curdir or not os.access(found.path, os.R_OK))
        elif (identity := _identity(found.path)) not in seen:
            seen.add(identity)
            yield _from_file(found.path, shown, named=not is_folder)
    if empty:
        yield Unread(printable(name), "has no files to read")


def _from_file(path: Path, name: str, *, named: bool) -> Source | Unread:
    try:
        return _of_document(load(path), name, path)
    except Unreadable as error:
        return Unread(name, error.reason, named or not isinstance(error.__cause__, WithoutText))


def _from_stream(stream: BinaryIO, name: str) -> Source | Unread:
    try:
        return _of_document(load_stream(stream), name, None)
    except Unreadable as error:
        return Unread(name, error.reason)


def _of_document(document: Document, name: str, path: Path | None) -> Source:
    markdown = document.is_markdown or (path is None and document.kind == "text" and looks_like_markdown(document.text))
    digest = _digest(document.text)
    title = document.title if path else document.title.strip("-")
    return Source(name, document.text, title, markdown, digest, path, document.pages, document.kind)


def _identity(path: Path) -> _Identity:
    try:
        about = path.stat()
    except (OSError, ValueError):  # it went meanwhile: to read it says so
        return path
    return (about.st_dev, about.st_ino) if about.st_ino else path


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _path_of_url(url: str) -> str | None:
    """The path of a ``file://`` URL; None of others, and of those that name another machine."""
    parts = urlsplit(url)
    if parts.scheme.lower() != "file" or parts.netloc.lower() not in ("", "localhost"):
        return None
    path = url2pathname(parts.path)
    return path if path and "\0" not in path else None


def _matches(pattern: str) -> list[str]:
    """What a pattern names, sorted; folders are entered as :func:`~assistant.memory.files.walk` does: not through
    links, so that none of them leads round in circles."""
    parts = Path(os.path.expanduser(pattern)).parts
    fixed = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    top = Path(*parts[:fixed])
    try:
        found = list(top.glob(os.path.join(*parts[fixed:])))
    except (OSError, ValueError, IndexError, RecursionError):
        return []
    asked = set(parts[fixed:])
    return sorted(
        os.fspath(path)
        for path in found
        if all(part in asked or is_wanted(part) for part in path.relative_to(top).parts)
    )
