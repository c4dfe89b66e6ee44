"""PPTX: a page a slide, its title as the heading, its tables, the speaker's notes. Read as XML: it needs no library."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from assistant.memory.loaders.archive import Archive, attribute, local
from assistant.memory.loaders.extracted import Extracted
from assistant.memory.loaders.markdown import MarkdownWriter

_MAIN = "ppt/presentation.xml"


def load(path: Path, on_progress: Callable[[], None]) -> Extracted:
    """The slides as pages."""
    archive = Archive(path)
    relations = _relations(archive, _MAIN)
    pages: list[str] = []
    for element in archive.xml(_MAIN).iter():
        # `r:id`, beside which stands a plain `id`
        if local(element) == "sldId" and (slide := relations.get(_relation(element))):
            out = MarkdownWriter()
            _blocks(archive.xml(slide[1]), out)
            for sort, notes in _relations(archive, slide[1]).values():
                if sort == "notesSlide":
                    _blocks(archive.xml(notes), out)
            pages.append(out.text())
            on_progress()
    return Extracted(pages=tuple(pages), title=_title(archive))


def _relations(archive: Archive, part: str) -> dict[str, tuple[str, str]]:
    """Id → (sort, name of the part) of what a part refers to inside the package."""
    folder, name = posixpath.split(part)
    listed = f"{folder}/_rels/{name}.rels"
    if listed not in archive.names:
        return {}
    return {
        attribute(relation, "Id"): (
            attribute(relation, "Type").rpartition("/")[2],
            posixpath.normpath(posixpath.join("/", folder, attribute(relation, "Target")))[1:],
        )
        for relation in archive.xml(listed)
        if attribute(relation, "TargetMode") != "External"
    }


def _relation(element: Any) -> str:
    return next((str(value) for key, value in element.attrib.items() if key.endswith("}id")), "")


def _title(archive: Archive) -> str:
    if "docProps/core.xml" not in archive.names:
        return ""
    title = next((e.text or "" for e in archive.xml("docProps/core.xml").iter() if local(e) == "title"), "")
    return "" if title in ("PowerPoint Presentation", "Презентация PowerPoint") else title


def _blocks(parent: Any, out: MarkdownWriter) -> None:
    for element in parent:
        name = local(element)
        if name == "sp":
            sort = next((attribute(e, "type") for e in element.iter() if local(e) == "ph"), "")
            paragraphs = [text for text in _paragraphs(element) if text.strip()]
            if sort in ("title", "ctrTitle"):
                out.heading(1, " ".join(paragraphs))
            elif sort not in ("sldNum", "dt", "ftr", "hdr", "sldImg"):
                for text in paragraphs:
                    (out.item if len(paragraphs) > 1 else out.paragraph)(text)
        elif name == "tbl":
            for row in element:
                if local(row) == "tr":
                    out.row(" ".join(_paragraphs(cell)) for cell in row if local(cell) == "tc")
        elif name and name != "Fallback":
            _blocks(element, out)


def _paragraphs(element: Any) -> Iterator[str]:
    for paragraph in element.iter():
        if local(paragraph) == "p":
            yield "".join(
                "\n" if local(run) == "br" else run.text or "" for run in paragraph.iter() if local(run) in ("t", "br")
            )
