"""``assistant bench`` as a user and as a script: the table, JSON, Ctrl+C, and models that are not there."""

from __future__ import annotations

import functools
import json
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from assistant.bench import limits, speed
from assistant.bench.workloads import WORKLOADS
from assistant.cli import cli, main


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_ARRAY", 1 << 20)
    monkeypatch.setattr(
        speed, "Bench", functools.partial(speed.Bench, rounds=1, tokens=6, workloads=(WORKLOADS[0], WORKLOADS[3]))
    )


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["bench", "-m", "tiny", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def test_the_table_and_the_limits(tiny: object) -> None:
    done = run()
    for expected in ("smollm2", "chat", "proofreading", "1 round in", "GB/s", "a batch of     1     2"):
        assert expected.lower() in done.stdout.lower(), expected
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert "round 1: chat, plain" in done.stderr
    assert "round 1" not in done.stdout


def test_json_has_everything(tiny: object) -> None:
    report = json.loads(run("--json", "--quick").stdout)
    assert [row["workload"] for row in report["rows"]] == ["chat", "proofreading"]
    assert set(report["rows"][0]) == {
        "workload", "tokens", "plain", "drafting", "ratio", "allowed", "speculation",
    }  # fmt: skip
    assert set(report["rows"][0]["speculation"]) == {
        "mode", "rounds", "drafted", "accepted", "mean_length", "lengths", "gain",
    }  # fmt: skip
    assert report["complete"] is True
    assert report["model"]["architecture"] == "llama"
    assert report["batch_seconds"]["1"] > 0
    assert report["bandwidth_share"] > 0


@pytest.mark.parametrize("arguments", [("-m", "no-such-model"), ("-m", "tiny", "--draft-model", "no-such-model")])
def test_a_model_that_is_not_there(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["bench", *arguments])
    assert stopped.value.code == 3
    said = capsys.readouterr()
    assert "no-such-model" in said.err
    assert said.out == ""


def test_a_draft_model_of_another_vocabulary(tiny: object, draft: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["bench", "-m", "tiny", "--draft-model", "qwen2.5-coder-0.5b-instruct-q4_k_m"])
    assert stopped.value.code == 3
    assert "cannot draft" in capsys.readouterr().err


def test_ctrl_c_prints_what_is_there(tiny: object) -> None:
    command = [sys.executable, "-m", "assistant", "bench", "-m", "tiny", "--quick", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if "round 1: chat, drafting" in line:
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    report = json.loads(out)
    assert report["complete"] is False
    assert report["rows"][0]["workload"] == "chat"
    assert report["rows"][0]["plain"] > 0
    assert len(report["rows"]) < len(WORKLOADS)
