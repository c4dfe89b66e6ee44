"""A conversation as a document for people (Markdown) or for programs (JSON)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from assistant.chat.history import StoredConversation, StoredMessage

SPEAKERS = {"user": "You", "assistant": "Assistant", "system": "System", "note": "Note"}


def to_markdown(conversation: StoredConversation) -> str:
    """What the screen shows, without what was replaced. Ends with a newline."""
    parts = [
        f"# {conversation.title}",
        f"{conversation.created.astimezone():%Y-%m-%d %H:%M} · {conversation.model}",
    ]
    if conversation.system:
        parts += ["## System", conversation.system]
    for message in conversation.messages:
        if message.active:
            parts += _section(message)
    return "\n\n".join(parts) + "\n"


def to_json(conversation: StoredConversation) -> dict[str, Any]:
    """Everything that is stored, replaced messages (``active`` false) included; times are ISO 8601 in UTC."""
    record = asdict(conversation)
    for part in (record, *record["messages"]):
        for name in {"created", "updated"} & part.keys():
            part[name] = part[name].isoformat()
    return record


def _section(message: StoredMessage) -> list[str]:
    parts = [f"## {SPEAKERS[message.role]}"]
    if message.role == "note":
        parts.append("*Written by the model in place of the messages before, which no longer fit its window:*")
    if message.reasoning:
        parts.append(f"<details><summary>Reasoning</summary>\n\n{message.reasoning.strip()}\n\n</details>")
    if message.text.strip():
        parts.append(message.text.strip())
    if message.status != "complete":
        parts.append(f"*({'being written' if message.status == 'streaming' else message.status})*")
    return parts
