"""`assistant ask -t`: a question put into a template, on the real model."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from assistant.templates.library import Library


def run(*args: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "assistant", *args]
    given: dict[str, object] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=False, **given)  # type: ignore[call-overload, no-any-return]


def ask(*args: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return run("ask", "-m", "tiny", "-o", "max_tokens", "24", "-o", "draft", "off", *args, stdin=stdin)


def test_a_piped_text_and_a_variable() -> None:
    Library().save(
        "city",
        "system: {en: Name the $what of the country.}\nvariables: {what: {type: text}}\n"
        "examples:\n  - {user: Italy, assistant: Rome, variables: {what: capital}}\n"
        "  - {user: Japan, assistant: Tokyo, variables: {what: capital}}\noptions: {temperature: 0}\n",
    )
    done = ask("-t", "city", "-p", "what", "capital", stdin="France\n")
    assert (done.returncode, done.stdout) == (0, "Paris\n")
    chat = json.loads(run("history", "show", "1", "--json").stdout)
    assert chat["messages"][0]["text"] == "France"
    # the chat goes on with its template
    assert ask("-c", "Germany").stdout == "Berlin\n"
    refused = ask("-c", "Spain", "--choices", "yes,no")
    assert (refused.returncode, "form of its own" in refused.stderr) == (2, True)


def test_an_answer_of_a_given_form_is_data() -> None:
    Library().save("person", "system: Extract the person.\nschema: name, age int\noptions: {temperature: 0}\n")
    answer = json.loads(ask("-t", "person", "Otto is 42 years old.", "--json").stdout)
    assert set(answer["data"]) == {"name", "age"}
    assert isinstance(answer["data"]["age"], int)


def test_a_scale_is_a_number_with_its_probabilities() -> None:
    Library().save("mark", "system: How friendly is it?\nscale: [1, 5]\n")
    answer = json.loads(ask("-t", "mark", "I love you.", "--json").stdout)
    assert set(answer["data"]["probabilities"]) == {"1", "2", "3", "4", "5"}
    assert 1 <= answer["data"]["score"] <= 5
    assert answer["text"] == f"{answer['data']['score']:.1f}"
    assert answer["completion_tokens"] == 0


def test_numbers_that_the_input_does_not_have_are_told_of() -> None:
    Library().save(
        "double",
        "system: Double the number.\ngrounded: numbers\noptions: {temperature: 0}\nexamples:\n"
        "  - {user: '4', assistant: '8'}\n  - {user: '6', assistant: '12'}\n  - {user: '5', assistant: '10'}\n",
    )
    done = ask("-t", "double", "7")
    assert done.stdout.strip().isdigit()
    assert (f"not in the text: {done.stdout.strip()}" in done.stderr) is (done.stdout != "7\n")
    answer = json.loads(ask("-t", "double", "7", "--json").stdout)
    assert answer["ungrounded"] == ([answer["text"]] if answer["text"] != "7" else [])


def test_a_label_comes_with_its_probability_aside() -> None:
    done = ask("-t", "classify", "-p", "labels", "praise, complaint", "I love it")
    assert done.stdout in ("praise\n", "complaint\n")
    assert "probability 0." in done.stderr or "probability 1.00" in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("-t", "sumarize", "x"), "summarize"),
        (("-p", "to", "ru", "x"), "-t NAME"),
        (("-t", "translate", "-p", "too", "ru", "x"), "to"),
        (("-t", "translate", "-p", "language", "tlh", "x"), "en or ru"),
        (("-t", "translate", "-s", "You are a cat.", "x"), "system text"),
        (("-t", "classify", "x"), "labels"),
    ],
)
def test_mistakes_are_told_before_the_model_is_loaded(args: tuple[str, ...], words: str) -> None:
    done = ask(*args)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""
