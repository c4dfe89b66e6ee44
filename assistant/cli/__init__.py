"""The command line: one module a verb, imported only when it is called, so that ``--version`` is instant."""

from __future__ import annotations

import importlib
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from assistant import __version__

# verb -> (the module and attribute that hold it, its line in --help). The line stands here so that --help imports none.
VERBS = {
    "chat": ("assistant.cli.chat:chat", "Open the chat. This is what `assistant` alone does."),
    "ask": ("assistant.cli.ask:ask", "Ask one question, print the answer, leave."),
    "summarize": ("assistant.cli.summarize:summarize", "Summarize texts of any length, each sentence with its source."),
    "batch": ("assistant.cli.batch:batch", "Put thousands of records through a template."),
    "label": ("assistant.cli.label:label", "Label rows by guidelines; measure how far the labels are right."),
    "extract": ("assistant.cli.template_verbs:extract", "Fill in a form from texts: JSON of a schema."),
    "classify": ("assistant.cli.template_verbs:classify", "Give each text one of your labels."),
    "translate": ("assistant.cli.template_verbs:translate", "Translate texts of any length."),
    "rewrite": ("assistant.cli.template_verbs:rewrite", "Say texts anew in another style, tone or length."),
    "proofread": ("assistant.cli.template_verbs:proofread", "Correct spelling, grammar and punctuation."),
    "models": ("assistant.cli.models:models", "List, pull, check and remove models."),
    "history": ("assistant.cli.history:history", "List, show, search, export and remove chats."),
    "memory": ("assistant.cli.memory:memory", "Add, search and remove documents and facts that answers rest on."),
    "templates": ("assistant.cli.templates:templates", "List, show, write, check and import templates: one job each."),
    "travel": ("assistant.cli.travel:travel", "Plan trips; places, distances, times and holidays, offline."),
    "calories": ("assistant.cli.calories:calories", "Count a meal in free words, keep a food diary."),
    "cache": ("assistant.cli.cache:cache", "List, clear and limit what is kept of long prompts."),
    "convert": ("assistant.cli.convert:convert", "Make a quantized model of a published checkpoint."),
    "bench": ("assistant.cli.bench:bench", "Measure how fast a model is on this machine."),
    "doctor": ("assistant.cli.doctor:doctor", "Say what works on this machine and what does not."),
    "config": ("assistant.cli.config:config", "Show or edit the settings."),
    "completion": ("assistant.cli.completion:completion", "Print the script that completes commands in a shell."),
}


class _Verbs(click.Group):
    """Loads a verb's module when it is called. A first argument with a space in it is a question: ``ask`` takes it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        module, _, attribute = VERBS[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and " " in args[0].strip():
            args = ["ask", *args]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])


class _Help(click.HelpFormatter):
    """Paragraphs that are indented are examples, and stay as they are."""

    def write_text(self, text: str) -> None:
        super().write_text(re.sub(r"(\A|\n\n)(?=  )", "\\1\b\n", text))


click.Context.formatter_class = _Help  # of all commands


@click.group(cls=_Verbs, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="assistant")
@click.option("--debug", is_flag=True, help="Show tracebacks and what llama.cpp says.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """A small language model on your own machine: private, offline, fast.

    With no command it opens the chat; a question in quotes is asked: assistant "Why is the sky blue?"
    """
    if debug:
        os.environ["ASSISTANT_DEBUG"] = "1"
    if ctx.invoked_subcommand is None:
        ctx.invoke(_verb("chat"))


def _verb(name: str) -> Callable[..., Any]:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command


def main(args: Sequence[str] | None = None) -> None:
    """The console script. Every :class:`models.errors.UserError` becomes two lines on stderr and its exit code."""
    _prepare_streams()
    try:
        cli.main(args=None if args is None else list(args), prog_name="assistant", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.exceptions.Abort:
        from assistant.cli import interrupt

        _die("Cancelled.", None, interrupt.exit_code())
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except Exception as error:
        from assistant.cli import interrupt
        from models.errors import Cancelled, UserError

        if os.environ.get("ASSISTANT_DEBUG"):
            raise
        if isinstance(error, UserError):
            code = interrupt.exit_code() if isinstance(error, Cancelled) else error.exit_code
            _die(error.message, error.hint, code)
        if isinstance(error, OSError):
            _die(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}.", None, 1)
        raise


def _prepare_streams() -> None:
    """A stream that the caller closed leads nowhere; a letter that the terminal's encoding lacks becomes a `?`."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - until the end; it also takes the free number
        elif mode == "w" and isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def _die(message: str, hint: str | None, code: int) -> None:
    click.echo(f"{click.style('error:', fg='red', bold=True)} {message}", err=True)
    if hint:
        click.echo(f"{click.style(' next:', fg='cyan', bold=True)} {hint}", err=True)
    sys.exit(code)
