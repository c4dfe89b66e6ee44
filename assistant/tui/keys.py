"""The keys of the chat. Each has an id that stays, so that ``[keys]`` of the settings can give it another key."""

from __future__ import annotations

from textual.binding import Binding, BindingType

# id -> (default keys, action, the string that explains it). Priority: they work while the prompt has the focus.
CHAT_KEYS = {
    "stop": ("escape", "stop", "key_stop"),
    "palette": ("ctrl+p", "app.command_palette", "key_palette"),
    "new": ("ctrl+n", "new_chat", "key_new"),
    "chats": ("ctrl+s", "chats", "key_chats"),
    "model": ("f2,ctrl+o", "models", "key_model"),
    "thinking": ("ctrl+t", "toggle_thinking", "key_thinking"),
    "editor": ("ctrl+g", "editor", "key_editor"),
    "copy": ("ctrl+y", "copy_answer", "key_copy"),
    "sources": ("f3", "sources", "key_sources"),
    "good": ("f7", "mark(1)", "key_good"),
    "bad": ("f8", "mark(-1)", "key_bad"),
    "help": ("f1", "help", "key_help"),
    "interrupt": ("ctrl+c", "interrupt", "key_interrupt"),
    "quit": ("ctrl+q", "leave", "key_quit"),
    "page_up": ("pageup", "scroll_page(-1)", "key_scroll"),
    "page_down": ("pagedown", "scroll_page(1)", "key_scroll"),
}
PROMPT_KEYS = {
    "send": ("enter", "send", "key_send"),
    "newline": ("shift+enter,ctrl+j", "newline", "key_newline"),
}


def bindings(keys: dict[str, tuple[str, str, str]]) -> list[BindingType]:
    """The bindings of a table, for a class's ``BINDINGS``."""
    return [
        Binding(key, action, explained, show=False, priority=True, id=id)
        for id, (key, action, explained) in keys.items()
    ]


def keys_of(id: str, keymap: dict[str, str]) -> list[str]:
    """The keys of an id, as Textual names them."""
    default = {**CHAT_KEYS, **PROMPT_KEYS}[id][0]
    return [key.strip() for key in keymap.get(id, default).split(",")]


def key_names(id: str, keymap: dict[str, str]) -> str:
    """How the keys of an id are written in help: ``Ctrl+N``."""
    return ", ".join(_name(key) for key in keys_of(id, keymap))


def _name(key: str) -> str:
    names = {"escape": "Esc", "pageup": "PgUp", "pagedown": "PgDn"}
    return "+".join(names.get(part, part.capitalize()) for part in key.split("+"))


def ids() -> list[str]:
    """All ids."""
    return [*PROMPT_KEYS, *CHAT_KEYS]


def unknown_ids(keymap: dict[str, str]) -> list[str]:
    """Ids in the settings that no binding has."""
    return sorted(set(keymap) - set(ids()))
