"""`assistant ask --choices`: what is printed, what is kept, what is refused."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def run(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "assistant", *args]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=120, check=False
    )


def test_the_choice_its_probabilities_and_the_chat() -> None:
    asked = ("ask", "Is the sky blue?", "-m", "tiny", "--choices", 'Yes,No, "Well, perhaps"')
    done = run(*asked, "--json")
    answer = json.loads(done.stdout)
    assert set(answer["probabilities"]) == {"Yes", "No", "Well, perhaps"}
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["choice"] == answer["text"] == max(answer["probabilities"], key=answer["probabilities"].__getitem__)
    assert 0 < answer["coverage"] <= 1
    assert "scores" not in answer
    assert answer["completion_tokens"] == 0  # nothing was generated
    assert run(*asked, "--no-history").stdout == answer["choice"] + "\n"
    # the turn is kept like any other, and the chat goes on from it
    chat = json.loads(run("history", "show", str(answer["conversation_id"]), "--json").stdout)
    question, reply = chat["messages"]
    assert question["text"].startswith("Is the sky blue?")
    assert all(choice in question["text"] for choice in answer["probabilities"])
    assert (reply["text"], reply["status"]) == (answer["choice"], "complete")
    more = json.loads(run("ask", "Why?", "-m", "tiny", "-c", "-o", "max_tokens", "4", "--json").stdout)
    assert more["conversation_id"] == answer["conversation_id"]
    assert more["prompt_tokens"] > answer["prompt_tokens"]


@pytest.mark.parametrize("choices", ["", "yes,,no", "yes,no,yes"])
def test_no_choices(choices: str) -> None:
    done = run("ask", "Is the sky blue?", "-m", "tiny", "--choices", choices)
    assert (done.returncode, done.stdout) == (2, "")
    assert "choice" in done.stderr
    assert not run("history", "list").stdout  # and nothing is kept
