"""What is wrong with a template, each mistake with file and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from assistant.settings import GENERATION, parse_options
from assistant.templates.fields import LANGUAGES, Localized
from assistant.templates.substitution import INPUT, NAME, names, single
from assistant.templates.template import LARGEST_SCALE, WORD, Template, option_texts
from assistant.templates.tools import TOOLS
from assistant.templates.yaml_source import Location, Source
from models.catalogue import close_matches
from models.errors import UsageError

_MOST = 10  # mistakes told at once
_EXPECTED = {
    "string_type": "expected a text; a number, true or null as a text goes in quotes",
    "string_pattern_mismatch": "the text is empty",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "bool_type": "expected true or false",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "dict_type": "expected keys and values",
    "model_type": "expected keys and values",
    "model_attributes_type": "expected keys and values",
    "finite_number": "expected a finite number",
}
_Problem = tuple[Location | int, str]


def problems(error: ValidationError, source: Source) -> UsageError:
    """What pydantic refused, in words of the file."""
    found: dict[tuple[int, str], str] = {}  # the first of several that one value may be
    for detail in error.errors():
        location = tuple("schema" if part == "schema_" else part for part in detail["loc"])
        kind, last = detail["type"], str(location[-1]) if location else ""
        if kind == "extra_forbidden":
            close = close_matches(last, _known(location[:-1]))
            message = f"unknown key `{last}`" + (f"; did you mean `{close[0]}`?" if close else ".")
        elif kind == "missing":
            message = f"`{last}` is missing."
        elif location == ("name",):
            message = WORD
        else:
            says = _EXPECTED.get(kind) or detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
            message = f"`{_dotted(location, source)}`: {says}."
        found.setdefault((source.line(location), _dotted(location, source)), message)
    return _joined([(line, message) for (line, _), message in sorted(found.items())], source)


def check(template: Template, source: Source) -> None:
    """What fits together and what does not: names and variables, the form of the answer, options, tools, tests.

    Raises:
        UsageError: a line for each mistake.
    """
    if found := list(_all(template, source)):
        raise _joined(found, source)


def _joined(found: Sequence[_Problem], source: Source) -> UsageError:
    told = list(dict.fromkeys(source.error(where, message).message for where, message in found))
    more = [f"… and {len(told) - _MOST} more."] if len(told) > _MOST else []
    return UsageError("\n".join(told[:_MOST] + more), "docs/templates.md describes what a template may contain.")


def _all(template: Template, source: Source) -> Iterator[_Problem]:
    yield from _names(template, source)
    yield from _form(template)
    yield from _settings(template)
    yield from _values(template)


def _texts(template: Template) -> Iterator[tuple[str, Location, Localized]]:
    for name in ("system", "prompt", "steps", "check"):
        if text := getattr(template, name):
            yield name, (name,), text
    if template.chunking and template.chunking.combine:
        yield "combine", ("chunking", "combine"), template.chunking.combine


def _names(template: Template, source: Source) -> Iterator[_Problem]:
    used: set[str] = set()
    for name in template.variables:
        if name == INPUT or not NAME.fullmatch(name):
            why = "`input` is what the user writes" if name == INPUT else "letters, digits and _, no digit first"
            yield ("variables", name), f"`{name}` cannot be the name of a variable: {why}."
    for field, location, text in _texts(template):
        for language in LANGUAGES if text.en != text.ru else LANGUAGES[:1]:
            here = (*location, language)
            try:
                found = list(names(text.written(language) or ""))
            except UsageError as error:
                yield source.line_of(here, error.message.split("`")[1]), error.message
                used |= template.variables.keys()  # perhaps
                continue
            for name, written in found:
                used.add(name)
                if name == INPUT and field in ("prompt", "check", "combine"):
                    continue
                if name == INPUT:
                    yield source.line_of(here, written), "`$input` stands in `prompt` only."
                elif name not in template.variables:
                    yield source.line_of(here, written), _unknown(written, template)
    for field, kinds, value in (
        ("schema", ("schema",), template.schema_),
        ("choices", ("list",), template.choices),
        ("scale", ("list", "text"), template.scale),
    ):
        kinds = ("int",) if isinstance(value, tuple) else kinds
        for end in value if isinstance(value, tuple) and field == "scale" else [value]:
            reference = single(end)
            if reference is None:
                if isinstance(end, str) and field != "schema":
                    yield (field,), f"`{field}`: expected a list, or `$name` of a variable."
                continue
            used.add(reference)
            if reference not in template.variables:
                yield (field,), _unknown(str(end), template)
            elif template.variables[reference].type not in kinds:
                yield (field,), f"`{field}`: the variable `{reference}` must be of type {' or '.join(kinds)}."
    if not template.tools:
        for name in template.variables.keys() - used:
            yield ("variables", name), f"the variable `{name}` is used nowhere: write ${name} where it belongs."


def _form(template: Template) -> Iterator[_Problem]:
    forms = [name for name in ("schema", "choices", "scale", "tools") if getattr(template, _field(name))]
    if len(forms) > 1:
        yield (forms[1],), f"`{forms[0]}` and `{forms[1]}` exclude each other: keep one."
    choices = template.choices
    if isinstance(choices, tuple) and (len(choices) < 2 or len(set(choices)) < len(choices)):
        yield ("choices",), "`choices`: expected at least two different texts."
    scale = template.scale
    if isinstance(scale, tuple):
        low, high = scale
        if isinstance(low, int) and isinstance(high, int) and not 0 < high - low <= LARGEST_SCALE:
            yield ("scale",), f"`scale`: it goes up, by at most {LARGEST_SCALE} steps, not from {low} to {high}."
    if isinstance(template.schema_, dict):
        yield from _schema(template.schema_)
    elif isinstance(template.schema_, str) and not single(template.schema_):
        from assistant.engine.schema import from_short_form

        try:
            from_short_form(template.schema_)
        except UsageError as error:
            yield ("schema",), f"{error.message} {error.hint or ''}".strip()


def _schema(schema: dict[str, Any]) -> Iterator[_Problem]:
    import jsonschema  # slow to import

    try:
        wrong = jsonschema.exceptions.best_match(
            jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA).iter_errors(schema)
        )
    except RecursionError:
        wrong = None
    if wrong:
        path = ("schema", *wrong.absolute_path)
        yield path, f"`{'.'.join(map(str, path))}`: {wrong.message}."


def _settings(template: Template) -> Iterator[_Problem]:
    for name, value in template.options.items():
        if name not in GENERATION:  # how the model is loaded is not a template's to say: it may be loaded already
            close = close_matches(name, list(GENERATION)) or GENERATION
            yield ("options", name), f"there is no option `{name}`; there is {', '.join(close)}."
            continue
        try:
            parse_options(option_texts(name, value))
        except UsageError as error:
            yield ("options", name), error.message
    for number, tool in enumerate(template.tools):
        if tool not in TOOLS:
            yield ("tools", number), f"there is no tool `{tool}`; there is {', '.join(TOOLS)}."


def _values(template: Template) -> Iterator[_Problem]:
    for field in ("examples", "tests"):
        for number, one in enumerate(getattr(template, field)):
            for name, value in one.variables.items():
                here = (field, number, "variables", name)
                if name not in template.variables:
                    yield here, _unknown(f"${name}", template)
                    continue
                try:
                    template.variables[name].value(value)
                except ValueError as error:
                    yield here, f"`{name}`: {error}."
    for number, test in enumerate(template.tests):
        missing = [n for n, variable in template.variables.items() if variable.required and n not in test.variables]
        if missing:
            yield ("tests", number), f"the test gives no value for {', '.join(missing)}: add it under `variables`."


def _unknown(written: str, template: Template) -> str:
    have = ", ".join((INPUT, *template.variables))
    return f"`{written}` names no variable (there is {have}); a dollar sign itself is written `$$`."


def _field(name: str) -> str:
    return "schema_" if name == "schema" else name


def _dotted(location: Location, source: Source) -> str:
    """The path of a value as the file has it: pydantic adds names of its own for types."""
    value, path = source.value, []
    for part in location:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            break
        path.append(str(part))
    return ".".join(path) or "template"


def _known(location: Location) -> list[str]:
    """The keys that a model has, for the place of one that it has not."""
    from assistant.templates.template import Chunking, CounterExample, Example, Expect, Test
    from assistant.templates.variables import Variable

    models: dict[str, Any] = {
        "examples": Example,
        "counter_examples": CounterExample,
        "variables": Variable,
        "chunking": Chunking,
        "tests": Expect if "expect" in location else Test,
    }
    model = models.get(str(location[0]), Localized) if location else Template
    return [field.alias or name for name, field in model.model_fields.items()]
