"""``--endpoint``: the same commands, asked of a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_server import FakeServer, Handler, chooses, listing, refuse, says, serving, token

from assistant.cli import main


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving(listing("vllm", max_model_len=4096)) as fake:
        yield fake


def run(*args: str) -> int:
    try:
        main(args)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"id": n, "text": f"Review {n} of the soup."}) + "\n" for n in range(8)))
    return path


def batch(server: FakeServer, reviews: Path, *more: str) -> tuple[int, list[dict[str, object]]]:
    out = reviews.with_name("out.jsonl")
    flags = ("-o", str(out), "--endpoint", server.url, *more)
    code = run("batch", "-t", "classify", "-p", "labels", "praise,complaint", str(reviews), *flags)
    return code, [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def test_a_batch_is_answered_by_a_server_in_order(server: FakeServer, reviews: Path) -> None:
    server.chat(chooses(token("praise", -0.1, complaint=-2.4)))
    code, rows = batch(server, reviews, "--jobs", "3")
    assert code == 0
    assert [row["id"] for row in rows] == list(range(8))
    assert {row["output"] for row in rows} == {"praise"}
    assert rows[0]["probability"] == pytest.approx(0.909, abs=0.001)


def test_a_server_without_probabilities_still_labels(server: FakeServer, reviews: Path) -> None:
    server.chat(chooses(text="complaint"))
    code, rows = batch(server, reviews)
    assert code == 0
    assert {(row["output"], row.get("probability")) for row in rows} == {("complaint", None)}


def test_a_record_that_is_refused_fails_alone(server: FakeServer, reviews: Path) -> None:
    def step(handler: Handler) -> None:
        if "Review 3" in json.dumps(handler.body["messages"]):
            refuse(400, "I do not like this one")(handler)
        else:
            chooses(token("praise", -0.1, complaint=-2.4))(handler)

    server.chat(step)
    code, rows = batch(server, reviews)
    assert code == 1
    assert [row["id"] for row in rows if "error" in row] == [3]
    assert "I do not like this one" in str(rows[3]["error"])


@pytest.mark.parametrize(("status", "code"), [(401, 3), (404, 3)])
def test_a_key_or_a_model_that_is_wrong_ends_the_batch(
    server: FakeServer, reviews: Path, status: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    server.chat(refuse(status, "not yours"))
    assert batch(server, reviews)[0] == code
    assert "not yours" in capsys.readouterr().err
    assert len(server.asked()) == 1


def test_nobody_at_the_address(reviews: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving() as gone:
        pass
    assert batch(gone, reviews)[0] == 5
    assert "cannot be reached" in capsys.readouterr().err


def test_offline_another_machine_is_not_asked(reviews: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run("batch", "-t", "classify", "-p", "labels", "a,b", str(reviews), "--endpoint", "https://example.com")
    assert code == 5
    assert "ASSISTANT_OFFLINE" in capsys.readouterr().err


def test_a_verb_asks_the_model_that_is_named(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("The train leaves at nine.")
    server.chat(says("Поезд уходит в девять."))
    assert run("translate", "--to", "ru", "--endpoint", server.url, "-m", "model-b", str(letter)) == 0
    assert capsys.readouterr().out == "Поезд уходит в девять.\n"
    assert {body["model"] for body in server.asked()} == {"model-b"}
