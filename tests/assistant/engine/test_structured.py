"""Structured output on a real model: what comes is what was asked for, and what nobody can satisfy is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.engine import schema as schemas
from assistant.engine.engine import Constraint, GenerateOptions, LoadOptions, Message, Result
from assistant.engine.local import LocalEngine
from assistant.engine.structured import Grammar, Vocabulary, check, instruction, validate
from models.errors import UsageError
from models.llama import Model


def obj(required: bool = True, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties) if required else []}


TEXT, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
SCHEMAS: dict[str, dict[str, Any]] = {
    "person": obj(name=TEXT, age={"type": "integer", "minimum": 0, "maximum": 130}),
    "optional": obj(False, title=TEXT, subtitle=TEXT, pages=INTEGER),
    "nested": obj(company=obj(name=TEXT, address=obj(street=TEXT, city=TEXT))),
    "numbers": obj(price=NUMBER, quantity=INTEGER, discount=NUMBER),
    "tags": obj(tags={"type": "array", "items": TEXT}),
    "dice": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 6}, "minItems": 2, "maxItems": 5},
    "emoji": obj(mood={"enum": ["😀", "😢", "😡", "🎉"]}, why=TEXT),
    "sentiment": obj(
        sentiment={"enum": ["positive", "negative", "neutral"]}, score={"type": "number", "minimum": 0, "maximum": 1}
    ),
    "russian": obj(имя=TEXT, город={"enum": ["Москва", "Казань", "Томск"]}),
    "tree": {
        "$ref": "#/$defs/node",
        "$defs": {"node": obj(value=INTEGER, children={"type": "array", "items": {"$ref": "#/$defs/node"}})},
    },
    "linked": {
        "$ref": "#/$defs/n",
        "$defs": {"n": obj(v=TEXT, next={"anyOf": [{"type": "null"}, {"$ref": "#/$defs/n"}]})},
    },
    "dates": obj(
        start={"type": "string", "format": "date"},
        at={"type": "string", "format": "time"},
        id={"type": "string", "format": "uuid"},
    ),
    "pattern": obj(
        phone={"type": "string", "pattern": r"^\+7 \d{3} \d{3}-\d{2}-\d{2}$"},
        code={"type": "string", "pattern": "^[A-Z]{2,4}$"},
    ),
    "either": {"anyOf": [obj(circle=NUMBER), obj(width=NUMBER, height=NUMBER)]},
    "records": obj(items={"type": "array", "items": obj(name=TEXT, qty=INTEGER)}),
    "flags": obj(a={"type": "boolean"}, b={"type": ["string", "null"]}, c={"const": "fixed"}),
    "tuple": {"type": "array", "prefixItems": [TEXT, NUMBER], "items": False, "minItems": 2},
    "map": {"type": "object", "additionalProperties": INTEGER},
    "merged": {
        "allOf": [{"$ref": "#/$defs/base"}, obj(extra={"type": "boolean"})],
        "$defs": {"base": obj(id=INTEGER)},
    },
    "anything": {},
}


def json_schema(schema: Any) -> Constraint:
    return Constraint("json_schema", schema if isinstance(schema, str) else json.dumps(schema, ensure_ascii=False))


@pytest.fixture(scope="module")
def engine(tiny: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine(tiny, LoadOptions(threads=1, prompt_cache=False))
    engine.load()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def vocabulary(tiny: Path) -> Iterator[Vocabulary]:
    with Model(tiny, gpu_layers=0) as model:
        yield Vocabulary(model)


def answer(engine: LocalEngine, constraint: Constraint, seed: int = 1, **options: Any) -> Result:
    options = {"temperature": 1.0, "max_tokens": 400, "draft": "off", **options}
    question = f"Invent an example about a shop.\n\n{instruction(constraint)}"
    *_, result = engine.generate(
        [Message("user", question)], GenerateOptions(seed=seed, constraint=constraint, **options)
    )
    assert isinstance(result, Result)
    return result


# What is generated


@pytest.mark.parametrize(
    "name", ["person", "optional", "dice", "emoji", "russian", "linked", "pattern", "tuple", "merged"]
)
def test_answers_satisfy_their_schema(engine: LocalEngine, name: str) -> None:
    constraint = json_schema(SCHEMAS[name])
    result = answer(engine, constraint)
    assert validate(result.text, constraint) is None


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SCHEMAS)
def test_ten_of_ten_answers_satisfy_each_of_twenty_schemas(engine: LocalEngine, name: str) -> None:
    constraint = json_schema(SCHEMAS[name])
    wrong = {seed: why for seed in range(10) if (why := validate(answer(engine, constraint, seed).text, constraint))}
    assert not wrong


@pytest.mark.parametrize(
    "constraint",
    [
        Constraint("regex", r"\d{4}-\d{2}-\d{2}"),
        Constraint("choices", '["yes", "yes, but", "да\\n\\"нет\\" \\\\x", "💩"]'),
        Constraint("lark", 'start: item ("," item)~1..3\nitem: /[a-z]{2,5}/ "=" NUMBER\nNUMBER: /[0-9]{1,3}/'),
    ],
    ids=lambda constraint: constraint.kind,
)
def test_the_other_kinds(engine: LocalEngine, constraint: Constraint) -> None:
    result = answer(engine, constraint)
    assert validate(result.text, constraint) is None
    assert result.finish_reason == "stop"


def test_an_answer_may_be_forced_as_a_whole(engine: LocalEngine) -> None:
    text = "Exactly this, привет 😀, and nothing else. " * 20
    result = answer(engine, Constraint("choices", json.dumps([text])))
    assert result.text == text
    assert result.finish_reason == "stop"


def test_what_drafts_does_not_change_the_form(engine: LocalEngine) -> None:
    constraint = json_schema(SCHEMAS["records"])
    result = answer(engine, constraint, draft="lookup", num_draft_tokens=4)
    assert validate(result.text, constraint) is None


def test_an_answer_that_runs_out_of_tokens_is_closed_and_says_so(engine: LocalEngine) -> None:
    endless = json_schema(obj(items={"type": "array", "items": obj(name=TEXT, qty=INTEGER), "minItems": 3}, last=TEXT))
    result = answer(engine, endless, max_tokens=120)
    assert validate(result.text, endless) is None
    tree = json_schema(SCHEMAS["tree"])
    deep = answer(engine, tree, seed=0, max_tokens=120)
    assert validate(deep.text, tree) is None
    long = json_schema(obj(text={"type": "string", "minLength": 2000}))
    cut = answer(engine, long, max_tokens=50)
    assert cut.finish_reason == "length"
    assert "not complete" in (validate(cut.text, long) or "")


# The grammar


def drive(grammar: Grammar, vocabulary: Vocabulary, text: str) -> str:
    """Follow a text as far as the grammar lets it: by the longest token that it allows."""
    done = b""
    raw = text.encode()
    while True:
        done += b"".join(vocabulary.model.piece(token) for token in grammar.forced())
        logits = np.zeros(vocabulary.size, np.float32)
        grammar.mask(logits)
        rest = raw[len(done) :]
        pieces = {int(token): vocabulary.model.piece(int(token)) for token in np.flatnonzero(logits == 0)}
        fitting = {token: piece for token, piece in pieces.items() if piece and rest.startswith(piece)}
        if not fitting:
            return done.decode()
        token = max(fitting, key=lambda each: len(fitting[each]))
        assert grammar.valid_prefix([token]) == 1
        grammar.accept(token)
        done += fitting[token]


def test_after_the_end_only_ends_are_left(vocabulary: Vocabulary) -> None:
    text = '{"name":"Вера 😀","age":34}'
    grammar = Grammar(vocabulary, json_schema(SCHEMAS["person"]))
    assert not grammar.complete
    assert drive(grammar, vocabulary, text + "   ") == text
    assert grammar.complete
    assert grammar.finished
    logits = np.zeros(vocabulary.size, np.float32)
    grammar.mask(logits)
    assert set(np.flatnonzero(logits == 0)) == set(vocabulary.model.ends)


def test_an_answer_that_can_go_on_is_complete_but_not_finished(vocabulary: Vocabulary) -> None:
    grammar = Grammar(vocabulary, Constraint("choices", '["pos", "positive"]'))
    assert drive(grammar, vocabulary, "pos") == "pos"
    assert grammar.complete
    assert not grammar.finished
    grammar.hurry()
    logits = np.zeros(vocabulary.size, np.float32)
    grammar.mask(logits)
    assert set(np.flatnonzero(logits == 0)) == set(vocabulary.model.ends)


def test_valid_prefix_changes_nothing(vocabulary: Vocabulary) -> None:
    grammar = Grammar(vocabulary, Constraint("regex", "abc|abd"))
    good, bad = (vocabulary.tokenizer.tokenize_str(text) for text in ("abd", "xyz"))
    assert grammar.valid_prefix(good) == len(good)
    assert grammar.valid_prefix(bad) == 0
    assert grammar.valid_prefix([*good, *bad]) == len(good)
    assert drive(grammar, vocabulary, "abc") == "abc"


@pytest.mark.parametrize(
    ("schema", "text", "followed"),
    [
        (obj(a=INTEGER), '{"a":1,"b":2}', '{"a":1'),  # listed properties are all there is
        ({**obj(a=INTEGER), "additionalProperties": True}, '{"a":1,"b":2}', '{"a":1,"b":2}'),
        (SCHEMAS["merged"], '{"id":1,"extra":true}', '{"id":1,"extra":true}'),
        (obj(a=INTEGER), '{ "a":1}', '{"a'),  # no spaces
        ({"type": "integer", "minimum": 3, "maximum": 12}, "13", "1"),
        (TEXT, '"a\nb"', '"a'),  # a raw newline is not JSON
        (TEXT, '"\\ud800"', '"\\'),  # half a character
        ({"type": "string", "format": "date"}, '"2025-02-30"', '"2025-02-'),
        ({"properties": {}}, "{}", "{}"),
    ],
)
def test_what_a_schema_lets_through(vocabulary: Vocabulary, schema: Any, text: str, followed: str) -> None:
    assert drive(Grammar(vocabulary, json_schema(schema)), vocabulary, text) == followed


# What is refused: each of these would end the process, hang it, or never end


def references(depth: int) -> str:
    chain = {f"d{i}": {"items": {"$ref": f"#/$defs/d{i + 1}"}} for i in range(depth)}
    return json.dumps({"$ref": "#/$defs/d0", "$defs": {**chain, f"d{depth}": INTEGER}})


NESTED = '{"type":"array","items":'
IMPOSSIBLE = [
    ("json_schema", "{", "not valid JSON"),
    ("json_schema", "", "not valid JSON"),
    ("json_schema", "\x00\x01", "not valid JSON"),
    ("json_schema", "5", "no schema"),
    ("json_schema", "false", "nothing satisfies"),
    ("json_schema", '{"type": "integer", "minimum": 5, "maximum": 3}', r"minimum \(5\) is greater than maximum \(3\)"),
    ("json_schema", '{"properties": {"a": false}, "required": ["a"], "type": "object"}', "required property 'a'"),
    ("json_schema", '{"allOf": [{"type": "string"}, {"type": "integer"}]}', "incompatible types"),
    ("json_schema", '{"enum": []}', "empty"),
    ("json_schema", '{"type": "strin"}', "Invalid type: strin"),
    ("json_schema", '{"properties": [1]}', "properties must be an object"),
    ("json_schema", '{"not": {"type": "integer"}}', r'Unimplemented keys: \["not"\]'),
    ("json_schema", '{"$ref": "http://example.com/x"}', "not present in a registry"),
    ("json_schema", '{"$ref": "#/nope"}', "does not exist"),
    ("json_schema", '{"$ref": "#"}', "recursive without end"),
    ("json_schema", json.dumps({"$ref": "#/$defs/a", "$defs": {"a": obj(a={"$ref": "#/$defs/a"})}}), "without end"),
    ("json_schema", '{"minimum": 1' + "0" * 400 + "}", "out of range"),
    ("json_schema", NESTED * 1000 + "{}" + "}" * 1000, "nested too deeply"),
    ("json_schema", NESTED * 200 + "{}" + "}" * 200, "recursion limit"),
    ("json_schema", json.dumps(obj(**{f"p{i}": TEXT for i in range(30_000)})), "too large"),
    (
        "json_schema",
        json.dumps({"allOf": [{"anyOf": [obj(**{f"{k}{i}": TEXT}) for k in "ab"]} for i in range(20)]}),
        "too large",
    ),
    ("json_schema", '{"const": "\ud800"}', "UTF-8"),
    ("regex", "(", "unclosed group"),
    ("regex", "(?=a)b", "look-around"),
    ("regex", r"(a)\1", "backreferences"),
    ("regex", r"[^\s\S]", "no text satisfies"),
    ("regex", "(" * 100_000 + "a" + ")" * 100_000, "nested parentheses"),
    ("regex", "a{5000}{10}", "forces more than"),
    ("choices", "[]", "not a JSON list"),
    ("choices", '["a", 5]', "not a JSON list"),
    ("choices", "yes,no", "Expecting value"),
    ("lark", "", "Empty grammar"),
    ("lark", "root ::= (", "line 1, column 7"),
    ("lark", "start: (", "line 1, column 9"),
    ("lark", 'other: "a"', "no start rule"),
    ("lark", 'start: start "a"', "no text satisfies"),  # left recursion without end
    ("lark", 'start: "a" start', "recursion without end"),
    ("lark", "start: " + "(" * 100_000, "too deeply nested"),
    ("lark", "start: T0\n" + "".join(f'T{i}: T{i + 1} "x"\n' for i in range(5000)) + 'T5000: "a"', "too large"),
]


@pytest.mark.parametrize(("kind", "text", "reason"), IMPOSSIBLE, ids=range(len(IMPOSSIBLE)))
def test_what_no_answer_can_satisfy_is_refused_with_the_reason(kind: Any, text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as refused:
        check(Constraint(kind, text))
    assert refused.value.hint
    assert len(refused.value.message) < 500


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("json_schema", '{"type": "array", "items": {"type": "string", "maxLength": 1900}}'),
        ("json_schema", '{"type": "array", "maxItems": 100000, "items": {"type": "string", "maxLength": 5000}}'),
        ("json_schema", '{"type": "array", "minItems": 1000000000, "items": {"type": "string"}}'),
        ("json_schema", references(3000)),  # ends the process with the stack of a usual thread
        ("json_schema", '{"enum": ["😀", "🎉"]}'),
        ("json_schema", '{"properties": {}}'),
        ("json_schema", '{"oneOf": [{"type": "integer"}, {"type": "string"}], "uniqueItems": true, "format": "color"}'),
        ("regex", "(a|b)*a(a|b){40}"),
        ("lark", 'start: start "a" | "b"'),
        ("lark", "start: r0\n" + "".join(f"r{i}: r{i + 1}\n" for i in range(900)) + 'r900: "a" | "b"'),
        ("choices", json.dumps([f"choice number {i}" for i in range(5000)])),
    ],
    ids=range(11),
)
def test_what_is_large_or_odd_but_possible_is_followed(vocabulary: Vocabulary, kind: Any, text: str) -> None:
    grammar = Grammar(vocabulary, Constraint(kind, text))
    grammar.forced()
    logits = np.zeros(vocabulary.size, np.float32)
    grammar.mask(logits)
    assert 0 < np.isfinite(logits).sum() < vocabulary.size


# Validation


@pytest.mark.parametrize(
    ("schema", "text", "reason"),
    [
        (obj(a=INTEGER), '{"a":1}', None),
        (obj(a=INTEGER), '{"a":1', "not complete"),
        (obj(a=INTEGER), '{"a":"x"}', "came"),
        ({"type": "array", "items": INTEGER, "uniqueItems": True}, "[1,1]", "non-unique"),
        ({"oneOf": [INTEGER, {"minimum": 3}]}, "5", "more than one|valid under each"),
        ({"type": "string", "format": "regex"}, '"("', "not a 'regex'"),
        ({"type": "string", "pattern": r"^\p{L}+$"}, '"да"', None),  # no expression of Python
        ({"type": "array", "items": [INTEGER, TEXT], "uniqueItems": True}, '[1,"a"]', None),  # as before 2020
        ({"type": "array", "items": [INTEGER, INTEGER], "uniqueItems": True}, "[1,1]", "non-unique"),
        ({"$ref": "#/$defs/a/0", "$defs": {"a": [INTEGER]}}, "3", None),
        ({"$ref": "#count", "$defs": {"a": {"$anchor": "count", "type": "integer"}}}, "3", None),
        ({"type": "number", "multipleOf": 0.1}, "0.3", None),  # 0.1 is no binary fraction
        ({"type": "number", "multipleOf": 0.1}, "0.35", "came"),
    ],
)
def test_a_finished_answer_is_checked(schema: Any, text: str, reason: str | None) -> None:
    why = validate(text, json_schema(schema))
    if reason is None:
        assert why is None
    else:
        assert why is not None
        assert any(each in why for each in reason.split("|"))


def test_the_short_form() -> None:
    schema = schemas.from_short_form("name, age int, height float\n")
    assert schema["required"] == ["name", "age", "height"]
    assert [each["type"] for each in schema["properties"].values()] == ["string", "integer", "number"]
    lines = schemas.from_short_form("имя: как зовут, полностью\nok bool: da, or no\n\n")
    assert lines["properties"]["имя"] == {"type": "string", "description": "как зовут, полностью"}
    assert lines["properties"]["ok"] == {"type": "boolean", "description": "da, or no"}
    assert schemas.list_of(schema)["properties"]["items"]["items"] == schema


@pytest.mark.parametrize("text", ["", " , ", "name date", "name, name int", ": what", "a b c"])
def test_a_short_form_with_a_mistake_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        schemas.from_short_form(text)


@pytest.mark.parametrize(
    ("date", "exists"),
    [("2024-02-29", True), ("2000-02-29", True), ("2023-02-29", False), ("1900-02-29", False), ("2024-04-31", False)],
)
def test_a_date_is_one_of_the_calendar(date: str, exists: bool) -> None:
    constraint = Constraint("json_schema", '{"type": "string", "format": "date"}')
    assert (validate(f'"{date}"', constraint) is None) == exists
