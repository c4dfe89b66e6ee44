"""JSON by a schema: tokens per second against llama.cpp's own grammars, and how many of 200 answers are valid.

    python benchmarks/bench_structured.py [--models tiny starter] [--rounds 5] [--answers 10]

The peer runs in the very same context, greedy, from the same computed prompt, with the grammar that llama-cpp-python
makes of the same schema. Once as llama-cpp-python uses it, as the first sampler of the chain; once as llama.cpp's own
programs do, which sample first and look at the whole vocabulary only where the grammar refuses the token. Its rules let
the model put white space between the tokens of JSON, which then count as tokens; ours is compact.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import sys
import time
from pathlib import Path

import jsonschema
from report import Row, compare, markdown, publish, write_readme

from assistant.bench.speed import rate
from assistant.bench.workloads import WORKLOADS
from assistant.engine.engine import Constraint, GenerateOptions, LoadOptions, Message, Result
from assistant.engine.kv_cache import KVCache
from assistant.engine.local import LocalEngine
from assistant.engine.structured import instruction
from models import hardware
from models.llama.library import llama_cpp
from models.store import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "assistant" / "engine"))
from test_structured import SCHEMAS

TOKENS = 300
EXTRACTION = next(workload for workload in WORKLOADS if workload.constraint)


class Native:
    """llama.cpp's grammar sampler before a greedy one."""

    def __init__(self, cache: KVCache, schema: str):
        self._cache = cache
        model = llama_cpp.llama_get_model(cache.context.pointer)
        vocab = llama_cpp.llama_model_get_vocab(model)
        self._is_end = lambda token: llama_cpp.llama_vocab_is_eog(vocab, token)
        gbnf = llama_cpp.LlamaGrammar.from_json_schema(schema, verbose=False)
        self._grammar = llama_cpp.llama_sampler_init_grammar(vocab, gbnf._grammar.encode(), b"root")
        assert self._grammar, "llama.cpp refuses the grammar"
        self._chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        llama_cpp.llama_sampler_chain_add(self._chain, self._grammar)  # the chain owns it
        llama_cpp.llama_sampler_chain_add(self._chain, llama_cpp.llama_sampler_init_greedy())
        self._greedy = llama_cpp.llama_sampler_init_greedy()

    def speed(self, prompt: list[int], *, check_first: bool) -> float:
        """Tokens per second of decode."""
        for _ in self._cache.prefill(prompt):
            pass
        self._cache.reserve(len(prompt) + TOKENS)
        llama_cpp.llama_sampler_reset(self._chain)
        started = time.perf_counter()
        for _ in range(TOKENS):
            token = self._checked() if check_first else self._sampled()
            if self._is_end(token):
                break
            self._cache.append([token])
        return (len(self._cache.tokens) - len(prompt)) / (time.perf_counter() - started)

    def _sampled(self) -> int:
        return int(llama_cpp.llama_sampler_sample(self._chain, self._cache.context.pointer, -1))

    def _checked(self) -> int:
        token = int(llama_cpp.llama_sampler_sample(self._greedy, self._cache.context.pointer, -1))
        single = llama_cpp.llama_token_data(token, 1.0, 0.0)
        array = llama_cpp.llama_token_data_array(ctypes.pointer(single), 1, -1, False)
        llama_cpp.llama_sampler_apply(self._grammar, ctypes.byref(array))
        if math.isinf(single.logit):
            return self._sampled()
        llama_cpp.llama_sampler_accept(self._chain, token)
        return token

    def close(self) -> None:
        llama_cpp.llama_sampler_free(self._chain)
        llama_cpp.llama_sampler_free(self._greedy)


def answer(engine: LocalEngine, messages: list[Message], options: GenerateOptions) -> Result:
    *_, result = engine.generate(messages, options)
    assert isinstance(result, Result)
    return result


def speed(path: Path, rounds: int) -> list[Row]:
    """Ours as `ask --schema` runs, drafting included, against the peer's two ways; the first round warms up."""
    engine = LocalEngine(path, LoadOptions(threads=hardware.default_threads(), prompt_cache=False))
    assert EXTRACTION.constraint
    options = GenerateOptions(temperature=0, max_tokens=TOKENS, constraint=EXTRACTION.constraint)
    messages = EXTRACTION.messages()
    first = answer(engine, messages, options)
    prompt = engine.kv_cache.tokens[: first.prompt_tokens]
    engine.kv_cache.reserve(len(prompt) + TOKENS)  # the peer keeps its hands on this very context
    native = Native(engine.kv_cache, EXTRACTION.constraint.text)
    speeds: dict[str, list[float]] = {"ours": [], "in the chain": [], "checked after": []}
    ways = [
        ("ours", lambda: rate(answer(engine, messages, options))),
        ("in the chain", lambda: native.speed(prompt, check_first=False)),
        ("checked after", lambda: native.speed(prompt, check_first=True)),
    ]
    for number in range(rounds + 1):
        for name, measure in ways[number % 3 :] + ways[: number % 3]:
            value = measure()
            if number:
                speeds[name].append(value)
        print(number, *(f"{name} {values[-1]:.1f}" for name, values in speeds.items() if values), flush=True)
    native.close()
    engine.close()
    name = f"{path.name.partition('-instruct')[0]}, JSON extraction: ours / "
    ours = speeds["ours"]
    return [
        compare(name + "GBNF in the sampler chain", ours, speeds["in the chain"], "tok/s", ">= 1.25"),
        compare(name + "GBNF checked after sampling", ours, speeds["checked after"], "tok/s", ""),
    ]


def validity(path: Path, answers: int) -> Row:
    """Sampled at temperature 1, so that the model tries everything; judged by jsonschema, not by ourselves."""
    engine = LocalEngine(path, LoadOptions(threads=hardware.default_threads(), prompt_cache=False))
    valid = 0
    for name, schema in SCHEMAS.items():
        constraint = Constraint("json_schema", json.dumps(schema, ensure_ascii=False))
        question = [Message("user", f"Invent an example about a shop.\n\n{instruction(constraint)}")]
        checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        for seed in range(answers):
            options = GenerateOptions(temperature=1.0, seed=seed, max_tokens=400, constraint=constraint)
            text = answer(engine, question, options).text
            try:
                checker.validate(json.loads(text))
                valid += 1
            except (ValueError, jsonschema.ValidationError) as error:
                print(f"{name}, seed {seed}: {str(error).splitlines()[0]}: {text[:200]!r}", flush=True)
    engine.close()
    total = answers * len(SCHEMAS)
    name = f"{path.name.partition('-instruct')[0]}: valid of {total} answers over {len(SCHEMAS)} schemas"
    return compare(name, [float(valid)], [float(total)], "", ">= 1")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["tiny", "starter"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--answers", type=int, default=10, help="to each of the schemas")
    args = parser.parse_args()
    store = Store()
    rows = [row for model in args.models for row in speed(store.resolve(model).path, args.rounds)]
    rows.append(validity(store.resolve("tiny").path, args.answers))
    publish(
        "structured", rows, f"{hardware.default_threads()} threads, greedy, medians of {args.rounds} rounds in turns"
    )
    write_readme("structured", markdown(rows))
