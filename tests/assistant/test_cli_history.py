"""``assistant history`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.chat.history import History
from assistant.cli import main


def run(*args: str) -> int:
    try:
        main(["history", *args])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture
def chats(home: Path) -> None:
    with History.open() as history:
        for title, answer in (("Why is the sky blue?", "Because of *Rayleigh*."), ("Где ёлка?", "Ёлка в лесу.")):
            id = history.create(title, "tiny")
            history.add_message(id, "user", title)
            history.add_message(id, "assistant", answer, model="tiny")


def test_an_empty_history(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    assert capsys.readouterr() == ("", "There are no chats yet.\n")
    assert run("list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert run("show") == 1
    assert "next:" in capsys.readouterr().err
    assert run("rm", "--all") == 0
    assert run("export", "--all", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.usefixtures("chats")
def test_list_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[0] == "2"
    assert first.endswith("2 messages  Где ёлка?")
    assert second.endswith("Why is the sky blue?")
    assert run("list", "--limit", "1", "--json") == 0
    (only,) = json.loads(capsys.readouterr().out)
    assert (only["id"], only["title"], only["model"], only["messages"]) == (2, "Где ёлка?", "tiny", 2)
    assert run("show", "1") == 0
    assert "Because of *Rayleigh*." in capsys.readouterr().out
    assert run("show", "--json") == 0
    assert json.loads(capsys.readouterr().out)["id"] == 2
    assert run("show", "9") == 1
    assert "no chat 9" in capsys.readouterr().err


@pytest.mark.usefixtures("chats")
def test_search(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("search", "елка", "лесу") == 0
    assert capsys.readouterr().out.splitlines()[1].strip() == "Assistant: [Ёлка] в [лесу]."
    assert run("search", "--json", "rayleigh") == 0
    assert [hit["conversation_id"] for hit in json.loads(capsys.readouterr().out)] == [1]
    assert run("search", '"NEAR(') == 0
    assert capsys.readouterr() == ("", "Nothing found.\n")


@pytest.mark.usefixtures("chats")
def test_export(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("export", "2") == 0
    assert capsys.readouterr().out.startswith("# Где ёлка?\n")
    file = tmp_path / "all.json"
    assert run("export", "--all", "--format", "json", "-o", str(file)) == 0
    assert [chat["id"] for chat in json.loads(file.read_text(encoding="utf-8"))] == [1, 2]
    assert run("export", "--all", "-o", str(tmp_path / "all.md")) == 0
    assert (tmp_path / "all.md").read_text(encoding="utf-8").count("\n---\n") == 1
    assert run("export") == 2
    assert run("export", "1", "--all") == 2
    assert run("export", "1", "-o", str(tmp_path / "no" / "file.md")) == 1
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.usefixtures("chats")
def test_rm(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("rm", "1") == 2
    assert "-y" in capsys.readouterr().err
    assert run("rm") == 2
    assert run("rm", "1", "9", "-y") == 1
    assert run("rm", "1", "-y") == 0
    assert "Why is the sky blue?" in capsys.readouterr().err
    with History.open() as history:
        assert [chat.id for chat in history.conversations()] == [2]
    assert run("rm", "--all", "-y") == 0
    with History.open() as history:
        assert history.conversations() == []


def test_a_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ASSISTANT_DATA_DIR", str(tmp_path / "file" / "data"))
    assert run() == 1
    assert "ASSISTANT_DATA_DIR" in capsys.readouterr().err
