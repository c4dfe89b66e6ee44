"""Where templates are: built in, and the user's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assistant.templates.library import Library
from assistant.templates.template import fill
from models.errors import UsageError
from models.paths import config_file

GOOD = "title: Mine\nprompt: $input\n"


def test_what_is_built_in_is_valid_in_both_languages() -> None:
    library = Library()
    entries = list(library.entries())
    assert [entry.problem for entry in entries] == [None] * len(entries)
    for template in library.all():
        for language in ("en", "ru"):
            assert template.title, template.name
            assert template.title.written(language), template.name
        assert not library.is_own(template.name)


def test_asking_creates_nothing_and_saving_makes_a_folder() -> None:
    library = Library()
    before = library.names()
    assert library.user_dir == config_file().parent / "templates"
    assert not library.user_dir.exists()
    path = library.save("mine", GOOD)
    assert path == library.user_dir / "mine.yaml"
    assert library.path("mine") == path
    assert library.names() == sorted([*before, "mine"])
    assert library.get("mine").heading("ru") == "Mine"
    assert library.get(str(path)).name == "mine"
    assert [file.name for file in library.user_dir.iterdir()] == ["mine.yaml"]


def test_ones_own_stands_before_what_is_built_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.templates.library.BUILT_IN", tmp_path)
    (tmp_path / "given.yaml").write_text("title: Given\nprompt: $input", encoding="utf-8")
    library = Library()
    library.save("given", GOOD)
    assert library.get("given").heading("en") == "Mine"
    assert [entry.own for entry in library.entries()] == [True]
    library.remove("given")
    assert library.get("given").heading("en") == "Given"
    assert [entry.own for entry in library.entries()] == [False]
    with pytest.raises(UsageError, match="built in"):
        library.remove("given")


def test_a_broken_file_hides_no_other(tmp_path: Path) -> None:
    library = Library(tmp_path)
    (tmp_path / "good.yml").write_text("\ufeff" + GOOD, encoding="utf-8")
    (tmp_path / "broken.yaml").write_text("prompt: [", encoding="utf-8")
    (tmp_path / "cyrillic.yaml").write_bytes("prompt: $input\nsystem: Привет".encode("cp1251"))
    (tmp_path / "other-name.yaml").write_text("name: another\nprompt: $input", encoding="utf-8")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "huge.yaml").write_bytes(b"x" * 10_000_000)
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / ".hidden.yaml").write_text("x", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    own = {entry.name: entry for entry in library.entries() if entry.own}
    assert set(own) == {"good", "broken", "cyrillic", "other-name", "folder", "huge", "gone", "pipe"}
    assert own.pop("good").template
    for name, entry in own.items():
        assert entry.problem, name
        assert str(tmp_path / name) in entry.problem.message
        with pytest.raises(UsageError):
            library.get(name)
    problem = own["cyrillic"].problem
    assert problem
    assert "cyrillic.yaml:2: not text in UTF-8" in problem.message
    assert "good" in {template.name for template in library.all()}


def test_what_is_no_template_is_not_saved(tmp_path: Path) -> None:
    library = Library(tmp_path / "own")
    for name, text in (("a", "prompt: ["), ("a", "name: b\nprompt: $input"), ("../a", GOOD), ("", GOOD), ("a/b", GOOD)):
        with pytest.raises(UsageError):
            library.save(name, text)
    assert not (tmp_path / "own").exists()
    library.save("a", GOOD)
    with pytest.raises(UsageError):
        library.save("a", "system: $nope")
    assert library.path("a").read_text(encoding="utf-8") == GOOD


def test_a_saved_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "own").mkdir()
    real = tmp_path / "dotfiles" / "mine.yaml"
    real.write_text(GOOD, encoding="utf-8")
    (tmp_path / "own" / "mine.yaml").symlink_to(real)
    Library(tmp_path / "own").save("mine", "prompt: New $input")
    assert (tmp_path / "own" / "mine.yaml").is_symlink()
    assert real.read_text(encoding="utf-8") == "prompt: New $input"


def test_an_unknown_name_gets_what_looks_like_it(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.save("minutes", GOOD)
    with pytest.raises(UsageError) as error:
        library.get("minuts")
    assert "minutes" in (error.value.hint or "")
    with pytest.raises(UsageError, match="cannot be read"):
        library.get(str(tmp_path / "none.yaml"))


def test_own_templates_are_filled_like_others(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.save("имя", "prompt: '$кто: $input'\nvariables: {кто: {default: {en: you, ru: ты}}}")
    filled = fill(library.get("имя"), {})
    assert filled.question("x", "ru") == "ты: x"
    assert filled.question("x", "en") == "you: x"
