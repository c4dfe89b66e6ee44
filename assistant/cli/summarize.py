"""``assistant summarize``: texts of any length in a few sentences, with what each of them rests on."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, get_args

import click

from assistant import settings as user_settings
from assistant.cli.over_sources import Frame, Outcome, frame_flags, over_sources
from assistant.tasks.chapters import Chapter, by_chapter
from assistant.tasks.styles import Style
from models.errors import UsageError, UserError

if TYPE_CHECKING:
    from assistant.cli.over_sources import Check, Work
    from assistant.engine.engine import Engine, Event
    from assistant.memory.embedding import Embedder
    from assistant.tasks.opening import Opened
    from assistant.tasks.sources import Source
    from assistant.tasks.summarizing import Reading, Summary

_GREEDY = {"temperature": 0.0, "seed": 0}  # the same summary each time


@click.command(short_help="Summarize texts of any length, with what each sentence rests on.")
@click.option("--style", type=click.Choice(get_args(Style)), help="What it looks like; by default a paragraph.")
@click.option(
    "--words", type=click.IntRange(1), metavar="N", help="Its length, kept within 15 %; else one that suits the text."
)
@click.option("--language", default="auto", metavar="LANGUAGE", help="auto (that of the text), en, ru, German…")
@click.option(
    "--focus", default="", metavar="TEXT", help="What it is to be about; what does not concern it is left out."
)
@click.option(
    "--by", type=click.Choice(["chapter"]), help="A summary of each chapter or section instead of one of all."
)
@click.option("--cite", is_flag=True, help="Number what each sentence rests on, and list it below.")
@click.option("--template", metavar="NAME", help="Summarize as a template says (see `assistant templates`).")
@frame_flags
def summarize(
    style: Style | None,
    words: int | None,
    language: str,
    focus: str,
    by: str | None,
    cite: bool,
    template: str | None,
    **shared: Any,
) -> None:
    """Summarize each text: files, folders, patterns, or what comes by a pipe.

        assistant summarize book.epub --words 300 --cite
        cat notes.md | assistant summarize --json | jq -r .summary

    A text that is longer than the model's window is read passage by passage. Every number, date, name and quotation is
    looked for in the text; what it does not have is said again or marked [?]. Exit codes: 0 done, 1 something failed
    (with --strict also: is not in its text), 2 usage, 3 model, 4 does not fit the window, 5 network, 130 stopped by
    Ctrl+C (--resume goes on).
    """
    frame = Frame.of(shared)
    parts = by_chapter if by else None
    if template is not None:
        if style or words or focus:
            raise UsageError("A template has a form of its own.", "Leave out --style, --words and --focus.")
        over_sources(
            frame,
            _by_template(template, language, cite),
            {"asked": {"template": template, "language": language}},
            parts,
        )
        return
    from assistant.tasks.summarizing import SummaryOptions
    from assistant.tasks.summarizing import summarize as summarizing

    for name, instead in (("max_tokens", "--words"), ("beams", "another model")):
        if name in dict(frame.options):
            raise UsageError(f"{name} is no option of a summary.", f"Leave it out, or use {instead}.")
    wanted = SummaryOptions(style or "paragraph", words, language, focus)
    window = _asked_window(frame.options)

    def work_for(opened: Opened) -> Work:
        options = opened.generation_for(_GREEDY)

        def work(engine: Engine, source: Source, check: Check) -> Generator[Event | Reading, None, Outcome]:
            summary = yield from summarizing(
                engine,
                source,
                wanted,
                model=opened.name,
                options=options,
                window=window,
                check=check,
                embedder=_embedder(source, language),
            )
            return _outcome(summary, source, cite)

        return work

    over_sources(frame, work_for, {"asked": asdict(wanted) | ({"window": window} if window else {})}, parts)


def _by_template(name: str, language: str, cite: bool) -> Any:
    from assistant.tasks.templated import summarize_by
    from assistant.templates.library import Library
    from assistant.templates.template import fill

    if language not in ("auto", "en", "ru"):
        raise UsageError(f"A template speaks en or ru, not {language!r}.", "--language en")
    filled = fill(Library().get(name), {} if language == "auto" else {"language": language})

    def work_for(opened: Opened) -> Work:
        options = opened.generation_for(_GREEDY | filled.template.options)

        def work(engine: Engine, source: Source, check: Check) -> Generator[Event | Reading, None, Outcome]:
            summary = yield from summarize_by(engine, filled, source, model=opened.name, options=options, check=check)
            return replace(_outcome(summary, source, cite), good=not summary.notes)

        return work

    return work_for


def _embedder(source: Source, language: str) -> Embedder | None:
    """What compares a summary with a source in another language, where it is installed."""
    from assistant.memory.embedding import load_embedder
    from assistant.tasks.languages import code_of, known_language

    if language == "auto" or known_language(source.text) == code_of(language):
        return None
    try:
        return load_embedder()
    except UserError:
        return None


def _asked_window(options: tuple[tuple[str, str], ...]) -> int | None:
    """What the user set; None: nothing."""
    chosen = user_settings.parse_options(options).get("context_length")
    return chosen if chosen is not None else user_settings.load().context_length


def _outcome(summary: Summary, source: Source, cite: bool) -> Outcome:
    data: dict[str, Any] = {}
    if isinstance(source, Chapter):
        data = {"chapter": source.heading}
        summary = replace(summary, source=source.whole.name, points=source.in_whole(summary.points))
        source = source.whole
    told = list(summary.notes)
    if summary.unsupported:
        told.append(f"not in the text: {', '.join(summary.unsupported)}")
    text = summary.summary
    if cite:
        from assistant.cli.citing import cited

        text = cited(summary, source)
    return Outcome(text, summary.to_json() | data, tuple(told), supported=not summary.unsupported)
