"""``assistant ask``: one question, the answer on stdout, everything else on stderr."""

from __future__ import annotations

import csv
import json
import os
import re
import stat
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from assistant import settings as user_settings
from assistant.chat.compaction import Compacted, Compacting
from assistant.chat.conversation import Choice, Conversation, title_of
from assistant.chat.history import History, HistoryError
from assistant.cli.constraining import constraint_flags, constraint_of
from assistant.cli.drafting import draft_flags, draft_options
from assistant.cli.interrupt import interruptible
from assistant.engine import structured
from assistant.engine.engine import Delta, Progress, Result
from assistant.engine.local import LocalEngine
from assistant.engine.scoring import check_choices, coverage, probabilities
from models.errors import UsageError
from models.store import Store


@click.command(short_help="Ask one question, print the answer, leave.")
@click.argument("prompt", nargs=-1)
@click.option("-m", "--model", metavar="MODEL", help="Catalogue id, store name, or path of a GGUF file.")
@click.option("-s", "--system", metavar="TEXT", help="System text: who the assistant is and how it answers.")
@click.option(
    "-f", "--file", "files", multiple=True, metavar="FILE", help="Add the text of a file to the prompt. Repeatable."
)
@click.option(
    "-o",
    "--option",
    "options",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help=f"One of {', '.join(user_settings.OPTIONS)}. Repeatable.",
)
@click.option("-c", "--continue", "go_on", is_flag=True, help="Go on with the latest chat.")
@click.option("--cid", type=int, metavar="ID", help="Go on with this chat (see `assistant history`).")
@click.option(
    "--choices",
    metavar="LIST",
    help="Print the likeliest of these answers, separated by commas; with --json also how probable each is.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the text.")
@click.option("--no-stream", is_flag=True, help="Print the answer when it is complete.")
@click.option("-x", "--extract", is_flag=True, help="Print only the first fenced code block of the answer.")
@click.option("-u", "--usage", is_flag=True, help="Say on stderr how many tokens it took.")
@click.option("--stats", is_flag=True, help="Say on stderr how long each phase took.")
@click.option("--no-history", is_flag=True, help="Do not keep this chat.")
@constraint_flags
@draft_flags
def ask(
    prompt: tuple[str, ...],
    model: str | None,
    system: str | None,
    files: tuple[str, ...],
    options: tuple[tuple[str, str], ...],
    go_on: bool,
    cid: int | None,
    choices: str | None,
    as_json: bool,
    no_stream: bool,
    extract: bool,
    usage: bool,
    stats: bool,
    no_history: bool,
    **shared: Any,
) -> None:
    """Ask one question, print the answer, leave.

    The files come first in what the model reads, then text that comes by a pipe, then PROMPT:

        git diff | assistant ask "Write a commit message."

    Exit codes: 0 answered, 1 not what --schema, --regex or --grammar ask for, or cut short, 2 usage, 3 model missing
    or unusable, 4 does not fit the window, 130 stopped by Ctrl+C (what was generated is printed and kept).
    """
    if no_history and (go_on or cid is not None):
        raise UsageError("--no-history has no chats to go on with.", "Leave out --no-history, or -c and --cid.")
    settings = user_settings.load()
    flags = user_settings.parse_options([*options, *draft_options(shared)])
    settings.history = settings.history and not no_history
    answers = _choices(choices) if choices is not None else []
    constraint = constraint_of(shared)
    if constraint and (answers or flags.get("beams", 1) > 1):
        raise UsageError(
            "A schema, an expression or a grammar goes neither with --choices nor with beams.", "Leave one of them out."
        )
    question = _question(" ".join(prompt), files)
    if answers:
        question += f"\n\nAnswer with exactly one of: {', '.join(answers)}."
    if constraint and (shown := structured.instruction(constraint)):
        question += f"\n\n{shown}"
    store = Store()
    installed = store.choose(model or settings.model)
    history = _history(settings.history, needed=go_on or cid is not None)
    if go_on and cid is None:
        cid = history.latest()
        if cid is None:
            raise UsageError("There is no chat to go on with.", "Leave out -c to begin one.")

    engine = LocalEngine(installed.path, user_settings.load_options(flags, settings, store, installed))
    generation = user_settings.generate_options(flags, settings, installed.entry and installed.entry.sampling)
    conversation = Conversation(
        engine,
        history,
        model=installed.name,
        system=system if system is not None or cid is not None else settings.system,
        options=replace(generation, constraint=constraint, beams=1) if constraint else generation,
        id=cid,
    )
    if prompt and cid is None:
        conversation.title = title_of(" ".join(prompt))
    screen = _Screen(streams=not (as_json or no_stream or extract))
    result: Result | None = None
    unsaved: HistoryError | None = None
    try:
        events = conversation.choose(question, answers) if answers else conversation.send(question)
        for event in interruptible(events, conversation.cancel):
            match event:
                case Progress():
                    screen.progress(event)
                case Delta():
                    screen.delta(event)
                case Compacting() | Compacted():
                    screen.compaction(event)
                case Result():
                    result = event
    except HistoryError as error:
        if result is None:
            raise
        unsaved = error  # told after the answer, which is complete
    assert result is not None
    screen.end()
    wrong = structured.validate(result.text, constraint) if constraint else None
    if as_json:
        answer = {
            "text": result.text,
            "reasoning": result.reasoning,
            "model": installed.name,
            "conversation_id": conversation.id if history.path else None,
            **{name: value for name, value in asdict(result).items() if name not in ("text", "reasoning", "scores")},
        }
        if constraint and constraint.kind == "json_schema":
            answer["data"] = None if wrong else json.loads(result.text)
        if isinstance(result, Choice):
            answer["choice"] = result.text
            answer["probabilities"] = probabilities(result.scores)
            answer["coverage"] = coverage(result.scores)
        click.echo(json.dumps(answer, ensure_ascii=False))
    elif extract:
        click.echo(_first_block(result.text))
    elif no_stream:
        click.echo(result.text)
    if usage:
        click.echo(f"{result.prompt_tokens} tokens in, {result.completion_tokens} out", err=True)
    if stats:
        click.echo(describe(result), err=True)
    if result.finish_reason == "length":
        click.echo("The answer stops here: no tokens are left (max_tokens, or the window is full).", err=True)
    if result.finish_reason == "repetition":
        click.echo("The answer was stopped: it said the same again and again.", err=True)
    history.close()
    engine.close()
    if unsaved:
        raise unsaved
    if result.finish_reason == "cancelled":
        click.echo("Stopped. What was generated is kept in the history." if history.path else "Stopped.", err=True)
        sys.exit(130)
    if wrong:
        click.echo(f"The answer is not what was asked for: {wrong}.", err=True)
    elif constraint and result.finish_reason != "stop":
        click.echo("It was closed early: its form is right, but something may be missing.", err=True)
    if constraint and (wrong or result.finish_reason != "stop"):
        sys.exit(1)


class _Screen:
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
        )
    return text


def _history(wanted: bool, *, needed: bool) -> History:
    """The user's history. If it cannot be opened, the question is still answered, unless it goes on with a chat."""
    if not wanted and not needed:
        return History.in_memory()
    try:
        return History.open()
    except HistoryError as error:
        if needed:
            raise
        click.echo(f"warning: this chat is not kept: {error.message} {error.hint or ''}".rstrip(), err=True)
        return History.in_memory()


def _question(prompt: str, files: tuple[str, ...]) -> str:
    """Texts come before the question: a model that has read them for one question can go on with another."""
    parts = []
    for name in files:
        path = Path(name).expanduser()
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{name} cannot be read: {error.strerror}.", "Check the path after -f.") from error
        text = _text(raw, name)
        if not text.strip():
            click.echo(f"warning: {name} is empty", err=True)
        parts.append(f"{path.name}:\n{text.strip()}" if prompt or len(files) > 1 else text.strip())
    if _is_piped():
        parts.append(_text(sys.stdin.buffer.read(), "Standard input").strip())
    parts.append(prompt.strip())
    question = "\n\n".join(part for part in parts if part)
    if not question:
        raise UsageError("There is nothing to ask.", 'Type a question: assistant ask "Why is the sky blue?"')
    return question


def _choices(text: str) -> list[str]:
    """Separated by commas or line ends; one with a comma stands in double quotes."""
    rows = csv.reader(text.splitlines(), skipinitialspace=True)
    choices = [choice.strip() for row in rows for choice in row]
    check_choices(choices)
    return choices


def _is_piped() -> bool:
    """True for a pipe, a file or a socket; a terminal would wait for ever, and /dev/null has nothing."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):  # closed, or replaced
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def _text(raw: bytes, name: str) -> str:
    """Text from bytes: UTF-8, or UTF-16 with a byte order mark.

    Raises:
        UsageError: it is something else.
    """
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name} is not text in UTF-8 (byte {error.start:,}).",
            "Convert it first, for example with `iconv -f cp1251 -t utf-8`.",
        ) from error
    if "\0" in text:
        raise UsageError(f"{name} is binary, not text.", "Give it text.")
    return text


def _first_block(text: str) -> str:
    """The first fenced block without its fences; the whole text if there is none."""
    block = re.search(r"^(`{3,}|~{3,})[^\n]*\n(.*?)(?:^\1|\Z)", text, re.DOTALL | re.MULTILINE)
    return block[2].rstrip("\n") if block else text
