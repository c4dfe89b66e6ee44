"""``assistant ask``: one question, the answer on stdout, everything else on stderr."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from assistant import settings as user_settings
from assistant.chat.compaction import Compacted, Compacting
from assistant.chat.conversation import Conversation
from assistant.chat.history import History, HistoryError
from assistant.chat.recalling import Recalled
from assistant.chat.record import title_of
from assistant.cli.adapting import lora_flags, lora_options
from assistant.cli.answer import Screen, describe, first_block, say_how_it_ended, to_json
from assistant.cli.constraining import constraint_flags, constraint_of
from assistant.cli.drafting import draft_flags, draft_options
from assistant.cli.filling import filled_of, template_flags
from assistant.cli.interrupt import exit_code, interruptible
from assistant.cli.loading import load, model_flags
from assistant.cli.question import read_question, split_choices
from assistant.engine import structured
from assistant.engine.calls import Choice
from assistant.engine.engine import Delta, Progress, Result
from assistant.engine.scoring import probabilities
from models.errors import UsageError

if TYPE_CHECKING:
    from assistant.memory.memory import Memory


@click.command(short_help="Ask one question, print the answer, leave.")
@click.argument("prompt", nargs=-1)
@model_flags
@click.option("-s", "--system", metavar="TEXT", help="System text: who the assistant is and how it answers.")
@click.option(
    "-f", "--file", "files", multiple=True, metavar="FILE", help="Add the text of a file to the prompt. Repeatable."
)
@click.option(
    "--memory",
    "looked_up_in",
    is_flag=False,
    flag_value="",
    metavar="[COLLECTION]",
    help="Answer from the documents in memory, of all collections or of one, with citations (see `assistant memory`).",
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
@template_flags
@constraint_flags
@draft_flags
@lora_flags
def ask(
    prompt: tuple[str, ...],
    model: str | None,
    system: str | None,
    files: tuple[str, ...],
    options: tuple[tuple[str, str], ...],
    looked_up_in: str | None,
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
        assistant ask -t translate -p to ru < letter.txt

    Exit codes: 0 answered, 1 not what --schema, --regex or --grammar ask for, or cut short, 2 usage, 3 model missing
    or unusable, 4 does not fit the window, 130 stopped by Ctrl+C, 143 by SIGTERM (what was generated is printed
    and kept).
    """
    if no_history and (go_on or cid is not None):
        raise UsageError("--no-history has no chats to go on with.", "Leave out --no-history, or -c and --cid.")
    settings = user_settings.load()
    options = (*options, *draft_options(shared))
    adapter = lora_options(shared)
    filled = filled_of(shared)
    settings.history = settings.history and not no_history
    answers = split_choices(choices) if choices is not None else []
    constraint = constraint_of(shared)
    if constraint and (answers or user_settings.parse_options(options).get("beams", 1) > 1):
        raise UsageError(
            "A schema, an expression or a grammar goes neither with --choices nor with beams.", "Leave one of them out."
        )
    own = bool(answers or constraint or system is not None)
    if filled and own:
        raise _formed_already()
    memory: Memory | None = None
    collection: str | None = None
    if looked_up_in is not None:
        from assistant.cli import remembering
        from assistant.memory.memory import Memory

        memory = Memory.open()
        collection, prompt = remembering.scope_of(memory, looked_up_in, prompt)
    question = read_question(" ".join(prompt), files)
    if answers:
        question += f"\n\nAnswer with exactly one of: {', '.join(answers)}."
    if constraint and (shown := structured.instruction(constraint)):
        question += f"\n\n{shown}"
    loaded = load(model, options, settings, **adapter)
    engine = loaded.engine
    history = _history(settings.history, needed=go_on or cid is not None)
    if go_on and cid is None:
        cid = history.latest()
        if cid is None:
            raise UsageError("There is no chat to go on with.", "Leave out -c to begin one.")

    conversation = Conversation(
        engine,
        history,
        model=loaded.name,
        system=system if system is not None or cid is not None else settings.system,
        id=cid,
        memory=(lambda: memory) if memory else None,
        template=filled,
    )
    if memory:
        conversation.look_up(True, collection)
    if prompt and cid is None:
        conversation.title = title_of(" ".join(prompt))
    if (filled := conversation.template) and own:  # of a stored chat
        raise _formed_already()
    if filled and filled.schema() is not None:
        constraint = filled.constraint()
    conversation.options = loaded.generation_for(filled.template.options if filled else {})
    if constraint:
        conversation.options = replace(conversation.options, constraint=constraint, beams=1)
    screen = Screen(streams=not (as_json or no_stream or extract))
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
                case Recalled() if event.sources:
                    screen.recalled(event)
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
    kept = history.path is not None
    if as_json:
        number = conversation.id if kept else None
        more = remembering.to_json(conversation.messages[-1], memory) if memory else {}
        if filled and filled.template.grounded:
            more["ungrounded"] = list(conversation.ungrounded())
        click.echo(to_json(result, loaded.name, number, constraint, valid=not wrong, more=more))
    elif extract:
        click.echo(first_block(result.text))
    elif no_stream:
        click.echo(result.text)
    if memory and not as_json:
        # Where the answer is all there may be on stdout, its sources go to stderr.
        aside = bool(answers or constraint or extract)
        remembering.say_sources(conversation.messages[-1], memory, err=aside)
    if usage:
        click.echo(f"{result.prompt_tokens} tokens in, {result.completion_tokens} out", err=True)
    if stats:
        click.echo(describe(result), err=True)
    history.close()
    engine.close()
    if unsaved:
        raise unsaved
    say_how_it_ended(result, kept=kept)
    if result.finish_reason == "cancelled":
        sys.exit(exit_code())
    if wrong:
        click.echo(f"The answer is not what was asked for: {wrong}.", err=True)
    elif constraint and result.finish_reason != "stop":
        click.echo("It was closed early: its form is right, but something may be missing.", err=True)
    if filled and isinstance(result, Choice) and not as_json:
        click.echo(f"probability {probabilities(result.scores)[result.text]:.2f}", err=True)
    if not as_json and (strange := conversation.ungrounded()):
        click.echo(f"not in the text: {', '.join(strange)}", err=True)
    if filled and filled.template.disclaimer and not filled.template.tools:  # a tool says it where it belongs
        click.echo(filled.template.disclaimer.of(filled.language_of(question)), err=True)
    if constraint and (wrong or result.finish_reason != "stop"):
        sys.exit(1)


def _formed_already() -> UsageError:
    return UsageError("A template has a system text and a form of its own.", "Leave out -s, --choices and --schema.")


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
