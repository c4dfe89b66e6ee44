"""EPUB: the chapters in the order of the spine, each through the HTML loader."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from assistant.memory.loaders.archive import Archive, attribute, local
from assistant.memory.loaders.encoding import decode
from assistant.memory.loaders.extracted import Extracted, NoText
from assistant.memory.loaders.html import declared_encoding, extract

_CONTAINER = "META-INF/container.xml"
_ENCRYPTED = "META-INF/encryption.xml"  # fonts may be, without harm


def load(path: Path, on_progress: Callable[[], None]) -> Extracted:
    """The chapters' Markdown and the book's title."""
    archive = Archive(path)
    root = next((element for element in archive.xml(_CONTAINER).iter() if local(element) == "rootfile"), None)
    if root is None:
        raise NoText("is broken, or no book")
    package_name = attribute(root, "full-path")
    package = archive.xml(package_name)
    folder = posixpath.dirname(package_name)
    title = next((element.text or "" for element in package.iter() if local(element) == "title"), "")
    chapters = {
        attribute(item, "id"): posixpath.normpath(posixpath.join(folder, unquote(attribute(item, "href"))))
        for item in package.iter()
        if local(item) == "item"
    }
    spine = [attribute(item, "idref") for item in package.iter() if local(item) == "itemref"]
    names = [name for name in dict.fromkeys(chapters.get(idref, "") for idref in spine) if name in archive.names]
    if _ENCRYPTED in archive.names:
        locked = {unquote(attribute(e, "URI")) for e in archive.xml(_ENCRYPTED).iter() if local(e) == "CipherReference"}
        if locked.intersection(names):
            raise NoText("is copy-protected (DRM)")
    texts: list[str] = []
    for name in names:
        raw = archive.read(name)
        texts.append(extract(decode(raw, declared_encoding(raw)), on_progress).text)
    return Extracted("\n\n".join(text for text in texts if text), title)
