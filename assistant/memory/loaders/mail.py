"""A mail of RFC 5322 (``.eml``, a file of a Maildir): who wrote to whom, when, what about, and what it says.

Of the same text in two forms the plain one is taken. Files that are attached are named, not read.
"""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from pathlib import Path

from assistant.memory.loaders.encoding import decode
from assistant.memory.loaders.extracted import Extracted, NoText
from assistant.memory.loaders.html import extract

_HEADERS = ("From", "To", "Cc", "Date", "Subject")


def load(path: Path, on_progress: Callable[[], None]) -> Extracted:
    """The headers that people read, and the text."""
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    on_progress()
    head = [(name, text) for name in _HEADERS if (text := _header(mail, name))]
    body: MIMEPart | None = mail.get_body(("plain", "html"))
    if body is None and mail.get_content_maintype() == "multipart" and not mail.is_multipart():
        body = mail  # it says that it has parts, and has none
    text = _text(body, on_progress) if body else ""
    if not head and not text.strip():
        raise NoText("is no mail: it has neither headers nor text")
    attached = [part.get_filename() or part.get_content_type() for part in mail.iter_attachments()]
    lines = [f"{name}: {value}" for name, value in head]
    if attached:
        lines.append(f"Attached: {', '.join(attached)}")
    return Extracted("\n".join(lines) + f"\n\n{text}", _header(mail, "Subject"))


def _header(mail: EmailMessage, name: str) -> str:
    try:
        return " ".join(str(mail.get(name, "")).split())
    except Exception:  # the library stumbles over some of what is no address and no date
        return ""


def _text(part: MIMEPart, on_progress: Callable[[], None]) -> str:
    raw = part.get_payload(decode=True)  # of base64 and quoted-printable; None: the part has parts
    text = decode(raw, part.get_content_charset()) if isinstance(raw, bytes) and raw else ""
    return extract(text, on_progress).text if part.get_content_subtype() == "html" else text
