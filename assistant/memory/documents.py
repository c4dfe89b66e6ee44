"""Files become documents: decoded, cleaned text with its title, and where each page and each line begins.

Text, Markdown, source code and tables are read here; what has to be parsed (HTML, PDF, office formats) is read in a
child process under limits of time and memory, since a file may be broken or hostile. Whatever happens ends as a
:class:`Document` or as an :class:`Unreadable` that says why in one line.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tempfile
import zipfile
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Literal

from assistant.memory.files import (
    NOT_A_FILE,
    Found,
    Skipped,
    digest_of,
    open_regular,
    printable,
    sort_without_text,
    walk,
    why_not_read,
)
from assistant.memory.loaders.encoding import clean, decode
from assistant.memory.loaders.extracted import Extracted, NoText, WithoutText
from models.errors import UserError

__all__ = [
    "MAX_BYTES",
    "Document",
    "Found",
    "Kind",
    "Skipped",
    "Unreadable",
    "digest_of",
    "load",
    "load_stream",
    "walk",
]

Kind = Literal[
    "text", "markdown", "code", "csv", "notebook", "html", "pdf", "docx", "epub", "fb2", "odt", "pptx", "xlsx", "rtf",
    "eml",
]  # fmt: skip
MAX_BYTES = 50_000_000  # of a file; formats that also hold pictures may have _PICTURES times as much
_PICTURES = 4
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")  # of .doc, .xls, .ppt, and of anything that office programs encrypted
_WITH_PICTURES = (b"%PDF-", b"PK\x03\x04", b"{\\rtf")  # how those begin that are told without a name
_KIND_OF_PART: dict[str, Kind] = {  # of a ZIP archive
    "word/document.xml": "docx",
    "ppt/presentation.xml": "pptx",
    "xl/workbook.xml": "xlsx",
    "META-INF/container.xml": "epub",
    "content.xml": "odt",
}
_LONGEST_TITLE = 200  # characters
# How a mail begins that came by SMTP: files of a Maildir have no suffix.
_MAIL = re.compile(rb"(?:return-path|delivered-to|envelope-to|x-original-to|received):[ \t]", re.IGNORECASE)

_SUFFIXES: dict[Kind, str] = {
    "text": "txt text log rst adoc asciidoc org tex srt vtt",
    "markdown": "md markdown mdown mkd mdx qmd rmd",
    "html": "html htm xhtml shtml",
    "pdf": "pdf",
    "docx": "docx docm dotx",
    "epub": "epub",
    "fb2": "fb2",
    "odt": "odt ott odp ods",
    "pptx": "pptx pptm ppsx",
    "xlsx": "xlsx xlsm xlsb xls",
    "rtf": "rtf",
    "eml": "eml",
    "csv": "csv tsv",
    "notebook": "ipynb",
    "code": "py pyi pyx js mjs cjs jsx ts tsx java kt kts scala groovy gradle c h cc cpp cxx hpp hh hxx cs fs vb go rs "
    "swift m mm php rb pl pm lua r jl dart ex exs erl hs ml mli clj cljs lisp el scm nim zig v sv vhd vhdl asm s f f90 "
    "f95 pas d ada cob sql sh bash zsh fish ps1 psm1 bat cmd awk sed tcl vim cmake mk make dockerfile tf hcl proto "
    "thrift graphql gql vue svelte css scss sass less json jsonl ndjson json5 yaml yml toml ini cfg conf properties "
    "env xml xsd xsl xslt rss atom plist po pot diff patch bib cu cuh glsl hlsl wgsl ino nix sol tl",
}
_KIND_OF_SUFFIX: dict[str, Kind] = {f".{end}": kind for kind, ends in _SUFFIXES.items() for end in ends.split()}
_KIND_OF_NAME: dict[str, Kind] = dict.fromkeys(("makefile", "dockerfile", "rakefile", "gemfile", "jenkinsfile"), "code")
_PARSED: frozenset[Kind] = frozenset({"html", "pdf", "docx", "epub", "fb2", "odt", "pptx", "xlsx", "rtf", "eml"})
_WITH_MARKDOWN = _PARSED - {"pdf", "rtf", "eml"} | {"markdown", "notebook"}


class Unreadable(UserError):
    """A file gives no document. ``message`` is one line with the path, ``reason`` the same without it."""

    def __init__(self, path: Path, reason: str):
        super().__init__(f"{printable(path)} {reason}.")
        self.path = path
        self.reason = reason


@dataclass(frozen=True)
class Document:
    r"""The text of a file, and where things stand in it. Offsets count characters of ``text``.

    Attributes:
        path: absolute.
        kind: the format, by content where content is plain, else by name.
        title: what the file calls itself, or its name; one line.
        text: decoded, in NFC, with ``\n`` at line ends, without other control characters than ``\t`` and without
            invisible ones that hide text. Of text, Markdown, code and CSV line n is line n of the file; HTML and what
            is like it has become Markdown: ``#`` headings, ``-`` items, ``|`` between cells.
        pages: offsets at which pages 1, 2, … begin; empty if the format has none.
    """

    path: Path
    kind: Kind
    title: str
    text: str
    pages: tuple[int, ...] = ()

    @property
    def is_markdown(self) -> bool:
        """Whether lines with ``#`` are headings: of Markdown itself, and of formats that are turned into it."""
        return self.kind in _WITH_MARKDOWN

    def page_of(self, offset: int) -> int | None:
        """The page (from 1) on which the character at ``offset`` stands; None if the format has no pages."""
        return max(bisect_right(self.pages, offset), 1) if self.pages else None

    def line_of(self, offset: int) -> int:
        """The line of ``text`` (from 1) on which the character at ``offset`` stands."""
        return bisect_right(self._lines, offset)

    @cached_property
    def _lines(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]


def load(path: Path, *, max_bytes: int = MAX_BYTES) -> Document:
    """Read one file, whatever it is.

    Args:
        path: of a regular file; hidden files and links are taken as they are.
        max_bytes: longest text; files of formats that hold pictures too may be four times as long.

    Raises:
        Unreadable: there is no text to be had: the file is missing, empty, binary, encrypted, broken, too long, …
    """
    path = Path(os.path.abspath(path))
    with _explained(path):
        if sort := sort_without_text(path):
            raise WithoutText(f"is {sort}: no text to read")
        return _load(path, max_bytes)


def load_stream(stream: BinaryIO, *, max_bytes: int = MAX_BYTES) -> Document:
    """Read to its end what has no name, as standard input. Its format is told by its content, its path is ``-``.

    Args:
        max_bytes: as of :func:`load`.

    Raises:
        Unreadable: there is no text to be had.
    """
    path = Path("-")
    with _explained(path):
        raw = stream.read(4096)
        limit = max_bytes * (_PICTURES if raw.startswith(_WITH_PICTURES) else 1)
        raw += stream.read(limit + 1 - len(raw))
        if not raw:
            raise NoText("is empty")
        if len(raw) > limit:
            raise NoText(f"is too long: more than {_megabytes(limit)}")
        kind = _kind_of_content(raw) or _kind(path, raw[:4096])
        if kind not in _PARSED:
            return _document(path, kind, _extract(path, kind, raw, max_bytes))
        with tempfile.TemporaryDirectory() as folder:  # parsers read files
            copy = Path(folder, f"input.{kind}")
            copy.write_bytes(raw)
            return _document(path, kind, _extract(copy, kind, b"", max_bytes))


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except NoText as error:
        raise Unreadable(path, str(error)) from error
    except (OSError, ValueError) as error:
        raise Unreadable(path, why_not_read(error)) from error
    except MemoryError as error:
        raise Unreadable(path, "needs more memory than there is") from error


def _load(path: Path, max_bytes: int) -> Document:
    about = path.stat()  # before it is opened: to open a tape drive may turn it
    if stat.S_ISDIR(about.st_mode):
        raise NoText("is a folder")
    if not stat.S_ISREG(about.st_mode):
        raise WithoutText(NOT_A_FILE)
    with open(path, "rb", opener=open_regular) as file:
        about = os.fstat(file.fileno())
        head = file.read(4096)
        kind = _kind(path, head)
        limit = max_bytes if kind not in _PARSED or kind == "html" else max_bytes * _PICTURES
        if not head:
            raise WithoutText("is empty")
        if about.st_size > limit:
            raise NoText(f"is too long: {_megabytes(about.st_size)}, and {_megabytes(limit)} is the most")
        raw = b"" if kind in _PARSED else head + file.read(limit + 1 - len(head))
        if len(raw) > limit:
            raise NoText(f"is too long: more than {_megabytes(limit)}")
        extracted = _extract(path, kind, raw, max_bytes)
        now = os.fstat(file.fileno())
        if (now.st_size, now.st_mtime_ns) != (about.st_size, about.st_mtime_ns):
            raise NoText("was changed while it was read: add it again")
    return _document(path, kind, extracted)


def _kind(path: Path, head: bytes) -> Kind:
    """By content where a format is plain from its first bytes, else by the name, else by what a text begins with."""
    named = _KIND_OF_NAME.get(path.name.lower()) or _KIND_OF_SUFFIX.get(path.suffix.lower())
    if head.startswith(b"%PDF-"):
        return "pdf"
    if head.startswith(b"{\\rtf"):
        return "rtf"
    if head.startswith(b"PK\x03\x04"):
        if b"mimetypeapplication/epub+zip" in head[:120]:
            return "epub"
        if b"mimetypeapplication/vnd.oasis.opendocument" in head[:120]:
            return "odt"
    if head.startswith(_OLE) and named != "xlsx":
        raise NoText("is encrypted, or in the format of office programs before 2007: save it as .docx")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if named in (None, "text") and start.startswith((b"<!doctype html", b"<html")):
        return "html"
    if named is not None:
        return named
    if _MAIL.match(head):
        return "eml"
    return "code" if start.startswith((b"#!", b"<?xml", b"<?php")) else "text"


def _kind_of_content(raw: bytes) -> Kind | None:
    """What only the whole content shows."""
    if raw.startswith(b"PK\x03\x04"):
        with suppress(zipfile.BadZipFile, ValueError, NotImplementedError):
            names = zipfile.ZipFile(io.BytesIO(raw)).namelist()
            return next((kind for part, kind in _KIND_OF_PART.items() if part in names), None)
    start = raw[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith((b"<?xml", b"<FictionBook")) and b"<FictionBook" in start:
        return "fb2"
    return "notebook" if start.startswith(b"{") and b'"nbformat"' in raw and b'"cells"' in raw else None


def _extract(path: Path, kind: Kind, raw: bytes, longest: int) -> Extracted:
    if kind in _PARSED:
        from assistant.memory.loaders.parsing import parse

        return parse(path, kind, longest)
    text = decode(raw)
    if kind == "csv":
        from assistant.memory.loaders.table import rows_as_lines

        return Extracted(rows_as_lines(clean(text)))
    if kind == "notebook":
        from assistant.memory.loaders.notebook import cells_as_markdown

        return cells_as_markdown(text)
    return Extracted(text)


def _document(path: Path, kind: Kind, extracted: Extracted) -> Document:
    pages: list[int] = []
    text = clean(extracted.text)
    if extracted.pages:
        parts: list[str] = []
        length = 0
        for page in extracted.pages:
            pages.append(length)
            parts.append(clean(page) + "\n\n")
            length += len(parts[-1])
        text = "".join(parts)
    if not text.strip():
        raise WithoutText("has only white space")
    title = extracted.title or (_first_heading(text) if kind in _WITH_MARKDOWN else "")
    title = " ".join(clean(title).split()) or (path.name if kind == "code" else path.stem.replace("_", " "))
    return Document(path, kind, printable(title[:_LONGEST_TITLE]), text, tuple(pages))


def _first_heading(text: str) -> str:
    """``title:`` of the front matter, or the first heading of Markdown that stands near its beginning."""
    head = text[:5000]
    if head.startswith("---\n") and (found := re.search(r"^title:[ \t]*(['\"]?)(.+?)\1[ \t]*$", head, re.MULTILINE)):
        return found.group(2)
    without_code = re.sub(r"^```.*?^```", "", head, flags=re.MULTILINE | re.DOTALL)
    found = re.search(r"^#{1,2}[ \t]+(.+?)[ \t#]*$", without_code, re.MULTILINE)
    return found.group(1) if found else ""


def _megabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size:,} bytes"
