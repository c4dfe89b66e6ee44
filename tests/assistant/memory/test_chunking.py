"""Chunks of documents: how long, where they begin, what they are called; and the sentences in them."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest

from assistant.memory.chunking import Chunk, chunk, key_of
from assistant.memory.documents import Document, Kind
from assistant.memory.embedding import Embedder, load_embedder
from assistant.memory.sentences import sentences

PARAGRAPH = (
    "The mill on the river Sura was built in 1874 by Dr. A. N. Orlov. It ground rye for nine villages, i.e. for about "
    "3.5 thousand people. In winter the wheel froze! Who could help then? The smith came with a lamp and thawed it. "
)
ABSATZ = (
    "Мельницу на Суре построил в 1874 г. инженер А. Н. Орлов. Она молола рожь для девяти сёл, т. е. примерно для 3.5 "
    "тыс. человек. Зимой колесо замерзало! Кто мог помочь? Приходил кузнец с лампой и отогревал его. "
)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder(threads=1)


def document(text: str, kind: Kind = "markdown", pages: tuple[int, ...] = ()) -> Document:
    return Document(Path("/notes/a"), kind, "a", text, pages)


@pytest.fixture
def chunks_of(embedder: Embedder):
    """Chunks, after checking what holds for those of any document."""

    def chunks_of(document: Document) -> list[Chunk]:
        chunks = chunk(document, embedder.count_tokens)
        for each in chunks:
            assert each.text == document.text[each.start : each.end]
            assert each.text.strip()
            assert each.tokens == embedder.count_tokens(each.text) <= 800
            assert each.sentences
            assert all(start < end <= len(each.text) for start, end in each.sentences)
            assert all(end <= start for (_, end), (start, _) in pairwise(each.sentences))
            for start, end in each.sentences:
                assert len(each.text[start:end].split()) <= 110
        assert all(one.end <= two.start for one, two in pairwise(chunks))
        return chunks

    return chunks_of


def spoken(chunks: list[Chunk]) -> list[str]:
    return [each.text[start:end] for each in chunks for start, end in each.sentences]


@pytest.mark.parametrize("paragraph", [PARAGRAPH, ABSATZ])
def test_a_long_text_is_cut_evenly_between_paragraphs(chunks_of, paragraph):
    text = "\n\n".join(f"{number}. {paragraph.strip()}" for number in range(60))
    chunks = chunks_of(document(text, "text"))
    assert all(each.tokens >= 300 for each in chunks)
    assert all(each.text[0].isdigit() and each.text.endswith(paragraph.strip()[-10:]) for each in chunks)
    assert "".join("".join(each.text.split()) for each in chunks) == "".join(text.split())


def test_a_short_document_is_one_chunk(chunks_of):
    (only,) = chunks_of(document("# Mill\n\nBuilt in 1874.\n\n## Owner\n\nOrlov.\n"))
    assert only.text == "# Mill\n\nBuilt in 1874.\n\n## Owner\n\nOrlov."


@pytest.mark.parametrize("text", ["", "\n\n \n", "\t"])
def test_no_text_no_chunks(chunks_of, text):
    assert chunks_of(document(text)) == []


def test_sections_stay_whole_and_have_their_path(chunks_of):
    body = PARAGRAPH * 6
    text = (
        f"# Guide\n\n## Install\n\n{body}\n\n### On [Linux](x.md) #\n\n{body}\n\nUse\n---\n\n{body}\n\n```\n# no\n```\n"
    )
    assert [(each.heading, each.text.split("\n")[0]) for each in chunks_of(document(text))] == [
        ("Guide > Install", "# Guide"),
        ("Guide > Install > On Linux", "### On [Linux](x.md) #"),
        ("Guide > Use", "Use"),
    ]


def test_small_sections_are_joined_under_what_they_share(chunks_of):
    text = "# Guide\n\nAll of it.\n\n" + "\n".join(f"## Step {n}\n\n{PARAGRAPH}\n" for n in range(20))
    chunks = chunks_of(document(text))
    assert all(each.tokens >= 300 for each in chunks)
    assert {each.heading for each in chunks} == {"Guide"}


def test_hashes_are_headings_in_markdown_only(chunks_of):
    assert {each.heading for each in chunks_of(document(f"# not a heading\n\n{PARAGRAPH * 6}", "pdf", (0,)))} == {""}


def test_a_chunk_of_pages_begins_where_a_page_does(chunks_of):
    page = (PARAGRAPH * 6).strip() + "\n\n"
    pages = tuple(len(page) * number for number in range(4))
    assert tuple(each.start for each in chunks_of(document(page * 4, "pdf", pages))) == pages


def test_short_pages_are_chunks_of_their_own(chunks_of):
    pages = ("The first slide.\n\n", "The second one.\n\n", "And the last.\n")
    starts = (0, len(pages[0]), len(pages[0]) + len(pages[1]))
    assert [each.start for each in chunks_of(document("".join(pages), "pdf", starts))] == list(starts)


def test_a_short_sentence_goes_with_the_heading_above_it_and_not_with_the_one_below(chunks_of):
    text = "# Dacha\n\nThe trailer is old.\n\n## Well\n\nEleven metres deep.\n"
    assert spoken(chunks_of(document(text))) == [
        "# Dacha\n\nThe trailer is old.",
        "## Well\n\nEleven metres deep.",
    ]


def test_rows_of_a_table_stay_whole(chunks_of):
    rows = [f"name: Anna {n}; town: Kazan; note: met at the fair. Sold 3.5 kg of honey" for n in range(200)]
    chunks = chunks_of(document("\n".join(rows), "csv"))
    assert len(chunks) > 1
    assert [line for each in chunks for line in each.text.split("\n")] == rows
    assert spoken(chunks) == rows
    sheets = chunks_of(document("# Fair\n\n" + "\n".join(rows[:40]), "xlsx"))
    assert {each.heading for each in sheets} == {"Fair"}
    assert spoken(sheets)[1:] == rows[1:40]


def test_code_is_cut_between_definitions_that_head_it(chunks_of):
    body = "\n".join(f"    total = total + weigh(barley, rye, {n})  # of the mill" for n in range(40))
    text = "\n\n\n".join(f"def grind_{name}(total):\n{body}\n    return total" for name in ("a", "b", "c"))
    chunks = chunks_of(document(text, "code"))
    assert [each.heading for each in chunks][:: len(chunks) // 3] == [f"def grind_{name}(total)" for name in "abc"]
    assert all(each.text.startswith(("def ", "    ")) for each in chunks)


@pytest.mark.parametrize("kind", ["markdown", "code", "csv"])
@pytest.mark.parametrize(
    "text",
    [
        "x" * 200_000,
        "".join(random.Random(1).choices("ABCDEFabcdef0123456789+/", k=100_000)),
        "word " * 40_000,
        "\U0001f600" * 50_000,
        "中文字" * 30_000,
        "." * 100_000,
        ". " * 20_000,
        "A. " * 20_000,
        "# " + "[" * 50_000,
        "#" + " \t" * 50_000 + "x",
        "```\n" * 5_000,
        "# a\n" * 5_000,
        "x\n---\n" * 5_000,
        "x\ny\n" + "---\n" * 20_000,
        "a \n" + " " * 100_000 + "\nb",
    ],
    ids=lambda text: text[:8].strip(),
)
def test_hostile_text_is_cut_and_nothing_is_lost(chunks_of, text, kind):
    chunks = chunks_of(document(text, kind))
    assert all(len(each.text) <= 12_000 for each in chunks)
    kept, all_of_it = ("".join("".join(part.split())) for part in ("".join(each.text for each in chunks), text))
    assert kept == all_of_it


def test_sentences_end_where_they_do_in_both_languages():
    assert list(_texts(PARAGRAPH)) == [
        "The mill on the river Sura was built in 1874 by Dr. A. N. Orlov.",
        "It ground rye for nine villages, i.e. for about 3.5 thousand people.",
        "In winter the wheel froze!",
        "Who could help then?",
        "The smith came with a lamp and thawed it.",
    ]
    assert list(_texts(ABSATZ)) == [
        "Мельницу на Суре построил в 1874 г. инженер А. Н. Орлов.",
        "Она молола рожь для девяти сёл, т. е. примерно для 3.5 тыс. человек.",
        "Зимой колесо замерзало!",
        "Кто мог помочь?",
        "Приходил кузнец с лампой и отогревал его.",
    ]
    assert list(_texts("第一句。第二句！")) == ["第一句。", "第二句！"]


def test_lines_that_were_broken_for_their_length_are_one_sentence():
    assert list(_texts("Milk, two bottles\nBread\nEggs")) == ["Milk, two bottles", "Bread", "Eggs"]
    wrapped = (
        "This sentence was too long for the width of the window and so it\ngoes on in the next line. Here is\nanother."
    )
    assert list(_texts(wrapped)) == [wrapped[:90], wrapped[91:]]
    assert list(_texts("- one thing\n- another that\n  goes on\n1. First. And more.")) == [
        "- one thing",
        "- another that\n  goes on",
        "1. First.",
        "And more.",
    ]


def _texts(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text, 0, len(text))]


def test_short_sentences_share_a_span(chunks_of):
    text = "# Mill\n\nBuilt long ago. By whom? Orlov the engineer built the big mill on the Sura. Then he left. Why?"
    assert spoken(chunks_of(document(text))) == [text]
    assert len(spoken(chunks_of(document(PARAGRAPH)))) == 4


def test_the_key_of_a_text():
    assert key_of("The  mill\n----------") == key_of("the mill ----")
    assert key_of("cafe\u0301") == key_of("CAFÉ")
    different = ["3.5 kg", "35 kg", "3 5 kg", "-3.5 kg", "a + b", "a - b", "a == b", "a != b", "", "\ud800"]
    assert len({key_of(text) for text in different}) == len(different)
