"""The variables of a template: their types, and what a user may give for them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import model_validator

from assistant.engine import schema as schemas
from assistant.templates.fields import Fields, Localized, NonEmpty
from assistant.templates.substitution import shown
from models.errors import UsageError

Type = Literal["text", "int", "float", "bool", "choice", "list", "schema", "language"]
_TRUTH = {"true": True, "yes": True, "on": True, "да": True, "1": True} | {
    "false": False,
    "no": False,
    "off": False,
    "нет": False,
    "0": False,
}


class Variable(Fields):
    """One variable; without a default it must be given.

    Attributes:
        choices: of type choice: each value, and how it reads in a prompt of each language.
        min, max: of a number; how many items, of a list.
    """

    type: Type = "text"
    default: Any = None
    choices: dict[NonEmpty, Localized] | None = None
    min: float | None = None
    max: float | None = None
    description: Localized | None = None

    @model_validator(mode="before")
    @classmethod
    def _listed_choices(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(choices := value.get("choices"), list):
            if not all(isinstance(choice, str) for choice in choices):
                raise ValueError("the choices are texts: put numbers, true and false in quotes")
            if len(set(choices)) < len(choices):
                raise ValueError("a choice comes twice")
            value = value | {"choices": {choice: choice for choice in choices}}
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Variable:
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("`choices` and `type: choice` belong together")
        if (self.min is not None or self.max is not None) and self.type not in ("int", "float", "list"):
            raise ValueError(f"`min` and `max` are for int, float and list, not for {self.type}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("`min` is larger than `max`")
        if self.default is not None:
            try:
                self.value(self.default)
            except ValueError as error:
                raise ValueError(f"the default is wrong: {error}") from error
        return self

    @property
    def required(self) -> bool:
        return self.default is None

    def value(self, given: Any) -> Any:
        """What was given, a text or a value already, as this type: str, int, float, bool, list of str, JSON Schema. A
        text of two languages, which a default may be, stays one.

        Raises:
            ValueError: it cannot be used; the message says what was expected.
        """
        match self.type:
            case "text":
                if isinstance(given, dict):
                    return Localized.model_validate(given)
                if not isinstance(given, str | Localized):
                    raise ValueError(f"expected a text, not {_said(given)}")
                return given
            case "int" | "float":
                return self._number(given)
            case "bool":
                truth = given if isinstance(given, bool) else _TRUTH.get(str(given).strip().casefold())
                if truth is None:
                    raise ValueError(f"expected yes or no, not {_said(given)}")
                return truth
            case "choice":
                return self._choice(given)
            case "list":
                return self._list(given)
            case "schema":
                return _schema(given)
            case "language":
                return _language(given)

    def text(self, value: Any, language: str, alone: bool) -> str:
        """A value as it stands in a prompt."""
        if isinstance(value, Localized):
            return value.of(language)
        if self.choices and value in self.choices:
            return self.choices[value].of(language)
        return shown(value, language, alone)

    def _number(self, given: Any) -> int | float:
        kind = int if self.type == "int" else float
        expected = "a whole number" if kind is int else "a number"
        try:
            if isinstance(given, bool) or (kind is int and isinstance(given, float)):
                raise ValueError
            number = kind(given.strip().replace(",", ".") if isinstance(given, str) else given)
            if not math.isfinite(number):
                raise ValueError
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"expected {expected}, not {_said(given)}") from error
        self._check_range(number, expected)
        return number

    def _check_range(self, number: float, what: str) -> None:
        low, high = (None if bound is None else f"{bound:.15g}" for bound in (self.min, self.max))
        if (self.min is not None and number < self.min) or (self.max is not None and number > self.max):
            within = f"from {low} to {high}" if low and high else f"of at least {low}" if low else f"of at most {high}"
            raise ValueError(f"expected {what} {within}, not {number:.15g}")

    def _choice(self, given: Any) -> str:
        choices = self.choices or {}
        wanted = given.strip().casefold() if isinstance(given, str) else None
        for value, reads in choices.items():
            if wanted in {name.casefold() for name in (value, reads.en, reads.ru) if name}:
                return value
        raise ValueError(f"expected one of {', '.join(choices)}, not {_said(given)}")

    def _list(self, given: Any) -> list[str]:
        if isinstance(given, str):
            text = given.strip()
            if text.startswith("["):
                try:
                    given = json.loads(text)
                except (ValueError, RecursionError) as error:
                    raise ValueError(f"expected a list, but this is no JSON: {_said(text)}") from error
            else:
                given = text.split("\n" if "\n" in text else ",")
        if not isinstance(given, list | tuple) or not all(isinstance(item, str) for item in given):
            raise ValueError(f"expected a list of texts, not {_said(given)}")
        items = list(dict.fromkeys(stripped for item in given if (stripped := item.strip())))
        self._check_range(len(items), "a list with a number of items")
        return items


def _schema(given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping):
        return dict(given)
    if not isinstance(given, str):
        raise ValueError(f"expected a JSON Schema or its short form, not {_said(given)}")
    try:
        return schemas.parse(given) if given.strip().startswith("{") else schemas.from_short_form(given)
    except UsageError as error:
        raise ValueError(f"{error.message} {error.hint or ''}".strip()) from error


def _language(given: Any) -> str | Localized:
    """The English name of a language, which every model knows, for its code or its name in English or Russian; other
    words (``Latin verse``) stay as they are."""
    if isinstance(given, dict):
        return Localized.model_validate(given)
    if isinstance(given, Localized):
        return given
    if not isinstance(given, str) or not given.strip():
        raise ValueError(f"expected a language, not {_said(given)}")
    from babel import Locale

    wanted = given.strip().casefold().removesuffix(" язык")
    english, russian = Locale("en").languages, Locale("ru").languages
    for code, name in english.items():
        if wanted in (code.casefold(), name.casefold(), str(russian.get(code, "")).casefold()):
            return str(name)
    return given.strip()


def _said(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= 60 else text[:60] + "…"
