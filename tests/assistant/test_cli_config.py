"""``assistant config`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant import settings
from assistant.cli import main
from models.paths import config_file


def run(*args: str) -> int:
    try:
        main(["config", *args])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_show_says_where_each_value_comes_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_MODEL", "tiny")
    assert run("set", "temperature", "0.5") == 0
    capsys.readouterr()
    assert run() == 0
    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert lines["temperature"] == ["0.5", "file"]
    assert lines["model"] == ['"tiny"', "ASSISTANT_MODEL"]
    assert lines["seed"] == ["-", "default"]
    assert set(lines) == set(settings.Settings.model_fields)
    assert run("show", "--json") == 0
    assert json.loads(capsys.readouterr().out)["temperature"] == {"value": 0.5, "origin": "file"}


def test_path_get_set_unset(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("path") == 0
    assert capsys.readouterr().out == f"{config_file()}\n"
    assert run("set", "model", "tiny") == 0
    assert run("set", "keys.chat.new", "f2") == 0
    assert capsys.readouterr().out == ""
    for key, value in (("model", "tiny\n"), ("keys.chat.new", "f2\n"), ("seed", ""), ("history", "true\n")):
        assert run("get", key) == 0
        assert capsys.readouterr().out == value
    assert run("unset", "model") == 0
    assert settings.load().model is None
    assert run("set", "model") == 2
    assert run("set", "temperature", "hot") == 2
    assert run("get", "nope") == 2
    assert "temperature" in capsys.readouterr().err


def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    program = tmp_path / "editor"
    # A second later, since an editor that leaves the time of the file alone has changed nothing.
    program.write_text(f'#!/bin/sh\necho \'{line}\' >> "$1"\ntouch -d "+5 seconds" "$1"\n')
    program.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(program))


def test_edit_starts_from_the_documented_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    editor(tmp_path, monkeypatch, "chat.new = 1")
    assert run("edit") == 2  # outside of [keys] there is no chat
    assert "There is no setting 'chat'" in capsys.readouterr().err
    assert not config_file().exists()
    editor(tmp_path, monkeypatch, "top_k = 7")
    assert run("edit") == 0
    assert settings.load().top_k == 7
    assert "# temperature = 0.7" in config_file().read_text()


def test_edit_leaves_good_settings_when_the_new_ones_are_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.set_value("top_k", "3")
    editor(tmp_path, monkeypatch, "temperature = 99")
    assert run("edit") == 2
    assert "left as they are" in capsys.readouterr().err
    assert settings.load().top_k == 3
    monkeypatch.setenv("EDITOR", "true")
    assert run("edit") == 0
    assert "Nothing was changed" in capsys.readouterr().err


def test_a_bad_file_can_be_edited_but_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config_file().parent.mkdir()
    config_file().write_text("# temprature = 1\nnope = 1\n")
    assert run() == 2
    assert "line 2" in capsys.readouterr().err
    editor(tmp_path, monkeypatch, "# still wrong")
    assert run("edit") == 2
    assert config_file().read_text() == "# temprature = 1\nnope = 1\n"
