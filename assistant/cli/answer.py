"""How an answer is printed: as it comes, as JSON, or only its code; and what is said of it on stderr."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from typing import Any

import click

from assistant.chat.compaction import Compacted, Compacting
from assistant.chat.recalling import Recalled
from assistant.engine.calls import Choice
from assistant.engine.engine import Constraint, Delta, Progress, Result
from assistant.engine.scoring import coverage, probabilities

_ENDED = {
    "length": "The answer stops here: no tokens are left (max_tokens, or the window is full).",
    "repetition": "The answer was stopped: it said the same again and again.",
}


class Screen:
    """The answer goes to stdout as it comes. How far it is goes to stderr, only where a person watches."""

    def __init__(self, *, streams: bool):
        self._streams = streams
        self._watched = sys.stderr.isatty()
        self._line = ""
        self._wrote = False
        self._newline = True

    def progress(self, event: Progress) -> None:
        if event.phase == "load":
            self._say(f"loading the model {event.done} %" if event.done else "loading the model")
        elif event.phase == "measure":
            self._say(f"measuring this machine, once for this model: {event.done} of {event.total}")
        elif event.total > 512:
            self._say(f"reading the prompt: {event.done:,} of {event.total:,} tokens")

    def delta(self, event: Delta) -> None:
        if event.reasoning:
            self._say(f"thinking: {event.tokens} tokens")
        elif self._streams:
            self._say("")
            sys.stdout.write(event.text)
            sys.stdout.flush()
            self._wrote, self._newline = True, event.text.endswith("\n")
        else:
            self._say(f"answering: {event.tokens} tokens")

    def compaction(self, event: Compacting | Compacted) -> None:
        if isinstance(event, Compacting):
            self._say("summarizing the oldest part of the chat, which no longer fits")
        else:
            self._say("")
            click.echo(
                f"The chat no longer fitted the window: its {event.removed_messages} oldest messages are now a summary "
                f"({event.tokens_before:,} → {event.tokens_after:,} tokens).",
                err=True,
            )

    def recalled(self, event: Recalled) -> None:
        self._say(f"reading {len(event.sources)} passages")

    def end(self) -> None:
        self._say("")
        if self._wrote and not self._newline:
            sys.stdout.write("\n")
            sys.stdout.flush()

    def _say(self, line: str) -> None:
        if self._watched and line != self._line:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
            self._line = line


def describe(result: Result) -> str:
    """Timings of an answer in a few lines, for people."""
    timings, drafting = result.timings, result.speculation

    def rate(tokens: int, seconds: float) -> str:
        return f"{tokens:,} tokens in {seconds:.2f} s" + (f" ({tokens / seconds:.1f} per second)" if seconds else "")

    restored = f", {timings.restored_tokens:,} from the disk" if timings.restored_tokens else ""
    text = (
        f"load {timings.load_seconds:.2f} s · first token after {timings.first_token_seconds:.2f} s\n"
        f"prefill {rate(timings.prefill_tokens, timings.prefill_seconds)}{restored} · "
        f"decode {rate(timings.decode_tokens, timings.decode_seconds)}"
    )
    if drafting.rounds:
        text += (
            f"\ndrafted by {drafting.mode}: {drafting.accepted:,} of {drafting.drafted:,} tokens accepted, "
            f"{drafting.mean_length:.1f} a round in {drafting.rounds:,} rounds · {drafting.gain:.2f} × plain decoding"
            f"\nlengths of drafts: {', '.join(f'{length} ({rounds} ×)' for length, rounds in drafting.lengths[:6])}"
        )
    elif drafting.mode == "none":
        text += "\nnothing drafted: plain decoding is faster here"
    return text


def to_json(
    result: Result,
    model: str,
    conversation_id: int | None,
    constraint: Constraint | None,
    *,
    valid: bool,
    more: dict[str, Any],
) -> str:
    """All of an answer as one object; ``data`` is what an answer in JSON holds, null if it is not ``valid``, or what
    the program worked out."""
    answer = {
        "text": result.text,
        "reasoning": result.reasoning,
        "model": model,
        "conversation_id": conversation_id,
        **{name: value for name, value in asdict(result).items() if name not in ("text", "reasoning", "scores")},
    }
    if constraint and constraint.kind == "json_schema":
        answer["data"] = json.loads(result.text) if valid else None
    if isinstance(result, Choice):
        answer["choice"] = result.text
        answer["probabilities"] = probabilities(result.scores)
        answer["coverage"] = coverage(result.scores)
    return json.dumps(answer | more, ensure_ascii=False)


def say_how_it_ended(result: Result, *, kept: bool) -> None:
    """Say so on stderr when an answer did not end by itself."""
    if result.finish_reason in _ENDED:
        click.echo(_ENDED[result.finish_reason], err=True)
    if result.finish_reason == "cancelled":
        click.echo("Stopped. What was generated is kept in the history." if kept else "Stopped.", err=True)


def first_block(text: str) -> str:
    """The first fenced block without its fences; the whole text if there is none."""
    block = re.search(r"^(`{3,}|~{3,})[^\n]*\n(.*?)(?:^\1|\Z)", text, re.DOTALL | re.MULTILINE)
    return block[2].rstrip("\n") if block else text
