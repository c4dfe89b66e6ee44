"""A long input in parts: each is answered alone, and the answers become one: joined, combined by the model, merged as
forms, or counted as votes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any

from assistant.engine.calls import Choice, completing, scoring
from assistant.engine.engine import Delta, Engine, Event, FinishReason, GenerateOptions, Message, Result
from assistant.engine.parts import parts_of
from assistant.engine.scoring import probabilities
from assistant.templates.filled import Filled
from assistant.templates.substitution import INPUT, names

_BETWEEN = "\n\n"


def room_for_part(filled: Filled, window: int) -> int | None:
    """Tokens of the longest part; None: this template does not work in parts.

    Args:
        window: of the model, in tokens; half of it is for the prompt's frame and the answer.
    """
    chunking = filled.template.chunking
    if chunking is None or filled.template.tools or filled.scale():
        return None
    return min(chunking.tokens, window // 2)


def answer_in_parts(
    engine: Engine,
    filled: Filled,
    text: str,
    room: int,
    count_tokens: Callable[[str], int],
    options: GenerateOptions,
    check: Callable[[], None],
) -> Iterator[Event]:
    """Answer a text part by part. Where the template says how to combine, the answers to parts are written as
    reasoning, and the answer is what the model makes of them; else they are the answer, one below the other. Forms are
    merged by the program: a field has the value of the first part that fills it in, a list the items of all parts. Of
    choices the likeliest is that of the parts together, each with the weight of its length.

    Raises:
        as :meth:`Engine.generate`.
    """
    language = filled.language_of(text)
    if constraint := filled.constraint():
        options = replace(options, constraint=constraint, beams=1)
    filled = replace(filled, language=language)
    parts = parts_of([text], count_tokens, room)
    assert filled.template.chunking is not None
    if choices := filled.choices():
        return _voted(engine, filled, parts, choices, check)
    if (combine := filled.template.chunking.combine) is None:
        if filled.schema() is not None:
            return _merged(engine, filled, parts, options, check)
        return _joined(engine, [filled.messages(part) for part in parts], options)
    put = filled.render(combine, language, "")
    has_place = any(name == INPUT for name, _ in names(combine.of(language)))

    def together(answers: str) -> list[Message]:
        asked = filled.render(combine, language, answers) if has_place else f"{put}{_BETWEEN}{answers}"
        return [Message("system", system), Message("user", asked)] if system else [Message("user", asked)]

    system = filled.system(language)
    return _combined(engine, filled, parts, together, room, count_tokens, options, check)


def _joined(engine: Engine, prompts: Sequence[Sequence[Message]], options: GenerateOptions) -> Iterator[Event]:
    written: list[str] = []
    ends: list[FinishReason] = []
    tokens = 0
    for prompt in prompts:
        if written:
            yield Delta(_BETWEEN, tokens=tokens)
        for event in engine.generate(prompt, options):
            if isinstance(event, Result):
                result = event
            else:
                yield replace(event, tokens=tokens + event.tokens) if isinstance(event, Delta) else event
        tokens += result.completion_tokens
        written.append(result.text.strip("\n"))
        ends.append(result.finish_reason)
        if result.finish_reason == "cancelled":
            break
    if ends[-1] != "cancelled":  # whole only if every part is
        ends.sort(key=lambda end: end == "stop")
        result = replace(result, finish_reason=ends[0])
    yield replace(result, text=_BETWEEN.join(written), completion_tokens=tokens)


def _combined(
    engine: Engine,
    filled: Filled,
    parts: list[str],
    together: Callable[[str], list[Message]],
    room: int,
    count_tokens: Callable[[str], int],
    options: GenerateOptions,
    check: Callable[[], None],
) -> Generator[Event, None, None]:
    thought: list[str] = []
    answers: list[str] = []
    for part in parts:
        result = yield from completing(engine, filled.messages(part), options, check)
        answers.append(result.text.strip())
    thought += answers
    # What still does not fit is combined in groups first. A model that does not get shorter ends it.
    while len(groups := parts_of(answers, count_tokens, room)) > 1:
        shorter = []
        for group in groups:
            result = yield from completing(engine, together(group), options, check)
            shorter.append(result.text.strip())
        if sum(map(len, shorter)) >= sum(map(len, answers)):
            break
        answers = shorter
        thought += answers
    for event in engine.generate(together(_BETWEEN.join(answers)), options):
        yield replace(event, reasoning=_BETWEEN.join(thought)) if isinstance(event, Result) else event


def _voted(
    engine: Engine, filled: Filled, parts: list[str], choices: tuple[str, ...], check: Callable[[], None]
) -> Generator[Event, None, None]:
    shares = dict.fromkeys(choices, 0.0)
    tokens = 0
    known = True  # how probable the choices are; else each part has one vote
    for part in parts:
        for event in scoring(engine, filled.messages(part), choices, check):
            if isinstance(event, Result):
                tokens += event.prompt_tokens
                known = known and isinstance(event, Choice)
                votes = probabilities(event.scores) if isinstance(event, Choice) else {event.text: 1.0}
                for choice, share in votes.items():
                    shares[choice] += share * len(part) / sum(map(len, parts))
            elif not isinstance(event, Delta):
                yield event
    best = max(shares, key=lambda choice: shares[choice])
    yield Delta(best)
    if not known:
        yield Result(best, "", "stop", tokens, 0)
        return
    scores = {choice: math.log(share) if share else -math.inf for choice, share in shares.items()}
    yield Choice(best, "", "stop", tokens, 0, scores=scores)


def _merged(
    engine: Engine, filled: Filled, parts: list[str], options: GenerateOptions, check: Callable[[], None]
) -> Generator[Event, None, None]:
    form: Any = None
    results = []
    for part in parts:
        result = yield from completing(engine, filled.messages(part), options, check)
        results.append(result)
        try:
            form = merged(form, json.loads(result.text))
        except ValueError:
            text = result.text  # it was closed in the middle of a word: there is no form to show
            break
    else:
        text = json.dumps(form, ensure_ascii=False, separators=(",", ":"))
    ends = sorted((result.finish_reason for result in results), key=lambda end: end == "stop")
    yield Delta(text)
    yield replace(
        result,
        text=text,
        finish_reason=ends[0],
        prompt_tokens=sum(result.prompt_tokens for result in results),
        completion_tokens=sum(result.completion_tokens for result in results),
    )


def merged(first: Any, second: Any) -> Any:
    """Two forms of one schema as one: what the first leaves empty is taken from the second, lists are joined."""
    if isinstance(first, dict) and isinstance(second, dict):
        return {name: merged(first.get(name), second.get(name)) for name in {**first, **second}}
    if isinstance(first, list) and isinstance(second, list):
        return first + [item for item in second if item not in first]
    return first or second if second is not None else first
