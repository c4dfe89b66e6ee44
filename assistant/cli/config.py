"""``assistant config``: show or edit the settings."""

from __future__ import annotations

import json
import sys

import click
from click_default_group import DefaultGroup

from assistant import settings
from models.errors import UsageError
from models.paths import config_file


@click.group(cls=DefaultGroup, default="show", default_if_no_args=True, short_help="Show or edit the settings.")
def config() -> None:
    """Show or edit the settings. Alone it shows them.

    Flags come before the environment, the environment before the file, the file before what the model advises.
    """


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: each setting's value and origin.")
def show(as_json: bool = False) -> None:
    """Print every setting, its value, and where it comes from."""
    current = settings.load()
    values = current.model_dump()
    if as_json:
        report = {name: {"value": value, "origin": current.origin(name)} for name, value in values.items()}
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
        return
    for name, value in values.items():
        shown = "-" if value is None else json.dumps(value, ensure_ascii=False)
        click.echo(f"{name:<20}{shown:<22}  {current.origin(name)}")


@config.command()
def path() -> None:
    """Print where the settings file is, or would be."""
    click.echo(config_file())


@config.command()
@click.argument("key")
def get(key: str) -> None:
    """Print one setting. Text as it is, the rest as JSON, nothing when it is not set."""
    value = settings.get_value(key)
    if value is not None:
        click.echo(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


@config.command("set")
@click.argument("key")
@click.argument("value")
def set_(key: str, value: str) -> None:
    """Write one setting to the file. The key of a binding is `keys.ID`."""
    click.echo(f"Written to {settings.set_value(key, value)}.", err=True)


@config.command()
@click.argument("key")
def unset(key: str) -> None:
    """Remove one setting from the file."""
    click.echo(f"Written to {settings.set_value(key, None)}.", err=True)


@config.command()
def edit() -> None:
    """Edit the file in $EDITOR. A mistake is not taken over."""
    before = settings.read() or settings.documented()
    text: str | None = before
    while True:
        text = click.edit(text, extension=".toml")
        if text is None or text == before:
            click.echo("Nothing was changed.", err=True)
            return
        try:
            settings.replace_file(text)
        except UsageError as wrong:
            click.echo(wrong.message, err=True)
            # Without a terminal nobody can answer, and the editor would bring the same mistake again.
            if not sys.stdin.isatty() or not click.confirm("Go back to the editor?", default=True, err=True):
                raise UsageError("The settings were left as they are.", wrong.message) from wrong
        else:
            click.echo(f"Written to {config_file()}.", err=True)
            return
