"""Files that a question names: ``What does @guide.md say?``, ``@"My notes.txt"``, ``@~/letters/письмо.docx``."""

from __future__ import annotations

import mimetypes
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

# At the start of a word only: in an address (me@example.org) the sign is none of ours.
_BEGIN = r"""(?<![^\s(\[{"'«„“])@"""
_MENTION = re.compile(_BEGIN + r"""(?:"(?P<double>[^"\n]+)"|'(?P<single>[^'\n]+)'|(?P<bare>[^\s"'@]\S*))""")
_UNFINISHED = re.compile(_BEGIN + r"""(?:(?P<quote>["'])(?P<quoted>[^\n]*)|(?P<bare>[^\s"'@]\S*|))$""")
_AFTER = ".,;:!?…)]}»”\"'"
"""What may stand right behind a name and belongs to the sentence."""
_LOOKED_AT = 5000
"""Entries of a folder that a completion reads."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A mention that is being typed, up to the cursor.

    Attributes:
        start: where its ``@`` stands.
        path: what is there of the path.
        quote: the quotation mark that it began with; empty: none.
    """

    start: int
    path: str
    quote: str


def parse(text: str) -> tuple[str, tuple[Path, ...]]:
    """The question as the model may read it, and the files that it names, each once, in order.

    A word such as ``@property`` is a file only if there is such a one; ``@notes.md``, ``@./notes`` and all in quotation
    marks are, whether they are there or not. ``@@`` is a plain ``@``.
    """
    paths: dict[Path, None] = {}
    for match in _MENTION.finditer(text):
        quoted = match["double"] or match["single"]
        path = _expanded(quoted) if quoted else _bare(match["bare"])
        if path is not None:
            paths[path] = None
    return re.sub(r"(?<!\S)@@(?=\S)", "@", text), tuple(paths)


def mention(path: str, *, quote: str = "", whole: bool = True) -> str:
    """How a path is written in a question.

    Args:
        quote: the quotation mark that was typed already.
        whole: False: the path goes on, so the quotation stays open.
    """
    mark = quote
    if re.search(r"""[\s"']""", path) or (whole and path.rstrip(_AFTER) != path):
        mark = "'" if '"' in path else '"'
    return f"@{mark}{path}{mark if whole else ''}"


def unfinished(before: str) -> Unfinished | None:
    """The mention that ends at the end of ``before``, the text in front of the cursor."""
    match = _UNFINISHED.search(before)
    if match is None or (match["quote"] and match["quote"] in match["quoted"]):
        return None
    return Unfinished(match.start(), match["quoted"] or match["bare"] or "", match["quote"] or "")


def matching(path: str, limit: int = 50) -> list[str]:
    """Paths that begin with ``path``, in the words of ``path`` (``~`` stays); those of folders end with a slash.

    Case does not matter, nor how accents are composed. Hidden ones come only when their dot was typed.
    """
    name = os.path.basename(path)
    begun = path[: len(path) - len(name)]
    wanted = _fold(name)
    found: list[tuple[bool, str]] = []
    try:
        with os.scandir(_expanded(begun) if begun else ".") as entries:
            for entry in islice(entries, _LOOKED_AT):
                if _fold(entry.name).startswith(wanted) and (wanted.startswith(".") or not entry.name.startswith(".")):
                    found.append((entry.is_dir(), entry.name))
    except (OSError, ValueError):
        return []
    found.sort(key=lambda one: (one[0], _fold(one[1])))
    return [begun + name + "/" * is_folder for is_folder, name in found[:limit]]


def completed(path: str) -> tuple[str, bool] | None:
    """``path`` with what all that match it go on with, or the first of them where they differ at once.

    Returns:
        the path, and whether it is a file that is now named in full; None: nothing matches.
    """
    found = matching(path)
    if not found:
        return None
    common = os.path.commonprefix(found)  # noqa: RUF071 - of letters, not of folders
    if len(found) > 1 and len(common) > len(path):
        return common, False
    return found[0], not found[0].endswith("/")


def _bare(word: str) -> Path | None:
    for shortened in _shortened(word):
        path = _expanded(shortened)
        # Not Path.is_file: before Python 3.14 it raises when a name is too long, or a folder may not be read.
        if os.path.isfile(path) or (shortened.endswith("/") and os.path.isdir(path)):
            return path
    name = word.rstrip(_AFTER)
    known = mimetypes.guess_type(name)[0] is not None or name.endswith((".md", ".markdown", ".epub", ".rst"))
    return _expanded(name) if name and (known or re.match(r"~|\.{0,2}/\w|[A-Za-z]:\\", name)) else None


def _shortened(word: str) -> Iterator[str]:
    """The word, and the word without the punctuation behind it, longest first: ``что?»`` may be a name, but rarely."""
    yield word
    while word and word[-1] in _AFTER:
        word = word[:-1]
        if word:
            yield word


def _expanded(path: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(path)))


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
