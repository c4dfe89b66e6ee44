"""What models can do of what the built-in templates ask: the templates' own tests, passes by template and language.

python benchmarks/bench_templates.py [-m MODEL]...
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

from report import Row, publish, write_readme

from assistant.engine.engine import GenerateOptions, LoadOptions
from assistant.engine.local import LocalEngine
from assistant.templates import testing
from assistant.templates.library import BUILT_IN, read
from assistant.templates.testing import Outcome
from models.store import Store

MODELS = ("starter", "qwen2.5-coder-0.5b-instruct-q4_k_m", "tiny")
LANGUAGES = ("en", "ru")


def outcomes_of(model: str) -> tuple[dict[str, list[Outcome]], float]:
    """The outcomes of every built-in template, and the seconds of all."""
    engine = LocalEngine(Store().resolve(model).path, LoadOptions(prompt_cache=False, drafting=False))
    engine.load()
    started = time.perf_counter()
    found: dict[str, list[Outcome]] = {}
    for path in sorted(BUILT_IN.glob("*.yaml")):
        template = read(path)
        options = replace(GenerateOptions(draft="off"), **template.options)
        work = testing.run(engine, template, options)
        try:
            while True:
                next(work)
        except StopIteration as stop:
            found[template.name] = stop.value
        print(model, template.name, passes(found[template.name]), flush=True)
    engine.close()
    return found, time.perf_counter() - started


def passes(outcomes: list[Outcome]) -> str:
    return f"{sum(one.passed for one in outcomes)}/{len(outcomes)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", action="append", help="of the store; repeatable")
    models = parser.parse_args().model or MODELS
    rows: list[Row] = []
    found: dict[str, dict[str, list[Outcome]]] = {}
    for model in models:
        found[model], seconds = outcomes_of(model)
        every = [one for outcomes in found[model].values() for one in outcomes]
        passed = sum(one.passed for one in every)
        wanted = ">= 1" if model == "starter" else ""
        failing = ", ".join(name for name, outcomes in found[model].items() if not all(one.passed for one in outcomes))
        note = f"{passed} of {len(every)} tests in {seconds:.0f} s" + (f"; fails in {failing}" if failing else "")
        share = passed / len(every)
        rows.append(Row(f"template tests passed, {model}", share, 1.0, "share", share, wanted, share >= 1, note))
    publish("templates", rows)
    heads = [f"{model} ({language})" for model in models for language in LANGUAGES]
    lines = [f"| template | {' | '.join(heads)} |", "|---" * (1 + len(heads)) + "|"]
    for name in found[models[0]]:
        cells = [
            passes([one for one in found[model][name] if one.language == language])
            for model in models
            for language in LANGUAGES
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    write_readme("templates", [*lines, "", *(f"{row.name}: {row.note}." for row in rows)])


if __name__ == "__main__":
    main()
