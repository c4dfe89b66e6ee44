"""Below a summary: where each of its sentences stands, as readers find it: by line, page or heading."""

from __future__ import annotations

from dataclasses import replace

import pytest
from answering_engine import AnsweringEngine

from assistant.cli.citing import cited
from assistant.tasks.sources import Source, source_of
from assistant.tasks.summarizing import Summary, SummaryOptions, summarize

TEXT = """# The ferry

The ferry stops on 3 May for repairs.

# The bus

Until then a bus goes round by Gunnislake, which takes forty minutes more than the ferry took, and pupils go free."""
FERRY, BUS = "The ferry stops on 3 May for repairs.", "A bus goes round by Gunnislake."


def summary_of(source: Source) -> Summary:
    going = summarize(AnsweringEngine(lambda message: f"{FERRY} {BUS}"), source, SummaryOptions(), model="m")
    while True:
        try:
            next(going)
        except StopIteration as end:
            found: Summary = end.value
            return found


@pytest.mark.parametrize(
    ("kind", "pages", "places"),
    [
        ("markdown", (), ("line 3", "line 7")),
        ("pdf", (0, TEXT.index("# The bus")), ("page 1", "page 2")),
        ("epub", (), ("The ferry", "The bus")),
    ],
)
def test_places_are_those_that_the_format_has(kind: str, pages: tuple[int, ...], places: tuple[str, str]) -> None:
    source = replace(source_of(TEXT, "notes"), kind=kind, pages=pages)
    summary, first, second = cited(summary_of(source), source).replace("\n\n", "\n").splitlines()
    assert summary == f"{FERRY} [1] {BUS} [2]"
    assert first == f'[1] notes, {places[0]}: "{FERRY}"'
    assert second.startswith(f'[2] notes, {places[1]}: "Until then a bus goes round by Gunnislake')
    assert second.endswith('…"')


def test_what_came_by_a_pipe_has_no_name() -> None:
    source = source_of(TEXT, "-")
    assert "[1] stdin, line 3" in cited(summary_of(source), source)
