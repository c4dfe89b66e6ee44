"""Writes docs/assistant.1, the manual page, from the command line's own ``--help``, the settings and the exit codes.

A test fails when the file is not what this writes. Letters beyond ASCII are escaped: every man(1) shows them.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
from write_cli import contexts

from assistant import __version__
from assistant.cli import cli
from models import errors

ASSISTANT_1 = Path(__file__).with_name("assistant.1")

_EXIT = {
    0: "Done.",
    **{kind.exit_code: kind.__doc__ or "" for kind in vars(errors).values() if isinstance(kind, type)},
    1: "Something failed, or with --strict: a result says what its text does not. Of several, the others are done.",
    130: "Stopped by Ctrl+C (143: by SIGTERM). What was done is kept.",
    141: "Nobody reads standard output any more.",
}
_ENVIRONMENT = {
    "ASSISTANT_DATA_DIR": "Folder of everything that the program keeps, settings too.",
    "ASSISTANT_MODELS": "Folder of the models.",
    "ASSISTANT_MODEL": "The model to use, instead of that of the settings.",
    "ASSISTANT_CONTEXT_LENGTH": "The largest window in tokens.",
    "ASSISTANT_ENDPOINT_KEY": "The key of the server of --endpoint.",
    "ASSISTANT_NO_HISTORY": "1: nothing is kept of chats and of interrupted work.",
    "ASSISTANT_OFFLINE": "1: nothing is downloaded.",
    "ASSISTANT_DEBUG": "1: tracebacks, and what llama.cpp says.",
}
_FILES = {  # on Linux
    "~/.config/assistant/config.toml": "The settings; see `assistant config`.",
    "~/.local/share/assistant/models": "The models.",
    "~/.local/share/assistant/history.db": "The chats. Beside it: memory.db, diary.db.",
    "~/.local/share/assistant/finished.db": "What interrupted work has finished, for --resume.",
    "~/.cache/assistant": "What can be computed again.",
}
_EXAMPLES = {
    "Open the chat": "assistant",
    "Ask about what comes by a pipe": 'git diff | assistant ask "Write a commit message."',
    "Summarize a book, with what each sentence rests on": "assistant summarize book.epub --words 300 --cite",
    "Fill in a form from many files": 'assistant extract --schema "firm, date, total float" --json invoices/*.pdf',
    "Label a table": 'assistant label tickets.csv --labels "bug,feature" -o labelled.csv',
    "Complete commands in bash": "assistant completion bash > ~/.local/share/bash-completion/completions/assistant",
}


def page() -> str:
    """The manual page, in the macros of man(7)."""
    first, *others = contexts(cli, "assistant", None)
    lines = [f'.TH ASSISTANT 1 "" "assistant {__version__}" "User Commands"']
    lines += [".SH NAME", r"assistant \- a small language model on your own machine"]
    lines += [".SH SYNOPSIS", r"\fBassistant\fP [\fIOPTIONS\fP] [\fICOMMAND\fP [\fIARGS\fP]...]"]
    lines += [".SH DESCRIPTION", *_prose(first.command.help)]
    lines += ["Every command has \\fB\\-\\-help\\fP.", ".SH OPTIONS", *_options(first), ".SH COMMANDS"]
    for context in others:
        usage = _escaped(" ".join(context.command.collect_usage_pieces(context)))
        name = _escaped(context.command_path.partition(" ")[2])
        lines += [f".SS {name}", rf"\fBassistant {name}\fP {usage}", ".PP"]
        lines += [*_prose(context.command.help), *_options(context)]
    lines += [".SH EXIT STATUS", *_terms({str(code): said for code, said in sorted(_EXIT.items())})]
    lines += [".SH ENVIRONMENT", *_terms(_ENVIRONMENT), ".SH FILES", *_terms(_FILES), ".SH EXAMPLES"]
    for said, command in _EXAMPLES.items():
        lines += [f"{said}:", *_as_it_is([command]), ".PP"]
    lines += [".SH SEE ALSO", r"docs/scripting.md and the other guides of the program's source;", r"\fBjq\fP(1)"]
    return "\n".join(lines) + "\n"


def _options(context: click.Context) -> Iterator[str]:
    names = context.help_option_names
    for option in context.command.get_params(context):
        record = option.get_help_record(context)
        if isinstance(option, click.Option) and record and not set(names) & set(option.opts):
            yield from _terms({record[0]: record[1]})


def _terms(said: dict[str, str]) -> Iterator[str]:
    for term, text in said.items():
        yield from (".TP", rf"\fB{_escaped(term)}\fP", *_filled(text))


def _prose(text: str | None) -> Iterator[str]:
    """Paragraphs; those that are indented are examples, and stay as they are."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text or "").replace("\b\n", "")):
        lines = paragraph.splitlines()
        if all(line.startswith("  ") for line in lines):
            yield from _as_it_is(textwrap.dedent(paragraph).splitlines())
        else:
            yield from _filled(paragraph)
        yield ".PP"


def _filled(text: str) -> list[str]:
    words = re.sub(r"`([^`]+)`", "\0\\1\1", " ".join(text.split()))  # `so` becomes bold
    return [_escaped(line) for line in textwrap.wrap(words, 100, break_long_words=False, break_on_hyphens=False)]


def _as_it_is(lines: list[str]) -> list[str]:
    return [".RS 4", ".nf", *map(_escaped, lines), ".fi", ".RE"]


def _escaped(text: str) -> str:
    """Not to be taken for a request or an escape; a hyphen is one that can be copied."""
    text = text.replace("\\", r"\(rs").replace("-", r"\-").replace("\0", r"\fB").replace("\1", r"\fP")
    text = re.sub(r"[^\x00-\x7f]", lambda char: rf"\[u{ord(char[0]):04X}]", text)
    return rf"\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    ASSISTANT_1.write_text(page(), encoding="ascii")
