"""Both languages say the same things."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import assistant.tui
from assistant.language import interface_language
from assistant.tui.commands import COMMANDS
from assistant.tui.keys import CHAT_KEYS, PROMPT_KEYS
from assistant.tui.strings import ENGLISH, RUSSIAN, Strings


def test_the_same_keys_and_placeholders():
    assert ENGLISH.keys() == RUSSIAN.keys()
    fields = string.Formatter().parse
    for key, text in ENGLISH.items():
        assert {f for _, f, _, _ in fields(text) if f} == {f for _, f, _, _ in fields(RUSSIAN[key]) if f}, key


def test_every_string_is_used_and_every_used_string_exists():
    folder = Path(assistant.tui.__file__).parent
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (*folder.glob("*.py"), folder.parent / "cli" / "chat.py")
        if path.name not in ("strings.py", "english.py", "russian.py")
    )
    used = set(re.findall(r'(?:say|strings|_strings)\(\s*"(\w+)"', source))
    assert used <= ENGLISH.keys()
    prefixes = ("state_", "status_", "command_", "phase_", "budget_", "reason_", "passage_")  # put together from a name
    loose = {key for key in ENGLISH if not key.startswith(prefixes) and not re.search(rf"[\"']{key}[\"']", source)}
    assert loose <= {"gb", "mb"}
    for one in COMMANDS.values():
        assert f"command_{one.name}" in ENGLISH
    for _, _, explained in {**CHAT_KEYS, **PROMPT_KEYS}.values():
        assert explained in ENGLISH


@pytest.mark.parametrize(
    ("setting", "lang", "expected"),
    [
        ("auto", "ru_RU.UTF-8", "ru"),
        ("auto", "de_DE.UTF-8", "en"),
        ("en", "ru_RU.UTF-8", "en"),
        ("ru", "C", "ru"),
    ],
)
def test_the_language_of_the_settings_or_of_the_locale(monkeypatch, setting, lang, expected):
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", lang)
    assert interface_language(setting) == expected


def test_numbers_and_sizes_as_each_language_writes_them():
    assert Strings("en").number(1234.5, 1) == "1,234.5"
    assert Strings("ru").number(1234.5, 1) == "1\u202f234,5"
    assert Strings("en").size(1.5e9) == "1.5 GB"
    assert Strings("ru").size(98_362_432) == "98 МБ"
