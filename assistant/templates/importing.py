"""Templates of simonw/llm, as this program's own. Nothing in them is run or fetched; what has no place here is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.settings import GENERATION, parse_options
from assistant.templates.substitution import INPUT, names
from assistant.templates.template import option_texts, parse
from assistant.templates.yaml_source import Source, write
from models.errors import UsageError

# docs/templates.md of simonw/llm.
_CARRIED = {"name", "prompt", "system", "model", "defaults", "options", "schema_object"}
_LEFT = {
    "extract": "`extract`: the answer comes as it is; `schema` keeps it from being wrapped in a code block.",
    "extract_last": "`extract_last`: the answer comes as it is.",
    "fragments": "`fragments`: files and addresses are not read; put their text into `system`, or into memory.",
    "system_fragments": "`system_fragments`: files and addresses are not read; put their text into `system`.",
    "attachments": "`attachments`: nothing is fetched.",
    "attachment_types": "`attachment_types`: nothing is fetched.",
    "tools": "`tools`: tools of other programs cannot be called.",
    "functions": "`functions`: Python code is never run.",
}
_OPTIONS = {"max_output_tokens": "max_tokens", "num_predict": "max_tokens", "repetition_penalty": "repeat_penalty"}
_DOLLAR = re.compile(r"\$\$|\$(?![a-zA-Z_]|\{[a-zA-Z_]\w*\})")  # itself, or before no name


@dataclass(frozen=True, slots=True)
class Imported:
    """A template's text, ready to be saved under its name, and what could not be carried over."""

    name: str
    text: str
    notes: tuple[str, ...]


def convert(text: str, path: Path, name: str | None = None) -> Imported:
    """A template of simonw/llm, or one of this program's own.

    Args:
        path: where the text comes from; errors name it, and without a name of its own the template has the file's.
        name: instead of what the file says.

    Raises:
        UsageError: it is no template of either; the message begins with file and line.
    """
    source = Source(text, path)
    value = {"prompt": source.value} if isinstance(source.value, str) else source.value
    if not isinstance(value, dict):
        raise source.error((), "expected keys and values (`prompt: …`), as a template has them.")
    given = name or value.get("name") or path.stem
    if name is None:
        given = re.sub(r"[^\w-]+", "-", str(given)).strip("-_")[:64]
    in_languages = any(isinstance(value.get(key), dict) for key in ("system", "prompt"))
    if in_languages or value.keys() - _CARRIED - _LEFT.keys():  # only this program's own have these, or other keys
        template = parse(text, path)
        if name is None or name == template.name:
            return Imported(template.name, text, ())
        return Imported(given, write({"name": given} | {k: v for k, v in value.items() if k != "name"}), ())
    notes: list[str] = []
    new = {"name": given} | _translate(value, source, notes.append)
    imported = Imported(given, write(new), tuple(notes))
    parse(imported.text, Path(f"{given}.yaml"))
    return imported


def _translate(value: dict[str, Any], source: Source, note: Callable[[str], None]) -> dict[str, Any]:
    new: dict[str, Any] = {}
    for key in ("system", "prompt"):
        if (text := value.get(key)) is None:
            continue
        if not isinstance(text, str):
            raise source.error((key,), f"`{key}`: expected a text.")
        if text.strip():
            new[key] = _DOLLAR.sub("$$", text)
    if not new:
        raise source.error((), "there is neither `prompt` nor `system` in it.")
    used = {key: [name for name, _ in names(text)] for key, text in new.items()}
    if INPUT in used.get("system", []):
        new["prompt"] = "\n\n".join(new.pop(key) for key in ("system", "prompt") if key in new)
        note("`system`: `$input` was in it, so it stands in `prompt` now.")
    elif "prompt" in new and INPUT not in used["prompt"]:
        new["prompt"] = f"{new['prompt'].rstrip()}\n\n$input"
        note("`prompt`: `$input` was not in it, so it stands at its end, as llm does it.")
    new |= _variables(
        value.get("defaults"), sorted({name for found in used.values() for name in found} - {INPUT}), note
    )
    if options := _options(value.get("options"), note):
        new["options"] = options
    if isinstance(schema := value.get("schema_object"), dict):
        new["schema"] = schema
    elif schema is not None:
        note("`schema_object`: it is no JSON Schema.")
    if model := value.get("model"):
        new["model_hint"] = str(model)
        note(f"`model`: {model} is kept as a hint; the answer comes from the model that you choose.")
    for key in value:
        if key in _LEFT and value[key]:
            note(_LEFT[key])
    return new


def _variables(defaults: Any, used: list[str], note: Callable[[str], None]) -> dict[str, Any]:
    defaults = defaults if isinstance(defaults, dict) else {}
    variables: dict[str, Any] = {}
    for name in used:
        variables[name] = {"type": "text"}
        if defaults.get(name) is not None:
            value = defaults[name]
            variables[name]["default"] = value if isinstance(value, str) else write(value).removesuffix("...\n").strip()
    for name in defaults.keys() - set(used):
        note(f"`defaults`: `{name}` stands in no text.")
    return {"variables": variables} if variables else {}


def _options(options: Any, note: Callable[[str], None]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in options.items() if isinstance(options, dict) else ():
        own = _OPTIONS.get(name, name)
        try:
            if own not in GENERATION:
                raise UsageError("There is no such option here.")
            parse_options(option_texts(own, value))
            kept[own] = value
        except UsageError as error:
            note(f"`options`: `{name}` was left out. {error.message}")
    return kept
