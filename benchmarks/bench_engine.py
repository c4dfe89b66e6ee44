"""The engine against the limit (a bare ``llama_decode`` loop) and against llama-cpp-python's own chat.

    python benchmarks/bench_engine.py [--model starter] [--rounds 3]

Everything is measured in turns in one run, on the same file, with the same threads. The bare loop is llama.cpp's C API
with its default parameters and no sampling at all: what the hardware and the kernels allow.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import sys
import time
from pathlib import Path

import llama_cpp
from report import Row, compare, publish

from assistant.engine.engine import GenerateOptions, LoadOptions, Message, Result
from assistant.engine.local import LocalEngine
from models import hardware
from models.store import Store

DECODE_TOKENS = 96
SENTENCE = "The quick brown fox jumps over the lazy dog near the old stone bridge at noon. "


class BareLoop:
    """``llama_decode`` and nothing else."""

    def __init__(self, path: Path, n_ctx: int, threads: int):
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_threads = params.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, params)

    def decode(self, tokens: list[int]) -> None:
        array = (ctypes.c_int32 * len(tokens))(*tokens)  # the batch only points to it
        batch = llama_cpp.llama_batch_get_one(array, len(tokens))
        assert llama_cpp.llama_decode(self.context, batch) == 0

    def run(self, prompt: list[int], count: int) -> tuple[float, float]:
        """Tokens per second of (prefill, decode)."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)
        started = time.perf_counter()
        n_batch = llama_cpp.llama_n_batch(self.context)
        for start in range(0, len(prompt), n_batch):
            self.decode(prompt[start : start + n_batch])
        llama_cpp.llama_get_logits(self.context)  # waits until all is computed
        prefilled = time.perf_counter()
        for index in range(count):
            self.decode([1000 + index])
            llama_cpp.llama_get_logits(self.context)
        ended = time.perf_counter()
        return len(prompt) / (prefilled - started), count / (ended - prefilled)


def answer(engine: LocalEngine, messages: list[Message], count: int) -> Result:
    options = GenerateOptions(temperature=0, max_tokens=count)
    *_, result = engine.generate(messages, options)
    assert isinstance(result, Result)
    return result


def prompt_of(tokens: int, first: str) -> list[Message]:
    """About this many tokens; ``first`` makes it new to the KV cache."""
    return [Message("user", first + SENTENCE * (tokens // 17) + "\nContinue this text for as long as you can.")]


def speed(path: Path, threads: int, rounds: int) -> list[Row]:
    """Prefill and decode of the engine, the bare loop and the peer, each round in another order; the first warms up."""
    engine = LocalEngine(path, LoadOptions(threads=threads))
    bare = BareLoop(path, 2304, threads)
    peer = llama_cpp.Llama(str(path), n_ctx=2304, n_threads=threads, n_threads_batch=threads, verbose=False)
    speeds: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": [], "peer": []}

    def ours_now(messages: list[Message]) -> tuple[float, float]:
        timings = answer(engine, messages, DECODE_TOKENS).timings
        return timings.prefill_tokens / timings.prefill_seconds, timings.decode_tokens / timings.decode_seconds

    def bare_now(messages: list[Message]) -> tuple[float, float]:
        count = engine.count_tokens(messages)
        return bare.run(list(range(1000, 1000 + count)), DECODE_TOKENS)

    def peer_now(messages: list[Message]) -> tuple[float, float]:
        started = time.perf_counter()
        times = [
            time.perf_counter()
            for chunk in peer.create_chat_completion(
                [{"role": message.role, "content": message.content} for message in messages],
                stream=True,
                temperature=0.0,
                max_tokens=DECODE_TOKENS,
            )
            if "content" in chunk["choices"][0]["delta"]
        ]
        return engine.count_tokens(messages) / (times[0] - started), (len(times) - 1) / (times[-1] - times[0])

    ways = [("ours", ours_now), ("bare", bare_now), ("peer", peer_now)]
    for number in range(rounds + 1):
        messages = prompt_of(1500, f"Text {number}. ")
        for name, measure in ways[number % 3 :] + ways[: number % 3]:
            measured = measure(messages)
            if number:
                speeds[name].append(measured)
        if number:
            print(number, *(f"{name} {values[-1][0]:.1f} {values[-1][1]:.1f}" for name, values in speeds.items()))
    engine.close()
    prefill = {name: [value[0] for value in values] for name, values in speeds.items()}
    decode = {name: [value[1] for value in values] for name, values in speeds.items()}
    model = path.name.partition("-q4")[0]
    return [
        compare(f"{model}: decode / bare llama_decode loop", decode["ours"], decode["bare"], "tok/s", ">= 0.97"),
        compare(f"{model}: prefill / bare llama_decode loop", prefill["ours"], prefill["bare"], "tok/s", ">= 0.97"),
        compare(f"{model}: decode / create_chat_completion", decode["ours"], decode["peer"], "tok/s", ">= 1.05"),
    ]


def second_turn(path: Path, threads: int, rounds: int) -> Row:
    """Time to the first token of a second turn after 2,000 tokens, against prefill of its new tokens alone."""
    engine = LocalEngine(path, LoadOptions(threads=threads))
    first_token, alone = [], []
    for number in range(rounds):
        messages = prompt_of(2000, f"Text {number}. ")
        result = answer(engine, messages, 16)
        messages += [Message("assistant", result.text), Message("user", SENTENCE * 4 + "What is this about?")]
        second = answer(engine, messages, 2)
        first_token.append(second.timings.first_token_seconds)
        # The same tokens computed alone, at the same place behind the same 2,000: the limit.
        cache = engine.kv_cache
        held, new = cache.tokens[: -second.timings.prefill_tokens - 1], second.timings.prefill_tokens
        tokens = cache.tokens[len(held) : len(held) + new]
        cache.context.truncate(len(held))
        started = time.perf_counter()
        cache.context.decode(tokens)
        alone.append(time.perf_counter() - started)
        cache.context.truncate(0)
        cache.tokens.clear()
    engine.close()
    return compare("second turn: first token / prefill of its new tokens", first_token, alone, "s", "<= 1.2")


MEMORY_BARE = """
import resource, sys
sys.path.insert(0, {folder!r})
from pathlib import Path
from bench_engine import BareLoop
BareLoop(Path({path!r}), {n_ctx}, {threads}).run(list(range(1000, 1000 + {prompt})), 32)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
MEMORY_ASK = """
import resource, sys
sys.stdin.close()
from assistant.cli import main
try:
    main(["ask", {question!r}, "-m", {path!r}, "--no-history", "--no-stream", "-o", "max_tokens", "32",
          "-o", "threads", "{threads}"])
except SystemExit:
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def memory(path: Path, threads: int) -> Row:
    """Peak resident memory of ``assistant ask`` and of the bare loop, each in a process of its own."""
    question = SENTENCE * 60

    def peak(code: str) -> float:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return int(done.stdout.split()[-1]) / 1024

    engine = LocalEngine(path, LoadOptions(threads=threads))
    prompt = engine.count_tokens([Message("user", question)])
    engine.close()
    ask = peak(MEMORY_ASK.format(question=question, path=str(path), threads=threads))
    folder = str(Path(__file__).parent)
    n_ctx = -(-(prompt + 32) // 256) * 256
    bare = peak(MEMORY_BARE.format(folder=folder, path=str(path), n_ctx=n_ctx, threads=threads, prompt=prompt))
    return compare("peak memory of ask / bare loop, same context", [ask], [bare], "MiB", "<= 1.1")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    path, threads = Store().resolve(args.model).path, hardware.default_threads()
    rows = [memory(path, threads), second_turn(path, threads, args.rounds), *speed(path, threads, args.rounds)]
    # Where memory is slow it hides what a loop in Python costs; a small model shows it.
    rows += speed(Store().resolve("tiny").path, threads, args.rounds)
    publish("engine", rows, notes=f"{path.name}, {threads} threads, medians of {args.rounds} rounds in turns")
