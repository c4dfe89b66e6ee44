"""Markdown that grows looks, line for line, like Markdown that came at once."""

from __future__ import annotations

import pytest

from assistant.tui.markdown import MarkdownLines, plain, printable

DOCUMENT = """# Title

Some *text* with `code` and **bold**, long enough that it has to be wrapped once or twice in sixty cells of width.

- one
- two
  - nested
1. first

2. second

```python
for i in range(3):

    print(i)
```

| a | b |
|---|---|
| 1 | 2 |

> quoted

Last line, with <b>a tag</b> and [a link](https://example.org).
"""


def drawn(source: str, step: int, width: int = 60) -> MarkdownLines:
    lines = MarkdownLines()
    lines.resize(width)
    for start in range(0, len(source), step):
        lines.append(source[start : start + step])
    return lines


@pytest.mark.parametrize("step", [1, 3, 7, 50, 10_000])
def test_growing_and_whole_are_the_same(step):
    whole = MarkdownLines(DOCUMENT)
    whole.resize(60)
    grown = drawn(DOCUMENT, step)
    assert grown.source == DOCUMENT
    grown.finish()
    assert plain(grown.lines) == plain(whole.lines)


def test_what_is_drawn():
    text = plain(drawn(DOCUMENT, 5).lines)
    for expected in (" • one", "    • nested", "for i in range(3):", "▌ quoted", "<b>a tag</b>", "a link"):
        assert expected in text
    assert "**" not in text
    assert "```" not in text
    assert all(strip.cell_length <= 60 for strip in drawn(DOCUMENT, 5).lines)


def test_an_append_tells_the_first_line_that_changed():
    lines = drawn("First paragraph.\n\nSecond", 10_000)
    assert lines.append(" goes on.") == 1  # after the first paragraph; the blank line belongs to the open one
    assert plain(lines.lines) == "First paragraph.\n\nSecond goes on."


def test_another_width_draws_again():
    lines = drawn("word " * 30, 10)
    wide = len(lines.lines)
    lines.resize(20)
    assert len(lines.lines) > wide


def test_wide_characters_fit():
    assert all(strip.cell_length <= 20 for strip in drawn("Привет 你好 👋 " * 20, 3, 20).lines)


def test_nothing_that_steers_a_terminal_passes():
    assert printable("a\x1b[31mb\x07\x9bc\r\n\td") == "a[31mbc\n\td"
