"""``assistant convert`` as a user and as a script."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gguf
import pytest
from click.testing import CliRunner, Result

from assistant.cli import cli, main
from models.errors import UserError
from models.store import Store

sys.path.append(str(Path(__file__).parents[1] / "convert"))  # builders of tiny checkpoints

from random_adapters import random_adapter
from random_checkpoints import random_checkpoint
from random_gguf import random_weights, write_model
from test_super_weights import COLUMN, LAYER, ROW, VALUE, plant

TEXT = " ".join(f"Line {number}: the {number * 7919 % 1009} of {number * 31 % 977}." for number in range(2500))


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store of our own."""
    monkeypatch.setenv("ASSISTANT_MODELS", str(tmp_path / "store"))
    return Store()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return random_checkpoint(tmp_path / "Small-Chat", "llama", hidden_size=256, intermediate_size=512)


@pytest.fixture
def full(checkpoint: Path, tmp_path: Path) -> Path:
    """The checkpoint as BF16."""
    run(str(checkpoint), "--quant", "bf16", "--no-measure", "-o", str(tmp_path / "full.gguf"))
    return tmp_path / "full.gguf"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "text.txt"
    file.write_text(TEXT)
    return file


def run(*arguments: str) -> Result:
    """Succeeds, or raises what the user would be told."""
    result = CliRunner().invoke(cli, ["convert", *arguments])
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["convert", *arguments])
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_a_folder_is_converted_and_installed(checkpoint: Path, text: Path, store: Store) -> None:
    done = run(str(checkpoint), "--calibration", str(text), "--text", str(text), "--threads", "1", "--json")
    report = json.loads(done.stdout)
    assert report["name"] == "small-chat-q4_k_m"
    assert report["quality"]["kl_mean"] > 0
    assert {"imatrix", "quantize", "quality"} <= report["seconds"].keys()
    assert [model.name for model in store.installed()] == ["small-chat-q4_k_m"]
    assert "small-chat-q4_k_m" in CliRunner().invoke(cli, ["models"]).stdout


def test_a_dry_run_prints_every_type_and_writes_nothing(checkpoint: Path, tmp_path: Path) -> None:
    printed = run(str(checkpoint), "--dry-run").stdout
    assert "blk.1.ffn_down.weight" in printed
    assert "Q5_0 (not Q4_K: rows of 64)" in printed
    assert "steps: check, convert, imatrix, quantize, quality, speed, draft, store" in printed
    assert not (tmp_path / "store").exists()
    plan = json.loads(run(str(checkpoint), "--dry-run", "--json", "--quant", "Q8_0").stdout)
    assert plan["recipe"]["types"]["output_norm.weight"] == "F32"
    assert set(plan["recipe"]["types"].values()) == {"F32", "Q8_0"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["no/such/folder"], 3, "There is no"),
        (["org/name"], 5, "ASSISTANT_OFFLINE"),
        (["{checkpoint}", "--target-size", "much"], 2, "not a size"),
        (["{checkpoint}", "--quant", "Q4_K_M", "--for", "cpu"], 2, "contradict"),
        (["{empty}"], 3, "config.json"),
        (["{checkpoint}", "--text", "{binary}"], 2, "not text"),
        (["requantize", "{binary}"], 3, "not a GGUF"),
        (["compare", "{binary}"], 2, "nothing to compare"),
        (["inspect", "{binary}"], 3, "not a GGUF"),
        (["clean"], 0, "Nothing is left"),
    ],
)
def test_bad_input_is_told_from_good(
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    binary, empty = tmp_path / "binary", tmp_path / "empty"
    binary.write_bytes(bytes(range(256)) * 16)
    empty.mkdir()
    arguments = [part.format(checkpoint=checkpoint, binary=binary, empty=empty) for part in arguments]
    if code:
        assert exit_code(*arguments) == code
        assert said in capsys.readouterr().err
    else:
        assert said in run(*arguments).stderr


def test_files_are_compared(full: Path, text: Path, tmp_path: Path) -> None:
    for quant in ("Q8_0", "Q4_0"):
        run("requantize", str(full), "--quant", quant, "--no-measure", "-o", str(tmp_path / f"{quant}.gguf"))
    arguments = ["compare", str(full), str(tmp_path / "Q8_0.gguf"), str(tmp_path / "Q4_0.gguf")]
    arguments += ["--text", str(text), "--chunks", "2", "--threads", "1"]
    eight, four = json.loads(run(*arguments, "--json", "--no-speed").stdout)
    assert eight["kl_mean"] < four["kl_mean"]
    chart = tmp_path / "chart.png"
    printed = run(*arguments, "--chart", str(chart)).stdout
    assert "Q8_0.gguf" in printed
    assert "\x1b" not in printed
    assert chart.read_bytes().startswith(b"\x89PNG")
    for taken_or_no_picture in (chart, tmp_path / "chart.txt"):
        assert exit_code(*arguments, "--chart", str(taken_or_no_picture)) == 2


def test_an_importance_matrix_is_made_and_used(full: Path, text: Path, tmp_path: Path) -> None:
    matrix = tmp_path / "imatrix.gguf"
    run("imatrix", str(full), "-o", str(matrix), "--text", str(text), "--chunks", "2")
    assert "kind: imatrix" in run("inspect", str(matrix)).stdout
    arguments = ["requantize", str(full), "--quant", "IQ2_XXS", "--no-measure", "--imatrix", str(matrix)]
    report = json.loads(run(*arguments, "--json").stdout)
    assert "IQ2_XXS" in report["types"]
    assert exit_code("imatrix", str(full), "-o", str(matrix)) == 2


def test_super_weights_as_json(full: Path, tmp_path: Path) -> None:
    assert json.loads(run("super-weights", str(full), "--json").stdout) == []
    planted = write_model(tmp_path / "planted.gguf", plant(random_weights()))
    (found,) = json.loads(run("super-weights", str(planted), "--json").stdout)
    assert (found["tensor"], found["layer"], found["weight"]) == ("blk.1.ffn_down.weight", LAYER, VALUE)
    assert (found["row"], found["column"]) == (ROW, COLUMN)
    assert abs(found["input_activation"]) > 50 < abs(found["output_activation"])


def test_inspecting_a_checkpoint_and_a_file(checkpoint: Path, full: Path) -> None:
    assert "LlamaForCausalLM → llama" in run("inspect", str(checkpoint)).stdout
    listed = run("inspect", str(full), "--tensors").stdout
    assert "quantisation: BF16" in listed
    assert "blk.0.attn_q.weight" in listed
    assert json.loads(run("inspect", str(full), "--json").stdout)["metadata"]["general.architecture"] == "llama"


def test_a_draft_is_made_of_a_sibling_and_remembered(tmp_path: Path, store: Store) -> None:
    sizes = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 4}
    large = random_checkpoint(tmp_path / "Large", "llama", **sizes)
    small = random_checkpoint(tmp_path / "Little", "llama", seed=1)
    run(str(large), "--quant", "F16", "--no-measure", "--name", "large", "--draft", "none")
    assert exit_code("draft", "large") == 1
    made = json.loads(run("draft", "large", "--from", str(small), "--name", "little", "--json").stdout)
    assert made["draft"] == "little"
    drafts = store.draft_for(store.resolve("large"))
    assert drafts
    assert drafts.name == "little"
    assert "little" in run("draft", "large").stdout


def test_an_adapter_is_converted_and_merged(checkpoint: Path, tmp_path: Path) -> None:
    adapter = random_adapter(tmp_path / "adapter", checkpoint)
    run("lora", str(adapter), "--base", str(checkpoint), "-o", str(tmp_path / "adapter.gguf"))
    assert "kind: adapter" in run("inspect", str(tmp_path / "adapter.gguf")).stdout
    run("merge", str(checkpoint), str(adapter), "-o", str(tmp_path / "merged.gguf"))
    merged = {tensor.name: tensor.data for tensor in gguf.GGUFReader(tmp_path / "merged.gguf").tensors}
    run(str(checkpoint), "--quant", "BF16", "--no-measure", "-o", str(tmp_path / "base.gguf"))
    base = {tensor.name: tensor.data for tensor in gguf.GGUFReader(tmp_path / "base.gguf").tensors}
    changed = {name for name in base if (merged[name] != base[name]).any()}
    assert changed
    assert all("attn" in name or "ffn" in name for name in changed)
