from __future__ import annotations

import json

from assistant.chat.export import to_json, to_markdown
from assistant.chat.history import History


def test_export() -> None:
    with History.in_memory() as history:
        id = history.create("Ёлки", "tiny", "Be brief.")
        history.add_message(id, "user", "Why?")
        answer = history.add_message(id, "assistant", "Old answer", model="tiny")
        history.set_active([answer], False)
        answer = history.add_message(id, "assistant", "Because", model="tiny")
        answer.reasoning, answer.status = "Let me think", "interrupted"
        history.update_message(answer)
        history.add_message(id, "note", "They asked why.", covers=1)
        stored = history.load(id)
    text = to_markdown(stored)
    for part in ("# Ёлки", "Be brief.", "## You\n\nWhy?", "Let me think", "## Assistant", "Because\n\n*(interrupted)*"):
        assert part in text
    assert "## Note" in text
    assert "Old answer" not in text
    record = json.loads(json.dumps(to_json(stored), ensure_ascii=False))
    assert record["id"] == id
    assert record["created"].endswith("+00:00")
    assert [(m["role"], m["active"]) for m in record["messages"]] == [
        ("user", True),
        ("assistant", False),
        ("assistant", True),
        ("note", True),
    ]
