"""The history: what is stored, found, removed, and what happens to a file that is not as it should be."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlite_utils

from assistant.chat import migrations
from assistant.chat.history import SCHEMA, History, HistoryError
from assistant.chat.writer import is_alive
from assistant.database import apply
from models.paths import history_file


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with History(tmp_path / "history.db") as history:
        yield history


def chat(history: History, *texts: str, title: str | None = None) -> int:
    id = history.create(title or texts[0], "tiny")
    for number, text in enumerate(texts):
        history.add_message(id, "assistant" if number % 2 else "user", text)
    return id


def test_open_creates_a_private_file(home: Path) -> None:
    history = History.open()
    chat(history, "Hello")
    assert history.path == history_file()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in home.iterdir()] == [0o600] * 3  # with -wal and -shm
    history.close()


def test_in_memory_writes_nothing(home: Path) -> None:
    with History.in_memory() as history:
        chat(history, "Hello")
        assert history.search("hello")
        assert not home.exists()


def test_list_latest_and_rename(history: History) -> None:
    assert history.latest() is None
    first, second = chat(history, "One?", "One."), chat(history, "Two?")
    assert history.latest() == second
    history.add_message(first, "user", "More?")
    assert history.latest() == first
    history.rename(second, "Renamed")
    assert [(c.id, c.title, c.messages) for c in history.conversations()] == [
        (first, "One?", 3),
        (second, "Renamed", 1),
    ]
    assert [c.id for c in history.conversations(limit=1)] == [first]
    assert [c.id for c in history.conversations(query="renam")] == [second]
    with pytest.raises(HistoryError, match="no chat 99"):
        history.load(99)
    with pytest.raises(HistoryError, match="no chat 99"):
        history.rename(99, "x")


def test_search_in_two_languages(history: History) -> None:
    russian = chat(history, "Расскажи про ёлку в Казани", "Ёлка стоит у Кремля.")
    english = chat(history, "Which rivers are long?", "The Nile is a long river.")
    assert [hit.snippet for hit in history.search("ЕЛКУ")] == ["Расскажи про [ёлку] в Казани"]
    assert {hit.conversation_id for hit in history.search("ёлк")} == {russian}
    assert len(history.search("river")) == 2
    assert [hit.role for hit in history.search('"long river"')] == ["assistant"]
    assert history.search('"river long"') == []
    assert [hit.role for hit in history.search("long nile")] == ["assistant"]
    assert [c.id for c in history.conversations(query="казан")] == [russian]
    assert [(c.id, c.snippet) for c in history.conversations(query="nile")] == [
        (english, "The [Nile] is a long river.")
    ]


@pytest.mark.parametrize(
    "query",
    [
        *('"', '""', '"""', 'ё* "x', 'a "b" c "d', "* OR", "a AND b NOT", "NEAR(a b", "text: x", "{a b}:c", "^a", "-x"),
        *(
            "C++",
            "a-b",
            "(",
            "'; DROP TABLE messages; --",
            "\0",
            "\ud800",
            "😀",
            "٣",
            "й\u0306",
            "x" * 10_000,
            "",
            "   ",
        ),
    ],
)
def test_no_query_is_an_error(history: History, query: str) -> None:
    chat(history, "a-b C++ text")
    history.search(query)
    history.conversations(query=query)


def test_symbols_in_words_are_found(history: History) -> None:
    chat(history, "Compile C++ with well-known flags")
    assert history.search("c++")
    assert history.search("well-known")
    assert history.search("+++") == []


def test_the_index_follows_every_change(history: History) -> None:
    id = chat(history, "Ёжик спит")
    message = history.add_message(id, "assistant", "", status="streaming")
    for text in ("Где", "Где он", "Где он спит? Ёлка."):
        message.text = text
        history.update_message(message)
    message.status = "complete"
    history.update_message(message)
    other = chat(history, "Другое")
    history.remove(id)
    history._db.write("INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1)")
    assert history.search("елка") == []
    assert [hit.conversation_id for hit in history.search("другое")] == [other]


def test_removed_words_are_nowhere_in_the_file(history: History) -> None:
    assert history.path
    kept = chat(history, "keepsake")
    for _ in range(3):
        secret = chat(history, "zanzibarsecret " * 2000, "and again zanzibarsecret", title="zanzibarsecret")
        history.remove(secret)
    for file in history.path.parent.rglob("*"):
        assert file.is_dir() or b"zanzibar" not in file.read_bytes()
    assert [c.id for c in history.conversations()] == [kept]
    assert chat(history, "new") > secret  # a number never comes to mean another chat
    with pytest.raises(HistoryError, match="no chat 77"):
        history.remove(kept, 77)
    assert history.load(kept).title == "keepsake"


def test_bad_characters_are_stored(history: History) -> None:
    id = chat(history, "half \ud83d of a pair, and \0 nul")
    assert history.load(id).messages[0].text == "half ? of a pair, and \0 nul"


def test_an_older_database_is_backed_up_and_migrated(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    old = sqlite_utils.Database(path)
    old.execute("PRAGMA application_id = 0x41535354")
    apply(migrations.migrations, old, stop_before="m002_full_text_search")
    old.execute("INSERT INTO conversations VALUES (7, 'Old', 'tiny', NULL, '2026-01-01T00:00:00+00:00', '2026-01-01')")
    old.execute(
        """INSERT INTO messages (conversation_id, position, role, text, status, created, updated)
           VALUES (7, 0, 'user', 'Ёлка была', 'complete', '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00')"""
    )
    old.close()
    with History(path) as history:
        assert [hit.conversation_id for hit in history.search("елка")] == [7]
        backup = tmp_path / "history.db.v1.backup"
        with sqlite3.connect(backup) as copy:
            assert copy.execute("SELECT text FROM messages").fetchall() == [("Ёлка была",)]
            assert copy.execute("PRAGMA user_version").fetchone() == (1,)
        assert stat.S_IMODE(backup.stat().st_mode) == 0o600
        history.remove(7)
        assert not backup.exists()


def test_the_version_counts_the_steps() -> None:
    assert len(list(migrations.migrations.pending(sqlite_utils.Database(memory=True)))) == SCHEMA.version


def test_a_failed_migration_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.db"
    old = sqlite_utils.Database(path)
    old.execute("PRAGMA application_id = 0x41535354")
    apply(migrations.migrations, old, stop_before="m002_full_text_search")
    before = list(old.conn.iterdump())
    old.close()
    broken = migrations.migrations._migrations[1]

    def fails_late(db: sqlite_utils.Database) -> None:
        db.execute("CREATE TABLE half (x)")
        raise sqlite3.OperationalError("no")

    monkeypatch.setattr(broken, "fn", fails_late)
    with pytest.raises(HistoryError):
        History(path)
    with sqlite3.connect(path) as same:
        assert list(same.iterdump()) == before
        assert same.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with History(path) as history:
        chat(history, "Hello")
    with sqlite3.connect(path) as future:
        future.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(HistoryError, match="newer assistant") as caught:
        History(path)
    assert caught.value.hint
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"This is no database, but it is long enough to look like one. " * 100, b"x"])
def test_not_a_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(content)
    with pytest.raises(HistoryError, match="not a database"):
        History(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bookmarks (url)")
    before = path.read_bytes()
    with pytest.raises(HistoryError, match="another program"):
        History(path)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "history.db", Path("/proc/assistant/history.db"), tmp_path):
        with pytest.raises(HistoryError) as caught:
            History(path)
        assert "ASSISTANT_DATA_DIR" in (caught.value.hint or "")


def test_a_database_that_may_not_be_written(history: History) -> None:
    id = chat(history, "Hello")
    history._db.rows("PRAGMA query_only = ON")  # as on a disk mounted read-only; file modes do not bind root
    with pytest.raises(HistoryError, match="cannot be written"):
        history.add_message(id, "user", "lost?")
    assert [m.text for m in history.load(id).messages] == ["Hello"]


def test_a_full_disk_undoes_the_step_it_was_in(history: History) -> None:
    id = chat(history, "Hello")
    pages = history._db.rows("PRAGMA page_count")[0][0]
    history._db.rows(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(HistoryError, match="disk is full") as caught:
        history.add_message(id, "user", "x" * 1_000_000)
    assert caught.value.hint
    history._db.rows("PRAGMA max_page_count = 1000000")
    assert [m.text for m in history.load(id).messages] == ["Hello"]
    history.add_message(id, "user", "goes on")
    assert history.search("goes")


def test_a_locked_database_says_so(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    assert history.path
    history._db.rows("PRAGMA busy_timeout = 50")
    holder = sqlite3.connect(history.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(HistoryError, match="locked"):
        history.create("x", "m")
    holder.execute("ROLLBACK")
    history.create("x", "m")


WRITER = """
import sys
from pathlib import Path
from assistant.chat.history import History
history = History(Path(sys.argv[1]))
id = history.create(sys.argv[2], "m")
for number in range(30):
    history.add_message(1, "user", f"{sys.argv[2]} {number}")
"""


def test_several_processes_create_and_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history.db"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), f"writer{n}"], stderr=subprocess.PIPE)
        for n in range(4)
    ]
    errors = [writer.communicate()[1].decode() for writer in writers]
    assert errors == [""] * 4
    with History(path) as history:
        messages = history.load(1).messages
        assert [m.position for m in messages] == list(range(120))
        for writer in range(4):
            mine = [m.text for m in messages if m.text.startswith(f"writer{writer} ")]
            assert mine == [f"writer{writer} {number}" for number in range(30)]
        assert len(history.conversations()) == 4
    assert not list(path.parent.glob("*.backup*"))


def test_several_threads_share_one_history(history: History) -> None:
    id = history.create("threads", "m")

    def write(name: int) -> None:
        for number in range(25):
            with history.transaction():
                history.add_message(id, "user", f"{name}")
                history.add_message(id, "assistant", f"{name} {number}")

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts = [m.text.split()[0] for m in history.load(id).messages]
    assert len(texts) == 200
    assert texts[::2] == texts[1::2]  # no transaction was interleaved with another's


STREAMER = """
import os, sys
from pathlib import Path
from assistant.chat.history import History
history = History(Path(sys.argv[1]))
id = history.create("t", "m")
message = history.add_message(id, "assistant", "half", status="streaming")
print("ready", flush=True)
sys.stdin.read()
os._exit(1)
"""


def test_only_a_dead_writer_is_called_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    child = subprocess.Popen(
        [sys.executable, "-c", STREAMER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    assert child.stdout.readline() == "ready\n"
    with History(path) as history:
        assert history.load(1).messages[0].status == "streaming"
        child.communicate()
        assert history.load(1).messages[0].status == "interrupted"


@pytest.mark.parametrize(("age", "status"), [("+0 seconds", "streaming"), ("-1 hours", "interrupted")])
def test_a_writer_on_another_host_is_judged_by_its_silence(history: History, age: str, status: str) -> None:
    id = history.create("t", "m")
    message = history.add_message(id, "assistant", "half", status="streaming")
    then = f"strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now', '{age}')"
    history._db.write(f"UPDATE messages SET owner = 'elsewhere:{os.getpid()}:1.0', updated = {then}")
    assert history.load(id).messages[0].status == status
    assert message.status == "streaming"


def test_a_reused_process_number_is_another_writer(history: History) -> None:
    id = history.create("t", "m")
    history.add_message(id, "assistant", "half", status="streaming")
    history._db.write("UPDATE messages SET owner = replace(owner, ':1', ':9')")
    assert history.load(id).messages[0].status == "interrupted"


def test_a_killed_writer_that_nobody_has_buried_is_dead() -> None:
    script = (
        "import time; from assistant.chat.writer import this_process\nprint(this_process(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        owner = writer.stdout.readline().strip()
        assert is_alive(owner, datetime.now(UTC))
        writer.kill()
        assert writer.stdout.read() == ""  # it has ended, and is not waited for
        for _ in range(50):
            if not is_alive(owner, datetime.now(UTC)):
                break
            time.sleep(0.02)
        assert not is_alive(owner, datetime.now(UTC))
