"""``assistant memory`` as a user types it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.cli import main
from assistant.engine.prompt_cache import PromptCache
from assistant.memory import embedding
from assistant.memory.embedding import Embedder
from assistant.memory.index import Index

NOTES = {
    "harbour.md": "# The harbour\n\nThe old harbour was dredged in 1974. The mussels disappeared after that.\n",
    "кухня/борщ.txt": "Борщ варят из свёклы и капусты. Подают его со сметаной.\n",
    "日本語のメモ.txt": "The train to Nagoya leaves at nine from platform four.\n",
    "kitchen/soup.txt": "Lentil soup needs an hour, two onions and a carrot.\n",
}


def run(*args: str) -> int:
    try:
        main(["memory", *args])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return embedding.load_embedder(threads=1)


@pytest.fixture(autouse=True)
def one_embedder(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading it takes half a second; one serves all commands."""
    monkeypatch.setattr(embedding, "load_embedder", lambda name=None, **_: embedder)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    for name, text in NOTES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def filled(notes: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert run("add", str(notes)) == 0
    capsys.readouterr()
    return notes


def ids(capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    assert run("list", "--json") == 0
    return {Path(each["path"]).name: each["id"] for each in json.loads(capsys.readouterr().out)}


def test_an_empty_memory(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "assistant memory add" in err
    assert run("list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert run("search", "anything", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"query": "anything", "found": False, "hits": []}
    assert run("show", "1") == 1
    assert run("rm", "1", "-y") == 1
    assert run("status") == 0
    assert "none yet" in capsys.readouterr().out
    assert run("check") == 0
    assert run("facts") == 0
    assert run("feedback") == 0
    assert run("feedback", "reset", "-y") == 0
    assert capsys.readouterr().out == ""


def test_add_says_what_became_of_everything(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (notes / "picture.png").write_bytes(b"\x89PNG")
    assert run("add", str(notes), "--dry-run") == 0
    out, err = capsys.readouterr()
    assert sorted(line.split()[0] for line in out.splitlines()) == ["add", "add", "add", "add", "skip"]
    assert "4 files" in err
    assert ids(capsys) == {}

    assert run("add", str(notes)) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "\x1b" not in err
    assert f"skipped: {notes / 'picture.png'} is a picture" in err
    assert "4 added, 1 skipped" in err

    (notes / "harbour.md").unlink()
    (notes / "kitchen" / "soup.txt").write_text("Lentil soup needs two hours.\n")
    assert run("add", str(notes), "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(line["event"], Path(line["path"]).name) for line in lines[:-1]} == {
        ("skipped", "picture.png"),
        ("updated", "soup.txt"),
        ("removed", "harbour.md"),
    }
    assert {name: lines[-1][name] for name in ("event", "updated", "unchanged", "removed", "skipped", "stopped")} == {
        **{"event": "report", "updated": 1, "unchanged": 2, "removed": 1, "skipped": 1},
        "stopped": False,
    }


def test_add_of_what_cannot_be_added(notes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add") == 2
    assert run("add", str(notes), "--collection", " ") == 2
    assert run("add", str(notes), "--max-size", "big") == 2
    capsys.readouterr()
    # The rest is read all the same.
    assert run("add", str(tmp_path / "typo.txt"), str(notes / "harbour.md")) == 1
    assert "typo.txt does not exist" in capsys.readouterr().err
    assert list(ids(capsys)) == ["harbour.md"]
    assert run("add", str(notes), "--max-size", "60B") == 0
    assert "larger than you want" in capsys.readouterr().err


def test_list_is_aligned_for_wide_letters(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.cells import cell_len

    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert len({cell_len(line[: line.index(str(filled))]) for line in lines}) == 1
    assert run("list", "--collection", "defualt") == 2
    assert "default" in capsys.readouterr().err


def test_search_shows_every_leg(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("search", "when", "was", "the", "harbour", "dredged") == 0
    first, legs, sentence = capsys.readouterr().out.splitlines()[:3]
    assert f"{filled / 'harbour.md'}, line" in first
    assert "rank 1" in legs
    assert "dredged in 1974" in sentence
    assert run("search", "--json", "--limit", "1", "из чего варят борщ") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["found"]
    (hit,) = found["hits"]
    assert Path(hit["path"]).name == "борщ.txt"
    assert hit["bm25_rank"] == hit["cosine_rank"] == 1
    assert "свёклы" in hit["sentence"]
    assert hit["text"][0:4] == "Борщ"


def test_search_within(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def names(*options: str) -> set[str]:
        assert run("search", "--json", "soup and the harbour", *options) == 0
        return {Path(hit["path"]).name for hit in json.loads(capsys.readouterr().out)["hits"]}

    assert "harbour.md" in names()
    assert names("--under", str(filled / "kitchen")) == {"soup.txt"}
    assert "harbour.md" not in names("--language", "ru")
    assert names("--until", "2001-01-01") == set()
    assert "harbour.md" in names("--since", "2001-01-01")
    assert run("search", "x", "--collection", "nothing") == 2
    assert run("search", "x", "--since", "yesterday") == 2


@pytest.mark.usefixtures("filled")
def test_search_says_when_memory_has_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("search", "What is the boiling point of tungsten?") == 0
    assert "nothing about this" in capsys.readouterr().err
    assert run("search", "--json", "What is the boiling point of tungsten?") == 0
    assert json.loads(capsys.readouterr().out)["found"] is False


def test_show(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    number = ids(capsys)["harbour.md"]
    for name in (str(number), str(filled / "harbour.md"), "harbour.md"):
        assert run("show", name) == 0
        assert "mussels disappeared" in capsys.readouterr().out
    start = NOTES["harbour.md"].index("The mussels")
    assert run("show", str(number), "--from", str(start), "--to", str(start + 23), "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    (passage,) = shown["passages"]
    assert passage["text"][start - passage["start"] :].startswith("The mussels disappeared")
    assert shown["id"] == number
    assert run("show", str(number), "--from", "5000", "--to", "5001") == 1
    assert run("show", str(number), "--from", "5") == 2
    assert run("show", "harbor.md") == 1
    assert "harbour.md?" in capsys.readouterr().err


def test_rm_by_number_file_folder_pattern_and_collection(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("rm") == 2
    assert run("rm", "harbour.md") == 2  # no terminal to ask at
    assert "-y" in capsys.readouterr().err
    assert run("rm", "harbour.txt", "-y") == 1
    assert "harbour.md" in capsys.readouterr().err
    assert run("add", str(filled), "--collection", "other") == 0
    capsys.readouterr()
    assert run("rm", str(filled / "kitchen"), "--collection", "default", "-y") == 0
    assert run("rm", "日本*.txt", "-y") == 0
    assert run("list", "--json") == 0
    left = [(each["collection"], Path(each["path"]).name) for each in json.loads(capsys.readouterr().out)]
    assert left == [
        *(("default", "harbour.md"), ("default", "борщ.txt")),
        *(("other", "harbour.md"), ("other", "soup.txt"), ("other", "борщ.txt")),
    ]
    assert run("rm", "--collection", "other", "-y") == 0
    assert run("rm", *(str(number) for number in ids(capsys).values()), "-y") == 0
    with Index.open() as index:
        counts = index.counts()
    assert {name: count for name, count in counts.items() if count} == {"embedders": 1}
    assert run("rm", "--collection", "default", "-y") == 0
    assert "nothing to remove" in capsys.readouterr().err


def test_rm_of_an_empty_name_and_of_one_that_looks_like_a_user(
    filled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(filled)
    assert run("rm", "-y", "") == 2
    assert run("rm", "-y", "~$draft.docx") == 1
    assert "no document ~$draft.docx" in capsys.readouterr().err


def test_what_is_removed_leaves_the_file_and_the_prompt_cache(
    filled: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = PromptCache().folder
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / "some.kv"
    state.write_bytes(b"mussels")
    assert run("rm", "harbour.md", "-y") == 0
    assert not state.exists()
    assert all(b"mussels" not in file.read_bytes() for file in home.glob("memory.db*"))
    assert (filled / "harbour.md").exists()


def test_status_names_what_changed_since(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status") == 0
    out, err = capsys.readouterr()
    assert "default (4)" in out
    assert err == ""
    (filled / "harbour.md").write_text("The harbour is new.")
    (filled / "kitchen" / "soup.txt").unlink()
    assert run("status", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert {(Path(each["path"]).name, each["state"]) for each in report["stale"]} == {
        ("harbour.md", "changed"),
        ("soup.txt", "gone"),
    }
    assert report["counts"]["documents"] == 4
    assert report["embedder"]["dims"] == 512
    assert report["not_embedded"] == 0


@pytest.mark.usefixtures("filled")
def test_check_repair_and_reindex(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check") == 0
    with Index.open() as index:
        index.database.write("DELETE FROM vectors WHERE id = 1")
    assert run("check", "--json") == 6
    assert json.loads(capsys.readouterr().out)["ok"] is False
    assert run("status") == 0
    assert "1 passages have no vectors" in capsys.readouterr().err
    assert run("reindex") == 0
    assert run("check") == 0
    with Index.open() as index:
        index.database.write("INSERT INTO chunks_fts (chunks_fts) VALUES ('delete-all')")
    assert run("check") == 6
    assert "--repair" in capsys.readouterr().err
    assert run("check", "--repair") == 0
    assert run("search", "harbour") == 0
    assert "harbour.md" in capsys.readouterr().out


@pytest.mark.usefixtures("filled")
def test_backup_export_import_and_compact(tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("facts", "add", "I", "live", "in", "Kazan") == 0
    for verb in ("backup", "export"):
        assert run(verb, str(tmp_path / verb)) == 0
        assert run(verb, str(tmp_path / verb)) == 1
    assert run("compact") == 0
    for file in home.glob("memory.db*"):
        file.unlink()
    assert run("import", str(tmp_path / "export")) == 0
    assert "4 documents added" in capsys.readouterr().err
    assert run("search", "--json", "harbour dredged") == 0
    assert json.loads(capsys.readouterr().out)["found"]
    assert run("facts", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["text"] == "I live in Kazan"
    assert run("import", str(tmp_path / "nothing")) == 2
    (tmp_path / "text").write_text("no memory at all, but a text of some length")
    assert run("import", str(tmp_path / "text")) == 1


def test_facts(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("facts", "add", "My", "dog", "is", "called", "Шарик") == 0
    assert run("facts", "edit", "1", "My dog is called Rex") == 0
    capsys.readouterr()
    assert run("facts") == 0
    assert capsys.readouterr().out.endswith("My dog is called Rex\n")
    assert run("facts", "edit", "9", "x") != 0
    assert run("facts", "rm", "9") != 0
    state = PromptCache().folder / "some.kv"
    state.parent.mkdir(parents=True, exist_ok=True)
    state.write_bytes(b"Rex")
    assert run("facts", "rm", "1") == 0
    assert not state.exists()  # it may have the fact in its prompt
    assert run("facts", "list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_models_and_a_pull_without_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["use-multilingual"]["installed"]
    assert not rows["multilingual-e5-small"]["installed"]
    assert rows["multilingual-e5-small"]["licence"] == "MIT"
    assert run("models") == 0
    assert "can be pulled" in capsys.readouterr().out
    assert run("pull", "multilingual-e5-small") == 5
    assert run("pull", "multilingual-e5-smal") == 2
    assert "multilingual-e5-small" in capsys.readouterr().err


def test_watch_ends_at_ctrl_c(notes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        for _ in range(600):
            with Index.open() as index:
                if index.counts()["documents"] == 5:
                    break
            threading.Event().wait(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    def write() -> None:
        threading.Event().wait(1.5)
        (notes / "new.txt").write_text("A new note is about the lighthouse.")
        interrupt()

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    assert run("add", str(notes), "--watch") == 0
    thread.join()
    err = capsys.readouterr().err
    assert f"Watching {notes}" in err
    assert f"added: {notes / 'new.txt'}" in err


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(400):
        text = "\n\n".join(f"House {number} has {line} doors, and a garden of its own." for line in range(20))
        (folder / f"{number}.txt").write_text(text)
    yield folder
    shutil.rmtree(folder)


def test_ctrl_c_while_adding(many: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "assistant", "memory", "add", str(many), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as adding:
        assert adding.stdout
        assert json.loads(adding.stdout.readline())["event"] == "added"
        adding.send_signal(signal.SIGINT)
        out, err = adding.communicate(timeout=60)
    assert adding.returncode == 130
    assert "goes on with the rest" in err
    report = json.loads(out.splitlines()[-1])
    assert report["stopped"]
    assert 0 < report["added"] == len(ids(capsys)) < 400


@pytest.mark.usefixtures("filled")
def test_a_closed_pipe_is_no_error() -> None:
    script = f'"{sys.executable}" -m assistant memory list | true; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
