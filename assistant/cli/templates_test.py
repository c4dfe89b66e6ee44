"""``assistant templates test``: what a model can do of what the templates ask, by their own tests."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from assistant.cli import loading
from assistant.cli.writing import print_json
from models.errors import UsageError

if TYPE_CHECKING:
    from assistant.tasks.opening import Opened
    from assistant.templates.template import Template
    from assistant.templates.testing import Outcome

Outcomes = dict[str, dict[str, "list[Outcome]"]]
"""By model, then by template."""


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="All templates, your own too.")
@click.option(
    "-m", "--model", "models", multiple=True, metavar="MODEL", help="The model to test on. Repeatable: side by side."
)
@click.option("--json", "as_json", is_flag=True, help="Print every answer, as one JSON object.")
def test(names: Sequence[str], everything: bool, models: Sequence[str], as_json: bool) -> None:
    """Answer the tests of templates on a model and print a table of passes, by language.

    Below the table stands what failed: what was expected, and what came. Exit code 1: something failed.
    """
    templates, broken = _chosen(names, everything)
    for problem in broken:
        click.echo(problem.message, err=True)
    found: Outcomes = {}
    for model in models or (None,):
        loaded = loading.load(model, prompt_cache=False)
        name = loaded.name
        found[name] = {}
        try:
            for template in templates:
                found[name][template.name] = _tested(loaded, template)
        finally:
            loaded.engine.close()
    if as_json:
        print_json(_as_json(found))
    else:
        _print(found)
    failed = any(not one.passed for by_name in found.values() for outcomes in by_name.values() for one in outcomes)
    if failed or broken:
        sys.exit(1)


def _chosen(names: Sequence[str], everything: bool) -> tuple[list[Template], list[UsageError]]:
    from assistant.templates.library import Library

    library = Library()
    if everything:
        entries = list(library.entries())
        good = [entry.template for entry in entries if entry.template]
        return good, [entry.problem for entry in entries if entry.problem]
    if not names:
        raise UsageError("No template is named.", "assistant templates test --all")
    return [library.get(name) for name in dict.fromkeys(names)], []


def _tested(loaded: Opened, template: Template) -> list[Outcome]:
    from assistant.templates import testing

    started = time.perf_counter()
    options = loaded.generation_for(template.options)
    reasons = bool(template.tests) and loaded.engine.load().reasoning
    work = testing.run(loaded.engine, template, replace(options, temperature=0), reasons=reasons)
    outcomes = loading.finish(work, loaded.engine)
    passed, seconds = sum(one.passed for one in outcomes), time.perf_counter() - started
    of = f"{passed} of {len(outcomes)} in {seconds:.0f} s" if outcomes else "no tests"
    click.echo(f"{loaded.name}: {template.name}: {of}", err=True)
    return outcomes


def _as_json(found: Outcomes) -> dict[str, object]:
    return {
        "models": {
            model: {
                "passed": sum(one.passed for outcomes in by_name.values() for one in outcomes),
                "tests": sum(len(outcomes) for outcomes in by_name.values()),
                "templates": {name: [one.to_json() for one in outcomes] for name, outcomes in by_name.items()},
            }
            for model, by_name in found.items()
        }
    }


def _print(found: Outcomes) -> None:
    languages = ("en", "ru")
    rows = (
        [["", *(model if not at else "" for model in found for at in range(len(languages)))]] if len(found) > 1 else []
    )
    rows.append(["template", *(language for _ in found for language in languages)])
    names = list(next(iter(found.values())))
    for name in names:
        rows.append([name, *(_passes(found[model][name], language) for model in found for language in languages)])
    everything = {model: [one for outcomes in by_name.values() for one in outcomes] for model, by_name in found.items()}
    if len(names) > 1:
        rows.append(["all", *(_passes(everything[model], language) for model in found for language in languages)])
    widths = [max(map(len, column)) for column in zip(*rows[-len(names) - 2 :], strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for model, outcomes in everything.items():
        failed = [one for one in outcomes if not one.passed]
        if not failed:
            continue
        cannot = dict.fromkeys(f"{one.template} ({one.language})" for one in failed)
        click.echo(f"\n{model} fails in: {', '.join(cannot)}")
        for one in failed:
            click.echo(f"\n  {one.template}, test {one.number} ({one.language}): {_line(one.input)}")
            for failure in one.failures:
                click.echo(f"    expected: {_line(failure.expected)}\n    came:     {_line(failure.came)}")


def _passes(outcomes: Sequence[Outcome], language: str) -> str:
    of = [one for one in outcomes if one.language == language]
    return f"{sum(one.passed for one in of)}/{len(of)}" if of else "-"


def _line(text: str) -> str:
    """A text on one line, cut to what a reader needs to recognise it."""
    text = " ".join(text.split())
    return text if len(text) <= 300 else text[:300] + "…"
