"""The Hugging Face hub, at a pinned commit.

huggingface_hub finds the file (endpoint, token, redirects, errors) and lends its HTTP session; the bytes go straight
into our partial file. Its ``hf_hub_download`` is not used for that: it hands over data in blocks of 10 MB (so long
would a cancel wait), keeps what it has of a file where no other source could go on from, and its xet transfer starts
again from zero after a kill.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from models.catalogue import Download
from models.errors import Cancelled
from models.sources import Fetch, Range, Unavailable, open_to_fill

# Seconds without an answer, or without a byte: an unreachable hub is noticed before the user wonders.
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 15.0
# Tries in a row that bring no byte.
TRIES = 4


class HubSource:
    """``HF_TOKEN`` (or the login of the ``hf`` tool) and ``HF_ENDPOINT`` count, read at the time of the pull."""

    name = "hub"

    def offers(self, entry: Download) -> bool:
        return entry.hub is not None

    def fetch(self, job: Fetch) -> str:
        assert job.entry.hub is not None
        hub = job.entry.hub
        # It reads this when it is imported, and else tells the hub about this machine and what runs on it.
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        # Imported here: it costs 0.15 s, and most commands never pull.
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        url = hf_hub_url(hub.repo, hub.file, revision=hub.revision, endpoint=endpoint())
        try:
            found = get_hf_file_metadata(url, timeout=CONNECT_TIMEOUT)
        except Exception as error:  # the hub's own errors, or those of the HTTP library of the version installed
            raise Unavailable(_reason(error)) from error
        if found.size is not None and found.size != job.entry.size:
            raise Unavailable(f"has another file there: {found.size:,} bytes instead of {job.entry.size:,}")
        # For large files the ETag is the sha256: a wrong file is known before a byte of it is fetched.
        if found.etag and len(found.etag) == 64 and found.etag != job.entry.sha256:
            raise Unavailable(f"has another file there: sha256 {found.etag} instead of {job.entry.sha256}")
        done = job.in_place
        for missing in job.missing:
            self._fetch_range(job, url, found.location, missing, done)
            done += missing[1] - missing[0]
        return f"{hub.repo}@{hub.revision}"

    def _fetch_range(self, job: Fetch, url: str, location: str, missing: Range, done: int) -> None:
        from huggingface_hub import get_session

        # Both are in the library's reference, but not in the list of names that its package declares.
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

        start, stop = missing
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
        if urlsplit(location).netloc != urlsplit(url).netloc:
            headers.pop("authorization", None)  # a signed address of a file server: the token is none of its business
        at, tries = start, 0
        with open_to_fill(job.partial) as file:
            file.seek(at)
            while at < stop:
                before = at
                try:
                    # The last byte of the range is not asked for when it is the end of the file: plain resume requests
                    # are what every server and cache in between knows.
                    last = "" if stop == job.entry.size else str(stop - 1)
                    ask = {**headers, "Range": f"bytes={at}-{last}"}
                    with get_session().stream("GET", location, headers=ask, timeout=READ_TIMEOUT) as answer:
                        hf_raise_for_status(answer)
                        if answer.status_code != 206 and at > 0:
                            raise Unavailable("does not resume: it ignores byte ranges")
                        # As it arrives: what a library gathers into larger blocks is lost when the connection breaks.
                        for block in answer.iter_bytes():
                            job.stop_if_cancelled()
                            block = block[: stop - at]
                            file.write(block)
                            at += len(block)
                            job.report("download", done + at - start)
                            if at == stop:
                                break
                except (Unavailable, Cancelled):
                    raise
                except OSError as error:
                    if error.filename or error.errno in DISK_ERRORS:
                        raise
                    tries = self._again(job, tries if at == before else 0, error)
                except Exception as error:
                    tries = self._again(job, tries if at == before else 0, error)
                else:
                    if at < stop:
                        tries = self._again(job, tries if at == before else 0, None)

    def _again(self, job: Fetch, tries: int, error: Exception | None) -> int:
        """Wait a little before the next try; the connection may come back."""
        status = getattr(getattr(error, "response", None), "status_code", None)
        if tries + 1 >= TRIES or (status is not None and status < 500 and status not in (408, 429)):
            reason = _reason(error) if error else "ends the transfer too early"
            raise Unavailable(f"{reason}; what has arrived is kept") from error
        if job.cancelled.wait(0.5 * 2**tries):
            job.stop_if_cancelled()
        return tries + 1


# Errors of the disk, not of the network, that come without a file's name when a write fails: EIO, ENOSPC, EDQUOT.
DISK_ERRORS = (5, 28, 122)


def endpoint() -> str | None:
    """Where the hub is, if not at its usual place."""
    # The library reads HF_ENDPOINT once, when it is imported.
    moved = os.environ.get("HF_ENDPOINT")
    return moved.rstrip("/") if moved else None


def _reason(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return f"refuses access (HTTP {status}): the model may need a licence accepted on its page, and HF_TOKEN set"
    if status == 404:
        return "does not have the file at this revision (HTTP 404)"
    if status is not None:
        return f"answers with HTTP {status}"
    if "Offline" in type(error).__name__:
        return "is switched off by HF_HUB_OFFLINE"
    text = str(error).strip().splitlines()
    return f"cannot be reached: {text[0] if text else type(error).__name__}"
