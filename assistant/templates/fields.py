"""What the fields of a template are made of: strict models, and texts in two languages."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Strict, StringConstraints, model_serializer, model_validator

Language = Literal["en", "ru"]
LANGUAGES: tuple[Language, ...] = ("en", "ru")

T = TypeVar("T")
Several = Annotated[tuple[T, ...], Strict(False)]  # YAML has lists
NonEmpty = Annotated[str, StringConstraints(pattern=r"\S")]
"""A text that says something."""


class Fields(BaseModel):
    """Unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Localized(Fields):
    """A text in English, in Russian, or one for both."""

    en: NonEmpty | None = None
    ru: NonEmpty | None = None

    @model_validator(mode="before")
    @classmethod
    def _for_both(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"en": value, "ru": value}
        if not isinstance(value, dict | Localized):
            raise ValueError("expected a text, or one each under en and ru")
        if value == {}:
            raise ValueError("expected en, ru or both")
        return value

    @model_serializer
    def _serialized(self) -> Any:
        return self.en if self.en == self.ru else {name: text for name in LANGUAGES if (text := self.written(name))}

    def written(self, language: str) -> str | None:
        """The text in this very language."""
        return self.ru if language == "ru" else self.en

    def of(self, language: str) -> str:
        """The text in this language, else in the other."""
        return self.written(language) or self.en or self.ru or ""
