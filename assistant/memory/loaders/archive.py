"""ZIP archives that hold a document: checked before anything is unpacked, their XML read without entities."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from assistant.memory.loaders.extracted import NoText

_MOST = 500_000_000  # bytes unpacked, all parts together
_MOST_OF_ONE = 100_000_000  # bytes of a part that is read: XML takes ten times as much when parsed
_RATIO = 300  # unpacked to packed; XML that repeats itself gets to 100
_SUSPECT = 20_000_000  # bytes unpacked from which on the ratio counts


class Archive:
    """The parts of a document by name. ``zipfile`` unpacks no more of a part than it declares: declared sizes bound it.

    Raises:
        NoText: broken, encrypted, or a bomb.
    """

    def __init__(self, path: Path):
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise NoText("is broken or cut short") from error
        parts = self._zip.infolist()
        unpacked = sum(part.file_size for part in parts)
        if unpacked > _MOST or (unpacked > _SUSPECT and unpacked > _RATIO * path.stat().st_size):
            raise NoText(f"would unpack to {unpacked / 1e6:,.0f} MB: left alone")
        if any(part.flag_bits & 1 for part in parts):
            raise NoText("is encrypted")
        self.names = frozenset(part.filename for part in parts)

    def read(self, name: str) -> bytes:
        """A part's bytes.

        Raises:
            NoText: it is missing, too long, or broken.
        """
        try:
            if self._zip.getinfo(name).file_size > _MOST_OF_ONE:
                raise NoText("has too much text")
            return self._zip.read(name)
        except (KeyError, zipfile.BadZipFile, EOFError, NotImplementedError, OSError) as error:
            raise NoText("is broken or cut short") from error

    def xml(self, name: str) -> Any:
        """The root element (lxml) of a part."""
        return parse_xml(self.read(name))


def parse_xml(raw: bytes, *, huge: bool = False) -> Any:
    """The root element (lxml). Entities stay unexpanded, nothing outside is fetched; ``huge`` allows texts over 10 MB.

    Raises:
        NoText: it is no XML, or an attack.
    """
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=huge)
    try:
        return etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        raise NoText("is broken or cut short") from error


def local(element: Any) -> str:
    """Name of an element without its namespace; empty for comments, entities and processing instructions."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def attribute(element: Any, name: str, default: str = "") -> str:
    """An attribute by its name without a namespace."""
    return next((str(value) for key, value in element.attrib.items() if key.rpartition("}")[2] == name), default)
