"""The whole way: a checkpoint goes in, a model of the store comes out, whatever happens between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from random_checkpoints import random_checkpoint
from random_gguf import COLUMNS, HIDDEN, random_weights, write_model
from test_super_weights import plant

from convert.options import Options
from convert.pipeline import Pipeline, unfinished
from convert.report import Report, lines
from models.errors import Cancelled, ModelError, UsageError, UserError
from models.gguf_header import read_header
from models.store import Store

TEXT = " ".join(f"Line {number}: the {number * 7919 % 1009} of {number * 31 % 977}." for number in range(2500))


class Watching:
    """A display that remembers the steps, and can be told when to stop."""

    def __init__(self, stop_in: str | None = None):
        self.steps: list[str] = []
        self.notes: list[str] = []
        self._stop_in = stop_in

    def step(self, name: str, number: int | None, count: int | None) -> None:
        self.steps.append(name)
        if name == self._stop_in:
            raise Cancelled

    def progress(self, done: int, total: int) -> None:
        assert 0 <= done <= total

    def note(self, line: str) -> None:
        self.notes.append(line)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Rows that K types can divide, and some that they cannot."""
    return random_checkpoint(tmp_path / "Small-Chat", "llama", hidden_size=256, intermediate_size=512)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "text.txt"
    file.write_text(TEXT)
    return file


Convert = Callable[..., Report]


@pytest.fixture
def convert(store: Store, text: Path) -> Convert:
    def run(source: Path | str, *, display: Watching | None = None, **options: Any) -> Report:
        given = {"calibration": text, "text": text, "chunks": 3, "quality_chunks": 2, "threads": 1, **options}
        if given.get("importance") is False:
            del given["calibration"]
        return Pipeline(str(source), Options(**given), store=store, display=display or Watching()).run()

    return run


def files_of(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_a_checkpoint_becomes_a_measured_model_and_nothing_else_stays(
    checkpoint: Path, store: Store, convert: Convert
) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in checkpoint.iterdir()}
    watching = Watching()
    report = convert(checkpoint, display=watching)
    assert watching.steps == ["check", "convert", "imatrix", "quantize", "quality", "speed", "draft", "store"]
    assert report.name == "small-chat-q4_k_m"
    assert files_of(store.root) == {"manifest.json", "small-chat-q4_k_m.gguf"}
    installed = store.resolve("small-chat-q4_k_m")
    assert installed.manifest
    assert installed.manifest.source == "convert"
    assert installed.manifest.origin == str(checkpoint)
    assert report.recipe
    assert installed.manifest.recipe == dict(report.recipe.types)
    assert {tensor.name: tensor.type for tensor in installed.header().tensors} == installed.manifest.recipe
    assert report.quality
    assert 0 < report.quality.kl_mean < 1
    assert installed.manifest.quality == pytest.approx(
        {name: getattr(report.quality, name) for name in ("kl_mean", "kl_99", "same_top", "ratio")}
    )
    assert report.size == installed.path.stat().st_size == report.recipe.size
    assert report.speed
    assert report.speed.decode > 0
    assert store.verify("small-chat-q4_k_m") == []
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in checkpoint.iterdir()} == before


def test_the_report_reads_as_text_and_as_json(checkpoint: Path, convert: Convert) -> None:
    report = convert(checkpoint)
    text = "\n".join(lines(report))
    assert "small-chat-q4_k_m: Q4_K_M, llama" in text
    assert "KL divergence" in text
    assert "rows that cannot be divided: 2 from Q4_K to Q5_0" in text
    said = json.loads(json.dumps(report.to_json(), default=str))
    assert said["quality"]["kl_mean"] == report.quality.kl_mean  # type: ignore[union-attr]
    assert said["recipe"]["types"]["blk.0.attn_output.weight"] == "Q5_0"
    assert said["bits_per_weight"] == pytest.approx(report.recipe.bits_per_weight)  # type: ignore[union-attr]


@pytest.mark.parametrize("step", ["convert", "imatrix", "quantize", "quality", "store"])
def test_a_stopped_run_goes_on_where_it_was(checkpoint: Path, store: Store, convert: Convert, step: str) -> None:
    with pytest.raises(Cancelled):
        convert(checkpoint, display=Watching(stop_in=step))
    assert store.installed() == []
    work = store.root / ".convert" / "small-chat-q4_k_m"
    made = {path: path.stat().st_mtime_ns for path in work.rglob("*.gguf")}
    assert bool(made) == (step != "convert")
    assert not list(store.root.rglob("*.partial"))
    convert(checkpoint, keep_intermediate=True)
    assert {path: path.stat().st_mtime_ns for path in made if path.exists()} == {
        path: when for path, when in made.items() if path.parent.name != "quantized"
    }
    assert [model.name for model in store.installed()] == ["small-chat-q4_k_m"]


def test_what_was_made_from_something_else_is_made_anew(checkpoint: Path, store: Store, convert: Convert) -> None:
    with pytest.raises(Cancelled):
        convert(checkpoint, display=Watching(stop_in="quality"))
    other = random_checkpoint(checkpoint, "llama", seed=1, hidden_size=256, intermediate_size=512)
    from_both = convert(other)
    assert from_both.name
    digest = store.resolve(from_both.name).manifest.files[0].sha256  # type: ignore[union-attr]
    store.remove(from_both.name)
    alone = convert(other)
    assert alone.name
    assert store.resolve(alone.name).manifest.files[0].sha256 == digest  # type: ignore[union-attr]


def test_killed_at_any_moment_nothing_half_stands_under_the_final_name(
    checkpoint: Path, tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_MODELS", str(tmp_path / "killed"))
    command = [sys.executable, "-m", "assistant", "convert", str(checkpoint), "--calibration", str(text)]
    command += ["--text", str(text), "--threads", "1"]
    for step in ("convert", "imatrix", "quantize", "speed"):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        assert process.stderr
        for line in process.stderr:
            if step in line:
                break
        time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.stderr.read()
        process.wait()
        for model in Store().installed():
            assert Store().verify(model.name) == []
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert files_of(tmp_path / "killed") == {"manifest.json", "small-chat-q4_k_m.gguf"}


def end_of_weights(checkpoint: Path, bits: bytes) -> None:
    """Other weights, in a file of the same size and time."""
    weights = checkpoint / "model.safetensors"
    before = weights.stat()
    weights.write_bytes(weights.read_bytes()[: -len(bits)] + bits)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_file_of_the_same_size_and_time_is_another(checkpoint: Path, store: Store, convert: Convert) -> None:
    options: dict[str, Any] = {"quant": "BF16", "measure": False}
    with pytest.raises(Cancelled):
        convert(checkpoint, **options, display=Watching(stop_in="store"))
    end_of_weights(checkpoint, b"\x80\x3f" * 7)  # 1.0
    resumed = Path(convert(checkpoint, **options).files[0]).read_bytes()
    alone = Path(convert(checkpoint, **options, name="alone").files[0]).read_bytes()
    assert resumed == alone


def test_what_cannot_be_converted_leaves_nothing(checkpoint: Path, convert: Convert, tmp_path: Path) -> None:
    end_of_weights(checkpoint, b"\xc0\x7f")  # NaN
    before = set(tmp_path.iterdir())
    with pytest.raises(ModelError, match="NaN"):
        convert(checkpoint, output=tmp_path / "x.gguf")
    assert set(tmp_path.iterdir()) - before <= {tmp_path / "text.txt"}


def test_converting_again_takes_the_place_of_the_first(checkpoint: Path, store: Store, convert: Convert) -> None:
    convert(checkpoint, name="mine", quant="Q8_0", measure=False)
    first = store.resolve("mine").path.stat().st_size
    convert(checkpoint, name="mine", quant="Q4_0", importance=False, measure=False)
    assert store.resolve("mine").path.stat().st_size < first
    assert len(list((store.root / "mine").glob("*.gguf"))) == 1


@pytest.mark.parametrize("quant", ["F32", "F16", "BF16"])
def test_unquantized(checkpoint: Path, store: Store, convert: Convert, quant: str) -> None:
    report = convert(checkpoint, quant=quant, importance=False)
    assert report.name == f"small-chat-{quant.lower()}"
    assert read_header(store.resolve(report.name).path).quantisation == quant
    assert report.recipe is None


def test_split_output(checkpoint: Path, store: Store, convert: Convert) -> None:
    report = convert(checkpoint, quant="F16", importance=False, split_size=500_000)
    assert report.name
    parts = sorted(path.name for path in (store.root / report.name).glob("*.gguf"))
    assert len(parts) > 2
    assert parts[0].endswith(f"-00001-of-{len(parts):05}.gguf")
    assert read_header(store.resolve(report.name).path).parameters == report.parameters


def test_to_a_file_of_ones_own(checkpoint: Path, store: Store, convert: Convert, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    report = convert(checkpoint, output=out / "mine.gguf")
    assert report.files == [str(out / "mine.gguf")]
    assert [path.name for path in out.iterdir()] == ["mine.gguf"]
    assert store.installed() == []
    with pytest.raises(UsageError, match="exists already"):
        convert(checkpoint, output=out / "mine.gguf")


def test_a_snapshot_in_the_cache_of_the_hub_has_the_name_of_its_repository(
    checkpoint: Path, convert: Convert, tmp_path: Path
) -> None:
    snapshots = tmp_path / "models--maker--Small-Chat" / "snapshots"
    snapshots.mkdir(parents=True)
    made = convert(checkpoint.rename(snapshots / "0123abcd"), quant="F16", draft="none", measure=False)
    assert made.name == "small-chat-f16"


def test_no_size_is_not_any_size(checkpoint: Path, convert: Convert) -> None:
    with pytest.raises(UsageError, match="as small as 0 bytes"):
        convert(checkpoint, target_size=0)


def test_a_path_of_this_machine_is_not_looked_for_in_the_hub(convert: Convert, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent.parent)
    with pytest.raises(ModelError, match=r"There is no convert/missing"):
        convert(Path("convert/missing"))


def test_a_target_size_is_kept_and_used(checkpoint: Path, convert: Convert) -> None:
    report = convert(checkpoint, target_size=600_000, measure=False)
    assert 560_000 < report.size <= 600_000
    with pytest.raises(UsageError, match="as small as"):
        convert(checkpoint, target_size=50_000, measure=False)


def test_a_recipe_of_ones_own(checkpoint: Path, convert: Convert, tmp_path: Path) -> None:
    recipe = tmp_path / "careful.toml"
    recipe.write_text('base = "Q4_K_M"\n[rules]\n"attn_v" = "Q8_0"\n')
    report = convert(checkpoint, recipe=recipe, measure=False)
    assert report.name == "small-chat-careful"
    assert report.recipe
    assert {kind for name, kind in report.recipe.types.items() if "attn_v" in name} == {"Q8_0"}


def test_for_this_machine_chooses_by_numbers(checkpoint: Path, convert: Convert) -> None:
    report = convert(checkpoint, backend="this-machine", measure=False)
    (chosen,) = [one for one in report.candidates if one.chosen]
    assert len(report.candidates) > 3
    assert all(one.prefill and one.decode and one.error > 0 for one in report.candidates)
    assert report.recipe
    assert report.recipe.base == chosen.type


def test_a_file_is_quantized_anew(checkpoint: Path, store: Store, convert: Convert) -> None:
    full = convert(checkpoint, quant="BF16", importance=False, measure=False)
    report = convert(full.files[0], quant="Q5_K_M", name="five")
    assert report.quality
    assert store.resolve("five").header().quantisation == "Q5_K_M"
    with pytest.raises(ModelError, match=r"quantized already \(Q5_K_M\)"):
        convert(report.files[0], quant="Q4_0")
    again = convert(report.files[0], quant="Q4_0", requantize=True)
    assert again.name == "five-q4_0"


def test_what_protecting_super_weights_bought_is_measured(tmp_path: Path, convert: Convert) -> None:
    model = write_model(tmp_path / "planted.gguf", plant(random_weights()))
    report = convert(model, quant="Q4_0", importance=False, protect=True)
    assert report.super_weights
    assert [one.tensor for one in report.super_weights] == ["blk.1.ffn_down.weight"]
    bought = report.protection
    assert bought
    assert bought.raised == {"blk.1.ffn_down.weight": ("Q4_0", "Q8_0")}
    assert bought.bytes == COLUMNS * HIDDEN // 32 * (34 - 18)
    assert bought.without
    assert bought.elsewhere
    assert report.quality
    assert report.quality.kl_mean < min(bought.without, bought.elsewhere)
    assert "instead of" in "\n".join(lines(report))
    left_alone = convert(model, quant="Q4_0", importance=False, protect=False, name="alone")
    assert left_alone.quality
    assert left_alone.quality.kl_mean == pytest.approx(bought.without)


def test_a_target_size_holds_with_protection(tmp_path: Path, convert: Convert) -> None:
    model = write_model(tmp_path / "planted.gguf", plant(random_weights()))
    limit = convert(model, quant="Q4_0", importance=False, measure=False).size + 6_000
    report = convert(model, target_size=limit, importance=False, protect=True)
    assert report.size <= limit
    assert report.protection
    assert report.protection.raised["blk.1.ffn_down.weight"][1] == "Q8_0"
    assert report.protection.elsewhere is None  # the unprotected one has the same size


def test_what_does_not_go_together_is_refused_before_anything_is_done(
    checkpoint: Path, store: Store, convert: Convert, tmp_path: Path
) -> None:
    for options, said in (
        ({"quant": "Q4_K_M", "target_size": 10**6}, "contradict"),
        ({"quant": "Q9_Z"}, "no type Q9_Z"),
        ({"quant": "Q4_0", "split_size": 10**6}, "can be split"),
        ({"name": "mine", "output": tmp_path / "x.gguf"}, "does not go into the store"),
        ({"recipe": tmp_path / "none.toml"}, "no file"),
        ({"name": "starter"}, "catalogue's name"),
        ({"name": "../escape"}, "cannot be a name"),
        ({"quant": "IQ2_XXS", "importance": False}, "needs an importance matrix"),
        ({"output": tmp_path / "nowhere" / "x.gguf"}, "no folder"),
        ({"output": tmp_path / "x.bin", "quant": "F16"}, r"x\.bin is no name"),
        ({"output": tmp_path / "x-00001-of-00002.gguf", "quant": "F16"}, "number of a part"),
        ({"pre": "no-such"}, "no-such"),
    ):
        with pytest.raises((UsageError, ModelError), match=said):
            convert(checkpoint, **options)
    with pytest.raises(ModelError, match="There is no"):
        convert(tmp_path / "missing")
    assert files_of(store.root) == set()


def test_a_full_disk_is_noticed_before(
    checkpoint: Path, store: Store, convert: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real(path)._replace(free=1_000_000))
    with pytest.raises(UserError, match="needs"):
        convert(checkpoint)
    assert files_of(store.root) == set()


def test_two_conversions_to_one_name_do_not_mix(checkpoint: Path, store: Store, convert: Convert) -> None:
    class Meanwhile(Watching):
        def step(self, name: str, number: int | None, count: int | None) -> None:
            if name == "quantize":
                with pytest.raises(UserError, match="in use"):
                    convert(checkpoint)
            super().step(name, number, count)

    convert(checkpoint, display=Meanwhile())


def test_what_is_left_is_listed_and_removed(checkpoint: Path, store: Store, convert: Convert) -> None:
    with pytest.raises(Cancelled):
        convert(checkpoint, display=Watching(stop_in="quality"))
    (left,) = unfinished(store)
    assert left.size > 1_000_000
    with left:
        left.remove()
    assert unfinished(store) == []
