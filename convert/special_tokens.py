"""Which tokens begin, end and pad a text, and the chat template."""

from __future__ import annotations

from dataclasses import dataclass, field

import gguf

# A template, or several by name: {"name": …, "template": …}.
ChatTemplate = str | list[dict[str, str]]


@dataclass(slots=True)
class SpecialTokens:
    """
    Attributes:
        ids: by kind: ``bos``, ``eos``, ``unk``, ``sep``, ``pad``, ``cls``, ``mask``, ``eot``, ``eom``.
        add: whether a text gets this kind of token by itself.
    """

    ids: dict[str, int] = field(default_factory=dict)
    add: dict[str, bool] = field(default_factory=dict)
    chat_template: ChatTemplate | None = None

    def write(self, writer: gguf.GGUFWriter) -> None:
        """Add the keys; kinds that GGUF has no key for are left out."""
        for kind, token in self.ids.items():
            if add := getattr(writer, f"add_{kind}_token_id", None):
                add(token)
        for kind, value in self.add.items():
            if add := getattr(writer, f"add_add_{kind}_token", None):
                add(value)
        if self.chat_template is not None:
            writer.add_chat_template(self.chat_template)
