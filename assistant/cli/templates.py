"""``assistant templates``: what the model is told for one job, kept in files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click_default_group import DefaultGroup

from assistant import settings as user_settings
from assistant.cli.templates_display import print_findings, print_list, print_messages
from assistant.cli.templates_writing import edit, new
from assistant.cli.writing import print_json
from assistant.language import interface_language
from assistant.templates.importing import convert
from assistant.templates.library import SUFFIXES, Library, check_name, decode, read_text
from assistant.templates.template import Language, fill
from assistant.templates.yaml_source import LARGEST
from models.errors import ModelError, UsageError

if TYPE_CHECKING:
    from assistant.engine.engine import Message
    from assistant.templates.lint import Report


class _Group(DefaultGroup):  # type: ignore[misc]  # click-default-group has no types
    """`test` asks models, so its module is imported only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), "test"]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name == "test":
            from assistant.cli.templates_test import test

            return test
        found: click.Command | None = super().get_command(ctx, name)
        return found


@click.group(
    cls=_Group,
    default="list",
    default_if_no_args=True,
    short_help="List, show, write, check and import templates: one job each.",
)
def templates() -> None:
    """List, show, write, check and import templates: one job each. Alone it lists them.

    One is used by `assistant ask -t NAME "…"` and, in the chat, by /template NAME. docs/templates.md tells more.
    """


templates.add_command(new)
templates.add_command(edit)


@templates.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def list_(as_json: bool = False) -> None:
    """List the templates, those built in and your own, which are marked with a +."""
    print_list(list(Library().entries()), _language(), as_json)


@templates.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the template, or the messages of --render.")
@click.option("--render", is_flag=True, help="Print what the model is given, with the variables in it.")
@click.option(
    "-p", "--param", "given", nargs=2, multiple=True, metavar="NAME VALUE", help="A variable, for --render. Repeatable."
)
@click.option("--input", "text", default="…", show_default=True, help="The input, for --render.")
@click.option("--language", type=click.Choice(["en", "ru"]), help="Of the prompt; by default that of the input.")
def show(
    name: str,
    as_json: bool,
    render: bool,
    given: Sequence[tuple[str, str]],
    text: str,
    language: Language | None,
) -> None:
    """Print the template NAME, or what the model is given by it."""
    library = Library()
    if not render and not as_json:
        click.echo(read_text(Path(name) if name.endswith(SUFFIXES) else library.path(name)).rstrip("\n"))
        return
    template = library.get(name)
    if not render:
        value = template.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
        print_json({"name": template.name} | value)
        return
    print_messages(fill(template, dict(given), language or _default(text)).messages(text), as_json)


@templates.command()
@click.argument("names", nargs=-1, metavar="[NAME|FILE]...")
@click.option("-m", "--model", metavar="MODEL", help="Count tokens with this model's tokenizer; `none` estimates them.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def lint(names: Sequence[str], model: str | None, as_json: bool) -> None:
    """Say what templates lack: mistakes, languages, tests, and which of the seven things that make a good prompt (task
    and output format, context, steps, limits, examples, audience, splitting of long inputs). Alone it looks at all.

    Leaves with 1 when there is an error, not for warnings and advice.
    """
    from assistant.templates.lint import lint as look_over

    library = Library()
    reports: list[tuple[str, Report | UsageError]] = []
    with _counter(model) as count:
        for name in names or library.names():
            try:
                reports.append((name, look_over(library.get(name), count)))
            except UsageError as problem:
                reports.append((name, problem))
    print_findings(reports, _language(), as_json)
    if any(isinstance(report, UsageError) or report.failed for _, report in reports):
        sys.exit(1)


@templates.command("import")
@click.argument("file")
@click.option("--name", help="The template's name; by default its own, or the file's.")
@click.option("--force", is_flag=True, help="Replace a template of yours that has this name.")
def import_(file: str, name: str | None, force: bool) -> None:
    """Add a template from FILE (- is standard input): one of this program, or of simonw/llm.

    Nothing in it is run or fetched. What has no place in a template here is told.
    """
    path = Path("stdin.yaml" if file == "-" else file).expanduser()
    text = decode(sys.stdin.buffer.read(LARGEST + 1), path) if file == "-" else read_text(path)
    if name is not None:
        check_name(name)
    imported = convert(text, path, name)
    library = Library()
    if library.is_own(imported.name) and not force:
        raise UsageError(f"You have a template {imported.name} already.", "Give another --name, or --force.")
    path = library.save(imported.name, imported.text)
    for note in imported.notes:
        click.echo(f"Note: {note}", err=True)
    if library.is_built_in(imported.name):
        click.echo(f"It stands before the template {imported.name} that is built in.", err=True)
    click.echo(f"Written to {path}.", err=True)


@templates.command()
@click.argument("name", required=False)
def path(name: str | None) -> None:
    """Print where your templates are, or would be; or the file of NAME."""
    click.echo(Library().path(name) if name else Library().user_dir)


@templates.command()
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def rm(name: str, yes: bool) -> None:
    """Remove the template NAME of your own. A built-in one of that name is there again."""
    library = Library()
    if library.is_own(name) and not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"Removing {name} needs a yes.", "Add -y.")
        click.confirm(f"Remove {library.path(name)}?", abort=True, err=True)
    click.echo(f"Removed {library.remove(name)}.", err=True)


class _counter:
    """Counts tokens with a model: the one that is named, else the one that answers, else none."""

    def __init__(self, model: str | None):
        self._model = model
        self._engine: Any = None

    def __enter__(self) -> Callable[[Sequence[Message]], int] | None:
        from assistant.cli.loading import load

        if self._model == "none":
            return None
        try:
            self._engine = load(self._model, prompt_cache=False, drafting=False).engine
        except ModelError:
            if self._model:
                raise
            return None
        counted: Callable[[Sequence[Message]], int] = self._engine.count_tokens
        return counted

    def __exit__(self, *_: object) -> None:
        if self._engine:
            self._engine.close()


def _language() -> Language:
    return interface_language(user_settings.load().language)


def _default(text: str) -> Language | None:
    """The interface's language where there is no input yet."""
    return _language() if text == "…" else None
