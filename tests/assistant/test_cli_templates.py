"""``assistant templates`` as a user types it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from assistant.cli import main
from assistant.templates.library import Library

GOOD = "title: {en: Mine, ru: Моё}\nsystem: {en: Be $tone., ru: Тон - $tone.}\nvariables: {tone: {default: calm}}\n"


def run(*args: str) -> int:
    try:
        main(["templates", *args])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture
def own() -> Path:
    """A folder with one template of the user's."""
    return Library().save("mine", GOOD)


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """A terminal at which these lines are typed."""
    stdin = io.StringIO("".join(f"{line}\n" for line in lines))
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", stdin)


def test_list_shows_titles_in_the_users_language_and_what_is_broken(
    own: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own.with_name("broken.yaml").write_text("prompt: [", encoding="utf-8")
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    assert run() == 0
    out, err = capsys.readouterr()
    assert ["+", "mine", "Mine"] in [line.split() for line in out.splitlines()]
    assert f"{own.with_name('broken.yaml')}:1: not valid YAML" in err
    monkeypatch.setenv("LC_ALL", "ru_RU.UTF-8")
    assert run("list") == 0
    assert ["+", "mine", "Моё"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    assert run("list", "--json") == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert entries["mine"]["title"] == {"en": "Mine", "ru": "Моё"}
    assert entries["mine"]["variables"] == {"tone": {"type": "text", "required": False}}
    assert entries["mine"]["error"] is None
    assert "not valid YAML" in entries["broken"]["error"]


def test_show_prints_the_file_its_json_or_what_a_model_is_given(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "mine") == 0
    assert capsys.readouterr().out == GOOD
    assert run("show", "mine", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["name"] == "mine"
    assert shown["variables"] == {"tone": {"default": "calm"}}
    assert run("show", "mine", "--render", "-p", "tone", "тёплый", "--input", "Привет") == 0
    assert capsys.readouterr().out == "[system]\nТон - тёплый.\n\n[user]\nПривет\n"
    assert run("show", str(own), "--render", "--json", "--language", "en") == 0
    assert json.loads(capsys.readouterr().out)[0] == {"role": "system", "content": "Be calm."}
    assert run("show", "mine", "--render", "-p", "tune", "x") == 2
    assert "It has: tone." in capsys.readouterr().err
    assert run("show", "mien") == 2
    assert "mine" in capsys.readouterr().err


def test_new_without_a_terminal_takes_flags(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("must not be read\n"))
    assert run("new") == 2
    assert "NAME, --task, --format" in capsys.readouterr().err
    assert run("new", "bad name", "--task", "x", "--format", "y") == 2
    assert (
        run("new", "sum", "--task", "Add.", "--format", "A number.", "--example", "1 1", "2", "--language", "ru") == 0
    )
    template = Library().get("sum")
    assert template.examples[0].assistant == "2"
    assert template.system
    assert template.system.of("ru") == "Add.\n\nФормат ответа: A number.\n"
    assert run("new", "sum", "--task", "Add.", "--format", "A number.") == 2
    assert "already" in capsys.readouterr().err
    assert run("new", "sum", "--task", "Subtract.", "--format", "A number.", "--force") == 0


def test_new_at_a_terminal_asks_for_what_makes_a_good_prompt(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = ["Счёт", "", "Сосчитай слова.", "Число.", "", "Читай; считай.", "Только число.", "Учителя"]
    examples = ["раз два", "2", "", "три", "3 слова", "лишнее слово", "", "сто", "1000"]
    typed(monkeypatch, *answers, *examples)
    assert run("new", "count", "--language", "ru") == 0
    err = capsys.readouterr().err
    assert err.count("Задача") == 2  # a task there must be
    assert "64" in err  # what splitting expects
    template = Library().get("count")
    system = template.system.of("ru") if template.system else ""
    assert system.splitlines()[0] == "Сосчитай слова."
    assert "Порядок работы: Читай; считай." in system
    assert "Контекст" not in system
    assert template.examples[0].user == "раз два"
    why = template.counter_examples[0].why
    assert why.of("ru") == "лишнее слово"
    assert template.chunking
    assert template.chunking.tokens == 1000
    assert run("lint", "count", "-m", "none") == 0


def test_new_asks_again_for_a_name_that_cannot_be(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "my notes", "", "notes", "Notes", "Sort them.", *[""] * 8)
    assert run("new", "--language", "en") == 0
    assert "one word" in capsys.readouterr().err
    assert Library().get("notes").heading("en") == "Notes"


def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    program = tmp_path / "editor"
    # A second later, since an editor that leaves the time of the file alone has changed nothing.
    program.write_text(f"#!/bin/sh\necho '{line}' >> \"$1\"\ntouch -d '+5 seconds' \"$1\"\n")
    program.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(program))
    monkeypatch.setattr("sys.stdin", io.StringIO())


def test_edit_takes_a_valid_file_and_keeps_the_rest(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(tmp_path, monkeypatch, "version: 2")
    assert run("edit", "mine") == 0
    assert Library().get("mine").version == 2
    after = own.read_text(encoding="utf-8")
    editor(tmp_path, monkeypatch, "vershun: 3")
    assert run("edit", "mine") == 2
    err = capsys.readouterr().err
    assert f"{own}:5: unknown key `vershun`" in err
    assert own.read_text(encoding="utf-8") == after
    kept = own.with_name("mine.rejected")
    assert str(kept) in err
    assert kept.read_text(encoding="utf-8") == after + "vershun: 3\n"
    assert run("edit", "nope") == 2


def test_editing_what_is_built_in_makes_a_copy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "given.yaml").write_text(GOOD, encoding="utf-8")
    monkeypatch.setattr("assistant.templates.library.BUILT_IN", tmp_path)
    editor(tmp_path, monkeypatch, "version: 7")
    assert run("edit", "given") == 0
    assert (tmp_path / "given.yaml").read_text(encoding="utf-8") == GOOD
    assert Library().get("given").version == 7
    assert run("rm", "given") == 2
    assert "-y" in capsys.readouterr().err
    assert run("rm", "given", "-y") == 0
    assert Library().get("given").version == 1
    assert run("rm", "given", "-y") == 2
    assert "built in" in capsys.readouterr().err


def test_rm_asks_at_a_terminal(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "n")
    assert run("rm", "mine") == 130
    assert own.exists()
    typed(monkeypatch, "y")
    assert run("rm", "mine") == 0
    assert not own.exists()


def test_lint_leaves_with_1_for_errors_only(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lint", "mine", "-m", "none") == 0
    out = capsys.readouterr().out
    assert "examples" in out
    assert "estimate" in out
    broken = tmp_path / "broken.yaml"
    broken.write_text("prompt: $inputs\nversion: 0\n", encoding="utf-8")
    assert run("lint", "mine", str(broken), "-m", "none") == 1
    assert f"{broken}:2" in capsys.readouterr().out
    assert run("lint", "mine", str(broken), "--json", "-m", "none") == 1
    mine, wrong = json.loads(capsys.readouterr().out)
    assert {"level": "warning", "kind": "tests"}.items() <= mine["findings"][0].items()
    assert mine["estimated"] is True
    assert wrong["findings"][0]["level"] == "error"
    assert run("lint", "mine", "--json", "-m", "tiny") == 0
    assert json.loads(capsys.readouterr().out)[0]["estimated"] is False
    assert run("lint", "mine", "-m", "no-such-model") == 3


def test_import_from_a_file_and_from_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pirate.yaml"
    file.write_text("system: Speak like a pirate\nmodel: gpt-4o\n", encoding="utf-8")
    assert run("import", str(file)) == 0
    assert "gpt-4o" in capsys.readouterr().err
    assert run("import", str(file)) == 2
    assert run("import", str(file), "--force") == 0
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"prompt: Summarize\n")))
    assert run("import", "-", "--name", "short") == 0
    for wrong in (b"prompt: [\n", b"prompt: \xff", b"prompt: |\n" + b" x\n" * 200_000):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(wrong)))
        assert run("import", "-") == 2
        assert "stdin.yaml:" in capsys.readouterr().err
    assert run("import", str(tmp_path / "none.yaml")) == 2
    capsys.readouterr()
    assert run("import", str(file), "--name", "two words") == 2
    assert capsys.readouterr().err.startswith("error: 'two words' cannot be the name")
    assert Library().get("short").prompt.of("en") == "Summarize\n\n$input"
    assert {"pirate", "short"} <= set(Library().names())


def test_path(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("path") == 0
    assert run("path", "mine") == 0
    assert capsys.readouterr().out == f"{own.parent}\n{own}\n"
    assert run("path", "nope") == 2
