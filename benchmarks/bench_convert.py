"""From a checkpoint to GGUF in the same type, against ``cp`` of the same files; and the memory that it takes.

    python benchmarks/bench_convert.py [--model starter] [--rounds 5] [--folder DIR] [--layers 32]
        [--upstream CONVERTER.py --upstream-python PYTHON]

Two checkpoints: a real one, made from the model's GGUF file, and one of the shape of Llama-3-8B with random weights, in
shards (``--layers 0`` leaves it out). Both are written into DIR and removed; the larger needs 33 GB. Every conversion
is a process of its own; its time includes opening the checkpoint and fsync, not the start of Python; against upstream's
converter whole processes are measured. ``cp`` has no fsync. Memory is the largest RssAnon (Linux), read every 5 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from report import Row, compare, publish

from convert.architectures import find
from convert.checkpoint import Checkpoint
from convert.write import write_gguf
from models.pull import size_text
from models.store import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "convert"))

HIDDEN, FEED_FORWARD, HEADS, KV_HEADS, VOCABULARY = 4096, 14336, 32, 8, 128256  # Llama-3-8B
SHARD = 5 * 10**9
MEMORY = 300  # MB


def shapes(layers: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    kv = HIDDEN // HEADS * KV_HEADS
    yield "model.embed_tokens.weight", (VOCABULARY, HIDDEN)
    for layer in range(layers):
        for name, shape in {
            "input_layernorm": (HIDDEN,),
            "self_attn.q_proj": (HIDDEN, HIDDEN),
            "self_attn.k_proj": (kv, HIDDEN),
            "self_attn.v_proj": (kv, HIDDEN),
            "self_attn.o_proj": (HIDDEN, HIDDEN),
            "post_attention_layernorm": (HIDDEN,),
            "mlp.gate_proj": (FEED_FORWARD, HIDDEN),
            "mlp.up_proj": (FEED_FORWARD, HIDDEN),
            "mlp.down_proj": (HIDDEN, FEED_FORWARD),
        }.items():
            yield f"model.layers.{layer}.{name}.weight", shape
    yield "model.norm.weight", (HIDDEN,)
    yield "lm_head.weight", (VOCABULARY, HIDDEN)


def random_llama(folder: Path, layers: int) -> Path:
    """A checkpoint in BF16 shards: random bits, exponents that keep numbers below 2; 257 tokens, the rest padding."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder.mkdir()
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "rms_norm_eps": 1e-5,
        "hidden_size": HIDDEN, "intermediate_size": FEED_FORWARD, "num_hidden_layers": layers, "rope_theta": 500000.0,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "vocab_size": VOCABULARY,
        "max_position_embeddings": 8192, "tie_word_embeddings": False,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    letters = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "ab"]
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, [("a", "b")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    parts: list[dict[str, tuple[int, ...]]] = [{}]
    room = SHARD
    for name, shape in shapes(layers):
        size = 2 * int(np.prod(shape))
        if size > room:
            parts.append({})
            room = SHARD
        room -= size
        parts[-1][name] = shape
    weight_map: dict[str, str] = {}
    for number, part in enumerate(parts, 1):
        file = f"model-{number:05d}-of-{len(parts):05d}.safetensors"
        write_random(folder / file, part, seed=number)
        weight_map |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder


def write_random(path: Path, tensors: dict[str, tuple[int, ...]], seed: int) -> None:
    header, end = {}, 0
    for name, shape in tensors.items():
        begin, end = end, end + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    bits = np.random.SFC64(seed)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for start in range(0, end, 8 << 20):
            numbers = bits.random_raw(1 << 20)
            numbers &= np.uint64(0xBFFF_BFFF_BFFF_BFFF)
            file.write(numbers.data.cast("B")[: end - start])


def run(command: list[str]) -> tuple[str, float, float]:
    """What it printed, its seconds, its largest RssAnon in MB."""
    os.sync()
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        peak = 0
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, *map(int, re.findall(r"RssAnon:\s+(\d+)", status)), 0)
            time.sleep(0.005)
        seconds = time.perf_counter() - started
        assert process.stdout
        printed = process.stdout.read()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed.")
    return printed, seconds, peak * 1024 / 1e6


def convert_in_child(checkpoint: Path, output: Path) -> tuple[float, float, float]:
    """Seconds, those of the whole process, and the peak of its anonymous memory in MB."""
    printed, seconds, peak = run([sys.executable, __file__, "--convert", str(checkpoint), str(output)])
    output.unlink()
    return float(printed), seconds, peak


def copy(checkpoint: Path, output: Path) -> float:
    output.mkdir()
    _, seconds, _ = run(["cp", *map(str, checkpoint.glob("*.safetensors")), str(output)])
    shutil.rmtree(output)
    return seconds


def measure(name: str, make: Callable[[], Path], rounds: int, upstream: list[str]) -> list[Row]:
    checkpoint = make()
    output = checkpoint.with_name("output")
    copy(checkpoint, output)
    times, wholes, copies, peaks, others = [], [], [], [], []
    for _ in range(rounds):
        copies.append(copy(checkpoint, output))
        seconds, whole, peak = convert_in_child(checkpoint, output)
        times.append(seconds)
        wholes.append(whole)
        peaks.append(peak)
        if upstream:
            others.append(run([*upstream, str(checkpoint), "--outfile", str(output)])[1:])
            output.unlink()
    shutil.rmtree(checkpoint)
    rows = [
        compare(f"{name}: checkpoint to GGUF / cp", times, copies, "s", "<= 2.5"),
        compare(f"{name}: peak anonymous memory / {MEMORY} MB", peaks, [MEMORY] * rounds, "MB", "<= 1"),
    ]
    if upstream:
        seconds_of_others, peaks_of_others = zip(*others, strict=True)
        rows.append(compare(f"{name}: checkpoint to GGUF / upstream's converter", wholes, seconds_of_others, "s", ""))
        rows.append(compare(f"{name}: memory / upstream's converter", peaks, peaks_of_others, "MB", ""))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="starter", help="the GGUF file that becomes the real checkpoint")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache" / "assistant" / "benchmarks")
    parser.add_argument(
        "--layers", type=int, default=32, help="of the random checkpoint; 32 is the 8B, 0 leaves it out"
    )
    parser.add_argument("--upstream", help="llama.cpp's convert_hf_to_gguf.py")
    parser.add_argument("--upstream-python", default=sys.executable, help="a Python with torch and transformers")
    parser.add_argument("--convert", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.convert:
        started = time.perf_counter()
        checkpoint, output = options.convert
        write_gguf(find(Checkpoint.open(checkpoint)), output, pre="llama-bpe" if "random" in checkpoint.name else None)
        print(time.perf_counter() - started)
        return
    from real_checkpoints import real_checkpoint

    options.folder.mkdir(parents=True, exist_ok=True)
    upstream = [options.upstream_python, options.upstream] if options.upstream else []
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        model = Store().resolve(options.model).path

        def real() -> Path:
            real_checkpoint(model, Path(scratch, "real"))
            return Path(scratch, "real")

        rows += measure(options.model, real, options.rounds, upstream)
        if options.layers:
            need = 2 * sum(2 * int(np.prod(shape)) for _, shape in shapes(options.layers)) + 10**9
            if shutil.disk_usage(scratch).free < need:
                sys.exit(f"{size_text(need)} of disk space are needed in {options.folder}; --layers 8 needs less.")
            rows += measure(
                f"random Llama-3-8B, {options.layers} layers",
                lambda: random_llama(Path(scratch, "random"), options.layers),
                max(1, options.rounds // 2),
                [],
            )
    publish("convert", rows, f"{options.rounds} rounds; cp without fsync, the conversion with it")


if __name__ == "__main__":
    main()
