"""PDF: the text of each page. An encrypted file is tried with the empty password: many are only locked for editing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from assistant.memory.loaders.extracted import Extracted, NoText

_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_CUT_WORD = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010]\n(?=[^\W\d_])(?![A-ZА-ЯЁ])")
_NO_TITLE = re.compile(r"(?i)untitled|microsoft word|\.(?:docx?|pdf|indd|tex|dvi|qxd|pptx?)\b|^\W*$")


def load(path: Path, on_progress: Callable[[], None]) -> Extracted:
    """The pages' texts and the title."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    try:
        reader = PdfReader(path, strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise NoText("is encrypted: save it without a password")
        count = len(reader.pages)
    except DependencyError as error:
        raise NoText("is encrypted with AES, which needs: pip install 'assistant[documents]'") from error
    except PyPdfError as error:
        raise NoText(f"is broken or cut short ({error})".replace("\n", " ")) from error
    pages: list[str] = []
    failed = 0
    for number in range(count):
        try:
            pages.append(_tidied(reader.pages[number].extract_text()))
        except MemoryError:
            raise
        except Exception:  # one broken page does not take the others with it
            failed += 1
            pages.append("")
        on_progress()
    if not any(page.strip() for page in pages):
        if failed or not count:
            raise NoText("is broken: none of its pages can be read")
        raise NoText("has no text, only pictures of it: scanned pages need OCR first")
    return Extracted(title=_title(reader), pages=tuple(_without_running_lines(pages)))


def _tidied(text: str) -> str:
    """Words cut at line ends joined, ligatures as letters."""
    return _CUT_WORD.sub("", text.replace("\r\n", "\n").translate(_LIGATURES))


def _without_running_lines(pages: list[str]) -> list[str]:
    """Pages without the running title and the page number that many of them begin or end with. The first one stays."""
    split = [page.strip("\n").split("\n") for page in pages]
    for edge in (0, -1, 0, -1):  # a number and a title may stand at the same edge
        forms = [_forms(lines[edge], number) if lines else set() for number, lines in enumerate(split)]
        often = Counter(form for page in forms for form in page)
        running = {form for form, times in often.items() if times > max(3, len(pages) * 0.4)}
        kept: set[str] = set()
        for lines, page in zip(split, forms, strict=True):
            if page & kept:
                del lines[edge]
            kept |= page & running
    return ["\n".join(lines) for lines in split]


def _forms(line: str, page: int) -> set[str]:
    """A line as it is, and with its numbers counted from the page's: so page numbers are the same on all pages."""
    line = line.strip()
    return {line, re.sub(r"\b\d{1,5}\b", lambda found: f"\0{int(found.group()) - page}", line)} - {""}


def _title(reader: object) -> str:
    try:
        title = str(reader.metadata.title or "")  # type: ignore[attr-defined]
    except Exception:  # broken metadata, or none
        return ""
    return "" if _NO_TITLE.search(title) else title
