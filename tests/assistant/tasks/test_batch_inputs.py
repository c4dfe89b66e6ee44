"""Records of every sort of input, and what is said of those that cannot be read."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from assistant.tasks.batching.inputs import open_input
from assistant.tasks.batching.records import Broken, Fields, Record
from models.errors import Cancelled, UsageError


def read(path: Path | str, fields: Fields | None = None, **how: Any) -> list[Record | Broken]:
    return list(open_input(str(path), fields or Fields(), **how).read())


def texts(records: list[Record | Broken]) -> list[str]:
    return [record.text if isinstance(record, Record) else f"{record.where} {record.reason}" for record in records]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_json_lines_are_texts_or_objects(tmp_path: Path) -> None:
    file = write(
        tmp_path / "in.jsonl", '\ufeff"Привет"\r\n\n{"id": 7, "content": "Hi", "n": null}\n{"body": "Only", "n": 1}'
    )
    assert read(file) == [
        Record(0, "line 1", "Привет", {"text": "Привет"}),
        Record(1, "line 3", "Hi", {"id": 7, "content": "Hi", "n": None}),
        Record(2, "line 4", "Only", {"body": "Only", "n": 1}),
    ]


def test_lines_that_are_no_records_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    bad = [
        b'{"text": "cut',
        b'{"text": "\xef\xf0"}',
        b"[1, 2]",
        b"7",
        b"null",
        b'{"text": NaN}',
        b'{"a": "x", "b": "y"}',
        b'{"text": "  "}',
        b'{"text": null}',
        b"[" * 100_000,
    ]
    lines = [b'"good"', *bad, b'"good too"']
    found = read(write(tmp_path / "in.jsonl", b"\n".join(lines)))
    assert [record.number for record in found] == list(range(12))
    assert texts(found)[0] == "good"
    assert texts(found)[-1] == "good too"
    said = texts(found)[1:-1]
    assert all(reason.startswith(f"line {number} ") for number, reason in enumerate(said, 2))
    for reason, words in zip(
        said,
        ["not JSON", "not UTF-8", "a list", "a number", "null", "NaN", "--field", "nothing", "nothing", "deeply"],
        strict=True,
    ):
        assert words in reason


def test_halves_of_surrogate_pairs_do_not_break_anything(tmp_path: Path) -> None:
    (record,) = read(write(tmp_path / "in.jsonl", '{"text": "a \\ud800 b", "id": "\\udfff"}'))
    assert isinstance(record, Record)
    assert record.text == "a ? b"
    assert len(record.digest) == 32


def test_json_over_several_lines_is_refused_with_what_to_do(tmp_path: Path) -> None:
    for content in ('[{"text": "a"}]', '{\n "text": "a"\n}\n'):
        with pytest.raises(UsageError, match="JSON Lines") as refused:
            read(write(tmp_path / "in.json", content))
        assert "jq -c" in (refused.value.hint or "")


def test_utf16_of_other_shells(tmp_path: Path) -> None:
    file = write(tmp_path / "in.jsonl", '{"text": "Ёж"}\r\n"two"\r\n'.encode("utf-16"))
    assert texts(read(file)) == ["Ёж", "two"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
def test_tables_of_every_dialect(tmp_path: Path, delimiter: str, encoding: str) -> None:
    rows = [
        ["номер", "отзыв", "город"],
        ["1", f'"Две строки\nи ""кавычки"", и{delimiter}знак"', "Омск"],
        ["2", "Товар пришёл вовремя", "Псков"],
        [],
        ["3", "Сломался на второй день"],
    ]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    found = read(write(tmp_path / "in.csv", text.encode(encoding)), Fields("отзыв"))
    assert texts(found) == [
        f'Две строки\nи "кавычки", и{delimiter}знак',
        "Товар пришёл вовремя",
        "Сломался на второй день",
    ]
    assert [record.where for record in found] == ["line 2", "line 4", "line 6"]
    assert isinstance(found[2], Record)
    assert found[2].values == {"номер": "3", "отзыв": "Сломался на второй день", "город": ""}


def test_rows_that_are_none_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    content = 'id,text\n1,one\n2,"never closed\n3,three,too,many\n4,f\xefve\n5,пять\n6,six\n'
    raw = content.encode().replace("\xef".encode(), b"\xef")
    found = texts(read(write(tmp_path / "in.csv", raw)))
    assert found[0] == "one"
    assert found[1].startswith("line 3 ")
    assert "never closed" in found[1]
    assert "4 cells" in found[2]
    assert found[3] == "line 5 is not UTF-8"
    assert found[4:] == ["пять", "six"]


def test_columns_of_one_name_or_none_are_told_apart(tmp_path: Path) -> None:
    (record,) = read(write(tmp_path / "in.csv", "text,a,a,\nx,1,2,3\n"))
    assert isinstance(record, Record)
    assert record.values == {"text": "x", "a": "1", "a (2)": "2", "column 4": "3"}


@pytest.mark.parametrize(
    ("name", "content", "fields", "words"),
    [
        ("in.csv", "a,b\n1,2\n", Fields(), "cannot be told"),
        ("in.csv", "a,b\n1,2\n", Fields("c"), "no column 'c'. It has: a, b"),
        ("in.csv", "text,b\n1,2\n", Fields(None, ("lang",)), "no column 'lang'"),
        ("in.csv", b"PK\0\3\4\0\0", Fields(), "binary"),
        ("in.jsonl", b"GGUF\0\0\1", Fields(), "binary"),
        ("in.parquet", "PAR1", Fields(), "--input-format"),
        ("missing.jsonl", None, Fields(), "No such file"),
    ],
)
def test_inputs_that_cannot_be_used_are_refused_at_once(
    tmp_path: Path, name: str, content: str | bytes | None, fields: Fields, words: str
) -> None:
    if content is not None:
        write(tmp_path / name, content)
    with pytest.raises(UsageError) as refused:
        open_input(str(tmp_path / name), fields)
    assert words in f"{refused.value.message} {refused.value.hint}"


def test_a_text_file_has_a_record_on_each_line(tmp_path: Path) -> None:
    assert texts(read(write(tmp_path / "in.txt", "one \n\n  two\n"))) == ["one", "two"]


def test_a_folder_of_documents(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    write(tmp_path / "docs/a.md", "# Title\n\nText.\n")
    write(tmp_path / "docs/b.txt", "Вторая".encode("cp1251"))
    write(tmp_path / "docs/c.png", b"\x89PNG")
    skipped: list[str] = []
    found = read(tmp_path / "docs", skipped=skipped.append)
    assert [record.text for record in found if isinstance(record, Record)] == ["# Title\n\nText.\n", "Вторая"]
    assert [set(record.values) for record in found if isinstance(record, Record)] == [{"source"}, {"source"}]
    assert len(skipped) == 1
    assert "c.png is a picture" in skipped[0]


def test_standard_input_is_read_as_it_comes() -> None:
    def lines() -> Any:
        yield b'"one"\n'
        raise AssertionError("read ahead")

    class Slow(io.RawIOBase):
        given = lines()

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            line: bytes = next(self.given)
            buffer[: len(line)] = line
            return len(line)

    found = open_input("-", Fields(), stdin=io.BufferedReader(Slow())).read()
    assert next(found) == Record(0, "line 1", "one", {"text": "one"})


def test_standard_input_can_be_spooled_to_be_read_twice() -> None:
    for how in ({"spool": True}, {"format": "csv"}):
        content = b"text,n\na,1\n" if "format" in how else b'{"text": "a", "n": "1"}\n'
        found = open_input("-", Fields(), stdin=io.BytesIO(content), **how)  # type: ignore[arg-type]
        assert found.again
        assert list(found.read()) == list(found.read())
        assert texts(list(found.read())) == ["a"]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    db = sqlite3.connect(path)
    db.executescript("CREATE TABLE posts (id INTEGER, body TEXT, raw BLOB); CREATE VIEW newest AS SELECT * FROM posts;")
    db.executemany("INSERT INTO posts VALUES (?, ?, ?)", [(1, "first", b"\1"), (2, "", None), (3, "third", None)])
    db.execute("INSERT INTO posts VALUES (4, CAST(x'fffe' AS TEXT), NULL)")
    db.commit()
    db.close()
    return path


def test_a_query_of_a_database(database: Path) -> None:
    found = read(database, Fields("body"), query="SELECT id, body, raw FROM posts ORDER BY id")
    assert found[0] == Record(0, "row 1", "first", {"id": 1, "body": "first", "raw": "x'01'"})
    assert texts(found)[1:] == ["row 2 has nothing in its field 'body'", "third", "row 4 is not UTF-8"]
    with pytest.raises(UsageError, match="posts, newest"):
        read(database)


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM posts",
        "DROP TABLE posts",
        "UPDATE posts SET body = 'x' RETURNING body",
        "ATTACH 'other.db' AS other",
        "PRAGMA journal_mode = DELETE",
        "VACUUM INTO 'copy.db'",
        "SELECT 1 AS text; DROP TABLE posts",
        "SELECT load_extension('x') AS text",
        "SELECT zeroblob(1000000000) AS text",
        "CREATE TABLE x (y)",
        "not sql",
        "",
    ],
)
def test_a_query_can_only_read(database: Path, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(database.parent)
    before = (sorted(database.parent.iterdir()), database.read_bytes())
    with pytest.raises(UsageError, match="--query"):
        read(database, query=query)
    assert (sorted(database.parent.iterdir()), database.read_bytes()) == before


def test_a_query_that_does_not_end_can_be_stopped(database: Path) -> None:
    asked: list[None] = []

    def stopped() -> bool:
        asked.append(None)
        return len(asked) > 3

    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS text FROM n"
    with pytest.raises(Cancelled):
        read(database, query=endless, stopped=stopped)


def test_a_million_records_are_not_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    file = tmp_path / "in.jsonl"
    with file.open("w") as lines:
        lines.writelines(json.dumps({"text": f"{number} {'x' * 90}"}) + "\n" for number in range(20_000))
    opened = open_input(str(file), Fields())
    tracemalloc.start()
    assert sum(1 for _ in opened.read()) == 20_000
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 500_000
