"""Structured output: which tokens may come next, by llguidance; and whether a finished answer is what was asked for."""

from __future__ import annotations

import functools
import json
import re
import threading
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from llguidance.llamacpp import lltokenizer_from_vocab
from numpy.typing import NDArray

from assistant.engine import schema as schemas
from assistant.engine.engine import Constraint
from models.errors import ModelError, UsageError
from models.llama import Model

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

LONGEST_CONSTRAINT = 256 * 1024  # bytes of its text
# llguidance compiles recursively, about 5 KB a level, and ends the process when the stack is full: 100 MB for the
# deepest chain of rules or references that a constraint of that length can have.
_STACK = 256 * 1024 * 1024
_MOST_RULES = 1000  # of a Lark grammar: 10,000 terminals that use one another take minutes to compile
_MOST_FORCED = 10_000  # bytes that a constraint may force at its beginning; more is recursion without end
_MOST_DIGITS = 40  # of a number, if it can end there: small models write digits for ever
_ROUND = 128  # forced tokens at once: a batch has to take them

# No escapes by number: control characters and halves of surrogate pairs have no place in an answer.
_JSON_OPTIONS: JsonCompileOptions = {
    "whitespace_flexible": False,
    "coerce_one_of": True,
    "json_allowed_escapes": 'nrbtf\\"',
}
_HINTS = {
    "json_schema": "Correct the schema. docs/structured.md says what schemas may contain.",
    "regex": "Correct the expression. Its syntax is that of Rust's regex crate: no look-around, no back-references.",
    "choices": "Give a JSON list of different texts.",
    "lark": "Correct the grammar. docs/structured.md shows the syntax, which begins with a rule `start:`.",
}
_TITLES = {"json_schema": "JSON Schema", "regex": "Regex", "lark": "Lark grammar"}
_LONGEST_INSTRUCTION = 8000  # characters
_NAMES = {"json_schema": "schema", "regex": "regular expression", "choices": "list of choices", "lark": "grammar"}


class Vocabulary:
    """The tokens of a model as llguidance wants them. It takes up to a second to make: keep it beside the model.

    It must not be used after the model is closed, as llguidance calls llama.cpp's tokenizer.
    """

    def __init__(self, model: Model):
        self.model = model
        self.size = model.vocabulary_size
        if not model.ends:
            raise ModelError("This model has no token that ends an answer, so that none can be constrained.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # one a token, of a function that llguidance calls
            self.tokenizer = lltokenizer_from_vocab(model.vocab, eos_token=list(model.ends))

    @functools.cached_property
    def brackets(self) -> list[int]:
        """The tokens of a closing bracket and of a closing brace."""
        return [token for token in self.closing[0] if self.model.piece(token) in (b"]", b"}")]

    @functools.cached_property
    def closing(self) -> list[NDArray[np.intp]]:
        """Token ids that bring JSON nearer to its end, in groups: what closes lists and objects, what closes texts,
        what separates values, what opens nothing and is no number, what at least opens nothing."""
        groups: list[list[int]] = [[], [], [], [], []]
        for token in range(self.size):
            piece = set(self.model.piece(token))
            for group, within in zip(groups, (b"]}", b'"]}', b',"'), strict=False):
                if piece and piece <= set(within):
                    group.append(token)
                    break
            else:
                if not piece & set(b"[{"):
                    groups[-1].append(token)
                    if not piece & set(b"0123456789"):
                        groups[-2].append(token)
        return [np.array(group) for group in groups]


class Grammar:
    """What may come next in one constrained answer.

    Attributes:
        hurried: :meth:`hurry` was called.

    Raises:
        UsageError: the constraint does not parse, contradicts itself, has no end, or is too large.
    """

    def __init__(self, vocabulary: Vocabulary, constraint: Constraint):
        self._vocabulary = vocabulary
        self._matcher = _matcher(vocabulary.tokenizer, constraint)
        self._mask = np.zeros(-(-vocabulary.size // 32) * 4, np.uint8)
        self._json = constraint.kind == "json_schema"
        self._digits = 0  # at the end of what was accepted
        self.hurried = False

    def forced(self) -> list[int]:
        """Tokens that must come next, perhaps none; they are accepted when this returns."""
        _ = self._vocabulary.model.pointer  # refuses when the model is closed
        tokens = self._matcher.compute_ff_tokens()[:_ROUND]
        self._matcher.consume_tokens(tokens)
        self._check()
        return tokens

    def mask(self, logits: NDArray[np.float32]) -> None:
        """Set the logits, shape (n_vocab,), of all tokens that cannot come next to -inf; after the end only tokens that
        end a generation stay."""
        self._matcher.unsafe_compute_mask_ptr(self._mask.ctypes.data, self._mask.size)
        self._check()
        allowed = np.unpackbits(self._mask, count=logits.shape[0], bitorder="little")
        if self.hurried or self._digits > _MOST_DIGITS:
            self._narrow(allowed)
        np.putmask(logits, allowed == 0, -np.inf)

    def accept(self, token: int) -> None:
        """Go on by a token that the mask allows."""
        piece = self._vocabulary.model.piece(token)
        self._digits = self._digits + len(piece) if self._json and piece.isdigit() else 0
        self._matcher.consume_token(token)
        self._check()

    def valid_prefix(self, tokens: Sequence[int]) -> int:
        """How many of these could come next, in this order; nothing changes."""
        return self._matcher.validate_tokens(list(tokens))

    def hurry(self) -> None:
        """From now on end the answer as soon as the constraint allows, as no room is left, or it only repeats itself.
        JSON is closed in a few tokens; elsewhere only the first possible end is taken."""
        self.hurried = True

    def _narrow(self, allowed: NDArray[np.uint8]) -> None:
        """Keep the best group of what is allowed: every token of it still leads to a whole answer."""
        groups = [np.array(self._vocabulary.model.ends)]
        if self._json:
            brackets, quotes, *others = self._vocabulary.closing
            in_text = allowed[self._vocabulary.brackets].all()  # elsewhere only the bracket of the innermost can come
            groups += [quotes] if in_text else [brackets, quotes, *others]
        for group in groups:
            if allowed[group].any():
                kept = group[allowed[group] != 0]
                allowed[:] = 0
                allowed[kept] = 1
                return

    @property
    def finished(self) -> bool:
        """Complete, and nothing can follow."""
        return self._matcher.is_stopped()

    @property
    def complete(self) -> bool:
        """What was accepted is a whole answer."""
        return self._matcher.is_accepting()

    def _check(self) -> None:
        if error := self._matcher.get_error():
            raise ModelError(
                f"The constrained answer cannot go on: {_reason(error)}.", "Simplify the schema, expression or grammar."
            )


def check(constraint: Constraint) -> None:
    """Refuse a constraint that no model can follow, before one is loaded.

    Raises:
        UsageError: as :class:`Grammar`.
    """
    _matcher(LLTokenizer("byte"), constraint)


def instruction(constraint: Constraint) -> str:
    """What tells the model of the constraint, in no language, to follow the question; empty where it is too long to be
    read or says nothing. A model that knows the names and descriptions of the fields fills them better."""
    text = constraint.text.strip()
    title = _TITLES.get(constraint.kind)
    return f"{title}:\n{text}" if title and len(text) <= _LONGEST_INSTRUCTION else ""


def validate(text: str, constraint: Constraint) -> str | None:
    """Why a finished answer does not satisfy the constraint, or None if it does."""
    tokenizer = LLTokenizer("byte")
    matcher = _matcher(tokenizer, constraint)
    raw = text.encode("utf-8", "surrogatepass")
    good = matcher.try_consume_tokens(list(raw))
    if good < len(raw):
        return f"after {_tail(raw[:good])!r} came {raw[good:].decode('utf-8', 'replace')[:20]!r}"
    if not matcher.is_accepting():
        return f"it is not complete: it stops after {_tail(raw)!r}"
    return _violation(text, constraint.text) if constraint.kind == "json_schema" else None


def _tail(raw: bytes) -> str:
    return raw[-40:].decode("utf-8", "ignore")


def _violation(text: str, schema_text: str) -> str | None:
    """What the grammar does not enforce: uniqueItems, oneOf, formats."""
    import jsonschema  # slow to import

    def enforced(*_: object) -> None:
        """Patterns are the grammar's: Python's ``re`` has another syntax, and can take for ever. Multiples too: 0.3 is
        none of 0.1 in binary fractions."""

    schema = schemas.parse(schema_text)
    formats = jsonschema.FormatChecker(set(jsonschema.FormatChecker.checkers) - {"time"})  # its own is not RFC 3339
    draft = jsonschema.Draft7Validator if schemas.has_lists_of_items(schema) else jsonschema.Draft202012Validator
    kind = jsonschema.validators.extend(draft, dict.fromkeys(("pattern", "patternProperties", "multipleOf"), enforced))
    try:
        error = jsonschema.exceptions.best_match(kind(schema, format_checker=formats).iter_errors(json.loads(text)))
    except (RecursionError, AttributeError, TypeError, jsonschema.exceptions.UnknownType):
        return None  # a schema of another form than jsonschema knows; the grammar let the answer through
    return f"{error.json_path}: {error.message}" if error else None


def _matcher(tokenizer: LLTokenizer, constraint: Constraint) -> LLMatcher:
    kind, name = constraint.kind, _NAMES[constraint.kind]

    def refuse(reason: str) -> UsageError:
        return UsageError(f"The {name} cannot be used: {reason}.", _HINTS[kind])

    try:
        size = len(constraint.text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise refuse("it is not text in UTF-8") from error
    if size > LONGEST_CONSTRAINT:
        raise refuse(f"it is too large: {size:,} bytes of at most {LONGEST_CONSTRAINT:,}")
    try:
        grammar = _grammar(constraint)
    except (ValueError, RecursionError) as error:
        raise refuse(_reason(str(error))) from error
    limits = LLParserLimits(verbose_errors=False)
    matcher = _with_large_stack(tokenizer, grammar, limits)
    if matcher.is_error():
        raise refuse(_reason(matcher.get_error()))
    matcher.compute_bitmask()
    if matcher.is_error():
        raise refuse("no text satisfies it")
    if len(matcher.compute_ff_bytes()) > _MOST_FORCED:
        raise refuse(f"it forces more than {_MOST_FORCED:,} bytes at its beginning, perhaps recursion without end")
    return matcher


def _with_large_stack(tokenizer: LLTokenizer, grammar: str, limits: LLParserLimits) -> LLMatcher:
    made: list[LLMatcher] = []
    before = threading.stack_size(_STACK)
    try:
        thread = threading.Thread(target=lambda: made.append(LLMatcher(tokenizer, grammar, log_level=0, limits=limits)))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    return made[0]


def _grammar(constraint: Constraint) -> str:
    """The constraint in llguidance's own format."""
    text = constraint.text
    match constraint.kind:
        case "json_schema":
            schema = schemas.parse(text)
            try:
                if not schemas.can_end(schema):
                    raise ValueError("it is recursive without end")
                schema = schemas.for_grammar(schema)
            except (AttributeError, TypeError, KeyError):  # not the form of a schema; llguidance says what is wrong
                pass
            return LLMatcher.grammar_from_json_schema(json.dumps(schema, ensure_ascii=False), overrides=_JSON_OPTIONS)
        case "regex":
            return LLMatcher.grammar_from_regex(text)
        case "choices":
            choices = json.loads(text)
            if not isinstance(choices, list) or not choices or not all(c and isinstance(c, str) for c in choices):
                raise ValueError("it is not a JSON list of texts")
            return LLMatcher.grammar_from_regex("|".join(_literal(choice) for choice in choices))
        case "lark":
            if (rules := len(re.findall(r"^[ \t]*[?!]?\w[^\n\"/]*:", text, re.MULTILINE))) > _MOST_RULES:
                raise ValueError(f"it is too large: {rules:,} rules of at most {_MOST_RULES:,}")
            return LLMatcher.grammar_from_lark(text)


def _literal(text: str) -> str:
    return "".join(c if c.isalnum() else f"\\x{{{ord(c):x}}}" for c in text)


def _reason(error: str) -> str:
    """llguidance's message in one line: the last ``error:`` of a regular expression, else the first line."""
    error = error.replace("\n<non-verbose/>", "").strip()
    inner = re.search(r"^error: (.*)", error, re.MULTILINE)
    line = inner[1] if inner else error.splitlines()[0]
    line = re.sub(r"^(?:at )?(\d+)\((\d+)\): ", r"line \1, column \2: ", line)
    return (line if len(line) <= 300 else line[:300] + "…").rstrip(".")
