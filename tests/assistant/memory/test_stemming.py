"""Words as the index keeps them: what is found by what, in both languages and in others."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from assistant.memory.stemming import language_of, stems


def is_found(query: str, text: str) -> bool:
    """Whether FTS5 finds the text by the query, as the index asks it."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE words USING fts5 (stems, tokenize='unicode61 remove_diacritics 2')")
    database.execute("INSERT INTO words VALUES (?)", (" ".join(stems(text)),))
    terms = " OR ".join('"{}"'.format(stem.replace('"', '""')) for stem in stems(query))
    return bool(terms) and bool(database.execute("SELECT 1 FROM words WHERE stems MATCH ?", (terms,)).fetchall())


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("running", "She runs every morning."),
        ("кошки", "Кошка спит на окне."),
        ("ёлка", "Под елкой лежат подарки."),
        ("елка", "ЁЛКИ стояли в снегу."),
        ("cafe\u0301", "The CAFÉ is closed."),
        ("Москва", "Москва\u0301 — столица."),
        ("перенос", "пере\u00adнос"),
        ("straße", "STRASSE"),
        ("C++", "Written in C++ and Rust."),
        ("C#", "c# developers"),
        ("v1.2", "Released as v1.2 in May."),
        ("1.2", "Released as 1.2.7 in May."),
        ("2024", "12.05.2024"),
        ("1000000", "It cost 1,000,000 dollars."),
        ("1000000", "Это стоило 1\u00a0000\u00a0000 рублей."),
        ("3,5", "Rated 3.5 of 5."),
        ("6½", "He added 6½ sacks."),
        ("AB-1234/5", "Part AB-1234/5 is missing."),
        ("1234", "Part AB-1234/5 is missing."),
        ("e-mail", "Send an email."),
        ("snake", "def snake_case(): ..."),
        ("O'Brien", "Mrs O’Brien called."),
        ("users", "The user's password."),
        ("бизнес", "Составили бизнес-план."),
        ("測試", "這是測試。"),
        ("文", "中文"),
        ("日本語", "これは日本語のテキストです"),
        ("हिन्दी", "यह हिन्दी है"),
        ("to be or not to be", "To be, or not to be"),
        ("US", "The US economy"),
    ],
)
def test_a_word_finds_its_other_forms(query, text):
    assert is_found(query, text)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("3.5", "35 of them"),
        ("v1.2", "Released as v1.3 in May."),
        ("C++", "vitamin C"),
        ("C#", "C++"),
        ("Where is the museum?", "Where is the station?"),
        ("Кто написал роман?", "Кто придёт завтра?"),
        ("US economy", "It was told to us."),
    ],
)
def test_what_is_another_word_is_not_found(query, text):
    assert not is_found(query, text)


def test_stop_words_go_unless_there_is_nothing_else():
    assert stems("What is the price of the ticket?") == ["price", "ticket"]
    assert stems("Какая цена у билета?") == stems("цена билет")
    assert stems("Who are you?") == ["who", "are", "you"]


def test_no_stem_has_a_space_whatever_the_text():
    hostile = "\u0301\u0301 \u200b\u200b a\u00a0b 1\u00a0000 'x' -- __ \ud800 \U0001f600 ﷽ e-" + "z" * 1000
    found = stems(hostile)
    assert found
    assert all(stem and not any(map(str.isspace, stem)) and len(stem) <= 64 for stem in found)
    assert stems("") == stems(" \n-- __ !?\u0301") == []


def test_threads_share_the_stemmers():
    words = [f"{start}{end}" for start in ("walk", "talk", "read", "play", "help") for end in ("ing", "ed", "er", "s")]
    alone = [stems(f"{word} zq{number}x") for number, word in enumerate(words * 20)]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(stems, [f"{word} zq{number}x" for number, word in enumerate(words * 20)])) == alone


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hello", "en"),
        ("12:30", "en"),
        ("Привет", "ru"),
        ("Запусти git rebase в ветке main", "ru"),
        ("Ты ChatGPT?", "ru"),
        ("The word «да» means yes in Russian.", "en"),
        ("這是測試", "other"),
        ("γειά σου", "other"),
    ],
)
def test_the_language_goes_by_the_script(text, language):
    assert language_of(text) == language
