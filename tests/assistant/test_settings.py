"""Settings: what a file may say, what it says when it is wrong, and what comes before what."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from assistant import settings
from assistant.engine.engine import GenerateOptions, LoadOptions
from models.errors import UsageError
from models.paths import config_file


@pytest.fixture
def file(home: Path) -> Path:
    home.mkdir()
    return config_file()


def test_without_a_file_all_is_left_to_the_model() -> None:
    current = settings.load()
    assert (current.model, current.temperature, current.history, current.language) == (None, None, True, "auto")
    assert not config_file().exists()


def test_a_file_is_read(file: Path) -> None:
    file.write_text(
        'model = "tiny"\ntemperature = 1\nstop = ["END"]\nhistory = false\n'
        '[keys]\n"chat.new" = "ctrl+k"\nchat.stop = "f4"\n'
    )
    current = settings.load()
    assert (current.model, current.temperature, current.stop, current.history) == ("tiny", 1.0, ["END"], False)
    assert current.keys == {"chat.new": "ctrl+k", "chat.stop": "f4"}  # with quotes or without
    assert (current.origin("model"), current.origin("top_k")) == ("file", "default")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("temperature = 'hot'", 1, "`temperature` should be a valid number, not 'hot'"),
        ("\n\ntemperature = 9", 3, "`temperature` should be less than or equal to 5, not 9"),
        ("temperature = nan", 1, "finite"),
        ("top_k = 1.5", 1, "integer"),
        ("# model = 1\nmodel = 1", 2, "string"),
        ("model = ''", 1, "at least 1 character"),
        ("history = 1", 1, "boolean"),
        ("stop = 'x'", 1, "list"),
        ("language = 'de'", 1, "'auto', 'en' or 'ru', not 'de'"),
        ("[keys]\n'chat.new' = 3", 2, "`keys.chat.new` should be a valid string"),
        ("theme = 'nord'\ntemprature = 1", 2, "There is no setting 'temprature'"),
    ],
)
def test_mistakes_name_file_line_key_and_what_was_expected(file: Path, text: str, line: int, said: str) -> None:
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        settings.load()
    assert f"{file}, line {line}: " in caught.value.message
    assert said in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("content", [b"a = = b", b"\xff\xfe", b"x"])
def test_not_toml(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(UsageError, match=str(file)):
        settings.load()


def test_the_environment_comes_before_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('model = "file"\ncontext_length = 1024')
    monkeypatch.setenv("ASSISTANT_MODEL", "environment")
    monkeypatch.setenv("ASSISTANT_CONTEXT_LENGTH", "4096")
    monkeypatch.setenv("ASSISTANT_NO_HISTORY", "1")
    current = settings.load()
    assert (current.model, current.context_length, current.history) == ("environment", 4096, False)
    assert current.origin("history") == "ASSISTANT_NO_HISTORY"
    monkeypatch.setenv("ASSISTANT_NO_HISTORY", "0")
    assert settings.load().history
    monkeypatch.setenv("ASSISTANT_CONTEXT_LENGTH", "many")
    with pytest.raises(UsageError, match=r"ASSISTANT_CONTEXT_LENGTH should be .*, not 'many'"):
        settings.load()


def test_set_keeps_comments(file: Path) -> None:
    file.write_text("# mine\ntemperature = 1 # warm\n\n[keys]\na = 'b'\n")
    for key, value in [("top_k", "40"), ("stop", "END"), ("history", "no"), ("model", "tiny"), ("keys.chat.new", "f2")]:
        settings.set_value(key, value)
    assert "# mine\ntemperature = 1 # warm\n" in file.read_text()
    current = settings.load()
    assert (current.top_k, current.stop, current.history, current.model) == (40, ["END"], False, "tiny")
    assert current.keys == {"a": "b", "chat.new": "f2"}
    settings.set_value("temperature", None)
    assert settings.load().temperature is None
    assert [each.name for each in file.parent.iterdir()] == [file.name]


def test_set_creates_the_file_and_get_reads_it() -> None:
    settings.set_value("keys.chat.new", "f2")
    settings.set_value("temperature", "0.5")
    assert settings.get_value("keys.chat.new") == "f2"
    assert settings.get_value("keys.other") is None
    assert settings.get_value("temperature") == 0.5


@pytest.mark.parametrize(
    ("key", "value"),
    [("temperature", "x"), ("nope", "1"), ("keys", "x"), ("model.x", "1"), ("keys.", "x"), ("model", "")],
)
def test_set_refuses_nonsense_and_writes_nothing(file: Path, key: str, value: str) -> None:
    with pytest.raises(UsageError):
        settings.set_value(key, value)
    assert not file.exists()


def test_set_leaves_a_file_with_a_mistake_alone(file: Path) -> None:
    file.write_text("temprature = 1")
    with pytest.raises(UsageError, match="temprature"):
        settings.set_value("top_k", "1")
    assert file.read_text() == "temprature = 1"


def test_a_linked_file_stays_a_link(file: Path, tmp_path: Path) -> None:
    (tmp_path / "dotfiles.toml").write_text("")
    os.symlink(tmp_path / "dotfiles.toml", file)
    settings.set_value("top_k", "1")
    assert file.is_symlink()
    assert (tmp_path / "dotfiles.toml").read_text() == "top_k = 1\n"


def test_the_documented_file_is_true() -> None:
    text = settings.documented()
    settings.replace_file(text)
    assert settings.load() == settings.Settings()
    settings.replace_file(text.replace("\n# [keys]", "\n[keys]"))
    examples = [line.removeprefix("# ") for line in text.splitlines() if " = " in line]
    settings.replace_file("\n".join(examples))
    assert all(value not in (None, []) for name, value in settings.load() if name != "keys")


def test_options_of_the_command_line() -> None:
    parsed = settings.parse_options(
        [("temperature", "0"), ("top_k", "0"), ("stop", "a"), ("stop", "b"), ("gpu_layers", "-1"), ("seed", "7")]
    )
    assert parsed == {"temperature": 0.0, "top_k": 0, "stop": ["a", "b"], "gpu_layers": -1, "seed": 7}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("temperature", "9"), ("temperature", "nan"), ("top_k", "1.5"), ("top_p", "0"), ("seed", "-1"), ("stop", "")),
        *(("threads", "0"), ("context_length", "12k"), ("max_tokens", "0"), ("gpu_layers", "-2"), ("min_p", "")),
    ],
)
def test_options_out_of_range(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"{name} should"):
        settings.parse_options([(name, value)])


def test_an_unknown_option_lists_the_known() -> None:
    with pytest.raises(UsageError) as caught:
        settings.parse_options([("temp", "1")])
    assert all(name in (caught.value.hint or "") for name in settings.OPTIONS)


def test_flags_before_settings_before_the_model_before_defaults() -> None:
    mine = settings.Settings(temperature=0.5, top_k=5, max_tokens=100, stop=["S"], threads=3)
    advised = SimpleNamespace(temperature=0.9, top_k=9, top_p=0.8, min_p=None, repeat_penalty=1.1)
    options = settings.generate_options({"temperature": 0.0, "threads": 2, "other": 1}, mine, advised)
    assert options == GenerateOptions(
        temperature=0.0, top_k=5, top_p=0.8, repeat_penalty=1.1, max_tokens=100, stop=("S",)
    )
    assert settings.generate_options({"stop": ["x"]}, mine, None).stop == ("x",)
    assert settings.generate_options({}, settings.Settings(), None) == GenerateOptions()
    assert settings.load_options({"threads": 2}, mine) == LoadOptions(threads=2)
    assert settings.load_options({"gpu_layers": 0}, settings.Settings(context_length=512)) == LoadOptions(512, None, 0)


@pytest.mark.parametrize(
    ("text", "size"),
    [('"2GB"', 2_000_000_000), ('" 1.5 gb "', 1_500_000_000), ('"500 MB"', 500_000_000), ("4096", 4096), ('"0"', 0)],
)
def test_sizes_are_bytes_or_have_a_unit(file: Path, text: str, size: int) -> None:
    file.write_text(f"prompt_cache_limit = {text}")
    assert settings.load_options({}, settings.load()).prompt_cache_limit == size


@pytest.mark.parametrize("text", ['"much"', '"-1"', '"1e9"', '"2 GiBs"', '""', "true", "1.5", '"9999999999999999"'])
def test_what_is_no_size(file: Path, text: str) -> None:
    file.write_text(f"prompt_cache_limit = {text}")
    with pytest.raises(UsageError, match="prompt_cache_limit"):
        settings.load()


def test_the_prompt_cache_and_the_kv_cache(file: Path) -> None:
    file.write_text('kv_type = "q8_0"\nprompt_cache = false\nhistory = false')
    options = settings.load_options({}, settings.load())
    assert (options.kv_type, options.prompt_cache, options.private) == ("q8_0", False, True)
    flags = settings.parse_options([("kv_type", "f16"), ("prompt_cache", "true")])
    options = settings.load_options(flags, settings.Settings(kv_type="q8_0", prompt_cache=False))
    assert (options.kv_type, options.prompt_cache, options.private) == ("f16", True, False)
