"""An answer of a server, as events of an engine."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence

from assistant.engine.endpoint import Json, choices_of
from assistant.engine.engine import Delta, FinishReason, GenerateOptions, Message, Result, Timings
from assistant.engine.output import Output
from assistant.engine.repetition import Repetition
from assistant.engine.servers import estimate
from models.errors import Cancelled, UserError

_REASONING = ("<think>", "</think>")  # of servers that leave it in the answer
_FINISHED: dict[str, FinishReason] = {"length": "length", "cancelled": "cancelled", "repetition": "repetition"}


class Unfit(UserError):
    """What the server answers is not what was asked for."""


def answer_of(
    events: Generator[Json, None, None], messages: Sequence[Message], options: GenerateOptions, server: str
) -> Generator[Delta, None, Result]:
    """The answer in a server's events; these are closed once it has ended, by a string of ``options.stop``, or because
    it goes round in circles. What was cancelled keeps the text so far.

    Args:
        messages: the prompt, for an estimate of its tokens where the server does not tell.

    Raises:
        Unfit: it is withheld. What reading the events raises.
    """
    started, first = time.perf_counter(), 0.0
    output, repetition = Output(options.stop, _REASONING), Repetition()
    thoughts, tokens, finish = "", 0, ""
    usage: Json = {}
    timings: Json = {}
    try:
        for event in events:
            usage, timings = _object(event, "usage") or usage, _object(event, "timings") or timings
            for choice in choices_of(event)[:1]:
                said = _object(choice, "delta") or _object(choice, "message")
                finish = _text(choice, "finish_reason") or finish
                thought = _text(said, "reasoning_content") or _text(said, "reasoning")
                text = _text(said, "content")
                if thought or text:
                    first = first or time.perf_counter() - started
                    tokens += 1
                if thought:
                    thoughts += thought
                    yield Delta(thought, True, tokens)
                for piece in output.feed(text.encode("utf-8", "replace")):
                    yield Delta(piece.text, piece.reasoning, tokens)
                if text and repetition.feed(hash(text) & 0x7FFFFFFF):  # a server's pieces are tokens, or nearly
                    finish = "repetition"
            if output.stopped or finish == "repetition":
                break
    except Cancelled:
        finish = "cancelled"
    finally:
        events.close()
    for piece in output.finish():
        yield Delta(piece.text, piece.reasoning, tokens)
    if finish == "content_filter":
        raise Unfit(f"{server} withholds its answer (content_filter).", "Ask another model.")
    seconds = time.perf_counter() - started
    prompt_tokens = _number(usage, "prompt_tokens") or estimate(messages)
    completed = _number(usage, "completion_tokens") or tokens
    return Result(
        text=output.text,
        reasoning=thoughts + output.reasoning,
        finish_reason=_FINISHED.get(finish, "stop"),
        prompt_tokens=int(prompt_tokens),
        completion_tokens=int(completed),
        timings=Timings(
            first_token_seconds=first,
            prefill_tokens=int(_number(timings, "prompt_n") or prompt_tokens),
            prefill_seconds=_number(timings, "prompt_ms") / 1000 or first,
            decode_tokens=int(completed),
            decode_seconds=_number(timings, "predicted_ms") / 1000 or max(0.0, seconds - first),
        ),
    )


def _object(within: Json, name: str) -> Json:
    found = within.get(name)
    return found if isinstance(found, dict) else {}


def _text(within: Json, name: str) -> str:
    found = within.get(name)
    return found if isinstance(found, str) else ""


def _number(within: Json, name: str) -> float:
    found = within.get(name)
    return found if isinstance(found, int | float) and found > 0 else 0
