"""The prompt cache: the same answers from less work, and no way in which a file could change one."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from assistant.engine.engine import Delta, GenerateOptions, LoadOptions, Message, Result
from assistant.engine.local import LocalEngine
from assistant.engine.prompt_cache import PromptCache
from assistant.engine.worker import WorkerEngine

GREEDY = GenerateOptions(temperature=0, max_tokens=8, draft="off")
NOTES = "".join(f"{number}. The ferry {number} leaves the old harbour at {number % 24}:30.\n" for number in range(7))
RULES = "".join(f"Rule {number}: answer in one word, never in {number}.\n" for number in range(7))


@pytest.fixture(autouse=True)
def everything_is_worth_keeping(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' model computes faster than a slow disk writes, on some machines; here it always pays."""
    monkeypatch.setattr("assistant.engine.prompt_reuse._WORTH_KEEPING", 0.0)
    monkeypatch.setattr("assistant.engine.prompt_reuse._BYTES_PER_SECOND", 1e15)


def ask(path: Path, *texts: str, system: str = "", **options: Any) -> Result:
    """One answer by a new engine, as a program that is started, asked and left. ``texts``: questions and answers."""
    engine = LocalEngine(path, LoadOptions(threads=1, **options))
    try:
        return answer(engine, *texts, system=system)
    finally:
        engine.close()


def answer(engine: LocalEngine | WorkerEngine, *texts: str, system: str = "") -> Result:
    messages = [Message("system", system)] if system else []
    messages += [Message("assistant" if index % 2 else "user", text) for index, text in enumerate(texts)]
    *_, result = engine.generate(messages, GREEDY)
    assert isinstance(result, Result)
    return result


def cold(path: Path, *texts: str, **options: Any) -> Result:
    return ask(path, *texts, prompt_cache=False, **options)


def files() -> list[Path]:
    folder = PromptCache().folder
    return sorted(folder.glob("*.kv")) if folder.exists() else []


@pytest.mark.parametrize("kv_type", ["f16", "q8_0"])
def test_a_chat_that_is_opened_again_computes_only_its_next_question(tiny: Path, kv_type: str) -> None:
    first = ask(tiny, NOTES, kv_type=kv_type)
    assert (first.timings.restored_tokens, len(files())) == (0, 1)
    expected = cold(tiny, NOTES, first.text, "And then?", kv_type=kv_type)
    second = ask(tiny, NOTES, first.text, "And then?", kv_type=kv_type)
    assert second.text == expected.text
    assert second.timings.restored_tokens >= first.prompt_tokens
    assert second.timings.restored_tokens + second.timings.prefill_tokens == second.prompt_tokens
    assert second.timings.prefill_tokens < 32
    assert len(files()) == 1  # the longer chat has taken the place of its beginning


def test_tokens_that_the_text_would_not_give_again_are_found_by_the_text(tiny: Path) -> None:
    engine = LocalEngine(tiny, LoadOptions(threads=1))
    warm = GenerateOptions(temperature=5, top_k=0, top_p=1, min_p=0, seed=3, max_tokens=40, draft="off")
    *_, first = engine.generate([Message("user", NOTES)], warm)
    assert isinstance(first, Result)
    cut_anew = engine.count_tokens([Message("user", NOTES), Message("assistant", first.text)])
    engine.close()
    second = ask(tiny, NOTES, first.text, "And then?")
    assert second.timings.restored_tokens >= first.prompt_tokens + first.completion_tokens - 1
    assert cut_anew > 0


def test_many_questions_on_one_document_leave_one_state(tiny: Path) -> None:
    texts = []
    for question in ("Which ferry leaves first?", "Which one leaves last?", "How many are there?"):
        result = ask(tiny, f"{NOTES}\n{question}")
        texts.append((question, result.text))
        assert len(files()) == 1
    assert result.timings.prefill_tokens < 24
    for question, text in texts:
        assert cold(tiny, f"{NOTES}\n{question}").text == text


def test_a_template_is_read_once_for_all_its_inputs(tiny: Path) -> None:
    ask(tiny, "rain", system=RULES)
    second = ask(tiny, "snow and ice", system=RULES)
    assert second.timings.prefill_tokens < 24
    assert second.text == cold(tiny, "snow and ice", system=RULES).text


def test_another_chat_in_the_same_program_makes_the_first_one_wait_on_the_disk(tiny: Path) -> None:
    engine = LocalEngine(tiny, LoadOptions(threads=1))
    first = answer(engine, NOTES)
    answer(engine, RULES)
    assert len(files()) == 1
    again = answer(engine, NOTES, first.text, "And then?")
    assert again.timings.restored_tokens >= first.prompt_tokens
    engine.close()
    assert len(files()) == 2


def test_what_memory_holds_is_not_read_from_the_disk(tiny: Path) -> None:
    ask(tiny, NOTES)
    engine = LocalEngine(tiny, LoadOptions(threads=1))
    first = answer(engine, NOTES)
    assert first.timings.restored_tokens
    assert answer(engine, NOTES, first.text, "And then?").timings.restored_tokens == 0
    engine.close()


def test_a_prompt_that_does_not_come_again_is_not_kept(tiny: Path) -> None:
    engine = LocalEngine(tiny, LoadOptions(threads=1))
    list(engine.generate([Message("user", NOTES)], replace(GREEDY, keep_state=False)))
    answer(engine, RULES)
    engine.close()
    assert len(files()) == 1
    assert ask(tiny, RULES, private=True).timings.prefill_tokens == 1


def test_short_chats_are_not_worth_a_file(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.engine.prompt_reuse._WORTH_KEEPING", 1e9)
    ask(tiny, NOTES)
    assert not files()


def test_private_chats_read_and_do_not_write(tiny: Path) -> None:
    ask(tiny, RULES, private=True)
    assert not PromptCache().folder.exists()
    ask(tiny, NOTES)
    before = files()
    assert ask(tiny, NOTES, private=True).timings.restored_tokens
    ask(tiny, RULES, private=True)
    assert files() == before


def test_only_the_user_may_read_it(tiny: Path) -> None:
    ask(tiny, NOTES)
    assert [file.stat().st_mode & 0o777 for file in files()] == [0o600]
    assert PromptCache().folder.stat().st_mode & 0o777 == 0o700


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def lose_the_state(file: Path) -> None:
    os.truncate(file, 2000)


def empty(file: Path) -> None:
    os.truncate(file, 0)


def alter(place: float) -> Callable[[Path], None]:
    def alter(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[int(place * (len(content) - 1))] ^= 1
        file.write_bytes(content)

    return alter


def foreign(file: Path) -> None:
    file.write_bytes(b"GGUF" + bytes(100_000))


def of_another_version(file: Path) -> None:
    described = b'{"tokens": null}\n'
    file.write_bytes(struct.pack("<8sII", b"KVSTATE1", len(described), zlib.crc32(described)) + described)


@pytest.mark.parametrize(
    "damage",
    [truncate, lose_the_state, empty, foreign, of_another_version, alter(0), alter(0.0005), alter(0.5), alter(1)],
)
def test_a_damaged_file_is_removed_and_changes_nothing(tiny: Path, damage: Callable[[Path], None]) -> None:
    expected = ask(tiny, NOTES)
    (file,) = files()
    damage(file)
    result = ask(tiny, NOTES, private=True)  # so that it is not written again
    assert (result.text, result.timings.restored_tokens) == (expected.text, 0)
    assert not file.exists()


def test_a_state_of_another_model_or_layout_is_not_used(tiny: Path, draft: Path) -> None:
    expected = cold(tiny, NOTES)
    ask(tiny, NOTES)
    key = files()[0].name.partition("-")[0]
    ask(tiny, NOTES, kv_type="q8_0")
    (other,) = [file for file in files() if not file.name.startswith(key)]
    assert ask(tiny, NOTES, kv_type="q8_0").timings.restored_tokens  # both are there, each for its own
    # Even under the name of another: llama.cpp sees the layout, and says no.
    for file in files():
        if file != other:
            file.unlink()
    other.rename(other.with_name(f"{key}-{'0' * 16}.kv"))
    result = ask(tiny, NOTES, private=True)
    assert (result.text, result.timings.restored_tokens) == (expected.text, 0)
    assert not files()


def test_another_version_of_the_library_has_other_keys(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(tiny, NOTES)
    monkeypatch.setattr("assistant.engine.prompt_cache.version", lambda package: "0.0.1")
    assert ask(tiny, NOTES).timings.restored_tokens == 0
    assert len(files()) == 2


def test_a_folder_that_cannot_be_made(tiny: Path, home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "cache").write_text("a file is in the way")
    assert ask(tiny, NOTES).text == ask(tiny, NOTES).text
    assert (home / "cache").read_text() == "a file is in the way"


def test_a_disk_that_is_full_or_nearly(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path; from tests_of import ask, NOTES\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "sys.stdout.write(ask(Path(sys.argv[1]), NOTES).text)"
    )
    done = in_python(code, tiny)
    assert done.stdout == cold(tiny, NOTES).text
    assert not list(PromptCache().folder.iterdir())
    monkeypatch.setattr("assistant.engine.prompt_cache._SPARE", 1 << 60)
    ask(tiny, NOTES)
    assert not files()


def in_python(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*python(code), *map(str, args)], capture_output=True, text=True, check=True)


def python(code: str) -> list[str]:
    """A process that can ``from tests_of import`` what is here."""
    worth = "import assistant.engine.prompt_reuse as r; r._WORTH_KEEPING, r._BYTES_PER_SECOND = 0.0, 1e15\n"
    here = f"import importlib.util as u, sys; s = u.spec_from_file_location('tests_of', {__file__!r})\n"
    load = "m = u.module_from_spec(s); sys.modules['tests_of'] = m; s.loader.exec_module(m)\n"
    return [sys.executable, "-c", here + load + worth + code]


def test_a_kill_while_it_is_written(tiny: Path) -> None:
    code = (
        "import assistant.engine.prompt_cache as p, os, signal, sys; from pathlib import Path\n"
        "from tests_of import ask, NOTES\n"
        "def write(file, data):\n"
        "    file.write(memoryview(data).cast('B')[:1000])\n"
        "    if len(data) > 100_000: os.kill(os.getpid(), signal.SIGKILL)\n"
        "p._write_all = write; ask(Path(sys.argv[1]), NOTES)"
    )
    assert subprocess.run([*python(code), str(tiny)], check=False).returncode == -signal.SIGKILL
    (partial,) = PromptCache().folder.iterdir()
    assert partial.suffix == ".partial"
    result = ask(tiny, NOTES)
    assert result.timings.restored_tokens == 0
    assert result.text == cold(tiny, NOTES).text
    os.utime(partial, (time.time() - 3600,) * 2)
    ask(tiny, RULES)
    assert not partial.exists()
    assert len(files()) == 2


def test_the_least_recently_used_goes_first(tiny: Path) -> None:
    chats = [f"Chat {number}.\n" + NOTES for number in range(3)]
    for chat in chats[:2]:
        ask(tiny, chat)
    size = max(file.stat().st_size for file in files())
    for age, file in enumerate(sorted(files(), key=lambda file: file.stat().st_mtime, reverse=True), 1):
        os.utime(file, (time.time() - 100 * age,) * 2)
    assert ask(tiny, chats[0]).timings.restored_tokens  # used, and so the last to go
    ask(tiny, chats[2], prompt_cache_limit=2 * size + 100_000)
    assert len(files()) == 2
    restored = [ask(tiny, chat, private=True).timings.restored_tokens > 100 for chat in chats]
    assert restored == [True, False, True]
    ask(tiny, "Something else.\n" + RULES, prompt_cache_limit=1000)
    assert len(files()) == 2  # what is larger than all that it may take makes nobody go
    ask(tiny, RULES, prompt_cache_limit=0)
    assert len(files()) == 2


def test_what_is_removed_while_a_chat_is_open_does_not_come_back(tiny: Path) -> None:
    engine = LocalEngine(tiny, LoadOptions(threads=1))
    first = answer(engine, NOTES)
    PromptCache().clear()
    answer(engine, NOTES, first.text, "And then?")
    engine.close()
    assert not files()
    ask(tiny, NOTES)
    assert len(files()) == 1


def test_two_programs_at_once(tiny: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests_of import ask, NOTES\n"
        "for number in range(2): sys.stdout.write(ask(Path(sys.argv[1]), f'Chat {number}.' + NOTES).text + '|')"
    )
    running = [
        subprocess.Popen([*python(code), str(tiny)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    (one, failed), (other, failed_too) = (process.communicate(timeout=120) for process in running)
    assert (failed, failed_too) == ("", "")
    assert one == other
    assert one.split("|")[0] == cold(tiny, "Chat 0." + NOTES).text
    assert not list(PromptCache().folder.glob("*.partial"))


# Its process weighs what it writes by the real measure: longer than half a second to read on any processor.
STORY = "".join(NOTES.replace("ferry", f"ferry of day {day},") for day in range(7)) + "\nTell a long story about them."


def test_the_worker_stores_when_it_is_closed_even_in_the_middle_of_an_answer(tiny: Path) -> None:
    engine = WorkerEngine(tiny, LoadOptions(threads=1))
    events = engine.generate([Message("user", STORY)], replace(GREEDY, max_tokens=1000))
    next(event for event in events if isinstance(event, Delta))
    engine.close()
    assert len(files()) == 1
    assert ask(tiny, STORY).timings.prefill_tokens == 1


def test_the_worker_stores_when_its_parent_dies(tiny: Path) -> None:
    code = (
        "import sys, time; from dataclasses import replace; from pathlib import Path; from tests_of import *\n"
        "engine = WorkerEngine(Path(sys.argv[1]), LoadOptions(threads=1))\n"
        "for event in engine.generate([Message('user', STORY)], replace(GREEDY, max_tokens=1000)):\n"
        "    if isinstance(event, Delta): print(engine.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([*python(code), str(tiny)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    child.wait(timeout=20)
    assert ask(tiny, STORY).timings.prefill_tokens == 1
