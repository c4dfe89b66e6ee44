"""Quality of quantized files: against the same file, rougher ones, and a direct computation from the logits."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import gguf
import numpy as np
import pytest

from convert.measuring import placement, quality
from convert.measuring.quality import chunked, compare, perplexity, pieces
from convert.measuring.stand_in import Sample
from models.errors import Cancelled, ModelError, UsageError
from models.gguf_header import read_header
from models.llama import Context, Model

TEXT = (Path(__file__).parents[2] / "docs" / "chat.md").read_text(encoding="utf-8")


def rougher(source: Path, target: Path, mask: int) -> Path:
    """A copy whose 4-bit numbers in some feed-forward tensors have other bits where the mask has ones."""
    shutil.copyfile(source, target)
    random = np.random.default_rng(0)
    for tensor in read_header(source).tensors:
        if "ffn" in tensor.name and "blk.1" in tensor.name and tensor.type == "Q4_1":
            blocks = np.memmap(target, np.uint8, "r+", tensor.offset, (tensor.size // 20, 20))
            numbers = blocks[:, 4:]  # behind the scale and the minimum
            numbers ^= random.integers(0, 256, numbers.shape, np.uint8) & mask
    return target


@pytest.fixture(scope="session")
def rough(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rougher(tiny, tmp_path_factory.mktemp("rough") / "rough.gguf", 0x11)


@pytest.fixture(scope="session")
def rougher_still(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rougher(tiny, tmp_path_factory.mktemp("rougher") / "rougher.gguf", 0x33)


def test_what_is_rougher_has_lost_more(tiny: Path, rough: Path, rougher_still: Path) -> None:
    same, some, more = compare(tiny, [tiny, rough, rougher_still], TEXT, chunk_size=128, chunks=2)
    assert (same.kl_mean, same.kl_max, same.same_top, same.same_top_error) == (0, 0, 1, 0)
    assert (same.ratio, same.ratio_error) == (1, 0)
    assert same.perplexity == same.reference_perplexity > 1
    assert (same.chunks, same.tokens, same.size) == (2, 2 * 63, tiny.stat().st_size)

    assert (some.model, more.model) == (rough, rougher_still)
    assert 0 < some.kl_median < some.kl_mean < some.kl_99 <= some.kl_max
    assert some.kl_mean + 2 * some.kl_error < more.kl_mean
    assert 1 > some.same_top > more.same_top
    assert more.ratio > some.ratio
    assert some.reference_perplexity == more.reference_perplexity
    assert some.ratio == pytest.approx(some.perplexity / some.reference_perplexity)


def test_the_numbers_are_those_of_the_logits(tiny: Path, rough: Path) -> None:
    """Against log-softmax in float64 over whole rows, of the second half of one chunk that begins with BOS."""
    (found,) = compare(tiny, [rough], TEXT, chunk_size=128, chunks=1)
    logs = []
    for path in (tiny, rough):
        with Model(path) as model, Context(model, n_ctx=128, threads=1, outputs=64) as context:
            tokens = model.tokenize(TEXT, add_special=True, parse_special=False)[:128]
            context.decode(tokens, 64)
            logits = np.array([context.logits(row - 64) for row in range(63)], np.float64)
        logs.append(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))
    targets = tokens[65:]
    nll = [-log[np.arange(63), targets] for log in logs]
    kl = (np.exp(logs[0]) * (logs[0] - logs[1])).sum(axis=1)
    assert found.reference_perplexity == pytest.approx(np.exp(nll[0].mean()), rel=1e-5)
    assert found.perplexity == pytest.approx(np.exp(nll[1].mean()), rel=1e-5)
    assert found.kl_mean == pytest.approx(kl.mean(), rel=1e-4)
    assert found.kl_median == pytest.approx(np.median(kl), rel=1e-3)
    assert found.kl_error == pytest.approx(kl.std(ddof=1) / np.sqrt(63), rel=1e-3)
    assert found.ratio_error == pytest.approx(found.ratio * (nll[1] - nll[0]).std(ddof=1) / np.sqrt(63), rel=1e-3)
    assert found.same_top == (logs[0].argmax(axis=1) == logs[1].argmax(axis=1)).mean()


def test_long_chunks_are_computed_in_pieces(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(pieces(512, 512)) == [(0, 512, 256)]
    assert list(pieces(1400, 512)) == [(0, 512, 0), (512, 956, 256), (956, 1212, 256), (1212, 1400, 188)]
    whole = perplexity(tiny, TEXT, chunk_size=64, chunks=2)
    monkeypatch.setattr(quality, "MOST_ROWS", 12)
    assert list(pieces(64, 512)) == [(0, 44, 12), (44, 56, 12), (56, 64, 8)]
    assert perplexity(tiny, TEXT, chunk_size=64, chunks=2) == pytest.approx(whole, rel=0.01)


def test_one_candidate_at_a_time_where_memory_is_short(
    tiny: Path, rough: Path, rougher_still: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> tuple[list[float], list[tuple[int, int]]]:
        steps: list[tuple[int, int]] = []
        found = compare(
            tiny,
            [rough, rougher_still],
            TEXT,
            chunk_size=16,
            chunks=2,
            on_progress=lambda done, total: steps.append((done, total)),
        )
        return [one.kl_mean for one in found], steps

    together, steps = run()
    assert steps[0] == (0, 6)
    assert steps[-1] == (6, 6)
    monkeypatch.setattr(placement, "room", lambda: 300_000_000)
    alone, steps = run()
    assert alone == together
    assert steps[-1] == (8, 8)  # the reference was computed twice
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    monkeypatch.setattr(placement, "room", lambda: 200_000_000)
    with pytest.raises(ModelError, match="memory together"):
        run()


def test_a_split_reference(tiny: Path, tmp_path: Path) -> None:
    parts = split(tiny, tmp_path, 2)
    (found,) = compare(parts[0], [tiny], TEXT, chunk_size=16, chunks=1)
    assert found.kl_max == 0
    Sample(read_header(parts[0])).quantize({}, 1).write(tmp_path / "stand-in.gguf")
    assert perplexity(tmp_path / "stand-in.gguf", TEXT, chunk_size=16, chunks=1)[0] > 1  # it loads, as one file


def split(source: Path, folder: Path, count: int) -> list[Path]:
    """The parts of a model; metadata are in the first."""
    header = read_header(source)
    data = np.memmap(source, np.uint8, "r")
    paths = [folder / f"model-{part:05}-of-{count:05}.gguf" for part in range(1, count + 1)]
    share = -(-len(header.tensors) // count)
    for number, path in enumerate(paths):
        tensors = header.tensors[number * share : (number + 1) * share]
        items = len(header.metadata) if number == 0 else 0
        head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), items + 3)
        head += data[24 : header.metadata_size].tobytes() if number == 0 else b""
        for key, type, value in (
            (b"split.no", "H", number),
            (b"split.count", "H", count),
            (b"split.tensors.count", "i", len(header.tensors)),
        ):
            head += struct.pack("<Q", len(key)) + key + struct.pack("<I" + type, {"H": 2, "i": 5}[type], value)
        offset = 0
        for tensor in tensors:
            name, type_id = tensor.name.encode(), gguf.GGMLQuantizationType[tensor.type]
            head += (
                struct.pack("<Q", len(name))
                + name
                + struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
            )
            head += struct.pack("<IQ", type_id, offset)
            offset += -(-tensor.size // 32) * 32
        with path.open("wb") as file:
            file.write(head + bytes(-len(head) % 32))
            for tensor in tensors:
                file.write(data[tensor.offset : tensor.offset + tensor.size].tobytes() + bytes(-tensor.size % 32))
    return paths


def test_another_vocabulary_cannot_be_compared(tiny: Path, draft: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot be compared with .*: its vocabulary has 151,936 tokens, not 49,152"):
        compare(tiny, [draft], TEXT)


def test_a_text_that_is_too_short(tiny: Path) -> None:
    with Model(tiny) as model:
        with pytest.raises(UsageError, match=r"The text has \d tokens; one chunk takes 512\.") as caught:
            chunked(model, "Far too short", 512, 20)
        assert "10,240" in str(caught.value.hint)
        with pytest.raises(UsageError, match="say nothing"):
            chunked(model, TEXT, 512, 0)


def test_weights_that_are_no_numbers(tiny: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    shutil.copyfile(tiny, broken)
    norm = next(tensor for tensor in read_header(tiny).tensors if tensor.name == "blk.3.ffn_norm.weight")
    np.memmap(broken, np.float32, "r+", norm.offset, norm.size // 4)[:] = np.nan
    with pytest.raises(ModelError, match=r"broken\.gguf computes numbers that are not finite"):
        compare(tiny, [broken], TEXT, chunk_size=16, chunks=1)


def test_progress_can_stop_it(tiny: Path) -> None:
    steps = []

    def stop(done: int, total: int) -> None:
        steps.append(done)
        if done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        compare(tiny, [tiny], TEXT, chunk_size=16, chunks=4, on_progress=stop)
    assert steps == [0, 1]
