"""``assistant models`` as a user and as a script: exit codes, stdout for answers, stderr for the rest."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assistant.cli import cli, main
from models import catalogue
from models.errors import UserError
from models.store import Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store of our own."""
    monkeypatch.setenv("ASSISTANT_MODELS", str(tmp_path / "store"))
    return Store()


def run(*arguments: str) -> Result:
    """Succeeds, or raises what the user would be told."""
    result = CliRunner().invoke(cli, ["models", *arguments])
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["models", *arguments])
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_list_shows_what_is_installed_and_what_could_be(store: Store, tiny: Path) -> None:
    empty = run()
    assert "Can be pulled" in empty.stdout
    assert "assistant models pull starter" in empty.stderr
    store.import_file(tiny, how="link")
    listed = run("list")
    assert listed.stdout.index("Installed") < listed.stdout.index("smollm2-135m") < listed.stdout.index("Can be pulled")
    assert "\x1b" not in listed.stdout


def test_list_as_json(store: Store, tiny: Path) -> None:
    store.import_file(tiny, how="link")
    rows = {row["id"]: row for row in json.loads(run("--all", "--json").stdout)}
    assert rows["smollm2-135m-instruct-q4_1"]["installed"] is True
    starter = rows["qwen2.5-coder-1.5b-instruct-q4_k_m"]
    assert (starter["installed"], starter["licence"], starter["aliases"]) == (False, "Apache-2.0", ["starter"])
    assert rows["qwen3-0.6b-q8_0"]["kind"] == "draft"
    assert "ru" in starter["languages"]


def test_show_of_what_is_installed(store: Store, tiny: Path) -> None:
    store.import_file(tiny, how="link")
    shown = json.loads(run("show", "tiny", "--json").stdout)
    assert shown["header"]["quantisation"] == "Q4_1"
    assert shown["licence"]["checklist"]["commercial use allowed"] == "yes"
    assert shown["memory"]["window_8192"]["total"] > shown["size"]
    assert shown["sampling"]["temperature"] == 0.2
    text = run("show", "tiny").stdout
    assert "commercial use allowed: yes" in text
    assert "size: 98 MB" in text


def test_show_of_a_path_and_of_what_is_not_pulled(store: Store, tiny: Path) -> None:
    assert json.loads(run("show", str(tiny), "--json").stdout)["installed"] is False
    shown = json.loads(run("show", "starter", "--json").stdout)
    assert shown["installed"] is False
    assert shown["draft"] == "qwen2.5-coder-0.5b-instruct-q4_k_m"
    assert shown["memory"]["window_8192"]["draft"] > 0
    assert "commercial use allowed: no" in run("show", "qwen2.5-3b-instruct-q4_k_m").stdout


def test_path_is_all_that_is_printed(store: Store, tiny: Path) -> None:
    store.import_file(tiny, how="link")
    printed = run("path", "tiny")
    assert Path(printed.stdout.strip()).resolve() == tiny.resolve()
    assert printed.stderr == ""


def test_import_verify_and_rm(store: Store, tiny: Path) -> None:
    run("import", str(tiny), "--link")
    assert run("verify").stdout == "smollm2-135m-instruct-q4_1: ok\n"
    assert json.loads(run("verify", "tiny", "--json").stdout) == [{"name": "tiny", "ok": True, "wrong": []}]
    assert "is removed" in run("rm", "-y", "tiny").stderr
    assert store.installed() == []
    assert tiny.exists()


@pytest.fixture
def paired(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue of two: the tiny model, and its draft, which is the same file."""
    tiny = catalogue.load().get("tiny")
    two = (tiny.model_copy(update={"draft": "partner"}), tiny.model_copy(update={"id": "partner", "aliases": ()}))
    monkeypatch.setattr(catalogue, "load", lambda: catalogue.Catalogue(two, "test"))


def test_a_draft_is_pulled_along(store: Store, tiny: Path, paired: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSISTANT_OFFLINE")
    pulled = run("pull", "tiny", "--from", str(tiny))
    assert "partner" not in pulled.stderr
    assert store.draft_for(store.resolve("tiny")) is None
    pulled = run("pull", "tiny", "--with-draft", "--from", str(tiny))
    assert "partner is installed: 98 MB" in pulled.stderr
    assert pulled.stdout == ""
    model = store.resolve("tiny")
    partner = store.draft_for(model)
    assert partner is not None
    assert (partner.name, partner.path.stat().st_size) == ("partner", tiny.stat().st_size)
    assert store.draft_for(partner) is None
    assert store.draft_for(store.resolve(str(tiny))) is None  # a file outside the store has no entry
    partner.path.unlink()
    assert store.draft_for(model) is None


def test_without_a_draft_in_the_catalogue_the_model_alone_is_pulled(
    store: Store, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASSISTANT_OFFLINE")
    pulled = run("pull", "tiny", "--with-draft", "--from", str(tiny))
    assert "The catalogue knows no draft for smollm2-135m-instruct-q4_1." in pulled.stderr
    assert [model.name for model in store.installed()] == ["smollm2-135m-instruct-q4_1"]


def test_verify_of_a_damaged_model_exits_with_6(store: Store, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = store.import_file(tiny).path
    with path.open("r+b") as file:
        file.seek(-10, os.SEEK_END)
        file.write(b"\0broken\0")
    assert exit_code("verify") == 6
    out, err = capsys.readouterr()
    assert "smollm2-135m-instruct-q4_1: damaged" in out
    assert "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53" in err
    assert "assistant models pull smollm2-135m-instruct-q4_1" in err


def test_pull_from_a_folder_repairs_a_damaged_model(store: Store, tiny: Path) -> None:
    path = store.import_file(tiny).path
    os.truncate(path, 50_000_000)
    said = run("pull", "tiny", "--from", str(tiny.parent)).stderr
    assert "is damaged" in said
    assert "smollm2-135m-instruct-q4_1 is installed: 98 MB, Apache-2.0." in said
    assert run("verify", "tiny").stdout == "tiny: ok\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says", "hint"),
    [
        (["path", "starter"], 3, "is not installed", "assistant models pull starter"),
        (["path", "startr"], 3, "no model named", "Did you mean starter?"),
        (["show", "nothing-like-it"], 3, "no model named", "assistant models --all"),
        (["pull", "startr"], 3, "catalogue has no model", "Did you mean starter?"),
        (["pull", "starter"], 5, "ASSISTANT_OFFLINE is set", "--from PATH"),
        (["rm", "-y", "starter"], 3, "not in the store", "assistant models"),
        (["rm", "starter"], 2, "needs a yes", "Add -y"),
        (["import", "/dev/null"], 3, "is not a file", "GGUF"),
        (["verify", "starter"], 3, "not in the store", "assistant models"),
    ],
)
def test_errors_have_a_next_step_and_an_exit_code(
    store: Store, arguments: list[str], code: int, says: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert hint in err
    assert "Traceback" not in err


def test_recommend_gives_a_reason(store: Store) -> None:
    rows = json.loads(run("recommend", "--language", "ru", "--json").stdout)
    assert all("ru" in row["languages"] for row in rows)
    assert rows[0]["memory"]["total"] >= rows[0]["memory"]["weights"] + rows[0]["memory"]["kv_cache"]
    assert rows[0]["reason"].endswith(".")


def test_every_option_and_command_has_a_help_line() -> None:
    group = cli.get_command(None, "models")  # type: ignore[arg-type]
    assert group is not None
    for command in group.commands.values():  # type: ignore[attr-defined]
        assert command.help, command.name
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert parameter.help, f"{command.name} {parameter.name}"


def test_a_pull_can_be_interrupted_from_the_keyboard(store: Store, tmp_path: Path) -> None:
    """The real program, stopped while pip waits for an index that never answers."""
    silent = socket.create_server(("127.0.0.1", 0))
    silent.settimeout(30)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environment |= {
        "ASSISTANT_OFFLINE": "0",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/simple",
    }
    program = "from assistant.cli import main; main()"
    command = [sys.executable, "-c", program, "models", "pull", "tiny", "--source", "packages"]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        # A shell starts what runs in its background with the keyboard's signal ignored, and this test with it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    connection, _ = silent.accept()  # pip has begun
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=25)  # the silent index would keep it for longer
    assert process.returncode == 130
    assert out == ""
    assert "It resumes where it was: assistant models pull smollm2-135m-instruct-q4_1" in err
    connection.close()
    silent.close()
