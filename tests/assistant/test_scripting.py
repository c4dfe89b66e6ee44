"""docs/scripting.md: every recipe run by ``sh`` as it is written there, on the smallest models; exit codes and JSON."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models import errors

GUIDE = (Path(__file__).parents[2] / "docs" / "scripting.md").read_text(encoding="utf-8")
_PARTS = re.split(r"^### (.+)\n", GUIDE.partition("\n## Recipes\n")[2], flags=re.MULTILINE)[1:]
RECIPES = dict(zip(_PARTS[::2], _PARTS[1::2], strict=True))


@pytest.fixture
def folder(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a recipe runs, as a user has it: the program is in PATH, the model is set."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    home.mkdir()
    (home / "config.toml").write_text('model = "tiny"\nmax_tokens = 60\ndraft = "off"\nprompt_cache = false\n')
    return folder


def blocks(recipe: str, language: str) -> str:
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```", RECIPES[recipe], re.MULTILINE | re.DOTALL))


def follow(recipe: str) -> str:
    """Run its lines, up to the first that fails; what was said on stderr."""
    command = ["sh", "-eu", "-c", blocks(recipe, "sh")]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0, done.stderr
    return done.stderr


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"there is no {program}")


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def read(path: Path) -> str:
    """What a recipe wrote: something."""
    text = path.read_text(encoding="utf-8")
    assert text.strip()
    return text


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_there_are_ten_and_each_has_a_test() -> None:
    assert len(RECIPES) == 10
    source = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in RECIPES if source.count(f'follow("{name}")') == 0] == []


@needs("git")
def test_release_notes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"NAME": "Anna", "EMAIL": "anna@example.org"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)

    def git(*words: str) -> None:
        subprocess.run(["git", *words], check=True, capture_output=True)

    git("init")
    git("commit", "--allow-empty", "-m", "The beginning")
    git("tag", "-a", "v1.0", "-m", "v1.0")
    git("commit", "--allow-empty", "-m", "Letters are printed in colour")
    git("commit", "--allow-empty", "-m", "A printer that is off is told of")
    follow("Release notes from the log of git")
    title, _, rest = read(folder / "RELEASE.md").partition("\n\n")
    assert title == "# Since v1.0"
    assert rest.strip()
    assert not (folder / "notes.new").exists()


@needs("jq")
def test_digest_of_an_inbox(folder: Path) -> None:
    mail = "From: anna@example.org\nSubject: The boiler\n\nThe boiler leaks since Friday.\n"
    write(folder, {"inbox/1.eml": mail, "inbox/2.txt": "Lunch is at noon.", "inbox/3.eml": "\n", "inbox/old.eml": mail})
    os.utime(folder / "inbox" / "old.eml", (0, 0))
    assert "could not be read" in follow("A digest of the inbox")
    rows = [json.loads(line) for line in read(folder / "digest.jsonl").splitlines()]
    assert {row["source"]: "summary" in row for row in rows} == {
        "inbox/1.eml": True,
        "inbox/2.txt": True,
        "inbox/3.eml": False,
    }
    assert len(re.findall(r"^- inbox/\d\.\w+: \S", read(folder / "digest.txt"), re.MULTILINE)) == 3


def test_labels_of_a_table(folder: Path) -> None:
    write(
        folder,
        {
            "tickets.csv": 'id,text\n1,"It crashes, always."\n2,Please add a dark mode.\n3,How do I print?\n',
            "rules.txt": "bug: it does not work.\nfeature: asks for something new.\nquestion: asks how.\n",
        },
    )
    follow("Labels for a table")
    rows = table(folder / "labelled.csv")
    assert [*rows[0]] == ["id", "text", "label", "confidence", "by"]
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert {row["label"] for row in rows} <= {"bug", "feature", "question"}
    assert sum(json.loads(read(folder / "report.json"))["labels"].values()) == 3
    assert "correct" in read(folder / "unsure.csv").partition("\n")[0]


def test_minutes(folder: Path, monkeypatch: pytest.MonkeyPatch, draft: Path) -> None:
    monkeypatch.setenv("ASSISTANT_MODEL", str(draft))  # the smallest model finds nothing to write down
    notes = "Present: Anna, Boris.\n\nWe agreed to launch on 12 June. Boris orders two servers by Friday.\n"
    write(folder, {"meetings/may.md": notes})
    follow("Minutes of meetings")
    assert read(folder / "minutes" / "may.md.txt").startswith("#")


def test_incident_summary(folder: Path) -> None:
    log = "10:00:01 INFO start\n10:02:07 ERROR the disk sda1 is full\n10:02:09 WARN order 8 is tried again\n"
    write(folder, {"logs/a.log": log, "logs/b.log": "10:00:00 INFO nothing\n"})
    follow("What happened, from logs")
    assert "INFO" not in read(folder / "recent.txt")
    assert read(folder / "incident.txt").startswith("- ")


def test_logs_without_warnings_ask_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_MODEL", "no-such-model")
    write(folder, {"logs/a.log": "10:00:01 INFO start\n"})
    follow("What happened, from logs")
    assert not (folder / "incident.txt").exists()


def test_chapters_of_a_book(folder: Path) -> None:
    first = "Chapter 1\n\nAnna came to the mill in 1911. The miller was out.\n"
    write(folder, {"books/mill.txt": f"The Mill\n\n{first}\nChapter 2\n\nThe miller sold her the orchard.\n"})
    follow("The chapters of a book")
    headings = re.findall(r"^==> (.+) <==\n\S", read(folder / "chapters.txt"), re.MULTILINE)
    assert headings == ["books/mill.txt", "books/mill.txt: Chapter 1", "books/mill.txt: Chapter 2"]


def test_a_russian_contract_in_an_old_encoding(folder: Path) -> None:
    contract = "Иван Петров сдаёт Анне Смирновой квартиру в Казани с 1 июня 2026 года за 30 000 рублей в месяц.\n"
    (folder / "договоры").mkdir()
    (folder / "договоры" / "аренда.txt").write_bytes(contract.encode("cp1251"))
    follow("Коротко о договорах")
    head, _, text = read(folder / "коротко.txt").partition("\n")
    assert head == "==> договоры/аренда.txt <=="
    assert len(re.findall("[а-яё]", text)) > 10


def test_invoices_as_a_table(folder: Path) -> None:
    write(folder, {f"invoices/{n}.txt": f"Acme Ltd\nInvoice {n}\n3 May 2026\nTotal: {n}50 EUR\n" for n in (1, 2)})
    follow("Invoices as a table")
    rows = table(folder / "invoices.csv")
    assert [row["source"] for row in rows] == ["invoices/1.txt", "invoices/2.txt"]
    assert [*rows[0]] == ["source", *(f"output.{name}" for name in ("firm", "number", "date", "total"))]
    assert all(float(row["output.total"]) >= 0 for row in rows)


def test_translating_a_folder_asks_about_new_texts_only(folder: Path) -> None:
    write(folder, {"texts/a b.txt": "Good morning.", "texts/two.txt": "Good night.", "german/two.txt.txt": "Mine."})
    follow("A folder in another language")
    assert read(folder / "german" / "a b.txt.txt")
    assert read(folder / "german" / "two.txt.txt") == "Mine."
    assert len([*(folder / "german").iterdir()]) == 2


@needs("make")
def test_make_asks_about_what_has_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, {"Makefile": blocks("Only what has changed", "make"), "notes/a.md": "The boiler leaks since Friday."})
    follow("Only what has changed")
    read(folder / "notes" / "a.tldr")
    monkeypatch.setenv("ASSISTANT_MODEL", "no-such-model")
    follow("Only what has changed")
    write(folder, {"notes/b.md": "Lunch is at noon."})
    with pytest.raises(AssertionError, match="no-such-model"):
        follow("Only what has changed")
    assert not (folder / "notes" / "b.tldr").exists()


def section(title: str) -> dict[str, str]:
    """The rows of the table of a section, by their first cell."""
    text = GUIDE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\S.*?) \| (.+) \|$", text, re.MULTILINE)
    return {first: rest for first, rest in rows if not first.startswith("---")}


def test_all_exit_codes_are_in_the_guide() -> None:
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type)}
    assert {int(code) for row in section("Exit codes") for code in row.split(", ")} == codes | {0, 141, 143}


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("assistant classify --labels a,b short.txt", 0),
        ("assistant translate no-such.txt", 1),
        ("assistant classify short.txt", 2),
        ("assistant translate < /dev/null", 2),
        ("assistant translate -m no-such-model short.txt", 3),
        ('assistant extract --schema "name" -o context_length 256 long.txt', 4),
        ("assistant translate --endpoint http://127.0.0.1:9 short.txt", 5),
    ],
)
def test_exit_codes_are_those_of_the_guide(folder: Path, line: str, code: int) -> None:
    write(folder, {"short.txt": "What a lovely day.", "long.txt": "The sea is blue and the sky is grey. " * 200})
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("summarize --style headline --by chapter", ("all", "`summarize`")),
        ("classify --labels a,b", ("all", "the five", "`classify`")),
        ("proofread", ("all", "the five", "`proofread`")),
    ],
)
def test_the_guide_names_what_is_in_the_json(folder: Path, line: str, rows: tuple[str, ...]) -> None:
    """As cron runs it: no terminal, no HOME, no locale."""
    write(folder, {"short.txt": "Anna are here."})
    kept = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("ASSISTANT_")}
    command = ["assistant", *line.split(), "--json", "short.txt"]
    done = subprocess.run(command, capture_output=True, env=kept, stdin=subprocess.DEVNULL, check=True)
    assert b"\x1b" not in done.stdout + done.stderr
    named = section("JSON")
    assert json.loads(done.stdout).keys() <= {name for row in rows for name in re.findall(r"`(\w+)`", named[row])}
