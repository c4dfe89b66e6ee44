"""Which files a question names, and how their names are completed."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.memory import attachments

NAMES = ["guide.md", "My notes.txt", "письмо.docx", "日本.pdf", "Makefile", ".hidden"]
NAMES += ["report 2023.md", "report 2024.md"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in NAMES:
        (tmp_path / name).touch()
    (tmp_path / "my papers").mkdir()
    (tmp_path / "my papers" / "one.md").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("What does @guide.md say?", ["guide.md"]),
        ("@guide.md, @guide.md and (@письмо.docx).", ["guide.md", "письмо.docx"]),
        ("Что в @日本.pdf?", ["日本.pdf"]),
        ("«@письмо.docx»: о чём оно", ["письмо.docx"]),
        ("""@"My notes.txt" and @'my papers/one.md'""", ["My notes.txt", "one.md"]),
        ("@~/guide.md @./Makefile", ["guide.md", "Makefile"]),
        ("Explain @Makefile", ["Makefile"]),
        ("What does @property do, and @dataclass, @app.route('/x'), @types/node?", []),
        ("Write to me@guide.md, 3 @ 4", []),
        ("@missing.md and @/no/such", ["missing.md", "such"]),
        ('@"no such file"', ["no such file"]),
        ("a literal @@guide.md", []),
    ],
)
def test_the_files_that_a_question_names(text, names):
    question, paths = attachments.parse(text)
    assert [path.name for path in paths] == names
    assert all(path.is_absolute() for path in paths)
    assert question == text.replace("@@", "@")


def test_a_word_that_can_be_no_name_is_no_file(folder):
    assert attachments.parse(f"who is @{'a' * 300}?") == (f"who is @{'a' * 300}?", ())


def test_what_is_being_typed():
    found = attachments.unfinished('Compare @guide.md with @"My no')
    assert (found.start, found.path, found.quote) == (23, "My no", '"')
    assert attachments.unfinished("x @").path == ""
    for text in ("no mention", "@guide.md and", '@"My notes.txt"', "me@guide", "@@guide"):
        assert attachments.unfinished(text) is None


def test_completion_takes_names_in_any_script_and_shows_hidden_ones_only_when_asked(folder):
    assert attachments.matching("MY") == ["My notes.txt", "my papers/"]
    assert attachments.matching("ПИ") == ["письмо.docx"]
    assert attachments.matching("my papers/") == ["my papers/one.md"]
    assert attachments.matching("~/gu") == ["~/guide.md"]
    assert attachments.matching(".h") == [".hidden"]
    assert ".hidden" not in attachments.matching("")
    assert attachments.matching("no/such/") == []
    decomposed = folder / "cafe\u0301.md"
    decomposed.touch()
    assert [Path(path) for path in attachments.matching("caf\u00e9")] == [Path(decomposed.name)]


def test_completion_goes_as_far_as_all_names_agree_then_takes_the_first():
    assert attachments.completed("rep") == ("report 202", False)
    assert attachments.completed("report 202") == ("report 2023.md", True)
    assert attachments.completed("my p") == ("my papers/", False)
    assert attachments.completed("zzz") is None


@pytest.mark.parametrize("name", ["guide.md", "My notes.txt", "it's.md", 'a "b" c.md', "why?"])
def test_a_path_survives_being_written_into_a_question(name, folder):
    (folder / name).touch()
    assert attachments.parse(f"What is in {attachments.mention(name)}, then?")[1] == (folder / name,)


def test_a_path_that_is_being_completed_keeps_its_quotation_open():
    assert attachments.mention("My no", whole=False) == '@"My no'
    assert attachments.mention("gui", quote="'", whole=False) == "@'gui"
