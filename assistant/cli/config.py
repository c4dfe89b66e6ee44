"""``assistant config``: show or edit the settings."""

from __future__ import annotations

import json
from pathlib import Path

import click
from click_default_group import DefaultGroup

from assistant import settings
from assistant.cli.writing import edit_text
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

    def take(text: str) -> Path:
        settings.replace_file(text)
        return config_file()

    before = settings.read() or settings.documented()
    edit_text(before, ".toml", take, lambda text: "The settings were left as they are.")
