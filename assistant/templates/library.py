"""The templates there are: those built in, and the user's own, which come first where both have a name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assistant.templates.template import NAME, WORD, Template, parse
from assistant.templates.yaml_source import LARGEST
from models.catalogue import close_matches
from models.errors import UsageError, UserError
from models.files import write_whole
from models.paths import config_file

BUILT_IN = Path(__file__).parent / "builtin"
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the library: its template, or why it cannot be used."""

    name: str
    path: Path
    own: bool
    template: Template | None
    problem: UsageError | None = None


class Library:
    """Templates by name: a file's name without ``.yaml``. Nothing is created by asking.

    Args:
        user_dir: the user's own; by default the folder ``templates`` beside the settings.
    """

    def __init__(self, user_dir: Path | None = None):
        self.user_dir = user_dir or config_file().parent / "templates"

    def names(self) -> list[str]:
        """All names, sorted; files with mistakes are among them."""
        return sorted(self._paths())

    def path(self, name: str) -> Path:
        """The file of a template.

        Raises:
            UsageError: there is none of that name.
        """
        paths = self._paths()
        if name not in paths:
            close = close_matches(name, list(paths))
            hint = f"Did you mean {', '.join(close)}?" if close else "`assistant templates` lists them."
            raise UsageError(f"There is no template {name!r}.", hint)
        return paths[name]

    def get(self, name: str) -> Template:
        """The template of that name, or in that file: a path ends in ``.yaml``.

        Raises:
            UsageError: there is none, or its file has a mistake: ``file:line: what is wrong``.
        """
        return read(Path(name).expanduser() if name.endswith(SUFFIXES) else self.path(name))

    def entries(self) -> Iterator[Entry]:
        """Every template by name; a file with a mistake is one with a problem."""
        for name, path in sorted(self._paths().items()):
            own = path.parent != BUILT_IN
            try:
                yield Entry(name, path, own, read(path))
            except UsageError as problem:
                yield Entry(name, path, own, None, problem)

    def all(self) -> list[Template]:
        """Every template that can be used, by name."""
        return [entry.template for entry in self.entries() if entry.template]

    def is_own(self, name: str) -> bool:
        """Whether the user has a file of this name."""
        return name in _files(self.user_dir)

    def is_built_in(self, name: str) -> bool:
        return name in _files(BUILT_IN)

    def save(self, name: str, text: str) -> Path:
        """Write a template of the user's own, once it is checked, whole or not at all.

        Raises:
            UsageError: the text is no template of that name; nothing is written. UserError: the disk does not take it.
        """
        check_name(name)
        path = _files(self.user_dir).get(name, self.user_dir / f"{name}.yaml")
        _check(parse(text, path), path)
        path = path.resolve()  # a link is followed: the files may live in a folder of dotfiles
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(path, text.encode())
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}.", "Look at its folder.") from error
        return path

    def remove(self, name: str) -> Path:
        """Delete a template of the user's own; one built in that it hid is there again.

        Raises:
            UsageError: the user has none of that name. UserError: the disk does not let it go.
        """
        own = _files(self.user_dir)
        if name not in own:
            if self.is_built_in(name):
                raise UsageError(f"The template {name} is built in and stays.", "Your own can be removed.")
            self.path(name)  # says what there is
        try:
            own[name].unlink()
        except OSError as error:
            raise UserError(f"{own[name]} cannot be removed: {error.strerror}.") from error
        return own[name]

    def _paths(self) -> dict[str, Path]:
        return _files(BUILT_IN) | _files(self.user_dir)


def is_name(name: str) -> bool:
    """Whether a template can have this name."""
    return re.fullmatch(NAME, name) is not None


def check_name(name: str) -> None:
    """
    Raises:
        UsageError: no template can have this name.
    """
    if not is_name(name):
        raise UsageError(f"{name!r} cannot be the name of a template.", WORD)


def read(path: Path) -> Template:
    """The template in a file.

    Raises:
        UsageError: it cannot be read, or has a mistake: ``file:line: what is wrong``.
    """
    template = parse(read_text(path), path)
    _check(template, path)
    return template


def read_text(path: Path) -> str:
    """The text of a template's file.

    Raises:
        UsageError: it is no file, too large, or not UTF-8.
    """
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a file.", "Give the path of a YAML file.")
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', error)}.", "Check the path.") from error
    return decode(raw, path)


def decode(raw: bytes, path: Path) -> str:
    """The text of a file's bytes.

    Raises:
        UsageError: they are too many, or not UTF-8.
    """
    if len(raw) > LARGEST:
        raise UsageError(f"{path}: the file is larger than {LARGEST // 1024} KiB.", "A template is a short text.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: not text in UTF-8.", "Save the file as UTF-8.") from error


def _check(template: Template, path: Path) -> None:
    if template.name != path.stem:
        raise UsageError(
            f"{path}: the template says that its name is {template.name!r}, its file that it is {path.stem!r}.",
            "Change one of them, or leave `name` out.",
        )


def _files(folder: Path) -> dict[str, Path]:
    """The files of a folder by name; of two with one name that which comes first."""
    try:
        found = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES and not file.name.startswith("."))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    return {file.stem: file for file in reversed(found)}
