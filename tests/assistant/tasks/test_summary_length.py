"""Words as a reader counts them, and the sentences that make a summary as long as was asked."""

from __future__ import annotations

import itertools

import pytest

from assistant.tasks.length import alike, around, centrality, choose, default_words, words_of
from assistant.tasks.styles import STYLES


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("One two three.", 3),
        ("- A list\n- of lines", 4),
        ("## Tasks\n\n- Do it — now!", 4),
        ("Он заплатил 1 500 рублей — и ушёл.", 7),
        ("state-of-the-art isn't two words", 4),
        ("会议决定", 4),
        ("회의에서 결정했다.", 2),
        ("It is not there. [?]", 4),
    ],
)
def test_words_are_counted_as_a_reader_counts_them(text: str, words: int) -> None:
    assert words_of(text) == words


def test_around_keeps_within_fifteen_percent() -> None:
    for words in range(1, 400):
        low, high = around(words)
        assert low <= words <= high
        assert low >= 0.85 * words
        assert high <= 1.15 * words


def test_a_default_is_shorter_than_its_source_and_grows_with_it() -> None:
    for style in STYLES:
        lengths = [default_words(style, words) for words in (30, 300, 3_000, 30_000)]
        assert lengths == sorted(lengths)
        assert lengths[1] <= 150


def test_choice_is_the_best_of_all_that_have_the_words() -> None:
    words, values = [7, 12, 5, 9, 14, 6], [3.0, 5.0, 1.0, 6.0, 4.0, 2.0]
    for low, high in ((20, 24), (30, 33), (10, 11)):
        chosen = choose(words, values, low, high)
        every = [
            some
            for count in range(1, 7)
            for some in itertools.combinations(range(6), count)
            if low <= sum(words[place] for place in some) <= high
        ]
        best = max(sum(values[place] for place in some) for some in every)
        assert sum(values[place] for place in chosen) == best
        assert low <= sum(words[place] for place in chosen) <= high
        assert chosen == sorted(chosen)


def test_choice_comes_near_where_nothing_fits() -> None:
    assert choose([20, 20], [1.0, 2.0], 25, 30) == [1]
    assert choose([50], [1.0], 5, 6) == [0]
    assert choose([], [], 5, 6) == []


def test_what_all_are_about_is_central() -> None:
    values = centrality(
        ["The bridge is closed for repair.", "Repair of the bridge takes a year.", "Anna had soup for lunch."]
    )
    assert min(values[:2]) > values[2]


def test_two_wordings_of_one_thing_are_alike() -> None:
    assert alike("The bridge will be closed in May.", "In May the bridge is closed.")
    assert not alike("The bridge will be closed in May.", "The bridge will be opened again in July by the mayor.")
