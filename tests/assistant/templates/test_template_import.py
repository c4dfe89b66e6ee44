"""Templates of simonw/llm, and of one's own writing."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.templates.authoring import Answers, document
from assistant.templates.importing import convert
from assistant.templates.template import Template, fill, parse
from assistant.templates.yaml_source import Source, write
from models.errors import UsageError


def converted(text: str, name: str | None = None) -> tuple[Template, str]:
    imported = convert(text, Path("from_llm.yaml"), name)
    return parse(imported.text, Path(f"{imported.name}.yaml")), "\n".join(imported.notes)


def test_prompt_system_defaults_options_and_schema_are_carried_over() -> None:
    template, notes = converted(
        "name: roast\nsystem: You roast like $who.\nprompt: |\n  Roast $thing:\n\n  $input\n"
        "defaults: {who: a comedian, thing: 5}\noptions: {temperature: 1.2, num_predict: 99, stop: [END]}\n"
        "schema_object: {type: object, properties: {joke: {type: string}}}\n"
    )
    assert notes == ""
    assert template.name == "roast"
    assert template.options == {"temperature": 1.2, "max_tokens": 99, "stop": ["END"]}
    filled = fill(template, {"who": "a pirate"})
    assert [message.content for message in filled.messages("me")] == ["You roast like a pirate.", "Roast 5:\n\nme"]
    assert filled.schema() == {"type": "object", "properties": {"joke": {"type": "string"}}}


def test_what_has_no_place_is_told_and_nothing_is_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    template, notes = converted(
        f"prompt: $input\nmodel: gpt-4o\nextract: true\nextract_last: true\nfragments: ['{trap}']\n"
        f"system_fragments: ['https://127.0.0.1:1/']\nattachments: ['{trap}']\nattachment_types: [{{type: a}}]\n"
        f"tools: [llm_time]\nfunctions: |\n  open({str(trap)!r}, 'w')\n"
        "options: {seed: x, foo: 1}\ndefaults: {no: 1}\n"
    )
    assert not trap.exists()
    assert template.model_hint == "gpt-4o"
    assert not template.options
    assert not template.tools
    told = [line.split("`")[1] for line in notes.splitlines()]
    assert set(told) == {
        "model", "extract", "extract_last", "fragments", "system_fragments", "attachments", "attachment_types", "tools",
        "functions", "options", "defaults",
    }  # fmt: skip
    assert told.count("options") == 2


def test_the_input_stands_where_llm_puts_it() -> None:
    template, notes = converted("prompt: 'Summarize the following:'")
    assert fill(template, {}).question("text", "en") == "Summarize the following:\n\ntext"
    assert "`prompt`" in notes
    template, notes = converted("system: Speak about $input\nprompt: Briefly.")
    assert template.system is None
    assert fill(template, {}).question("bees", "en") == "Speak about bees\n\nBriefly."
    assert "`system`" in notes
    template, notes = converted("system: Speak French")
    assert fill(template, {}).question("bees", "en") == "bees"
    template, notes = converted("'Speak French of $$5 and 5$: $input'")
    assert fill(template, {}).question("bees", "en") == "Speak French of $5 and 5$: bees"


def test_names_become_names_of_files() -> None:
    assert converted("name: 'my: nice/../template!'\nprompt: $input")[0].name == "my-nice-template"
    assert converted("prompt: $input")[0].name == "from_llm"
    assert converted("name: a\nprompt: $input", "other")[0].name == "other"
    with pytest.raises(UsageError, match="one word"):
        converted("prompt: $input", "../other")
    with pytest.raises(UsageError, match="one word"):
        converted("name: '!!!'\nprompt: $input")


def test_a_template_of_this_program_is_taken_as_it_is() -> None:
    text = "name: mine\n# a comment\nprompt: $input\ntitle: Mine\n"
    assert convert(text, Path("x.yaml")).text == text
    assert converted(text, "other")[0].heading("en") == "Mine"
    bare, notes = converted("system: {en: Be brief., ru: Отвечай кратко.}\nprompt: $input\n")
    assert bare.system
    assert (bare.system.of("ru"), notes) == ("Отвечай кратко.", "")
    with pytest.raises(UsageError, match=r"x.yaml:3: unknown key `titel`; did you mean `title`"):
        convert("prompt: $input\nversion: 1\ntitel: Mine", Path("x.yaml"))


@pytest.mark.parametrize("text", ["", "[1]", "5", "prompt: 5", "name: x", "prompt: ''", "prompt: &a x", "a: !x y", "{"])
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"from_llm.yaml:1: "):
        converted(text)


@pytest.mark.parametrize(
    "value",
    ["yes", "no", "1e3", "5", "0x1f", "~", "null", "True", "a: b", "# x", "- x", " x ", "x\n", "\n\nx\n\n", "a\tb", "'",
    "2026-01-01",     "12:30", "$x", "é", "|", "x\r\ny", "…" * 200, "a\u2028b", "", "=", "<<", "*a", "&a", "!x"],
)  # fmt: skip
def test_what_is_written_reads_back_the_same(value: str) -> None:
    both = {"key": value, value or "k": [value, {"a": value}], "n": 5, "f": 1.5, "t": True, "z": None}
    assert Source(write(both), Path("x.yaml")).value == both


def test_a_new_template_is_valid_whatever_was_answered() -> None:
    plain = parse(document(Answers("a", "Count words."), "en"), Path("a.yaml"))
    assert fill(plain, {}).system("en") == "Count words."
    nasty = "costs $5, $name, ${x} #1: 'no'\n- {a: [b]} \"q\" {name}"
    for language in ("en", "ru"):
        answers = Answers(
            name="a",
            title=nasty,
            task=nasty,
            format=nasty,
            context=nasty,
            steps=nasty,
            limits=nasty,
            audience=nasty,
            examples=((nasty, nasty), ("2", "yes")),
            counter_examples=((nasty, nasty, nasty),),
            splitting=500,
        )
        text = document(answers, language)
        template = parse(text, Path("a.yaml"))
        system = fill(template, {}).system(language)
        assert system.count(nasty) == 6 + 3
        assert ("Порядок работы" in system) == (language == "ru")
        assert template.examples[0].user == nasty
        assert template.examples[1].assistant == "yes"
        assert template.chunking
        assert template.chunking.tokens == 500
        assert all(line.startswith("#") for line in text.splitlines()[:2])
