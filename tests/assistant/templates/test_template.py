"""Templates as files: read strictly, filled with values, put before a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.engine.engine import Message
from assistant.templates.lint import lint
from assistant.templates.template import Example, Template, fill, parse
from models.errors import UsageError

TRANSLATE = """\
name: translate
title: {en: Translate, ru: Перевести}
system:
  en: |
    You translate for $reader.
    Use a $tone tone.
  ru: |
    Ты переводишь. Тон: $tone.
prompt: |
  Into ${to}, for $$5:
  $words
  $input
variables:
  to: {description: {en: Language, ru: Язык}}
  reader: {default: {en: adults, ru: взрослых}}
  tone: {type: choice, choices: {formal: {en: formal, ru: официальный}, plain: plain}, default: formal}
  words: {type: list, default: [one, two], min: 1, max: 3}
examples:
  - {user: good morning, assistant: доброе утро, variables: {to: Russian}}
  - {user: пока, assistant: bye, language: ru, variables: {to: English}}
counter_examples:
  - {user: hi, assistant: "hi: a greeting", why: {en: it explains, ru: это объяснение}}
options: {temperature: 0, stop: [END]}
tests:
  - {input: thanks, variables: {to: Russian}, expect: {language: ru, max_words: 3}}
"""


def template(text: str) -> Template:
    return parse(text, Path("made.yaml"))


def refused(text: str) -> str:
    with pytest.raises(UsageError) as error:
        template(text)
    return error.value.message


def test_a_filled_template_is_what_the_model_is_given() -> None:
    filled = fill(parse(TRANSLATE, Path("translate.yaml")), {"to": "немецкий", "tone": "Официальный"})
    assert filled.values["tone"] == "formal"
    assert filled.messages("Привет, $to и $5!") == [
        Message(
            "system",
            "Ты переводишь. Тон: официальный.\n\nТак отвечать нельзя:\n\n"
            "Ввод: hi\nНеверный ответ: hi: a greeting\nПочему это неверно: это объяснение",
        ),
        Message("user", "Into Russian, for $5:\n- one\n- two\ngood morning"),
        Message("assistant", "доброе утро"),
        Message("user", "Into English, for $5:\n- one\n- two\nпока"),
        Message("assistant", "bye"),
        Message("user", "Into немецкий, for $5:\n- one\n- two\nПривет, $to и $5!"),
    ]


def test_the_language_is_that_of_the_input_unless_it_is_given() -> None:
    made = template(TRANSLATE)
    follows = fill(made, {"to": "x"})
    assert "You translate for adults.\nUse a formal tone." in follows.system(follows.language_of("hello"))
    assert follows.language_of("здравствуйте") == "ru"
    fixed = fill(made, {"to": "x"}, "en")
    assert "You translate" in fixed.messages("здравствуйте")[0].content
    assert [message.content for message in fixed.opening("en")][1::2] == ["доброе утро"]


def test_a_template_of_one_language_serves_both() -> None:
    only = fill(template("system: {ru: Отвечай кратко.}"), {})
    assert only.messages("hello") == [Message("system", "Отвечай кратко."), Message("user", "hello")]
    assert fill(template("prompt: $input"), {}).messages("hi") == [Message("user", "hi")]


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("int", "7", 7),
        ("int", "-2", -2),
        ("float", "0,5", 0.5),
        ("float", 2, 2.0),
        ("bool", "да", True),
        ("bool", "off", False),
        ("bool", True, True),
        ("list", "a, b,,a ", ["a", "b"]),
        ("list", "x, y\nz", ["x, y", "z"]),
        ("list", '["a, b", "c"]', ["a, b", "c"]),
        ("schema", '{"type": "object"}', {"type": "object"}),
        ("text", "$input", "$input"),
    ],
)
def test_values_get_the_type_of_their_variable(kind: str, given: object, value: object) -> None:
    made = template(f"prompt: $v $input\nvariables: {{v: {{type: {kind}}}}}")
    assert fill(made, {"v": given}).values == {"v": value}


@pytest.mark.parametrize(
    ("variable", "given", "expected"),
    [
        ("type: int", "7.5", "a whole number, not '7.5'"),
        ("type: int", True, "a whole number, not True"),
        ("type: int, min: 1, max: 5", "9", "from 1 to 5, not 9"),
        ("type: float", "nan", "a number"),
        ("type: float, min: 0", "-1", "at least 0"),
        ("type: bool", "maybe", "yes or no"),
        ("type: choice, choices: [a, b]", "c", "one of a, b"),
        ("type: list, min: 2", "one", "a list"),
        ("type: list", "[1, 2]", "a list of texts"),
        ("type: schema", "age number", "unknown type"),
        ("type: schema", "{broken", "not valid JSON"),
        ("type: text", 5, "a text, not 5"),
    ],
)
def test_values_of_another_type_or_range_are_refused(variable: str, given: object, expected: str) -> None:
    made = template(f"prompt: $v $input\nvariables: {{v: {{{variable}}}}}")
    with pytest.raises(UsageError) as error:
        fill(made, {"v": given})
    assert expected in error.value.message
    assert "'v'" in error.value.message


def test_missing_and_unknown_variables_are_refused() -> None:
    made = template("prompt: $v $input\nvariables: {v: {}}")
    with pytest.raises(UsageError, match="needs a value for 'v'"):
        fill(made, {})
    with pytest.raises(UsageError, match="no variable 'w'"):
        fill(made, {"v": "1", "w": "2"})


def test_the_form_of_the_answer_may_come_from_variables() -> None:
    extract = fill(template("schema: $fields\nvariables: {fields: {type: schema}}"), {"fields": "name, age int"})
    constraint = extract.constraint()
    assert constraint
    assert constraint.kind == "json_schema"
    assert json.loads(constraint.text)["properties"]["age"] == {"type": "integer"}
    short = fill(template("schema: name, age int"), {}).schema()
    assert short == extract.schema()
    classify = template("choices: $labels\nprompt: '$labels: $input'\nvariables: {labels: {type: list}}")
    labels = fill(classify, {"labels": "спам, не спам"})
    assert labels.choices() == ("спам", "не спам")
    assert labels.question("x", "ru") == "спам, не спам: x"
    with pytest.raises(UsageError, match="at least two"):
        fill(classify, {"labels": "one"})
    rate = template("scale: [1, $most]\nvariables: {most: {type: int, default: 5}}")
    assert fill(rate, {}).scale() == (1, 5)
    constraint = fill(rate, {"most": "3"}).constraint()
    assert constraint
    assert json.loads(constraint.text) == ["1", "2", "3"]
    with pytest.raises(UsageError, match="goes up"):
        fill(rate, {"most": "0"})
    ranged = template("scale: $range\nvariables: {range: {type: list}}")
    assert fill(ranged, {"range": "0-10"}).scale() == fill(ranged, {"range": "0, 10"}).scale() == (0, 10)


def test_steps_and_check_have_their_variables() -> None:
    made = template("steps: First $a.\ncheck: Is $input all $a?\nvariables: {a: {type: bool, default: true}}")
    filled = fill(made, {})
    assert filled.steps("ru") == "First да."
    assert filled.check("en", "it") == "Is it all yes?"
    assert fill(template("prompt: $input"), {}).steps("en") is None


def test_an_answer_of_an_example_may_be_written_as_yaml() -> None:
    made = template("schema: name, age int\nexamples: [{user: Ann is 5, assistant: {name: Ann, age: 5}}]")
    made = made.model_copy(
        update={"examples": (*made.examples, Example(user="Bo", assistant='{"name":  "Bo",  "age": 6}'))}
    )
    answers = [message.content for message in fill(made, {}).opening("en")][1::2]
    assert answers == ['{"name":"Ann","age":5}', '{"name":"Bo","age":6}']


def test_options_have_the_types_of_the_settings() -> None:
    made = template("options: {temperature: '0.5', max_tokens: 5, stop: END, top_k: 3}")
    assert made.options == {"temperature": 0.5, "max_tokens": 5, "stop": ["END"], "top_k": 3}


def test_words_that_older_yaml_takes_for_booleans_are_words() -> None:
    made = template("choices: [yes, no, on]\ntests: [{input: 12:30, expect: {choice: no}}]")
    assert made.choices == ("yes", "no", "on")
    assert made.tests[0].input == "12:30"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("title:", "titel:", 2, "did you mean `title`"),
        ("You translate for $reader", "You translate", 15, "`reader` is used nowhere"),
        ("Use a $tone", "Use a $ton", 6, "`$ton` names no variable"),
        ("for $$5", "for $5", 10, "written `$$`"),
        ("default: formal", "default: rude", 16, "one of formal, plain"),
        ("[one, two]", "[]", 17, "the default is wrong"),
        ("type: list", "type: lists", 17, "'list'"),
        ("{to: English}", "{too: English}", 20, "`$too` names no variable"),
        ("why: {en: it explains, ru: это объяснение}", "whys: x", 22, "did you mean `why`"),
        ("temperature: 0", "temperature: 9", 23, "less than or equal to 5"),
        ("temperature: 0", "temprature: 0", 23, "there is temperature"),
        ("variables: {to: Russian}, expect", "expect", 25, "no value for to"),
        ("max_words: 3", "max_words: many", 25, "expected a whole number"),
        ("language: ru, max_words: 3", "matches: '('", 25, "not a regular expression"),
        ("name: translate", "name: two words", 1, "one word"),
        ("  $input\n", "  $input\n  $input_\n", 13, "`$input_` names no variable"),
        ("You translate for", "$input You translate for", 5, "stands in `prompt` only"),
        ("options:", "version: 0\noptions:", 23, "greater than or equal to 1"),
        ("temperature: 0", "threads: 4", 23, "there is temperature"),
        ("options:", "tools: [weather]\noptions:", 23, "no tool `weather`"),
        ("options:", "schema: {type: objekt}\noptions:", 23, "'objekt'"),
        ("options:", "schema: name wrong\noptions:", 23, "unknown type"),
        ("options:", "choices: [a]\noptions:", 23, "at least two"),
        ("options:", "choices: [a, b]\nscale: [1, 5]\noptions:", 24, "exclude each other"),
        ("options:", "scale: [1, 500]\noptions:", 23, "at most 100 steps"),
        ("options:", "choices: $tone\noptions:", 23, "must be of type list"),
        ("options:", "system: again\noptions:", 23, "comes twice"),
    ],
)
def test_each_mistake_is_told_with_file_and_line(old: str, new: str, line: int, said: str) -> None:
    assert old in TRANSLATE
    message = refused(TRANSLATE.replace(old, new, 1))
    assert any(told.startswith(f"made.yaml:{line}: ") and said in told for told in message.splitlines()), message


def test_all_mistakes_are_told_at_once() -> None:
    message = refused("nme: x\nsystem: 5\nvariables: {a: {type: int, default: b}}\nexamples: [{user: x}]")
    assert [line.partition(": ")[0] for line in message.splitlines()] == [f"made.yaml:{n}" for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1: the file is empty"),
        ("# nothing", ":1: the file is empty"),
        ("- a", ":1: expected keys and values"),
        ("just text", ":1: expected keys and values"),
        ("prompt: [", "not valid YAML"),
        ("system: a: b", ":1: not valid YAML"),
        ("prompt: 'x", "not valid YAML"),
        ("a: &x 1\nb: *x", ":1: anchors (&) and aliases (*) are not allowed"),
        ("prompt: $input\nsystem: *x", ":2: anchors (&) and aliases (*) are not allowed"),
        ("&a : b", ":1: anchors"),
        ("prompt: !!python/object/apply:os.system [ls]", ":1: the tag"),
        ("prompt: $input\nname: !!str x", ":2: the tag"),
        ("? [a]\n: b", ":1: a key must be a text"),
        ("prompt: $input\n---\nprompt: $input", ":2: a second document"),
        ("a: " + "{a: " * 60 + "1" + "}" * 60, ":1: nested too deeply"),
        ("[" * 20_000, "not valid YAML"),
        ("options: [" + "1," * 60_000 + "]", "more than 50,000 keys and values"),
        ("prompt: " + "x" * 300_000, "larger than 256 KiB"),
        ("prompt: \x00", "not valid YAML"),
        ("prompt: \ud800", "not text in UTF-8"),
    ],
)
def test_hostile_and_broken_files_are_refused_in_one_line(text: str, said: str) -> None:
    message = refused(text)
    assert said in message
    assert message.startswith("made.yaml:")
    assert len(message.splitlines()) == 1


def test_an_alias_bomb_does_not_grow() -> None:
    rows = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
    assert "anchors" in refused("\n".join(rows))


def test_the_example_of_the_documentation_is_a_template() -> None:
    text = (Path(__file__).parents[3] / "docs" / "templates.md").read_text(encoding="utf-8")
    made = parse(text.split("```yaml\n")[1].split("```")[0], Path("reply.yaml"))
    filled = fill(made, {"rules": "closed on Sundays, no credit"})
    assert filled.system("en").split("\n\n")[0].endswith("- closed on Sundays\n- no credit")
    assert not lint(made).failed


@pytest.mark.parametrize(
    ("given", "stands"),
    [("ru", "Russian"), ("немецкий", "German"), ("Tatar", "Tatar"), ("татарский язык", "Tatar"), ("verse", "verse")],
)
def test_a_language_by_its_code_or_its_name(given: str, stands: str) -> None:
    template = parse("system: Into $to.\nvariables: {to: {type: language}}\n", Path("into.yaml"))
    assert fill(template, {"to": given}).system("ru") == f"Into {stands}."
