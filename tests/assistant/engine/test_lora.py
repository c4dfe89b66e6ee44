"""LoRA adapters at run time: they change answers, KV states are not mixed, and no file ends the process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from click.testing import CliRunner

from assistant.cli import cli
from assistant.engine.engine import GenerateOptions, LoadOptions, Message, Result
from assistant.engine.local import LocalEngine
from assistant.engine.prompt_cache import PromptCache
from assistant.engine.worker import WorkerEngine
from models.errors import ModelError, UsageError
from models.gguf_header import read_header

GREEDY = GenerateOptions(temperature=0, max_tokens=12, draft="off")
QUESTION = "Write one sentence about the sea. " + "".join(f"Wave {number} follows. " for number in range(12))
RANK, LAYERS = 4, 6


def write(path: Path, tensors: dict[str, np.ndarray[Any, Any]], **changes: Any) -> Path:
    """An adapter file. ``changes``: architecture, kind, alpha (a float32, unless it is a ``np.float64``), alora."""
    writer = gguf.GGUFWriter(path, changes.get("architecture", "llama"))
    writer.add_type(changes.get("kind", "adapter"))
    writer.add_string("adapter.type", "lora")
    alpha = changes.get("alpha", 8.0)
    (writer.add_float64 if isinstance(alpha, np.float64) else writer.add_float32)("adapter.lora.alpha", alpha)
    if "alora" in changes:
        writer.add_array("adapter.alora.invocation_tokens", changes["alora"])
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def pairs(model: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Random A and B of the attention outputs and the down projections of the first layers."""
    random = np.random.default_rng(0)
    shapes = {tensor.name: tensor.shape for tensor in read_header(model).tensors}
    found = {}
    for layer in range(LAYERS):
        for part in ("attn_output", "ffn_down"):
            name = f"blk.{layer}.{part}.weight"
            columns, rows = shapes[name]
            found[f"{name}.lora_a"] = random.standard_normal((RANK, columns), dtype=np.float32) / columns**0.5
            found[f"{name}.lora_b"] = random.standard_normal((rows, RANK), dtype=np.float32)
    return found


@pytest.fixture(scope="session")
def adapter(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("adapter") / "adapter.gguf", pairs(tiny))


def ask(engine: LocalEngine | WorkerEngine) -> Result:
    try:
        *_, result = engine.generate([Message("user", QUESTION)], GREEDY)
    finally:
        engine.close()
    assert isinstance(result, Result)
    return result


def options(adapter: Path | None, scale: float = 1.0, **others: Any) -> LoadOptions:
    return LoadOptions(threads=1, lora=str(adapter) if adapter else None, lora_scale=scale, **others)


def test_an_adapter_changes_answers_as_much_as_its_scale_says(tiny: Path, adapter: Path) -> None:
    plain = ask(LocalEngine(tiny, options(None, prompt_cache=False))).text
    assert ask(LocalEngine(tiny, options(adapter, 0.0, prompt_cache=False))).text == plain
    changed = ask(LocalEngine(tiny, options(adapter, 1.0, prompt_cache=False))).text
    assert changed != plain
    assert ask(WorkerEngine(tiny, options(adapter, 1.0, prompt_cache=False))).text == changed


def test_scores_beams_and_drafts_see_the_adapter_too(tiny: Path, adapter: Path) -> None:
    question, choices = [Message("user", QUESTION)], ["yes", "no", "perhaps"]

    def outcomes(**load: Any) -> tuple[list[float], str, str]:
        engine = LocalEngine(tiny, options(load.get("adapter"), prompt_cache=False))
        try:
            scores = engine.score(question, choices)
            *_, beams = engine.generate(question, GenerateOptions(max_tokens=4, beams=2))
            *_, drafted = engine.generate(question, GenerateOptions(temperature=0, max_tokens=12, draft="lookup"))
        finally:
            engine.close()
        assert isinstance(beams, Result)
        assert isinstance(drafted, Result)
        return scores, beams.text, drafted.text

    plain, changed = outcomes(), outcomes(adapter=adapter)
    assert np.abs(np.subtract(plain[0], changed[0])).max() > 0.1
    assert plain[1] != changed[1]
    assert changed[2] == ask(LocalEngine(tiny, options(adapter, prompt_cache=False))).text


def test_states_with_and_without_the_adapter_are_kept_apart(
    tiny: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.engine.prompt_reuse._WORTH_KEEPING", 0.0)
    monkeypatch.setattr("assistant.engine.prompt_reuse._BYTES_PER_SECOND", 1e15)
    other = pairs(tiny)
    other["blk.0.ffn_down.weight.lora_b"] *= -1
    files = [options(None), options(adapter), options(adapter, 0.5), options(write(tmp_path / "other.gguf", other))]
    for load in files:
        assert ask(LocalEngine(tiny, load)).timings.restored_tokens == 0
    assert len(PromptCache().entries()) == len(files)
    for load in files:
        assert ask(LocalEngine(tiny, load)).timings.restored_tokens > 0


def _without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda tensors: tensors.pop(name)


def _with(**arrays: Any) -> Callable[[dict[str, Any]], None]:
    return lambda tensors: tensors.update({name.replace("__", "."): array for name, array in arrays.items()})


DOWN = "blk.0.ffn_down.weight"
ZEROS = np.zeros((RANK, 576), np.float32)


@pytest.mark.parametrize(
    ("change", "changes", "expected"),
    [
        (None, {"architecture": "qwen2"}, "made for a qwen2 model, and this one is llama"),
        (None, {"kind": "model"}, "not a LoRA adapter"),
        (None, {"alpha": np.float64(8)}, "alpha is not a float32"),
        (None, {"alora": [1, 2]}, "activated LoRA"),
        (_without(f"{DOWN}.lora_b"), {}, f"{DOWN} has only one"),
        (dict.clear, {}, "holds no tensors"),
        (_with(output_norm__weight=np.ones(576, np.float32)), {}, "output_norm.weight is neither"),
        (lambda t: t.update({f"{DOWN}.lora_a": np.zeros((RANK, 8), np.float32)}), {}, f"{DOWN} are 8×4 and 4×576"),
        (lambda t: t.update({f"{DOWN}.lora_a": np.zeros((RANK + 1, 1536), np.float32)}), {}, "1536×5 and 4×576"),
        (lambda t: t.update({f"{DOWN}.lora_a": np.zeros((RANK, 1536), np.int32)}), {}, "of the type I32"),
        (
            lambda t: t.update({"blk.99.ffn_down.weight.lora_a": ZEROS, "blk.99.ffn_down.weight.lora_b": ZEROS.T}),
            {},
            "blk.99.ffn_down.weight, which this model does not have",
        ),
        (
            lambda t: t.update(
                {
                    "token_embd.weight.lora_a": np.zeros((49152, RANK), np.float32),
                    "token_embd.weight.lora_b": np.zeros((576, RANK), np.float32),
                }
            ),
            {},
            "token_embd.weight, which in this model is the output too",
        ),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_with_the_tensors_name(
    tiny: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None] | None, changes: dict[str, Any], expected: str
) -> None:
    tensors = pairs(tiny)
    if change:
        change(tensors)
    file = write(tmp_path / "adapter.gguf", tensors, **changes)
    with pytest.raises(ModelError) as refused:
        LocalEngine(tiny, options(file)).load()
    assert expected in refused.value.message
    assert str(file) in refused.value.message


def test_a_truncated_adapter_is_refused_at_every_length(tiny: Path, adapter: Path, tmp_path: Path) -> None:
    whole = adapter.read_bytes()
    file = tmp_path / "cut.gguf"
    for length in (0, 10, 200, len(whole) // 3, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"cut\.gguf"):
            LocalEngine(tiny, options(file)).load()
    with pytest.raises(ModelError, match="does not exist"):
        LocalEngine(tiny, options(tmp_path / "none.gguf")).load()


def test_ask_takes_an_adapter_and_its_scale(tiny: Path, adapter: Path) -> None:
    def run(*flags: str) -> Any:
        common = ["ask", "-m", str(tiny), "--no-history", "--json", "-o", "temperature", "0", "-o", "max_tokens", "12"]
        return CliRunner().invoke(cli, [*common, "-o", "draft", "off", "-o", "threads", "1", *flags, QUESTION])

    plain, changed = (json.loads(run(*flags).stdout) for flags in ((), ("--lora", str(adapter))))
    assert changed["text"] != plain["text"]
    assert json.loads(run("--lora", str(adapter), "--lora-scale", "0").stdout)["text"] == plain["text"]
    assert isinstance(run("--lora-scale", "0.5").exception, UsageError)
    assert isinstance(run("--lora", str(adapter), "--lora-scale", "nan").exception, UsageError)
    assert "is not a LoRA adapter but a model" in str(run("--lora", str(tiny)).exception)
