"""JSON Schemas as a user writes them: the short form, what the grammar makes of them, and whether an answer can end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from typing import Any

from models.errors import UsageError

Schema = dict[str, Any]

_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_LEAP_YEAR = r"(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DATE = (
    r"(?:\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)"
    rf"|02-(?:0[1-9]|1\d|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
_MOMENTS = {"date": _DATE, "time": _TIME, "date-time": f"{_DATE}T{_TIME}"}
_LARGEST_INTEGER = 2**53 - 1
_INTEGER_BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "enum", "const"}
_MERGING = ("allOf", "anyOf", "oneOf", "$ref")  # subschemas of the same value, not of a value inside it
# What llguidance's grammars know. Others are notes by the standard; the finished answer is checked for those that
# jsonschema knows.
_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri")


def from_short_form(text: str) -> Schema:
    """``name, age int, bio: short biography`` as a JSON Schema: fields by comma or by line, each a name, perhaps a type
    (str, int, float, bool; str by default), perhaps a description after a colon. The form is that of simonw/llm.

    Raises:
        UsageError: a field has no name, an unknown type, or comes twice.
    """
    properties: dict[str, Schema] = {}
    for field in text.split("\n" if "\n" in text.strip() else ","):
        if not field.strip():
            continue
        declaration, _, description = field.partition(":")
        name, type_name, *rest = (*declaration.split(), "str") if declaration.split() else ("", "")
        how = "Write `name, age int, bio: short biography`; types are str, int, float, bool."
        if not name:
            raise UsageError(f"The schema has a field without a name: {field.strip()!r}.", how)
        if type_name not in _TYPES or len(rest) > 1:
            raise UsageError(
                f"The schema's field {name!r} has an unknown type: {' '.join(declaration.split()[1:])}.", how
            )
        if name in properties:
            raise UsageError(f"The schema has the field {name!r} twice.", how)
        properties[name] = {"type": _TYPES[type_name]}
        if description.strip():
            properties[name]["description"] = description.strip()
    if not properties:
        raise UsageError("The schema is empty.", "Write the names of the fields: `name, age int`.")
    return {"type": "object", "properties": properties, "required": list(properties)}


def list_of(schema: Schema) -> Schema:
    """An object whose ``items`` is a list of what ``schema`` describes."""
    definitions: Schema = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    item = {key: value for key, value in schema.items() if key not in definitions}
    items = {"type": "array", "items": item}
    return {"type": "object", "properties": {"items": items}, "required": ["items"], **definitions}


def parse(text: str) -> Schema:
    """A JSON Schema from its text; ``true`` and ``{}`` allow everything.

    Raises:
        UsageError: it is not JSON, or no schema.
    """
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise UsageError(f"The schema is not valid JSON: {error}.", "Check it with a JSON tool.") from error
    except RecursionError as error:
        raise UsageError("The schema is nested too deeply.", "Flatten it, or name its parts under $defs.") from error
    if schema is False:
        raise UsageError("The schema is `false`: nothing satisfies it.", "Describe what the answer looks like.")
    if schema is True:
        return {}
    if not isinstance(schema, dict):
        raise UsageError("The schema is JSON, but no schema: that is an object.", 'For example: {"type": "object"}.')
    return schema


def for_grammar(schema: Schema) -> Schema:
    """The schema that generation follows.

    - An object that lists its properties has no others, unless it says so: small models invent them for ever. Objects
      that are merged of several subschemas stay open, as each would forbid the properties of the other.
    - An integer without bounds stays within those of exact JSON numbers: small models write digits for ever.
    - A time has at most six digits after the second, for the same reason.
    - What llguidance cannot enforce, but the finished answer is checked for, is left out: ``uniqueItems``, formats that
      it does not know.
    """
    merged = {ref for node in _walk(schema) for ref in _merged_refs(node)}
    within = {id(part) for node in _walk(schema) if _merges(node) for part in _same_value(node)}
    within |= {id(target) for ref in merged if (target := _resolve(schema, ref)) is not None}

    def copy(node: Any, is_schema: bool) -> Any:
        if isinstance(node, list):
            return [copy(item, is_schema) for item in node]
        if not isinstance(node, dict):
            return node
        if not is_schema:  # properties and $defs: names of the user's
            return {name: copy(item, True) for name, item in node.items()}
        new = {}
        for key, value in node.items():
            if key == "uniqueItems" or (key == "format" and value not in _FORMATS):
                continue
            if key in ("const", "enum", "default", "examples", "required", "dependentRequired"):
                new[key] = value
            else:
                new[key] = copy(value, key not in ("properties", "patternProperties", "$defs", "definitions"))
        closable = "properties" in node and not {"additionalProperties", "patternProperties"} & set(node)
        if closable and not _merges(node) and id(node) not in within:
            new["additionalProperties"] = False
        if isinstance(form := node.get("format"), str) and form in _MOMENTS and "pattern" not in node:
            del new["format"]
            new["pattern"] = f"^{_MOMENTS[form]}$"
        if node.get("type") == "integer" and not _INTEGER_BOUNDS & set(node):
            new |= {"minimum": -_LARGEST_INTEGER, "maximum": _LARGEST_INTEGER}
        return new

    closed: Schema = copy(schema, True)
    return closed


def can_end(schema: Schema) -> bool:
    """False when every value that satisfies the schema contains itself, without end.

    The least fixed point over the references: one can end when it can by what is known to end already.
    """
    refs = {ref for node in _walk(schema) if isinstance(ref := node.get("$ref"), str)}
    open_refs = {ref: target for ref in refs if (target := _resolve(schema, ref)) is not None}
    ending = refs - set(open_refs)  # an unknown reference is reported by llguidance
    while found := {ref for ref, target in open_refs.items() if ref not in ending and _ends(target, ending)}:
        ending |= found
    return _ends(schema, ending)


def has_lists_of_items(schema: Schema) -> bool:
    """Whether ``items`` is a list of schemas somewhere, as before the draft of 2020, where that is ``prefixItems``."""
    return any(isinstance(node.get("items"), list) for node in _walk(schema))


def _ends(node: Any, ending: Set[str]) -> bool:
    if not isinstance(node, dict):
        return True  # false is llguidance's to refuse
    if isinstance(ref := node.get("$ref"), str) and ref not in ending:
        return False
    if not all(_ends(part, ending) for part in _list(node, "allOf")):
        return False
    for key in ("anyOf", "oneOf"):
        if key in node and not any(_ends(part, ending) for part in _list(node, key)):
            return False
    if "const" in node or "enum" in node:
        return True
    types = node.get("type", "any")
    types = [types] if isinstance(types, str) else types
    if any(name not in ("object", "array") for name in types):
        return True
    properties = node.get("properties", {})
    if "object" in types and all(_ends(properties.get(name, True), ending) for name in _list(node, "required")):
        return True
    least = node.get("minItems", 0)
    first = _list(node, "prefixItems")
    must = [*first[:least], *([node.get("items", True)] if least > len(first) else [])]
    return "array" in types and all(_ends(part, ending) for part in must)


def _list(node: Schema, key: str) -> list[Any]:
    value = node.get(key, [])
    return value if isinstance(value, list) else []


def _walk(node: Any) -> Iterator[Schema]:
    """All objects inside, the schema itself first; some may be values rather than schemas, which does no harm."""
    todo = [node]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            yield item
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)


def _merges(node: Schema) -> bool:
    """Whether the properties of one value come from several places."""
    sources = sum(key in node for key in ("properties", *_MERGING))
    return sources > 1 or len(_list(node, "allOf")) > 1


def _same_value(node: Schema) -> Iterator[Schema]:
    """The subschemas that a merged value must satisfy as well, those inside them included."""
    for key in ("allOf", "anyOf", "oneOf"):
        for part in _list(node, key):
            if isinstance(part, dict):
                yield part
                yield from _same_value(part)


def _merged_refs(node: Schema) -> Iterator[str]:
    if _merges(node):
        for part in (node, *_same_value(node)):
            if isinstance(part.get("$ref"), str):
                yield part["$ref"]


def _resolve(schema: Schema, ref: str) -> Any:
    """What a JSON pointer into the same document leads to, or None."""
    if ref != "#" and not ref.startswith("#/"):
        return None
    node: Any = schema
    for part in ref[1:].split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, dict) or part not in node:
            return None
        node = node[part]
    return node
