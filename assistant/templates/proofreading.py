"""Corrections with their places. The model copies the text without its mistakes, which a small one can; where the two
differ, and how, is counted here, which it cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher

from assistant.engine.calls import Computed, completing
from assistant.engine.engine import Delta, Event
from assistant.morphology import is_known
from assistant.templates.tools import ToolCall

_LONGEST_PART = 600  # characters: small models begin to skip words in longer ones
_LEAST_ALIKE = 0.5  # of the tokens; below, the model did something else than correct
_TOKEN = re.compile(r"\w+(?:['’-]\w+)*|\s+|[^\w\s]")
_PIECE = re.compile(r"[^\n]*?[.!?…]+[»”\"')]*(?:\s+|$)|[^\n]*\n+|[^\n]+$")
_SAYS = {
    "en": ("No mistakes found.", "- line {line}, character {column}: “{wrong}” → “{right}”", "(nothing)"),
    "ru": ("Ошибок не найдено.", "- строка {line}, знак {column}: «{wrong}» → «{right}»", "(ничего)"),
}
_UNKNOWN = {
    "en": "- line {line}, character {column}: “{word}” is not in the dictionary",
    "ru": "- строка {line}, знак {column}: «{word}» нет в словаре",
}
_RUSSIAN = re.compile(r"(?<![\w-])[а-яё]{3,}(?![\w-])")  # small letters throughout: names are in no dictionary
_UNREAD = {
    "en": "Not checked: line {line}, “{start}”",
    "ru": "Не проверено: строка {line}, «{start}»",
}


@dataclass(frozen=True, slots=True)
class Correction:
    """``start`` and ``end`` are characters of the text; ``line`` and ``column`` count from 1."""

    start: int
    end: int
    line: int
    column: int
    wrong: str
    right: str


def reply(call: ToolCall) -> Iterator[Event]:
    """The corrected text and the list of corrections; the last event is a Computed, its data
    ``{text, corrections: [{start, end, line, column, wrong, right}], unknown_words, unchecked: [[start, end]]}``.

    The dictionary knows Russian words better than a small model: a correction that puts a word there which it does not
    have is not taken, and words that it does not have are named."""
    assert call.filled is not None
    corrected: list[str] = []
    unchecked: list[tuple[int, int]] = []
    prompt_tokens = completion_tokens = start = 0
    for part in parts_of(call.text):
        body = part.strip()
        if re.search(r"\w", body):
            result = yield from completing(call.engine, call.filled.messages(body), call.options, call.check)
            prompt_tokens += result.prompt_tokens
            completion_tokens += result.completion_tokens
            if result.finish_reason == "stop" and is_correction(body, answer := result.text.strip()):
                body = answer
            else:
                unchecked.append((start, start + len(part.rstrip())))
        head = part[: len(part) - len(part.lstrip())]
        corrected += [head, body, part[len(part.rstrip()) :]] if part.strip() else [part]
        start += len(part)
    found = [one for one in corrections(call.text, "".join(corrected)) if not _invents(one)]
    text = apply(call.text, found)
    doubtful = unknown_words(call.text, found)
    none, line, nothing = _SAYS[call.language]
    listed = [
        line.format(line=one.line, column=one.column, wrong=one.wrong or nothing, right=one.right or nothing)
        for one in found
    ]
    listed += [
        _UNREAD[call.language].format(line=call.text.count("\n", 0, at) + 1, start=call.text[at : at + 40].strip())
        for at, _ in unchecked
    ]
    listed += [_UNKNOWN[call.language].format(line=one.line, column=one.column, word=one.wrong) for one in doubtful]
    shown = f"{text.strip()}\n\n" + "\n".join(listed) if found else "\n".join(listed or [none])
    data = {
        "text": text,
        "corrections": [asdict(one) for one in found],
        "unknown_words": [asdict(one) for one in doubtful],
        "unchecked": [list(one) for one in unchecked],
    }
    yield Delta(shown)
    yield Computed(shown, "", "stop", prompt_tokens, completion_tokens, data=data)


def parts_of(text: str) -> list[str]:
    """The text in parts that end with a sentence or a line; together they are the text."""
    parts = [""]
    for piece in _PIECE.findall(text):
        if parts[-1] and len(parts[-1]) + len(piece) > _LONGEST_PART:
            parts.append("")
        parts[-1] += piece
    rest = text[sum(map(len, parts)) :]
    return [part for part in (*parts, rest) if part]


def is_correction(before: str, after: str) -> bool:
    """Whether this may be the same text without its mistakes, and not an answer to it."""
    old, new = ([token for token in _TOKEN.findall(text.casefold()) if token.strip()] for text in (before, after))
    alike = SequenceMatcher(None, old, new, autojunk=False).ratio()
    letters = SequenceMatcher(None, before.casefold(), after.casefold(), autojunk=False).ratio()
    return bool(after) and max(alike, letters - 0.2) >= _LEAST_ALIKE


def corrections(before: str, after: str) -> list[Correction]:
    """What differs between two texts, word by word, in the order of the first."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    starts = [0]
    for token in old:
        starts.append(starts[-1] + len(token))
    changes: list[list[int]] = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        if changes and not "".join(old[changes[-1][1] : a]).strip():  # a space between: one correction of both words
            changes[-1][1::2] = b, d
        else:
            changes.append([a, b, c, d])
    found = []
    for a, b, c, d in changes:
        # What is only put in or left out is shown with the word before it: there it is found.
        while (a == b or c == d) and a and old[a - 1] == new[c - 1] and c:
            a, c = a - 1, c - 1
            if old[a].strip():
                break
        wrong, right = "".join(old[a:b]), "".join(new[c:d])
        spaced = "".join(wrong.split()) == "".join(right.split())
        if not spaced or wrong.replace(" ", "").isalpha():
            start = starts[a] + len(wrong) - len(wrong.lstrip())
            line, last = before.count("\n", 0, start) + 1, before.rfind("\n", 0, start)
            end = max(start, starts[b] - (len(wrong) - len(wrong.rstrip())))
            found.append(Correction(start, end, line, start - last, wrong.strip(), right.strip()))
    return found


def apply(text: str, found: Sequence[Correction]) -> str:
    """The text with these corrections, which are in its order."""
    parts, end = [], 0
    for one in found:
        parts += [text[end : one.start], one.right]
        end = one.end
    return "".join([*parts, text[end:]])


def unknown_words(text: str, found: Sequence[Correction]) -> list[Correction]:
    """Russian words, not among those corrected, that the dictionary does not have; ``right`` is empty."""
    unknown = []
    for match in _RUSSIAN.finditer(text):
        start, end = match.span()
        if any(one.start < end and start < one.end for one in found) or is_known(match[0]):
            continue
        line, last = text.count("\n", 0, start) + 1, text.rfind("\n", 0, start)
        unknown.append(Correction(start, end, line, start - last, match[0], ""))
    return unknown


def _invents(correction: Correction) -> bool:
    """It replaces Russian words by one that there is not."""
    before, after = (_RUSSIAN.findall(words) for words in (correction.wrong, correction.right))
    return all(map(is_known, before)) and not all(map(is_known, after))
