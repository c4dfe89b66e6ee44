"""What scripts name becomes text, or a line that says why not."""

from __future__ import annotations

import io
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.memory.loaders import parsing
from assistant.tasks.sources import Source, Unread, read_sources, source_of, spans_in


@pytest.fixture(scope="module", autouse=True)
def parser() -> Iterator[None]:
    """No process of this module stays behind."""
    yield
    parsing.close()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is named in these tests is named from here."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(path: str, content: str | bytes = "Some text.\n") -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def names(*given: str) -> list[str]:
    """How the sources that are read are called."""
    found = list(read_sources(given))
    assert all(isinstance(each, Source) for each in found), found
    return [each.name for each in found]


def one(*given: str, stdin: bytes | None = None) -> Source:
    [source] = read_sources(given, stdin=None if stdin is None else io.BytesIO(stdin))
    assert isinstance(source, Source), source
    return source


def why(*given: str, stdin: bytes | None = None) -> str:
    [unread] = read_sources(given, stdin=None if stdin is None else io.BytesIO(stdin))
    assert isinstance(unread, Unread), unread
    return f"{unread.name} {unread.reason}"


def test_a_file_is_named_as_it_was_given() -> None:
    path = write("notes/plan.md", "# The plan\n\nTo build a mill.\n")
    source = one("./notes/plan.md")
    assert (source.name, source.title, source.path) == ("./notes/plan.md", "The plan", path.absolute())
    assert source.is_markdown
    assert source.digest == one(str(path.absolute())).digest != source_of("else").digest


def test_folders_and_patterns_are_walked_in_order_and_each_file_is_read_once() -> None:
    for path in ("a/2.txt", "a/1.md", "a/b/3.txt", "a/.git/config", "a/node_modules/x.md", "z.md"):
        write(path)
    os.link("a/2.txt", "again.txt")
    os.symlink("a/1.md", "link.md")
    assert names("a") == ["a/1.md", "a/2.txt", "a/b/3.txt"]
    assert names("z.md", "a", "a/1.md", "link.md", "again.txt", "./a") == ["z.md", "a/1.md", "a/2.txt", "a/b/3.txt"]
    assert names("**/*.md") == ["a/1.md", "z.md"]
    assert names("a/node_modules/*") == ["a/node_modules/x.md"]
    assert names("*") == ["a/1.md", "a/2.txt", "a/b/3.txt", "z.md"]
    assert why("*.pdf") == "*.pdf matches no file"


def test_a_name_with_the_signs_of_a_pattern_is_that_file() -> None:
    write("[draft] 1.txt")
    assert names("[draft] 1.txt") == ["[draft] 1.txt"]


def test_links_that_lead_round_in_circles_end() -> None:
    write("a/b/1.txt")
    for number in range(4):
        os.symlink("..", f"a/b/up{number}")
    assert names("**/*.txt") == ["a/b/1.txt"]
    found = list(read_sources(["a"]))
    assert [each.name for each in found if isinstance(each, Source)] == ["a/b/1.txt"]
    assert {each.missed for each in found if isinstance(each, Unread)} == {False}
    os.symlink("loop", "loop")
    assert "cannot be read" in why("loop")


def test_urls_of_this_machine_are_paths_and_others_are_refused() -> None:
    path = write("мой план.txt").absolute()
    assert one(path.as_uri()).path == path
    assert one(path.as_uri().replace("file://", "file://localhost")).path == path
    assert "nothing is fetched" in why("https://example.org/a.txt")
    assert "no path of this machine" in why("file://server/share/a.txt")


@pytest.mark.parametrize("name", ["", "a\0b", "missing.txt", "x" * 5000])
def test_names_of_nothing(name: str) -> None:
    [found] = read_sources([name])
    assert isinstance(found, Unread)


def test_names_that_no_terminal_shows() -> None:
    Path(os.fsdecode(b"b\xff\n.txt")).write_text("Text.")
    source = one(os.fsdecode(b"b\xff\n.txt"))
    assert source.name == "b\ufffd\ufffd.txt"
    assert one(".").name == "./b\ufffd\ufffd.txt"


def test_what_has_no_text_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    write("empty.txt", "")
    write("blank.txt", " \n\n ")
    write("binary.txt", bytes(range(256)) * 10)
    write("photo.jpg", b"\xff\xd8\xff")
    Path("nothing").mkdir()
    with open("huge.txt", "wb") as file:
        file.truncate(100_000_000)
    assert why("empty.txt") == "empty.txt is empty"
    assert why("blank.txt") == "blank.txt has only white space"
    assert why("binary.txt") == "binary.txt is binary, not text"
    assert why("photo.jpg") == "photo.jpg is a picture: no text to read"
    assert why("nothing") == "nothing has no files to read"
    assert why("huge.txt") == "huge.txt is too long: 100 MB, and 50 MB is the most"


def test_what_a_folder_has_beside_texts_is_not_missed_but_a_broken_document_is() -> None:
    write("a/photo.jpg", b"\xff\xd8\xff")
    write("a/program", bytes(range(256)) * 10)
    write("a/empty.txt", "")
    write("a/report.pdf", b"%PDF-1.4 broken")
    found = {each.name: each.missed for each in read_sources(["a"]) if isinstance(each, Unread)}
    assert found == {"a/photo.jpg": False, "a/program": False, "a/empty.txt": False, "a/report.pdf": True}
    assert [each.missed for each in read_sources(["a/photo.jpg"]) if isinstance(each, Unread)] == [True]


def test_standard_input_is_read_once() -> None:
    source = one("-", "-", stdin="Привет, мир. Как дела?".encode("cp1251"))
    assert (source.name, source.text, source.title, source.path) == ("-", "Привет, мир. Как дела?", "", None)
    assert list(read_sources(["-"])) == []
    assert why("-", stdin=b"") == "- is empty"
    assert why("-", stdin=b"\0\1\2\3" * 99) == "- is binary, not text"


def test_standard_input_without_end_is_given_up() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            buffer[:] = b"a" * len(buffer)
            self.given += len(buffer)
            return len(buffer)

    endless = Endless()
    [unread] = read_sources(["-"], stdin=io.BufferedReader(endless))
    assert isinstance(unread, Unread)
    assert unread.reason == "is too long: more than 50 MB"
    assert endless.given < 52_000_000


def epub() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        book.writestr("META-INF/container.xml", '<c><rootfile full-path="p.opf"/></c>')
        item, spine = '<item id="a" href="a.html"/>', '<itemref idref="a"/>'
        book.writestr("p.opf", f"<package><title>Mills</title>{item}{spine}</package>")
        book.writestr("a.html", "<h1>Chapter 1</h1><p>The mill stood still.</p>")
    return out.getvalue()


FB2 = (
    '<?xml version="1.0"?><FictionBook>'
    "<description><title-info><book-title>Mills</book-title></title-info></description>"
    "<body><section><title><p>Chapter 1</p></title><p>The mill stood still.</p></section></body></FictionBook>"
)
NOTEBOOK = {"cells": [{"cell_type": "markdown", "source": "# Chapter 1\n\nThe mill stood still."}], "nbformat": 4}


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("epub", epub()),
        ("fb2", FB2.encode()),
        ("notebook", json.dumps(NOTEBOOK).encode()),
        ("html", b"<!doctype html><h1>Chapter 1</h1><p>The mill stood still.</p>"),
        ("rtf", rb"{\rtf1 Chapter 1\par The mill stood still.}"),
        ("text", "# Chapter 1\n\nThe mill stood still.\n".encode("utf-16")),
    ],
)
def test_standard_input_of_any_format(kind: str, content: bytes) -> None:
    source = one("-", stdin=content)
    assert source.kind == kind
    assert "Chapter 1" in source.text
    assert "The mill stood still." in source.text
    assert source.is_markdown == (kind != "rtf")


def test_a_pipe_that_is_named_is_read() -> None:
    os.mkfifo("pipe")
    threading.Thread(target=lambda: Path("pipe").write_text("From a pipe."), daemon=True).start()
    assert one("pipe").text == "From a pipe."


def test_comments_of_programs_are_no_headings() -> None:
    assert source_of("# Notes\n\nText.").is_markdown
    assert source_of("Before.\n\n## Notes\n\nText.").is_markdown
    assert not source_of("#!/bin/sh\n# Copy all\ncp a b\n\n# and go\nexit\n").is_markdown
    assert not source_of("Item #1\n\n#hashtag\n\n").is_markdown


def test_a_text_of_the_caller_is_cleaned_as_documents_are() -> None:
    assert source_of("a\r\nb\ud800\0 e\u0301").text == "a\nb \u00e9"


@pytest.mark.parametrize(
    "text",
    [
        "plain\ntext",
        "\ufeffa\r\nb\rc\x00\x07d",
        "cafe\u0301 \u1112\u1161\u11ab \u0958 \u0627\u0653 e\x00\u0301",
        "\U0001f600\r\n\r\n\u2028x",
    ],
)
def test_spans_of_a_source_are_found_in_the_text_itself(text: str) -> None:
    source = source_of(text)
    for start in range(len(source.text)):
        for end in range(start + 1, len(source.text) + 1):
            ((a, b),) = spans_in(text, [(start, end)])
            assert source.text[start:end] in source_of(text[a:b]).text
