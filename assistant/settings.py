"""The user's settings: one TOML file that need not exist, checked strictly, overridden by the environment and by flags.

What is not set is left to the model: its catalogue entry knows how it wants to be sampled.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from assistant.engine.engine import GenerateOptions, LoadOptions
from models.errors import UsageError, UserError
from models.files import write_whole
from models.paths import config_file

if TYPE_CHECKING:
    from models.store import Installed, Store

SAMPLING = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty")
GENERATION = (*SAMPLING, "seed", "max_tokens", "stop", "draft", "num_draft_tokens", "beams", "think")
LOADING = ("context_length", "threads", "gpu_layers", "kv_type", "prompt_cache")
DRAFTING = ("draft", "draft_model", "num_draft_tokens")
OPTIONS = (*SAMPLING, "seed", "max_tokens", *LOADING, *DRAFTING, "beams", "think", "stop")

# For the file that `assistant config edit` starts from, as TOML.
EXAMPLES = {
    "model": '"tiny"',
    "system": '"Answer briefly."',
    "temperature": "0.7",
    "top_k": "40",
    "top_p": "0.95",
    "min_p": "0.05",
    "repeat_penalty": "1.1",
    "seed": "1",
    "max_tokens": "1024",
    "context_length": "8192",
    "threads": "4",
    "gpu_layers": "-1",
    "kv_type": '"q8_0"',
    "prompt_cache": "true",
    "prompt_cache_limit": '"2 GB"',
    "draft": '"auto"',
    "draft_model": '"qwen2.5-coder-0.5b-instruct-q4_k_m"',
    "num_draft_tokens": "4",
    "beams": "4",
    "think": '"off"',
    "stop": '["END"]',
    "history": "true",
    "theme": '"nord"',
    "language": '"auto"',
}

_Text = Annotated[str, StringConstraints(min_length=1)]
_SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*(|B|kB|MB|GB|TB)\s*", re.IGNORECASE)


def bytes_of(size: str) -> int:
    """``1.5 GB`` in bytes; units are powers of ten.

    Raises:
        ValueError: it is no size.
    """
    found = _SIZE.fullmatch(size)
    if not found:
        raise ValueError("Input should be a size such as 500MB or 2GB")
    return int(float(found[1]) * {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}[found[2].upper()])


def _size(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str):
        bytes_of(value)
    return value


class Settings(BaseModel):
    """All settings. None leaves the choice to the model or the machine."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    model: _Text | None = Field(
        None, description="The model to use: a catalogue id, a name in the store or a GGUF file."
    )
    system: str | None = Field(None, description="The system text of new chats.")
    temperature: float | None = Field(
        None, ge=0, le=5, description="How freely tokens are drawn; 0 takes the likeliest."
    )
    top_k: int | None = Field(None, ge=0, le=1_000_000, description="Draw from the k likeliest tokens; 0 is off.")
    top_p: float | None = Field(None, gt=0, le=1, description="Draw from the likeliest tokens that sum to p; 1 is off.")
    min_p: float | None = Field(None, ge=0, le=1, description="Leave out tokens below p times the likeliest; 0 is off.")
    repeat_penalty: float | None = Field(None, gt=0, le=5, description="Against repetition; 1 is off.")
    seed: int | None = Field(None, ge=0, lt=2**32 - 1, description="Makes sampling repeatable.")
    max_tokens: int | None = Field(None, ge=1, description="The longest answer in tokens, reasoning included.")
    context_length: int | None = Field(
        None, ge=128, description="The largest window in tokens; the cache grows up to it."
    )
    threads: int | None = Field(
        None, ge=1, le=1024, description="Threads of the CPU; by default one per physical core."
    )
    gpu_layers: int | None = Field(None, ge=-1, description="Layers on the GPU; -1 is all, 0 none.")
    kv_type: Literal["f16", "q8_0"] | None = Field(
        None, description="Of the KV cache: f16, or q8_0, which takes half the memory and is a little less exact."
    )
    prompt_cache: bool = Field(True, description="Keep what was read of long prompts on this machine, to read it once.")
    prompt_cache_limit: Annotated[str, BeforeValidator(_size)] = Field(
        "2 GB", description="Disk that the prompt cache may take, in bytes, MB or GB; 0 is none."
    )
    draft: Literal["auto", "off", "lookup", "model"] | None = Field(
        None, description="What drafts tokens ahead; auto is whatever is fastest."
    )
    draft_model: _Text | None = Field(
        None, description="The model that drafts; by default the catalogue's partner, if it is installed."
    )
    num_draft_tokens: int | None = Field(
        None, ge=1, le=32, description="Tokens drafted in each round, instead of as many as pay."
    )
    beams: int | None = Field(
        None, ge=1, le=16, description="Width of a beam search instead of sampling, for translation and correction."
    )
    think: Literal["on", "off"] | Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Reasoning before the answer, by models that do it: on, off, or its longest length in tokens.",
    )
    stop: list[_Text] | None = Field(None, description="Texts that end an answer.")
    history: bool = Field(True, description="Keep chats on this machine.")
    theme: _Text | None = Field(None, description="The colours of the chat, by the name of a Textual theme.")
    language: Literal["auto", "en", "ru"] = Field("auto", description="Of the interface; auto follows the system.")
    keys: dict[_Text, _Text] = Field(
        default_factory=dict, description="Keys of the chat, each by the id of its binding."
    )

    @field_validator("keys", mode="before")
    @classmethod
    def _flatten(cls, keys: object) -> object:
        """TOML reads ``chat.new = "ctrl+n"`` as a table in a table."""
        if not isinstance(keys, dict):
            return keys
        flat: dict[str, object] = {}
        for name, value in keys.items():
            inner = cls._flatten(value)
            flat |= {f"{name}.{rest}": key for rest, key in inner.items()} if isinstance(inner, dict) else {name: value}
        return flat

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    def origin(self, name: str) -> str:
        """Where a value comes from: ``default``, ``file``, or the name of an environment variable."""
        return self._origins.get(name, "default")


def load() -> Settings:
    """The settings of the file, overridden by the environment.

    Raises:
        UsageError: the file is not TOML, has an unknown key or a bad value; or a variable has a bad value.
    """
    path = config_file()
    settings = _parse(_read(path), path)
    for name, variable, value in _environment():
        try:
            setattr(settings, name, _lax(name, value))
        except ValidationError as error:
            raise UsageError(
                f"The environment variable {variable} {_expected(error)}, not {value!r}.",
                f"Correct or unset {variable}.",
            ) from error
        settings._origins[name] = variable
    return settings


def get_value(key: str) -> Any:
    """One setting as it is in force, or the key of a binding (``keys.ID``); None when it is not set.

    Raises:
        UsageError: there is no such setting.
    """
    name, binding = _split(key)
    value = getattr(load(), name)
    return value.get(binding) if binding else value


def set_value(key: str, value: str | None) -> Path:
    """Write one setting to the file, keeping its comments; None removes it. ``keys.ID`` is the key of a binding.

    Raises:
        UsageError: there is no such setting, the value is bad, or the file already had a mistake.
    """
    import tomlkit

    path = config_file()
    text = _read(path)
    _parse(text, path)  # a file with a mistake is for its owner to correct
    document = tomlkit.parse(text)
    name, binding = _split(key)
    if name == "keys" and not binding:
        raise UsageError("`keys` needs the id of a binding.", "Write it as keys.ID, or use `assistant config edit`.")
    table: Any = document
    if binding:
        table = document.setdefault("keys", tomlkit.table())
    if value is None:
        table.pop(binding or name, None)
    else:
        try:
            table[binding or name] = value if binding else _lax(name, value)
        except ValidationError as error:
            raise UsageError(f"`{key}` {_expected(error)}, not {value!r}.", _describe(name)) from error
    _write(path, tomlkit.dumps(document))
    return path


def documented() -> str:
    """A file with every setting explained and commented out: what `assistant config edit` starts from."""
    lines = ["# Settings of assistant. Remove the # before a line to set it.", ""]
    for name, field in Settings.model_fields.items():
        lines += [f"# {field.description}", f"# {name} = {EXAMPLES[name]}" if name in EXAMPLES else f"# [{name}]", ""]
    return "\n".join(lines)


def read() -> str:
    """The text of the file; empty when there is none.

    Raises:
        UsageError: it cannot be read.
    """
    return _read(config_file())


def replace_file(text: str) -> None:
    """Write the whole file, once it is checked.

    Raises:
        UsageError: like :func:`load`; the file stays as it was.
    """
    _write(config_file(), text)


def parse_options(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The values of ``-o NAME VALUE``, checked; ``stop`` may come several times.

    Raises:
        UsageError: an unknown name, or a value out of its range.
    """
    options: dict[str, Any] = {}
    for name, value in pairs:
        if name not in OPTIONS:
            raise UsageError(f"There is no option {name!r}.", f"The options are: {', '.join(OPTIONS)}.")
        try:
            parsed = _lax(name, value)
        except ValidationError as error:
            raise UsageError(f"The option {name} {_expected(error)}, not {value!r}.", _describe(name)) from error
        if name == "stop":
            parsed = [*options.get("stop", []), *parsed]
        options[name] = parsed
    return options


def generate_options(
    flags: Mapping[str, Any], settings: Settings, sampling: object | None, task: Mapping[str, Any] | None = None
) -> GenerateOptions:
    """Flags before what the task asks for, before settings, before the sampling that the model's catalogue entry
    advises, before the defaults.

    Args:
        flags: as :func:`parse_options` gives them; others than the names of generation are left alone.
        sampling: has attributes temperature, top_k, top_p, min_p, repeat_penalty, each perhaps None; or is None.
        task: options of a template.
    """
    chosen: dict[str, Any] = {}
    for name in GENERATION:
        advised = getattr(sampling, name, None) if name in SAMPLING else None
        value = _first(flags.get(name), (task or {}).get(name), getattr(settings, name), advised)
        if value is not None:
            chosen[name] = tuple(value) if name == "stop" else value
    return GenerateOptions(**chosen)


def load_options(
    flags: Mapping[str, Any], settings: Settings, store: Store | None = None, model: Installed | None = None
) -> LoadOptions:
    """How to load the model: flags before settings, before the defaults. Without a history nothing reaches the disk.

    Raises:
        UsageError, ModelError: the draft model that is named is not there, or has another vocabulary.
    """
    draft = (
        store.choose_draft(_first(flags.get("draft_model"), settings.draft_model), model) if store and model else None
    )
    chosen = {name: _first(flags.get(name), getattr(settings, name)) for name in LOADING}
    return LoadOptions(
        **{name: value for name, value in chosen.items() if value is not None},
        draft_model=str(draft.path) if draft else None,
        drafting=_first(flags.get("draft"), settings.draft) != "off",
        prompt_cache_limit=bytes_of(settings.prompt_cache_limit),
        private=not settings.history,
    )


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _environment() -> Iterable[tuple[str, str, str]]:
    for name, variable in (("model", "ASSISTANT_MODEL"), ("context_length", "ASSISTANT_CONTEXT_LENGTH")):
        if value := os.environ.get(variable):
            yield name, variable, value
    if os.environ.get("ASSISTANT_NO_HISTORY", "").lower() not in ("", "0", "false", "no"):
        yield "history", "ASSISTANT_NO_HISTORY", "false"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(
            f"The settings {path} cannot be read: {reason}.", "Correct the file or move it away."
        ) from error


def _parse(text: str, path: Path) -> Settings:
    correct = "Correct it with `assistant config edit`."
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The settings {path} are not valid TOML: {error}.", correct) from error
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        key = ".".join(str(part) for part in first["loc"][:2]) if name == "keys" else name
        where = f"{path}{_line(text, key.removeprefix('keys.'))}"
        if first["type"] == "extra_forbidden":
            unknown = _unknown(name)
            raise UsageError(f"{where}: {unknown.message}", unknown.hint) from error
        raise UsageError(f"{where}: `{key}` {_expected(error)}, not {first['input']!r}.", correct) from error
    settings._origins = dict.fromkeys(values, "file")
    return settings


def _line(text: str, key: str) -> str:
    """``, line 7`` of a key, when it stands at the start of one."""
    found = re.search(rf"""^[ \t]*\[?["']?{re.escape(key)}["']?[ \t]*[\]=.]""", text, re.MULTILINE)
    return f", line {text.count(chr(10), 0, found.start()) + 1}" if found else ""


def _lax(name: str, value: str) -> Any:
    """A value that came as text, as its setting's type; a text alone is a list of one for ``stop``."""
    field = Settings.model_fields[name]
    checked: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    given: Any = [value] if name == "stop" else value
    return TypeAdapter(checked, config=ConfigDict(allow_inf_nan=False)).validate_python(given)


def _expected(error: ValidationError) -> str:
    """``should be less than or equal to 5``, from pydantic's words."""
    message = error.errors()[0]["msg"]
    return re.sub(r"^(Value error, )?(Input|String|List|Value)\b|, unable to (parse|interpret).*", "", message).strip()


def _describe(name: str) -> str:
    return f"{name}: {Settings.model_fields[name].description}"


def _split(key: str) -> tuple[str, str]:
    """``temperature`` and no binding, or ``keys`` and the id of one."""
    name, dot, binding = key.partition(".")
    if name not in Settings.model_fields or (dot and (name != "keys" or not binding)):
        raise _unknown(key)
    return name, binding


def _unknown(key: str) -> UsageError:
    return UsageError(f"There is no setting {key!r}.", f"The settings are: {', '.join(Settings.model_fields)}.")


def _write(path: Path, text: str) -> None:
    """Checked, then whole or not at all. A link is followed: settings often live in a folder of dotfiles."""
    _parse(text, path)
    path = path.resolve()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, text.encode())
    except OSError as error:
        raise UserError(
            f"The settings {path} cannot be written: {error.strerror}.",
            "Look at the permissions and the space of its disk, or set ASSISTANT_DATA_DIR to another folder.",
        ) from error
