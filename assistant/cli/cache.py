"""``assistant cache``: list, clear and limit what is kept of long prompts."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click
from click_default_group import DefaultGroup

from assistant import settings
from assistant.engine.prompt_cache import PromptCache
from models.errors import UserError
from models.pull import size_text


@click.group(
    cls=DefaultGroup,
    default="list",
    default_if_no_args=True,
    short_help="List, clear and limit what is kept of long prompts.",
)
def cache() -> None:
    """List, clear and limit what is kept of long prompts. Alone it lists them.

    A chat, a template or a document that was read once is not read again: the model's state after it is kept on the
    disk. To keep none: `assistant config set prompt_cache false`.
    """


@cache.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(as_json: bool = False) -> None:
    """List the states, the last used first."""
    disk = _prompt_cache()
    entries = disk.entries()
    total = sum(entry.size for entry in entries)
    if as_json:
        report = {
            "folder": str(disk.folder),
            "limit": disk.limit,
            "size": total,
            "entries": [
                {
                    "file": entry.path.name,
                    "model": entry.model,
                    "tokens": entry.length,
                    "size": entry.size,
                    "used": datetime.fromtimestamp(entry.used, UTC).isoformat(timespec="seconds"),
                    "prefill_seconds": round(entry.length * entry.seconds, 3),
                }
                for entry in entries
            ],
        }
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
        return
    for entry in entries:
        used = datetime.fromtimestamp(entry.used)
        saves = f"saves {entry.length * entry.seconds:.1f} s"
        click.echo(
            f"{used:%Y-%m-%d %H:%M}  {size_text(entry.size):>7}  {entry.length:>7,} tokens  {saves:>13}  {entry.model}"
        )
    click.echo(f"{size_text(total)} of {size_text(disk.limit)}, in {disk.folder}", err=True)


@cache.command()
def clear() -> None:
    """Remove all states. A chat that is open now leaves none of what it has read so far."""
    disk = _prompt_cache()
    entries = disk.entries()
    try:
        disk.clear()
    except OSError as error:
        raise UserError(
            f"{error.filename or disk.folder} cannot be removed: {error.strerror}.",
            "Look at the permissions of its folder.",
        ) from error
    states = "1 state" if len(entries) == 1 else f"{len(entries)} states"
    click.echo(f"Removed {states}, {size_text(sum(entry.size for entry in entries))}.", err=True)


@cache.command()
@click.argument("size", required=False)
def limit(size: str | None) -> None:
    """Print how much disk the states may take, or set it: 500MB, 2GB, 0 for none."""
    if size is None:
        click.echo(settings.load().prompt_cache_limit)
        return
    path = settings.set_value("prompt_cache_limit", size)
    _prompt_cache().evict()
    click.echo(f"Written to {path}.", err=True)


def _prompt_cache() -> PromptCache:
    return PromptCache(limit=settings.bytes_of(settings.load().prompt_cache_limit))
