"""Where /export writes to."""

from __future__ import annotations

import json
import re
from itertools import count
from pathlib import Path

import click

from assistant.chat import export
from assistant.chat.history import StoredConversation
from models.errors import UsageError

NAME_LENGTH = 50


def save(conversation: StoredConversation, path: Path | None) -> Path:
    """Write the conversation; the file appears whole or not at all.

    Args:
        path: JSON when it ends in ``.json``, else Markdown; None: a new file here, named after the title.

    Raises:
        UsageError: the file exists already.
        OSError: it cannot be written.
    """
    path = (path or _free_name(conversation.title)).absolute()
    if path.is_dir():
        path = path / _free_name(conversation.title, path).name
    if path.exists():
        raise UsageError(f"{path} exists already.", "Choose another name: /export FILE")
    text = (
        json.dumps(export.to_json(conversation), ensure_ascii=False, indent=2) + "\n"
        if path.suffix.lower() == ".json"
        else export.to_markdown(conversation)
    )
    with click.open_file(str(path), "w", encoding="utf-8", atomic=True) as file:
        file.write(text)
    return path


def _free_name(title: str, folder: Path | None = None) -> Path:
    """``title.md``, or ``title-2.md`` when that is taken."""
    stem = re.sub(r"[^\w]+", "-", title).strip("-").lower()[:NAME_LENGTH].strip("-") or "chat"
    names = (f"{stem}.md" if number == 1 else f"{stem}-{number}.md" for number in count(1))
    return next(path for name in names if not (path := (folder or Path.cwd()) / name).exists())
