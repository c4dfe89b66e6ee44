"""A checkpoint from the Hugging Face hub: the files that conversion reads, at one commit, checked."""

from __future__ import annotations

import fnmatch
import os
import re
from pathlib import Path
from typing import Any

from convert.progress import OnProgress, silent
from models.errors import IntegrityError, ModelError, NetworkError, UserError
from models.pull import MARGIN, check_space
from models.sources import digest_of
from models.sources.hub import DISK_ERRORS, endpoint

_REPO = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>[\w./-]+))?")
_WANTED = ("*.json", "tokenizer.model", "*.jinja", "README.md", "LICENSE*")
_WEIGHTS = "*.safetensors"
_TIMEOUT = 15.0  # seconds without an answer


def repository(source: str) -> tuple[str, str | None] | None:
    """(repository, revision) if this is written like one of the hub: ``org/name``, or ``org/name@revision``."""
    found = _REPO.fullmatch(source)
    return (found["repo"], found["revision"]) if found else None


def fetch(repo: str, folder: Path, *, revision: str | None = None, on_progress: OnProgress = silent) -> str:
    """Put the checkpoint of a repository into ``folder``; what is there already is not fetched again. ``HF_TOKEN`` and
    ``HF_ENDPOINT`` count. Progress is in bytes.

    Returns:
        ``repository@commit``.

    Raises:
        NetworkError: the hub cannot be reached, or refuses access.
        ModelError: it has no such repository, or no safetensors in it.
        IntegrityError: a file has another sha256 than the hub says.
    """
    if os.environ.get("ASSISTANT_OFFLINE", "") not in ("", "0"):
        raise NetworkError(f"Not fetching {repo}: ASSISTANT_OFFLINE is set.", "Unset it, or name a folder.")
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_DISABLE_XET"] = "1"  # it begins again from zero after a kill
    from huggingface_hub import HfApi, hf_hub_download
    from tqdm import tqdm

    where = endpoint()
    try:
        info = HfApi(endpoint=where).model_info(repo, revision=revision, files_metadata=True, timeout=_TIMEOUT)
    except Exception as error:
        raise _unavailable(repo, error) from error
    files = _choose(repo, list(info.siblings or ()))
    total = sum(file.size or 0 for file in files)
    folder.mkdir(parents=True, exist_ok=True)
    there = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    check_space(folder, max(0, total - there) + MARGIN, f"{repo} needs")
    done = 0
    for file in files:

        class Meter(tqdm):  # type: ignore[misc]
            """What the library reports, passed on."""

            _arrived = 0

            def __init__(self, *args: Any, before: int = done, **kwargs: Any):
                self._arrived = before + int(kwargs.get("initial") or 0)
                super().__init__(*args, **{**kwargs, "disable": True})

            def update(self, n: float | None = 1) -> bool | None:
                self._arrived += int(n or 0)
                on_progress(min(self._arrived, total), total)
                return None

        try:
            path = hf_hub_download(
                repo, file.rfilename, revision=info.sha, local_dir=folder, endpoint=where, tqdm_class=Meter
            )
        except (UserError, KeyboardInterrupt):
            raise
        except OSError as error:
            if error.filename or error.errno in DISK_ERRORS:
                raise
            raise _unavailable(repo, error) from error
        except Exception as error:
            raise _unavailable(repo, error) from error
        _verify(Path(path), file)
        done += file.size or 0
        on_progress(done, total)
    return f"{repo}@{info.sha}"


def _choose(repo: str, files: list[Any]) -> list[Any]:
    weights = [file for file in files if fnmatch.fnmatch(file.rfilename, _WEIGHTS) and "/" not in file.rfilename]
    # Some repositories hold everything twice: as the maker's own "consolidated" file, and in the usual form.
    usual = [file for file in weights if not file.rfilename.startswith("consolidated")]
    if not weights:
        raise ModelError(
            f"{repo} has no safetensors files.",
            "Other forms of weights cannot be converted: pickles run code when they are read.",
        )
    small = [
        file
        for file in files
        if "/" not in file.rfilename and any(fnmatch.fnmatch(file.rfilename, pattern) for pattern in _WANTED)
    ]
    return small + (usual or weights)


def _verify(path: Path, file: Any) -> None:
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        raise IntegrityError(f"{path.name} has {size:,} of {file.size:,} bytes.", "Fetch it again.")
    expected = file.lfs.sha256 if file.lfs else None
    if expected:
        with path.open("rb") as stream:
            actual = digest_of(stream, max(size, 1), lambda done: None)
        if actual != expected:
            path.unlink()
            raise IntegrityError(
                f"{path.name} has sha256 {actual} instead of {expected}; it is removed.", "Fetch it again."
            )


def _unavailable(repo: str, error: Exception) -> UserError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return NetworkError(
            f"The hub refuses access to {repo} (HTTP {status}).",
            "It may not exist, or its licence must be accepted on its page: set HF_TOKEN.",
        )
    if status == 404:
        return ModelError(f"The hub has no {repo}, or not this revision.", "Look at the name.")
    text = str(error).strip().splitlines()
    said = (
        f"answers with HTTP {status}" if status else f"cannot be reached: {text[0] if text else type(error).__name__}"
    )
    return NetworkError(f"The hub {said}.", "What has arrived is kept; run the same command again.")
