"""Drafting against plain decoding on six workloads, against the limit that t(N) sets, and against llama-cpp-python.

    python benchmarks/bench_speculation.py [--model starter] [--draft MODEL] [--rounds 3] [--seconds 480]

Plain and ``--draft auto`` take turns on one loaded model; both find the prompt computed, and what the draft model reads
of it counts as drafting. Then, once, the ways that ``auto`` chooses from: lookup, the draft model, four tokens of the
draft model in each round; and the peer, plain and with its own prompt lookup. In the end the same model in F16, made
from the quantized file and kept in the cache folder: more bytes for each token, so drafts pay sooner.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import time
from collections.abc import Sequence
from pathlib import Path

from report import Row, compare, publish, write_readme

from assistant.bench import limits
from assistant.bench.speed import rate, together
from assistant.bench.workloads import WORKLOADS, Workload
from assistant.engine.engine import GenerateOptions, LoadOptions, Result
from assistant.engine.local import LocalEngine
from models import hardware
from models.llama.library import llama_cpp
from models.paths import cache_dir
from models.store import Store

WANTED = {"proofreading": ">= 1.8"}
NEVER_UNDER = ">= 0.97"
WAYS = {
    "lookup": GenerateOptions(draft="lookup"),
    "draft model": GenerateOptions(draft="model"),
    "4 of the draft model": GenerateOptions(draft="model", num_draft_tokens=4),
}
F16_WANTED = {"code": ">= 1.10", "chat": ">= 1.0"}
LLAMA_SPECULATIVE_SIMPLE = 1.06  # llama.cpp's own program, the same pair, code, four tokens a round


def answer(engine: LocalEngine, workload: Workload, way: GenerateOptions, tokens: int) -> Result:
    options = GenerateOptions(
        temperature=0,
        max_tokens=tokens,
        constraint=workload.constraint,
        draft=way.draft,
        num_draft_tokens=way.num_draft_tokens,
    )
    *_, result = engine.generate(workload.messages(), options)
    assert isinstance(result, Result)
    return result


def opened(path: Path, draft: Path, threads: int) -> LocalEngine:
    engine = LocalEngine(path, LoadOptions(draft_model=str(draft), threads=threads, prompt_cache=False))
    engine.load()
    answer(engine, WORKLOADS[0], GenerateOptions(draft="model"), 8)  # loads the draft model
    return engine


def pairs(
    engine: LocalEngine, workloads: Sequence[Workload], tokens: int, rounds: int, seconds: float
) -> dict[str, list[tuple[Result, Result]]]:
    """(auto, plain) of every round; workload after workload, so that the draft model reads each prompt anew."""
    measured: dict[str, list[tuple[Result, Result]]] = {workload.name: [] for workload in workloads}
    began = time.perf_counter()
    for number in range(rounds):
        if number and (time.perf_counter() - began) * (number + 1) / number > seconds:
            break
        for index, workload in enumerate(workloads):
            ways = [GenerateOptions(draft="auto"), GenerateOptions(draft="off")]
            order = 1 if (number + index) % 2 == 0 else -1
            auto, plain = [answer(engine, workload, way, tokens * workload.length) for way in ways[::order]][::order]
            measured[workload.name].append((auto, plain))
            print(f"{number + 1} {workload.name}: auto {rate(auto):.1f}, plain {rate(plain):.1f}", flush=True)
    return measured


def claims(
    engine: LocalEngine, measured: dict[str, list[tuple[Result, Result]]], wanted: dict[str, str], model: str
) -> list[Row]:
    """A row for each workload, with what t(N) allows beside it."""
    speculator = engine.speculator
    assert speculator
    rows = []
    for name, results in measured.items():
        auto, plain = ([rate(pair[side]) for pair in results] for side in (0, 1))
        done = together([pair[0].speculation for pair in results])
        generated = sum(pair[0].timings.decode_tokens for pair in results)
        allowed = limits.bound(speculator.costs, done, generated, speculator.draft_token_seconds or 0.0)
        accepted = (
            f", {done.accepted / done.drafted:.0%} of {done.mean_length} a round accepted" if done.drafted else ""
        )
        who = f"drafted by {done.mode}{accepted}" if done.drafted else "nothing drafted"
        note = f"t(N) allows {allowed:.2f}; {who}"
        rows.append(
            compare(f"{model}, {name}: auto / plain", auto, plain, "tok/s", wanted.get(name, NEVER_UNDER), note)
        )
    return rows


class Peer:
    """llama-cpp-python's chat completion."""

    def __init__(self, path: Path, threads: int, *, lookup: bool):
        from llama_cpp.llama_speculative import LlamaPromptLookupDecoding

        self._lookup = lookup
        self._model = llama_cpp.Llama(
            str(path),
            n_ctx=2304,
            n_threads=threads,
            n_threads_batch=threads,
            draft_model=LlamaPromptLookupDecoding() if lookup else None,
            verbose=False,
        )

    def speed(self, workload: Workload, tokens: int) -> float | None:
        """Tokens per second after the prompt is computed; None: it crashes (a prompt longer than its batch)."""
        schema = workload.constraint and workload.constraint.text
        grammar = llama_cpp.LlamaGrammar.from_json_schema(schema, verbose=False) if schema else None
        messages = [{"role": "user", "content": workload.messages()[0].content}]

        def complete(most: int) -> int:
            done = self._model.create_chat_completion(
                messages, temperature=0.0, repeat_penalty=1.0, max_tokens=most, grammar=grammar
            )
            return int(done["usage"]["completion_tokens"])

        if self._lookup and grammar:
            return None
        try:
            complete(1)
            started = time.perf_counter()
            count = complete(tokens)
        except ValueError:
            return None
        return count / (time.perf_counter() - started)

    def close(self) -> None:
        self._model.close()


def comparisons(engine: LocalEngine, path: Path, threads: int, tokens: int) -> list[Row]:
    """Every way against plain, once, with the peer in the same turn."""
    peers = {
        "create_chat_completion": Peer(path, threads, lookup=False),
        "LlamaPromptLookupDecoding": Peer(path, threads, lookup=True),
    }
    rows = []
    for workload in WORKLOADS:
        plain = rate(answer(engine, workload, GenerateOptions(draft="off"), tokens))
        for name, way in WAYS.items():
            speed = rate(answer(engine, workload, way, tokens))
            rows.append(compare(f"{workload.name}: {name} / plain", [speed], [plain], "tok/s", ""))
        for name, peer in peers.items():
            peer_speed = peer.speed(workload, tokens)
            if peer_speed is not None:
                rows.append(compare(f"{workload.name}: {name} / plain", [peer_speed], [plain], "tok/s", ""))
        print(f"compared: {workload.name}", flush=True)
    for peer in peers.values():
        peer.close()
    return rows


def _quantize(source: str, target: str) -> None:
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_F16
    params.allow_requantize = True
    params.nthread = hardware.default_threads()
    if llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)) != 0:
        raise SystemExit("llama.cpp could not write the F16 file.")


def in_f16(path: Path) -> Path:
    """The model in F16, made once from the quantized file: the same numbers, in more bytes."""
    made = cache_dir() / "benchmarks" / f"{path.stem}-f16.gguf"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        partial = made.with_suffix(".partial")
        child = multiprocessing.get_context("spawn").Process(target=_quantize, args=(str(path), str(partial)))
        child.start()
        child.join()
        if child.exitcode != 0:
            raise SystemExit("The F16 file could not be made.")
        partial.replace(made)
    return made


def table(rows: Sequence[Row], compared: Sequence[Row]) -> list[str]:
    ways = [*WAYS, "create_chat_completion", "LlamaPromptLookupDecoding"]
    lines = [
        f"| workload | plain, tok/s | auto / plain | wanted | t(N) allows | {' | '.join(ways)} |",
        "|---" * (5 + len(ways)) + "|",
    ]
    ratios = {row.name: row.ratio for row in compared}
    for row in rows:
        name = row.name.removesuffix(": auto / plain")
        others = [ratios.get(f"{name.split(', ')[1]}: {way} / plain") if "F16" not in name else None for way in ways]
        wanted = row.wanted.replace(">=", "≥") + ("" if row.holds else ": does not hold")
        allowed, _, drafted = row.note.removeprefix("t(N) allows ").partition("; ")
        cells = [f"{other:.2f}" if other else "–" for other in others]
        lines.append(
            f"| {name} | {row.other:.1f} | {row.ratio:.2f} ({drafted}) | {wanted} | {allowed} | {' | '.join(cells)} |"
        )
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--draft", help="the catalogue's draft model, if none is named")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=96, help="of an answer")
    parser.add_argument("--seconds", type=float, default=480, help="after which no further round is begun")
    args = parser.parse_args()
    store, threads = Store(), hardware.default_threads()
    installed = store.resolve(args.model)
    draft = store.choose_draft(args.draft, installed)
    if draft is None:
        raise SystemExit(f"{installed.name} needs a draft model: assistant models pull {installed.name} --with-draft")
    large = in_f16(installed.path)

    engine = opened(installed.path, draft.path, threads)
    quantised = installed.header().quantisation
    rows = claims(engine, pairs(engine, WORKLOADS, args.tokens, args.rounds, args.seconds * 0.5), WANTED, quantised)
    compared = comparisons(engine, installed.path, threads, args.tokens * 2 // 3)
    costs = engine.speculator.costs if engine.speculator else None
    engine.close()

    engine = opened(large, draft.path, threads)
    some = [workload for workload in WORKLOADS if workload.name in F16_WANTED]
    rows += claims(engine, pairs(engine, some, args.tokens, args.rounds, args.seconds * 0.2), F16_WANTED, "F16")
    large_costs = engine.speculator.costs if engine.speculator else None
    draft_token = engine.speculator.draft_token_seconds if engine.speculator else None
    engine.close()

    sizes = (1, 2, 4, 8, 16, 32)
    curves = [
        f"t(N) of {name} for N = {', '.join(map(str, sizes))}: "
        + ", ".join(f"{each(size) * 1000:.0f}" for size in sizes)
        + " ms"
        for name, each in ((quantised, costs), ("F16", large_costs))
        if each
    ]
    curves.append(f"A token of the draft model: {draft_token or 0:.4f} s.")
    notes = (
        f"{installed.path.name} with {draft.path.name}, {threads} threads. {'. '.join(curves)} llama.cpp's "
        f"llama-speculative-simple gave {LLAMA_SPECULATIVE_SIMPLE} of plain decoding for the F16 pair on code. –: the "
        "peer's lookup crashes where the prompt is longer than its batch, and is not tried with a grammar."
    )
    publish("speculation", [*rows, *compared], notes)
    write_readme("speculation", [*table(rows, compared), "", notes])
