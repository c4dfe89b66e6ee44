"""Bytes to text: byte order marks, UTF-8, UTF-16, and the old one-byte encodings of Russian and of Western Europe.

charset-normalizer needs some hundred letters: of five short Russian notes in KOI8-R it takes four for Japanese. The
one-byte encodings are therefore told apart here, by how common each letter is and by where capitals stand; what is left
(East Asian, Greek, Hebrew, …) is for the library.
"""

from __future__ import annotations

import codecs
import contextlib
import re
import unicodedata
from collections.abc import Sequence

from assistant.memory.loaders.extracted import NoText, WithoutText

_SAMPLE = 1 << 16  # bytes in which control characters are counted
_SCORED = 6_000  # bytes that are scored
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\r\f\b\x1b")
_ASCII = bytes(range(128))
_MARKS = (  # UTF-32 before UTF-16: its mark begins with the other's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# Separators among the control characters become a space, so that words stay apart; the others go, and with them what
# is not seen but may hide words from the reader (tag characters) or from the search (soft hyphens).
_SEPARATORS = re.compile("[\x0b\x0c\x1c-\x1f\x85\u2028\u2029]")
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u200b\u2060\ufeff\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e007f]"
)

# -log of each letter's share in Russian text, in nats; what Ukrainian and Belarusian have besides costs a little more.
_RUSSIAN = dict(zip("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё", (
    2.2, 2.5, 2.5, 2.6, 2.7, 2.8, 2.9, 3.0, 3.1, 3.1, 3.4, 3.4, 3.5, 3.6, 3.6, 3.9, 4.0, 4.0, 4.1, 4.1, 4.1, 4.2,
    4.4, 4.6, 4.7, 4.9, 5.1, 5.3, 5.6, 5.7, 5.9, 6.2, 5.5), strict=True)) | dict.fromkeys("іїєґў", 4.5)  # fmt: skip
_WESTERN = dict.fromkeys("éèàùâêîôûëïüöäßçñáíóúøåæœãõìò", 2.8) | dict.fromkeys("ýðþÿšž", 4.5)
_CENTRAL = dict.fromkeys("ąćęłńóśźżáéíúýčěřšžůťďňőűöüäôľĺŕăâîșțşţđ", 3.2)
# Each with the letters that it is for and what its rarity costs: a word of three letters may fit two of them.
_ENCODINGS = {
    "cp1251": (_RUSSIAN, 0.0),
    "koi8-u": (_RUSSIAN, 2.0),  # KOI8-R and four letters in the place of box drawings
    "cp1125": (_RUSSIAN, 2.0),  # CP866 and the same letters
    "iso8859-5": (_RUSSIAN, 4.0),
    "cp1252": (_WESTERN, 0.0),
    "cp1250": (_CENTRAL, 1.0),
}
_SIGNS = re.compile(r"(?<![^\W\d_])[«„“№°§©®™€£—–•]|[»“”’…°—–](?![^\W\d_])|[’\u00a0]")  # where they stand in a text
_STRANGE = 8.0  # nats for what hardly occurs in a text
_CREDIBLE = 3.6  # nats a letter: Russian has 3.1, what is read in a wrong encoding 5 and more
_WORD = re.compile(r"[^\W\d_]+")
_UNHEARD = re.compile(r"\b[ьъы]|[аеёиоуыэюя][ьъ]|ъ[^еёюя]|[^\Wаеёиоуыэюяіїє]{5}|[аеёиоуыэюя]{4}")  # of Russian


def decode(raw: bytes, declared: str | None = None) -> str:
    """The text that the bytes stand for, not cleaned yet.

    Args:
        raw: all bytes of the file.
        declared: the encoding that the document itself names, tried after marks and UTF-8.

    Raises:
        NoText: binary, or an encoding that cannot be told.
    """
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(encoding, "replace")
    sample = raw[:_SAMPLE]
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    if controls * 5 > len(sample) and (wide := _wide(sample)):
        return raw.decode(wide, "replace")
    if controls > max(2, len(sample) / 100):
        raise WithoutText("is binary, not text")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if declared:
        try:
            return raw.decode(declared)
        except (LookupError, UnicodeError):
            pass
    if (mended := _mended(raw.split(b"\n"))) is not None:
        return mended
    return raw.decode(encoding_of(raw), "replace")


def clean(text: str) -> str:
    r"""One sort of line end (``\n``), no control characters but ``\t``, NFC. Line n stays line n."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _UNSEEN.sub("", _SEPARATORS.sub(" ", text))
    return unicodedata.normalize("NFC", text)


def _wide(sample: bytes) -> str | None:
    """UTF-16 without a mark: the high bytes, 0 or 4 in our alphabets, stand all on one side of the pairs."""
    even, odd = (side.count(0) + side.count(4) for side in (sample[::2], sample[1::2]))
    encoding = "utf-16-le" if even * 3 < odd else "utf-16-be" if odd * 3 < even else None
    if encoding is None:
        return None
    text = sample[: len(sample) // 2 * 2].decode(encoding, "replace")
    strange = sum(unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs") and char not in "\t\n\r\f" for char in text)
    return encoding if (strange + text.count("\N{REPLACEMENT CHARACTER}")) * 50 <= len(text) else None


def _mended(lines: Sequence[bytes]) -> str | None:
    """UTF-8 with damaged bytes, or with lines among it that come from files in an old encoding; None: hardly anything
    is UTF-8."""
    texts = [_damaged(line) for line in lines]
    foreign = b"\n".join(line for line, text in zip(lines, texts, strict=True) if text is None)
    beyond = sum(len(line.translate(None, _ASCII)) for line in lines)
    if 5 * len(foreign.translate(None, _ASCII)) > 4 * beyond:  # a few words of others are UTF-8 by chance
        return None
    encoding = encoding_of(foreign) if foreign else "utf-8"
    return "\n".join(
        line.decode(encoding, "replace") if text is None else text for line, text in zip(lines, texts, strict=True)
    )


def _damaged(raw: bytes) -> str | None:
    """As UTF-8, if most of what is not ASCII is that."""
    text = raw.decode("utf-8", "replace")
    broken = text.count("\N{REPLACEMENT CHARACTER}")
    return text if not broken or len(raw) - len(text) > 8 * broken else None


def encoding_of(raw: bytes) -> str:
    """The one-byte or East Asian encoding of bytes that are not UTF-8.

    Raises:
        NoText: it cannot be told.
    """
    first = re.search(rb"[\x80-\xff]", raw)
    assert first is not None
    start = max(0, first.start() - 50)
    sample = raw[start : start + _SCORED]
    high = sum(byte > 127 for byte in sample)
    costs: dict[str, float] = {}
    for encoding, (letters, rarity) in _ENCODINGS.items():
        with contextlib.suppress(UnicodeDecodeError):  # a byte that the encoding does not have
            costs[encoding] = _cost(sample.decode(encoding), letters) + rarity
    best = min(costs, key=costs.__getitem__, default=None)
    if best is not None and costs[best] <= _CREDIBLE * high + 12:
        return best
    if high >= 20:
        from charset_normalizer import from_bytes

        if found := from_bytes(raw[start : start + _SAMPLE]).best():
            return found.encoding
    if best is not None and high * 10 < len(sample):
        return best
    raise NoText("is in an encoding that cannot be told: save it as UTF-8")


def _cost(text: str, letters: dict[str, float]) -> float:
    """Nats that the characters beyond ASCII cost, if the text were in a language with these ``letters``."""
    signs = len(_SIGNS.findall(text))
    cost = 2 * signs + _STRANGE * (sum(char > "\x7f" for char in _WORD.sub("", text)) - signs)
    for word in _WORD.findall(text):
        beyond = [char for char in word.lower() if char > "\x7f"]
        if not beyond:
            continue
        cost += sum(letters.get(char, _STRANGE) for char in beyond)
        capitals = not (word.islower() or word.istitle())
        if letters is _RUSSIAN:
            mixed = len(beyond) < len(word)  # letters of two scripts in one word
            cost += 3 * len(beyond) * mixed + 4 * len(_UNHEARD.findall(word.lower()))
            cost += len(word) * (0.5 if word.isupper() and len(word) > 1 else 3 * capitals)
        else:  # west of Russia most letters are ASCII
            cost += 3 * len(beyond) * (len(beyond) * 3 > len(word) * 2)
            cost += 3 * len(beyond) * (capitals and not word.isupper())
    return cost
