"""All that is known of one model, as plain data: for ``models show``, its JSON, and reports."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from models import catalogue, fit, licences
from models.catalogue import Entry
from models.gguf_header import Header
from models.store import Installed


def describe(model: Installed | Entry) -> dict[str, Any]:
    """What the catalogue, the manifest and the file's own header say; numbers of memory in bytes.

    Raises:
        ModelError: the installed file cannot be read as GGUF.
    """
    if isinstance(model, Entry):
        return {
            "name": model.id,
            "title": model.title,
            "installed": False,
            "size": model.size,
            "sha256": model.sha256,
            **_of_entry(model),
            "licence": _licence(model.licence, model.licence_url),
            "memory": _memory(model, model.context_length, model),
        }
    header, entry, manifest = model.header(), model.entry, model.manifest
    licence = (manifest and manifest.licence) or header.licence
    licence_url = (manifest and manifest.licence_url) or header.licence_url
    return {
        "name": model.name,
        "title": entry.title if entry else header.name,
        "installed": manifest is not None,
        "path": str(model.path),
        "size": header.size,
        "sha256": [file.sha256 for file in manifest.files] if manifest else [],
        "origin": manifest.origin if manifest else None,
        "installed_at": manifest.installed_at.isoformat(timespec="seconds") if manifest else None,
        "quality": manifest.quality if manifest else None,
        **(_of_entry(entry) if entry else {}),
        **({"draft": manifest.draft} if manifest and manifest.draft else {}),
        "header": _of_header(header),
        "licence": _licence(licence, licence_url),
        "memory": _memory(header, header.context_length, entry),
    }


def _of_entry(entry: Entry) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "params": entry.params,
        "architecture": entry.architecture,
        "context_length": entry.context_length,
        "languages": list(entry.languages),
        "languages_note": entry.languages_note,
        "tasks": list(entry.tasks),
        "thinking": entry.thinking,
        "draft": entry.draft,
        "sampling": entry.sampling.model_dump(exclude_none=True) | {"source": entry.sampling_source},
        "sources": [name for name in ("hub", "packages") if getattr(entry, name)],
        "notes": entry.notes,
    }


def _of_header(header: Header) -> dict[str, Any]:
    return {
        "gguf_version": header.version,
        "architecture": header.architecture,
        "quantisation": header.quantisation,
        "parameters": header.parameters,
        "context_length": header.context_length,
        "layers": header.layers,
        "heads": header.heads,
        "kv_heads": header.kv_heads,
        "embedding_length": header.embedding_length,
        "sliding_window": header.sliding_window,
        "vocabulary": header.vocab_size,
        "chat_template": header.has_chat_template,
        "tensors": len(header.tensors),
        "files": len(header.files),
    }


def _licence(licence: str | None, url: str | None) -> dict[str, Any]:
    found = licences.checklist(licence, url)
    return {
        "id": found.id,
        "url": found.url,
        "explanation": found.explanation,
        "explanation_ru": found.explanation_ru,
        "checklist": dict(found.answers()),
    }


def _memory(model: Header | Entry, context_length: int, entry: Entry | None) -> dict[str, Any]:
    """With the window that recommendations leave room for, and with the largest one."""
    draft = catalogue.load().find(entry.draft) if entry and entry.draft else None
    windows = sorted({min(fit.WINDOW, context_length or fit.WINDOW), context_length or fit.WINDOW})
    return {f"window_{window}": _need(fit.memory_need(model, window, draft)) for window in windows}


def _need(need: fit.MemoryNeed) -> dict[str, int]:
    return {**asdict(need), "total": need.total}
