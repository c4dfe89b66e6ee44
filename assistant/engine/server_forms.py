"""Answers of servers in a form that was asked for: how the model is told, and what is made of what comes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from assistant.engine import schema as schemas
from assistant.engine.engine import Constraint, Message
from assistant.engine.servers import Form

_ONE_OF = {"en": "Answer with exactly one of: {0}.", "ru": "Ответь ровно одним из вариантов: {0}."}
_AGAIN = {
    "en": "That is not in the form that was asked for: {0}. Write the whole answer again in that form, nothing else.",
    "ru": "Это не в той форме, о которой просили: {0}. Напиши весь ответ ещё раз в этой форме, и ничего больше.",
}
_FENCED = re.compile(r"```\w*\n(.*?)```", re.DOTALL)


def told(messages: Sequence[Message], constraint: Constraint, form: Form) -> list[Message]:
    """The prompt, and in it what the answer must look like if the server has no other way to know."""
    if not form.told:
        return list(messages)
    from assistant.engine.structured import instruction

    if constraint.kind == "choices":
        said = _ONE_OF[_language(messages)].format(", ".join(json.loads(constraint.text)))
    else:
        said = instruction(constraint)
    last = messages[-1]
    if said in last.content:
        return list(messages)
    return [*messages[:-1], replace(last, content=f"{last.content}\n\n{said}".rstrip())]


def again(messages: Sequence[Message], answer: str, wrong: str) -> list[Message]:
    """The prompt that asks for a wrong answer once more."""
    asked = Message("user", _AGAIN[_language(messages)].format(wrong))
    return [*messages, Message("assistant", answer), asked]


def settle(text: str, constraint: Constraint, form: Form) -> tuple[str, str | None]:
    """The answer as the engine on this machine would have written it, and why it is not what was asked for, or None."""
    from assistant.engine.structured import validate

    text = text.strip() if constraint.kind != "lark" else text
    if form.wrapped:
        text = _unwrapped(text)
    if constraint.kind == "json_schema":
        text = _plain_json(text, constraint)
    return text, validate(text, constraint)


def _unwrapped(text: str) -> str:
    try:
        inner = json.loads(text)["answer"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return text
    return inner if isinstance(inner, str) else text


def _plain_json(text: str, constraint: Constraint) -> str:
    """Without a fence and without spaces between values, names in the order of the schema: servers differ in these."""
    fenced = _FENCED.search(text)
    try:
        data = json.loads(fenced[1] if fenced else text)
        orders = [list(names) for names in _properties(schemas.parse(constraint.text))]
        return json.dumps(_ordered(data, orders), ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return text


def _properties(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield schema["properties"]
        for inner in schema.values():
            yield from _properties(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _properties(inner)


def _ordered(data: Any, orders: Sequence[list[str]]) -> Any:
    if isinstance(data, list):
        return [_ordered(item, orders) for item in data]
    if not isinstance(data, dict):
        return data
    # The objects of a schema are told apart by their names: the first that has the most of these.
    order = max(orders, key=lambda names: len(data.keys() & set(names)), default=[])
    names = [*(name for name in order if name in data), *(name for name in data if name not in order)]
    return {name: _ordered(data[name], orders) for name in names}


def _language(messages: Sequence[Message]) -> str:
    letters = [c for c in messages[-1].content if c.isalpha()]
    return "ru" if sum("а" <= c.lower() <= "я" for c in letters) * 2 > len(letters) else "en"
