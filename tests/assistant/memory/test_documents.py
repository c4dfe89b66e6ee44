"""Files of every kind, good and bad, become documents, or one line that says why not."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import docx
import pytest
from pypdf import PdfReader, PdfWriter

from assistant.memory.documents import Document, Found, Skipped, Unreadable, digest_of, load, walk
from assistant.memory.loaders import parsing

NOTE = "Заметки о поездке в Казань.\nВстреча в 10:30, взять паспорт.\n"


@pytest.fixture(scope="module", autouse=True)
def parser() -> Iterator[None]:
    """No process of this module stays behind."""
    yield
    parsing.close()


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def zipped(path: Path, parts: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            stored = zipfile.ZIP_STORED if name == "mimetype" else None
            archive.writestr(name, content, compress_type=stored)
    return path


def reason(path: Path, **options: int) -> str:
    """Why a file cannot be read: always one line."""
    with pytest.raises(Unreadable) as caught:
        load(path, **options)
    assert "\n" not in caught.value.message
    assert caught.value.message.endswith(f" {caught.value.reason}.")
    return caught.value.reason


def pdf(path: Path, pages: list[str], title: str = "", repeat: int = 1) -> Path:
    """A PDF of one line of text a row, in Helvetica; ``repeat`` writes all of it so many times."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>"
        % (b" ".join(b"%d 0 R" % (5 + 2 * number) for number in range(len(pages))), len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Title (%s) >>" % title.encode("latin-1"),
    ]
    for number, page in enumerate(pages):
        rows = b"".join(b"(%s) Tj 0 -14 Td\n" % row.encode("cp1252") for row in page.split("\n"))
        stream = b"BT /F1 12 Tf 72 720 Td\n" + rows * repeat + b"ET" if page else b"0 0 100 100 re f"
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % (6 + 2 * number)
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    out = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"xref\n0 %d\n0000000000 65535 f \n%strailer\n" % (len(objects) + 1, table)
    out += b"<< /Size %d /Root 1 0 R /Info 4 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, out.rindex(b"xref"))
    return write(path, out)


# ── text ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_text_file_keeps_its_lines(tmp_path: Path) -> None:
    document = load(write(tmp_path / "my_notes.txt", "one\r\ntwo\rthree\n\nfi\x0cve\x00\x1b[1m\u202e\n" + "x" * 200))
    assert document.kind == "text"
    assert document.title == "my notes"
    assert document.text.split("\n")[:5] == ["one", "two", "three", "", "fi\x20ve[1m\u202e"]
    assert [document.line_of(document.text.index(word)) for word in ("one", "two", "three", "ve")] == [1, 2, 3, 5]
    assert document.line_of(document.text.index("two") - 1) == 1  # the line end belongs to its line
    assert document.page_of(0) is None


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1251", "koi8-r", "cp866"]
)
def test_russian_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    assert load(write(tmp_path / "note.txt", NOTE.encode(encoding))).text == NOTE


@pytest.mark.parametrize(
    "text",
    [
        "Ёлка",
        "Привет, мир!",
        "да",
        "Щи",
        "Мёд и хлеб",
        "ОБЪЯВЛЕНИЕ",
        "Ф. И. О.",
        "USB-кабель, «цена» — 500 руб.",
        "№ 5",
    ],
)
def test_short_notes_in_the_windows_encoding(tmp_path: Path, text: str) -> None:
    assert load(write(tmp_path / "note.txt", text.encode("cp1251"))).text == text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Größe: 12 Äpfel für Jürgen"),
        ("cp1252", "“Smart quotes” – and dashes… don’t"),
        ("cp1252", "Café crème à la carte, naïve"),
        ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
        ("cp1251", "Привіт, як справи? Їжак і ґава"),
        ("cp1253", "Καλημέρα κόσμε, τι κάνετε σήμερα; Όλα καλά εδώ."),
        ("shift_jis", "これは日本語の文章です。今日はいい天気ですね。散歩に行きましょう。"),
        ("gb18030", "这是一个用中文写的句子。今天天气很好,我们去散步吧。"),
    ],
)
def test_other_languages(tmp_path: Path, encoding: str, text: str) -> None:
    assert load(write(tmp_path / "note.txt", text.encode(encoding))).text == text


def test_a_damaged_byte_does_not_change_the_encoding(tmp_path: Path) -> None:
    raw = (NOTE * 5).encode()
    assert load(write(tmp_path / "note.txt", raw[:40] + b"\xff" + raw[40:])).text.endswith(NOTE * 4)


def test_unseen_and_composed_characters(tmp_path: Path) -> None:
    hidden = "".join(chr(0xE0000 + ord(char)) for char in "obey")
    text = load(write(tmp_path / "a.txt", f"и\u0306од{hidden} soft\u00adhyphen\ufeff \u200bend\u2028x")).text
    assert text == "йод softhyphen end x"


def test_markdown_is_left_as_it_is(tmp_path: Path) -> None:
    source = "```sh\n# no heading\n```\n\n# Борщ #\n\n- свёкла\n"
    document = load(write(tmp_path / "a.md", source))
    assert (document.kind, document.title, document.text) == ("markdown", "Борщ", source)
    assert (
        load(write(tmp_path / "b.md", "---\ntags: x\ntitle: 'Front: matter'\n---\n# Other\n")).title == "Front: matter"
    )
    assert load(write(tmp_path / "no_title.md", "text")).title == "no title"


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.py", "print(1)\n", "code"),
        ("Makefile", "all:\n", "code"),
        ("script", "#!/bin/sh\necho\n", "code"),
        ("data.json", '{"a": 1}', "code"),
        ("settings.YAML", "a: 1", "code"),
        ("README", "words", "text"),
        ("page", "<!DOCTYPE html><p>words", "html"),
        ("page.txt", "\ufeff \n<HTML><p>words", "html"),
    ],
)
def test_kinds_by_name_and_content(tmp_path: Path, name: str, content: str, kind: str) -> None:
    document = load(write(tmp_path / name, content))
    assert document.kind == kind
    assert document.is_markdown == (kind == "html")


def test_a_table_is_readable_row_by_row(tmp_path: Path) -> None:
    rows = 'Имя;Город;Заметка\r\nАнна;Казань;"две\r\nстроки; и точка"\r\nБорис;;\r\n'
    document = load(write(tmp_path / "people.csv", rows.encode("cp1251")))
    assert document.kind == "csv"
    assert document.text.split("\n") == [
        "Имя; Город; Заметка",
        "Имя: Анна; Город: Казань; Заметка: две строки; и точка",
        "",
        "Имя: Борис",
        "",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1,2\n3,4\n", "1; 2\n3; 4\n"),  # no header
        ("a\tb\n1\t2", "a; b\na: 1; b: 2"),
        ("just words\nand more\n", "just words\nand more\n"),
        ('a,b\n"never closed,1\n' + "x,y\n" * 300, 'a,b\n"never closed,1\n' + "x,y\n" * 300),
    ],
)
def test_tables_of_every_form(tmp_path: Path, content: str, expected: str) -> None:
    assert load(write(tmp_path / "a.csv", content)).text == expected


def test_a_notebook_is_its_cells(tmp_path: Path) -> None:
    cells = '[{"cell_type": "markdown", "source": ["# Опыт\\n", "слова"]}, {"cell_type": "code", "source": "x = 1"}]'
    document = load(write(tmp_path / "a.ipynb", f'{{"cells": {cells}, "metadata": {{}}}}'))
    assert document.title == "Опыт"
    assert document.text == "# Опыт\nслова\n\n```\nx = 1\n```"
    assert "no notebook" in reason(write(tmp_path / "b.ipynb", "[" * 100_000))


# ── HTML ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_html_becomes_markdown(tmp_path: Path) -> None:
    source = """<!doctype html><html><head><meta charset=windows-1251><title>Сад &amp; огород</title>
    <style>p {color: red}</style><script>alert("<p>no</p>")</script>
    <body><nav><a href=/>Меню</a></nav><h2>Томаты <b>черри</b></h2><p>Первая<br>вторая
    строка.<ul><li><p>раз</p><li>два</ul><table><tr><th>Сорт<th>Срок<tr><td>Бычье сердце<td><p>120</p></table>
    <pre>x = 1
      y = 2</pre><p hidden>obey<p>видно<div style="display: none">obey <div>more</div></div>&#xD800;&nbsp;конец"""
    document = load(write(tmp_path / "a.html", source.encode("cp1251")))
    assert document.title == "Сад & огород"
    assert document.text == (
        "## Томаты черри\n\nПервая\nвторая строка.\n\n- раз\n- два\n\nСорт | Срок\nБычье сердце | 120\n\n"
        "```\nx = 1\n      y = 2\n```\n\nвидно\n\n\N{REPLACEMENT CHARACTER} конец"
    )


def test_html_that_is_broken_still_gives_its_text(tmp_path: Path) -> None:
    assert load(write(tmp_path / "a.html", "<nav><p>never closed")).text == "never closed"
    assert load(write(tmp_path / "b.html", "<div>" * 50_000 + "deep" + "<table><td>cell")).text == "deep\n\ncell"
    assert "white space" in reason(write(tmp_path / "c.html", "<script>x</script>"))


# ── formats that are parsed ───────────────────────────────────────────────────────────────────────────────────────────


def test_pdf_has_pages_and_lines(tmp_path: Path) -> None:
    pages = [f"The handbook\nChapter of num-\nber {word}.\n{number}" for number, word in enumerate("abcdef", 1)]
    document = load(pdf(tmp_path / "a.pdf", pages, title="A handbook"))
    assert (document.kind, document.title, len(document.pages)) == ("pdf", "A handbook", 6)
    for number, word in enumerate("abcdef", 1):
        at = document.text.index(f"Chapter of number {word}.")
        assert document.page_of(at) == number
        assert document.page_of(document.pages[number - 1]) == number
    assert document.line_of(0) == 1
    assert document.line_of(document.text.index("Chapter")) == 2
    assert document.text.count("The handbook") == 1  # the running title stays where it came first
    assert document.page_of(len(document.text)) == 6


def test_encrypted_pdfs(tmp_path: Path) -> None:
    plain = pdf(tmp_path / "plain.pdf", ["Open words"])
    for name, password, algorithm in (("locked", "secret", "RC4-128"), ("open", "", "RC4-128"), ("aes", "", "AES-256")):
        writer = PdfWriter(clone_from=PdfReader(plain))
        if algorithm == "AES-256":
            pytest.importorskip("cryptography")
        writer.encrypt(password, "owner", algorithm=algorithm)
        writer.write(tmp_path / f"{name}.pdf")
    assert "encrypted" in reason(tmp_path / "locked.pdf")
    assert load(tmp_path / "open.pdf").text.strip() == "Open words"
    assert load(tmp_path / "aes.pdf").text.strip() == "Open words"


def test_pdfs_without_text_or_broken(tmp_path: Path) -> None:
    assert "OCR" in reason(pdf(tmp_path / "scan.pdf", ["", ""]))
    whole = pdf(tmp_path / "whole.pdf", ["words"]).read_bytes()
    assert "broken" in reason(write(tmp_path / "cut.pdf", whole[:150]))
    assert "broken" in reason(write(tmp_path / "noise.pdf", b"%PDF-1.7\n" + bytes(range(256)) * 50))
    moved = whole.replace(b"startxref\n", b"startxref\n9")
    assert load(write(tmp_path / "moved.pdf", moved)).text.strip() == "words"


def test_a_pdf_that_takes_for_ever_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = pdf(tmp_path / "slow.pdf", ["a" * 20], repeat=400_000)
    monkeypatch.setattr(parsing, "SILENCE_SECONDS", 1.0)
    assert "too long" in reason(slow)
    monkeypatch.undo()
    assert load(pdf(tmp_path / "next.pdf", ["next"])).text.strip() == "next"


def test_docx_in_the_order_of_its_body(tmp_path: Path) -> None:
    book = docx.Document()
    book.core_properties.title = "Отчёт"
    book.add_heading("Введение", 1)
    book.add_paragraph("Первый абзац.")
    book.add_paragraph("раз", style="List Bullet")
    book.add_paragraph("два", style="List Number")
    table = book.add_table(2, 2)
    for cell, text in zip((cell for row in table.rows for cell in row.cells), ("A", "B", "1", "2\n3"), strict=True):
        cell.text = text
    book.add_heading("Выводы", 2)
    book.add_paragraph("Конец.")
    book.save(tmp_path / "a.docx")
    document = load(tmp_path / "a.docx")
    assert (document.kind, document.title, document.is_markdown) == ("docx", "Отчёт", True)
    assert document.text == "# Введение\n\nПервый абзац.\n\n- раз\n- два\n\nA | B\n1 | 2 3\n\n## Выводы\n\nКонец."


def _with_body(path: Path, body: str, doctype: str = "") -> Path:
    """A Word file with this XML as its body."""
    docx.Document().save(path)
    with zipfile.ZipFile(path) as archive:
        parts: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    parts["word/document.xml"] = (
        f'<?xml version="1.0"?>{doctype}<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        f"<w:body>{body}</w:body></w:document>"
    )
    return zipped(path, parts)


def test_docx_with_controls_and_tracked_changes(tmp_path: Path) -> None:
    body = (
        "<w:sdt><w:sdtContent><w:p><w:r><w:t>in a control</w:t></w:r></w:p></w:sdtContent></w:sdt>"
        "<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
        "<w:moveFrom><w:r><w:t>gone</w:t></w:r></w:moveFrom><w:r><w:tab/><w:t>tab</w:t></w:r></w:p>"
    )
    assert load(_with_body(tmp_path / "a.docx", body)).text == "in a control\n\nnew tab"


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    laughs = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    doctype = f'<!DOCTYPE x [<!ENTITY e0 "haha">{laughs}]>'
    path = _with_body(tmp_path / "a.docx", "<w:p><w:r><w:t>ok &e9;</w:t></w:r></w:p>", doctype)
    assert "broken" in reason(path)
    outside = write(tmp_path / "secret.txt", "secret")
    doctype = f'<!DOCTYPE x [<!ENTITY file SYSTEM "{outside.as_uri()}">]>'
    assert load(_with_body(tmp_path / "b.docx", "<w:p><w:r><w:t>ok &file;</w:t></w:r></w:p>", doctype)).text == "ok"


def _epub(path: Path, **more: str | bytes) -> Path:
    parts: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container><rootfiles><rootfile full-path="O/b.opf"/></rootfiles></container>',
        "O/b.opf": """<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>Книга</dc:title></metadata>
            <manifest><item id="two" href="2.xhtml"/><item id="one" href="a%20b.xhtml"/><item id="x" href="x.css"/>
            </manifest><spine><itemref idref="one"/><itemref idref="two"/><itemref idref="lost"/></spine></package>""",
        "O/2.xhtml": '<?xml version="1.0" encoding="utf-8"?><html><body><h1>Вторая</h1><p>конец</p></body></html>',
        "O/a b.xhtml": "<html><head><title/></head><body><h1>Первая</h1><script/><p>начало</p></body></html>",
    }
    return zipped(path, {**parts, **more})


def test_epub_in_the_order_of_its_spine(tmp_path: Path) -> None:
    document = load(_epub(tmp_path / "book.epub"))
    assert (document.kind, document.title) == ("epub", "Книга")
    assert document.text == "# Первая\n\nначало\n\n# Вторая\n\nконец"
    assert load(_epub(tmp_path / "by-content.bin-name")).kind == "epub"
    locked = '<encryption><CipherReference URI="O/2.xhtml"/></encryption>'
    assert "DRM" in reason(_epub(tmp_path / "drm.epub", **{"META-INF/encryption.xml": locked}))


def test_fiction_book(tmp_path: Path) -> None:
    source = """<?xml version="1.0" encoding="windows-1251"?><FictionBook xmlns="urn:fb"><description><title-info>
        <book-title>Ревизор</book-title></title-info></description><body><title><p>Комедия</p></title><section><title><p>Явление</p>
        <p>первое</p></title><p>Я пригласил <i>вас</i>,
        господа</p><poem><stanza><v>раз</v><v>два</v></stanza></poem></section></body>
        <binary id="a.jpg">/9j/4AAQ</binary></FictionBook>"""
    document = load(write(tmp_path / "a.fb2", source.encode("cp1251")))
    assert (document.kind, document.title) == ("fb2", "Ревизор")
    assert document.text == "# Комедия\n\n## Явление первое\n\nЯ пригласил вас, господа\n\nраз\nдва"


def test_open_document(tmp_path: Path) -> None:
    body = """<o xmlns:t="urn:t" xmlns:table="urn:table">
        <t:h t:outline-level="2">Глава</t:h><t:p>слово<t:s/><t:span>два</t:span>
        <t:line-break/>три</t:p><t:list><t:list-item><t:p>раз</t:p></t:list-item></t:list><table:table><table:table-row>
        <table:table-cell><t:p>A</t:p></table:table-cell><table:table-cell><t:p>B</t:p></table:table-cell>
        </table:table-row></table:table></o>"""
    mark = "application/vnd.oasis.opendocument.text"
    document = load(zipped(tmp_path / "a.odt", {"mimetype": mark, "content.xml": body}))
    assert document.text == "## Глава\n\nслово два\nтри\n\n- раз\n\nA | B"
    manifest = "<manifest><encryption-data/></manifest>"
    parts: dict[str, str | bytes] = {"mimetype": mark, "content.xml": b"noise", "META-INF/manifest.xml": manifest}
    assert "encrypted" in reason(zipped(tmp_path / "b.odt", parts))


def test_slides_are_pages(tmp_path: Path) -> None:
    def slide(title: str, *rows: str) -> str:
        shapes = f'<p:sp><p:nvPr><p:ph type="title"/></p:nvPr><a:p><a:r><a:t>{title}</a:t></a:r></a:p></p:sp><p:sp>'
        shapes += "".join(f"<a:p><a:r><a:t>{row}</a:t></a:r></a:p>" for row in rows)
        return f'<p:sld xmlns:p="urn:p" xmlns:a="urn:a">{shapes}</p:sp></p:sld>'

    relation = '<Relationship Id="{0}" Type="x/slide" Target="slides/{0}.xml"/>'
    parts: dict[str, str | bytes] = {
        "ppt/presentation.xml": '<p xmlns:r="urn:r"><sldId id="256" r:id="b"/><sldId id="257" r:id="a"/></p>',
        "ppt/_rels/presentation.xml.rels": f"<R>{relation.format('a')}{relation.format('b')}</R>",
        "ppt/slides/a.xml": slide("Второй", "слово"),
        "ppt/slides/b.xml": slide("Первый", "раз", "два"),
    }
    document = load(zipped(tmp_path / "a.pptx", parts))
    assert document.text == "# Первый\n\n- раз\n- два\n\n# Второй\n\nслово\n\n"
    assert document.page_of(document.text.index("слово")) == 2


def test_rich_text(tmp_path: Path) -> None:
    pytest.importorskip("striprtf")
    source = rb"{\rtf1\ansi\ansicpg1251 {\b \'cf\'f0\'e8\'e2\'e5\'f2}, \u1084?\u1080?\u1088?\par end}"
    assert load(write(tmp_path / "a.rtf", source)).text == "Привет, мир\nend"


def test_a_workbook(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    rows = "".join(
        f'<row r="{r}">' + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in cells) + "</row>"
        for r, cells in enumerate((("Имя", "Город"), ("Анна", "Казань")), 1)
    )
    listed = "http://schemas.openxmlformats.org/package/2006/relationships"
    link = f'<Relationships xmlns="{listed}"><Relationship Id="r1" Type="{office}/'
    sheet = '<sheets><sheet name="Люди" sheetId="1" r:id="r1"/></sheets>'
    parts: dict[str, str | bytes] = {
        "_rels/.rels": f'{link}officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}">{sheet}</workbook>',
        "xl/_rels/workbook.xml.rels": f'{link}worksheet" Target="worksheets/s.xml"/></Relationships>',
        "xl/worksheets/s.xml": f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>',
    }
    assert load(zipped(tmp_path / "a.xlsx", parts)).text == "# Люди\n\nИмя; Город\n\nИмя: Анна; Город: Казань"


# ── bad input ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("suffix", ["docx", "epub", "odt", "pptx", "pdf", "xlsx"])
def test_broken_and_cut_files(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("python_calamine")
    whole = zipped(tmp_path / "whole", {"a/b.xml": os.urandom(3000)}).read_bytes()
    for name, content in (("cut", whole[:2000]), ("empty-zip", whole), ("words", b"only words, no document")):
        assert "broken" in reason(write(tmp_path / f"{name}.{suffix}", content))


@pytest.mark.parametrize(("suffix", "part"), [("docx", "word/document.xml"), ("epub", "x"), ("odt", "content.xml")])
def test_zip_bombs(tmp_path: Path, suffix: str, part: str) -> None:
    path = zipped(tmp_path / f"bomb.{suffix}", {part: bytes(25_000_000)})
    assert path.stat().st_size < 100_000
    assert "unpack" in reason(path)


def test_what_is_no_text(tmp_path: Path) -> None:
    assert reason(write(tmp_path / "a.txt", b"")) == "is empty"
    assert reason(write(tmp_path / "b.txt", " \n\t\r\n\x00\ufeff")) == "has only white space"
    assert "binary" in reason(write(tmp_path / "c.txt", os.urandom(5000)))
    assert "binary" in reason(write(tmp_path / "d", b"\x7fELF\x02\x01\x01" + bytes(5000)))
    assert "picture" in reason(write(tmp_path / "e.JPG", b"anything"))
    assert "encrypted" in reason(write(tmp_path / "f.docx", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600)))
    assert "folder" in reason(tmp_path)
    assert reason(tmp_path / "lost.txt") == "does not exist"


def test_huge_files_are_not_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.txt"
    with huge.open("wb") as file:
        file.write(b"words ")
        file.truncate(1_000_000_000)
    assert "1.0 GB" in reason(huge)
    assert "too long" in reason(write(tmp_path / "a.txt", "x" * 101), max_bytes=100)
    assert len(load(write(tmp_path / "b.txt", "x" * 100), max_bytes=100).text) == 100


def test_pipes_sockets_and_devices_do_not_hold_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(tmp_path):
        server.bind("socket")
        assert "not a file" in reason(tmp_path / "pipe")
        assert "not a file" in reason(Path("/dev/zero"))
        assert {found.path.name for found in walk([tmp_path]) if isinstance(found, Skipped)} == {"pipe", "socket"}


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.txt", NOTE)
    real = os.fstat

    def growing(descriptor: int) -> os.stat_result:
        about = real(descriptor)
        with path.open("ab") as file:
            file.write(b"more")
        return about

    monkeypatch.setattr(os, "fstat", growing)
    assert "changed" in reason(path)


FAKE_LIBRARY = """
import os, sys, time
def rtf_to_text(text, errors=""):
    if "hang" in text: time.sleep(600)
    if "crash" in text: os.abort()
    if "memory" in text: bytearray(1 << (33 if sys.platform == "linux" else 60))
    if "noise" in text: print("noise on the pipe"); os.write(1, b"{}"); raise RuntimeError("two\\nlines")
    return "well"
"""


def test_a_parser_that_hangs_crashes_or_eats_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library in the place of the real one does what a hostile file may make it do."""
    write(tmp_path / "fake" / "striprtf" / "__init__.py", "")
    write(tmp_path / "fake" / "striprtf" / "striprtf.py", FAKE_LIBRARY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fake"))
    parsing.close()
    try:
        for word, said in {"crash": "crashed", "noise": "broken", "memory": "memory"}.items():
            assert said in reason(write(tmp_path / f"{word}.rtf", f"{{\\rtf1 {word}}}"))
        with monkeypatch.context() as patch:
            patch.setattr(parsing, "SILENCE_SECONDS", 0.5)
            assert "too long" in reason(write(tmp_path / "hang.rtf", "{\\rtf1 hang}"))
        assert load(write(tmp_path / "good.rtf", "{\\rtf1 good}")).text == "well"
        write(tmp_path / "fake" / "striprtf" / "striprtf.py", "raise ModuleNotFoundError(name='striprtf')")
        parsing.close()
        assert "pip install 'assistant[documents]'" in reason(tmp_path / "good.rtf")
    finally:
        parsing.close()


# ── walk ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _names(top: Path, found: Iterator[Found | Skipped]) -> list[str]:
    return [os.path.relpath(each.path, top) for each in found if isinstance(each, Found)]


def test_walk_is_sorted_and_leaves_out_what_is_not_the_users(tmp_path: Path) -> None:
    for name in (
        "b/ж.txt", "b/a.txt", "a.txt", "日本語/عربي.md", "b.txt", ".hidden", ".git/config", "node_modules/x/y.js",
        "src/__pycache__/z.py", "~$letter.docx", "note.txt~", "src/main.py",
    ):  # fmt: skip
        write(tmp_path / name, name)
    write(tmp_path / "photo.png", b"")
    found = list(walk([tmp_path]))
    assert _names(tmp_path, iter(found)) == ["a.txt", "b/a.txt", "b/ж.txt", "b.txt", "src/main.py", "日本語/عربي.md"]
    assert [each for each in found if isinstance(each, Skipped)] == [
        Skipped(tmp_path / "photo.png", "is a picture: no text to read")
    ]
    first = found[0]
    assert isinstance(first, Found)
    assert (first.size, first.mtime_ns) == (5, (tmp_path / "a.txt").stat().st_mtime_ns)
    assert _names(tmp_path, walk([tmp_path / ".hidden", tmp_path / ".git"])) == [".hidden", ".git/config"]


def test_the_digest_is_of_the_bytes(tmp_path: Path) -> None:
    assert digest_of(write(tmp_path / "a", "abc")).startswith("ba7816bf8f01cfea")


def test_walk_takes_each_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "one" / "a.txt", "a")
    os.link(tmp_path / "one" / "a.txt", tmp_path / "one" / "same.txt")
    os.symlink(tmp_path / "one" / "a.txt", tmp_path / "one" / "z.txt")
    monkeypatch.chdir(tmp_path)
    assert _names(tmp_path, walk(["one", tmp_path / "one" / "a.txt", "./one/../one", "one"])) == ["one/a.txt"]


def test_links_lead_into_no_loop(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.txt", "a")
    write(tmp_path / "out" / "b.txt", "b")
    for name, target in (("loop", tmp_path / "in"), ("out", tmp_path / "out"), ("x", "y"), ("y", "x"), ("gone", "no")):
        (tmp_path / "in" / name).symlink_to(target)
    (tmp_path / "in" / "file.txt").symlink_to(tmp_path / "out" / "b.txt")
    found = list(walk([tmp_path / "in"]))
    assert _names(tmp_path, iter(found)) == ["in/a.txt", "in/file.txt"]
    reasons = {each.path.name: each.reason for each in found if isinstance(each, Skipped)}
    assert reasons.keys() == {"loop", "out", "x", "y", "gone"}
    assert "link to a folder" in reasons["loop"]
    assert reasons["gone"] == "does not exist"
    assert _names(tmp_path, walk([tmp_path / "in" / "out"])) == ["in/out/b.txt"]  # named directly


def test_names_in_any_bytes(tmp_path: Path) -> None:
    try:
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe \xd0\xb6\n.txt"))
        path.write_text(NOTE)
    except OSError:
        pytest.skip("this file system takes only Unicode names")
    [found] = walk([tmp_path])
    document = load(found.path)
    assert document.text == NOTE
    document.title.encode()  # fits into a database
    path.write_text("")
    reason(path).encode()


def test_paths_that_do_not_exist(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "a")
    found = list(walk([tmp_path / "nowhere", "a\0b", tmp_path / "a.txt"]))
    assert [each.reason for each in found if isinstance(each, Skipped)] == ["does not exist", "is no path"]
    assert isinstance(found[-1], Found)


@contextlib.contextmanager
def _as_nobody() -> Iterator[None]:
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_may_not_be_read(tmp_path: Path) -> None:
    top = Path(tempfile.mkdtemp())  # the folders of pytest are closed for others than their user
    try:
        top.chmod(0o755)
        write(top / "closed" / "a.txt", "a").parent.chmod(0o000)
        write(top / "secret.txt", "b").chmod(0o000)
        write(top / "z.txt", "z")
        with _as_nobody():
            found = list(walk([top]))
            assert _names(top, iter(found)) == ["secret.txt", "z.txt"]
            assert found[0] == Skipped(top / "closed", "may not be read (permission denied)")
            assert "permission denied" in reason(top / "secret.txt")
    finally:
        (top / "closed").chmod(0o700)
        shutil.rmtree(top)


def test_walk_streams(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path / f"{number:02}" / "a.txt", "a")
    files = walk([tmp_path])
    assert len(list(islice(files, 3))) == 3
    shutil.rmtree(tmp_path / "03")
    rest = list(files)
    assert rest[0] == Skipped(tmp_path / "03", "does not exist")
    assert len(rest) == 17


def test_offsets_of_an_empty_page() -> None:
    document = Document(Path("/a.pdf"), "pdf", "a", "one\n\n\n\nthree", pages=(0, 5, 7))
    assert [document.page_of(offset) for offset in (0, 4, 5, 6, 7, 11)] == [1, 1, 2, 2, 3, 3]
    assert [document.line_of(offset) for offset in (0, 3, 4, 7, 11)] == [1, 1, 2, 5, 5]


def test_plain_text_loads_no_parser() -> None:
    heavy = {"pypdf", "docx", "lxml", "numpy", "charset_normalizer"}
    code = f"import sys, assistant.memory.documents; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_lines_of_several_encodings_in_one_file(tmp_path: Path) -> None:
    russian, polish = "Привет, это старый текст о доме.", "Zażółć gęślą jaźń"
    mixed = f"{NOTE}".encode() * 9 + f"{russian}\n".encode("cp1251") * 9 + f"{polish}\n".encode()
    assert load(write(tmp_path / "a.txt", mixed)).text == NOTE * 9 + f"{russian}\n" * 9 + f"{polish}\n"
    damaged = f"{NOTE}".encode() * 9 + "Дом ".encode() + b"\xd0" + " на реке.\n".encode()
    assert load(write(tmp_path / "b.txt", damaged)).text == NOTE * 9 + "Дом \ufffd на реке.\n"
    by_chance = "Её\nещё раз спросил старик о доме\n".encode("cp1251") * 9
    assert load(write(tmp_path / "c.txt", by_chance)).text == "Её\nещё раз спросил старик о доме\n" * 9
