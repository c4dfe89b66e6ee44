"""Opening a long chat again, and a template used for the second time, against reading all of it; what q8_0 costs.

    python benchmarks/bench_prompt_cache.py [--model starter] [--rounds 3]

Each round is a new engine on the same file, as a program that is started, asked and left; loading the model is not
counted. The quality of a KV cache in q8_0 is measured against F16 on the same English and Russian text: KL divergence
of the predicted tokens, and perplexity.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from report import Row, compare, publish

from assistant.engine.engine import GenerateOptions, LoadOptions, Message, Result
from assistant.engine.local import LocalEngine
from models import hardware
from models.llama import Context, KVType, Model
from models.paths import models_dir
from models.store import Store

CHAT_TOKENS = 3500
SENTENCE = "The quick brown fox jumps over the lazy dog near the old stone bridge at noon. "
GREEDY = GenerateOptions(temperature=0, max_tokens=8, draft="off")
TEXTS = {
    "English": """\
The old harbour had been dredged twice in living memory, and both times the town had regretted it. After the \
first dredging the mussels disappeared; after the second, the children who swam there in August came home with \
a rash that nobody could explain. So when the ferry company asked for a third, the council did what councils \
do when they are afraid: it ordered a study. The study took two years and filled four hundred pages. It said \
that the silt was made of clay, of leaves, and of what the shipyard had left behind when it closed in 1974, \
and that the last part was the one to worry about. A geologist from the capital came to explain it. She \
brought a jar of mud, let it go round the hall from hand to hand, and waited until the last row had smelled it \
before she began to speak.""",
    "Russian": """\
Старую гавань на памяти нынешних жителей углубляли дважды, и оба раза город об этом пожалел. После первого \
раза исчезли мидии, после второго дети, купавшиеся там в августе, приходили домой с сыпью, которую никто не \
мог объяснить. Поэтому, когда паромная компания попросила углубить дно в третий раз, совет сделал то, что \
делают все советы, когда им страшно: заказал исследование. Оно длилось два года и заняло четыреста страниц. В \
нём говорилось, что ил состоит из глины, листьев и того, что оставила после себя верфь, закрытая в 1974 году, \
и что беспокоиться следует именно о последнем. Объяснить это приехала женщина-геолог из столицы. Она привезла \
банку ила, пустила её по рядам и подождала, пока её понюхают даже в последнем ряду, и лишь потом заговорила.""",
}


def ask(path: Path, messages: list[Message], **options: object) -> Result:
    engine = LocalEngine(path, LoadOptions(threads=hardware.default_threads(), **options))  # type: ignore[arg-type]
    try:
        engine.load()
        *_, result = engine.generate(messages, GREEDY)
    finally:
        engine.close()
    assert isinstance(result, Result)
    return result


def text_of(tokens: int, first: str) -> str:
    return first + "".join(f"{number}. {SENTENCE}" for number in range(tokens // 20))


def reopened(path: Path, rounds: int) -> Row:
    """Time to the first token of the next question of a long chat, from the disk and from nothing."""
    warm, cold = [], []
    for number in range(rounds):
        chat = [Message("user", text_of(CHAT_TOKENS, f"Chat {number}. "))]
        first = ask(path, chat)
        chat += [Message("assistant", first.text), Message("user", "And then?")]
        cold.append(ask(path, chat, prompt_cache=False).timings.first_token_seconds)
        result = ask(path, chat)
        warm.append(result.timings.first_token_seconds)
        print(f"{result.prompt_tokens} tokens: {warm[-1]:.3f} s from the disk, {cold[-1]:.3f} s without", flush=True)
    name = f"a chat of {result.prompt_tokens:,} tokens opened again: first token / cold"
    return compare(name, warm, cold, "s", "<= 0.02")


def second_input(path: Path, rounds: int) -> Row:
    """Tokens that a template computes for its second input, against the tokens of that input with the markup."""
    computed, own = [], []
    for number in range(rounds):
        system = Message("system", text_of(600, f"Template {number}. "))
        ask(path, [system, Message("user", "The first input, which is about rain.")])
        second = [system, Message("user", "Another input, which is about snow and ice.")]
        computed.append(float(ask(path, second).timings.prefill_tokens))
        engine = LocalEngine(path)
        own.append(float(engine.count_tokens(second) - engine.count_tokens([system])))
        engine.close()
    return compare("a template's second input: tokens computed / its own", computed, own, "tokens", "<= 1")


def log_probs(model: Model, tokens: list[int], kv_type: KVType, batch: int = 512) -> NDArray[np.float32]:
    """Of every next token, shape (tokens, vocabulary). Attention reads the stored cache within a batch too."""
    rows = []
    n_ctx, threads = len(tokens), hardware.default_threads()
    with Context(model, n_ctx=n_ctx, threads=threads, outputs=min(batch, n_ctx), kv_type=kv_type) as context:
        for start in range(0, len(tokens), batch):
            chunk = tokens[start : start + batch]
            context.decode(chunk, outputs=len(chunk))
            for row in range(-len(chunk), 0):
                logits = context.logits(row).astype(np.float64)
                rows.append((logits - np.logaddexp.reduce(logits)).astype(np.float32))
    return np.array(rows)


def divergence(p: NDArray[np.float32], q: NDArray[np.float32]) -> str:
    mean = (np.exp(p) * (p - q)).sum(axis=1).mean()
    same = (p.argmax(axis=1) == q.argmax(axis=1)).mean()
    return f"KL divergence {mean:.4f}, same likeliest token {same:.1%}"


def quality(path: Path) -> tuple[list[Row], str]:
    rows, notes = [], []
    with Model(path) as model:
        for language, text in TEXTS.items():
            tokens = model.tokenize(text, add_special=True, parse_special=False)
            f16, q8 = log_probs(model, tokens, "f16"), log_probs(model, tokens, "q8_0")
            perplexities = [
                float(np.exp(-np.mean([row[token] for row, token in zip(each, tokens[1:], strict=False)])))
                for each in (q8, f16)
            ]
            name = f"{language}: perplexity with the KV cache in q8_0 / F16"
            rows.append(compare(name, perplexities[:1], perplexities[1:], "", "<= 1.01"))
            rounding = divergence(f16, log_probs(model, tokens, "f16", batch=16))
            notes.append(f"{language}, {len(tokens)} tokens: {divergence(f16, q8)}; F16 in other batches: {rounding}")
    return rows, ". ".join(notes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    path = Store().resolve(args.model).path
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ASSISTANT_MODELS"], os.environ["ASSISTANT_DATA_DIR"] = str(models_dir()), folder
        rows, notes = quality(path)
        print(notes, flush=True)
        rows += [reopened(path, args.rounds), second_input(path, args.rounds)]
    publish("prompt_cache", rows, notes=f"{path.name}, {hardware.default_threads()} threads. {notes}")
