"""How ``assistant templates`` prints templates, what they lack, and what a model is given by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from assistant.cli.writing import print_json
from models.errors import UsageError

if TYPE_CHECKING:
    from assistant.engine.engine import Message
    from assistant.templates.library import Entry
    from assistant.templates.lint import Report

_LEVELS = {
    "error": ("error", "ошибка", "red"),
    "warning": ("warning", "внимание", "yellow"),
    "advice": ("missing", "нет", "cyan"),
}
_PROMPT = ("prompt", "запрос")
_TOKENS = ("{count} tokens ({language})", "{count} ток. ({language})")
_ESTIMATED = (", an estimate: no model counted them", ", оценка: модель их не считала")


def print_list(entries: Sequence[Entry], language: str, as_json: bool) -> None:
    """A line for each template; what cannot be used goes to stderr."""
    if as_json:
        print_json([_entry_json(entry) for entry in entries])
        return
    from assistant.cli.writing import print_table, shortened

    usable = [(entry, entry.template) for entry in entries if entry.template]
    rows = [(" +"[entry.own], entry.name, shortened(template.heading(language), 70)) for entry, template in usable]
    if rows:
        print_table(rows)
    for entry in entries:
        if entry.problem:
            click.echo(f"{click.style('error:', fg='red', bold=True)} {entry.problem.message}", err=True)


def print_messages(messages: Sequence[Message], as_json: bool) -> None:
    """What the model is given."""
    if as_json:
        print_json([{"role": message.role, "content": message.content} for message in messages])
        return
    for number, message in enumerate(messages):
        click.echo(("\n" if number else "") + click.style(f"[{message.role}]", bold=True))
        click.echo(message.content)


def print_findings(reports: Sequence[tuple[str, Report | UsageError]], language: str, as_json: bool) -> None:
    """A paragraph for each template: the worst first, then the tokens of its prompt."""
    if as_json:
        print_json([{"name": name} | _report_json(report, language) for name, report in reports])
        return
    at = int(language == "ru")
    for name, report in reports:
        click.secho(name, bold=True)
        if isinstance(report, UsageError):
            for line in report.message.splitlines():
                click.echo(f"  {_level('error', at)}: {line}")
            continue
        for finding in report.findings:
            click.echo(f"  {_level(finding.level, at)}: {finding.message(language)}")
        tokens = [_TOKENS[at].format(count=count, language=code) for code, count in report.tokens.items()]
        click.echo(f"  {_PROMPT[at]}: {', '.join(tokens)}{_ESTIMATED[at] if report.estimated else ''}")


def _level(level: str, at: int) -> str:
    return click.style(_LEVELS[level][at], fg=_LEVELS[level][2])


def _entry_json(entry: Entry) -> dict[str, Any]:
    template = entry.template
    texts = ("title", "description")
    return {
        "name": entry.name,
        "own": entry.own,
        "path": str(entry.path),
        "error": entry.problem.message if entry.problem else None,
        **{key: text.model_dump() if (text := template and getattr(template, key)) else None for key in texts},
        "variables": {
            name: {"type": variable.type, "required": variable.required}
            for name, variable in (template.variables.items() if template else ())
        },
    }


def _report_json(report: Report | UsageError, language: str) -> dict[str, Any]:
    if isinstance(report, UsageError):
        findings = [{"level": "error", "kind": "form", "message": line} for line in report.message.splitlines()]
        return {"findings": findings, "tokens": None, "estimated": None}
    return {
        "findings": [
            {"level": finding.level, "kind": finding.kind, "message": finding.message(language)}
            for finding in report.findings
        ],
        "tokens": report.tokens,
        "estimated": report.estimated,
    }
