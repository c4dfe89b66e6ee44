"""What a loader hands over: the text of a file before it is cleaned, and how loaders say that there is none."""

from __future__ import annotations

from dataclasses import dataclass


class NoText(ValueError):
    """Why a file gives no text: one line that goes on after the file's name, as ``"is encrypted"``."""


class WithoutText(NoText):
    """It never had any: empty, a picture, a program."""


@dataclass(frozen=True)
class Extracted:
    """``text`` as a whole, or one text a page in ``pages``; ``title`` if the file has one."""

    text: str = ""
    title: str = ""
    pages: tuple[str, ...] = ()
