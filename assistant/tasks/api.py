"""What the commands do, for Python: one function each, with the same names, options and results.

>>> from assistant import tasks
>>> tasks.classify("It fell apart in a week.", ["praise", "complaint"]).output
'complaint'

A text is a ``str``; a ``Path`` is a file of any format that memory reads. A model is opened with the first call that
names it and stays open, so that the next one waits for nothing; :func:`close` frees them. Several threads may not use
one model at once.
"""

from __future__ import annotations

import atexit
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from assistant.engine.calls import returned
from assistant.tasks.answering import Answer, answering
from assistant.tasks.batching.job import Job
from assistant.tasks.batching.records import Broken, Fields, Record, outcome_of
from assistant.tasks.batching.running import Done, EngineWorker, run
from assistant.tasks.batching.task import tasks_of
from assistant.tasks.labelling import Given, filled_of
from assistant.tasks.opening import Opened, open_model
from assistant.tasks.sources import Source, Unread, read_sources, source_of, spans_in
from assistant.tasks.styles import Style
from assistant.tasks.summarizing import Summary, SummaryOptions
from assistant.tasks.summarizing import summarize as summarizing
from assistant.templates.library import Library
from assistant.templates.template import fill
from models.errors import UsageError

if TYPE_CHECKING:
    from assistant.templates.fields import Language

T = TypeVar("T")
Text = str | Path
Model = str | Opened | None
"""A name, as ``-m`` has it; what :func:`open_model` gave, which may be on a server; None: the settings' model."""


def summarize(
    text: Text,
    *,
    style: Style = "paragraph",
    words: int | None = None,
    language: str = "auto",
    focus: str = "",
    model: Model = None,
) -> Summary:
    """Summarize a text of any length; see :class:`~assistant.tasks.summarizing.SummaryOptions`.

    >>> letter = "The pump failed twice this week. Maria has ordered a better seal for 240 euros. It comes on Friday."
    >>> summary = tasks.summarize(letter, style="bullets", words=15)
    >>> summary.coverage, summary.unsupported
    (1.0, ())
    >>> [letter[start:end] for point in summary.points for start, end in point.spans]  # what it rests on
    [...]

    Of a file, spans are of its text as memory reads it: ``\\n`` for line ends, NFC, no control characters.

    Raises:
        UsageError: the text cannot be read, or is empty. ModelError, DoesNotFit: as the command.
    """
    opened = _opened(model)
    wanted = SummaryOptions(style, words, language, focus)
    options = opened.generation_for({"temperature": 0.0, "seed": 0})
    found = returned(summarizing(opened.engine, _source(text), wanted, model=opened.name, options=options))
    if isinstance(text, Path):
        return found
    return replace(found, points=tuple(replace(one, spans=spans_in(text, one.spans)) for one in found.points))


def extract(
    text: Text, schema: str | Mapping[str, Any], *, model: Model = None, language: Language | None = None
) -> Answer:
    """Fill in a form: ``schema`` is a JSON Schema or its short form, ``"name, age int"``. The form is ``.output``.

    >>> tasks.extract("My neighbour Otto turned 42 last week.", "name, age int").output
    {'name': 'Otto', 'age': 42}

    Raises:
        as :func:`summarize`; UsageError: the schema cannot be used.
    """
    return _answer("extract", text, {"schema": schema}, model, language)


def classify(
    text: Text,
    labels: Sequence[str],
    *,
    by: str | None = None,
    model: Model = None,
    language: Language | None = None,
) -> Answer:
    """One of the labels, with its probability; ``by`` says what decides.

    >>> answer = tasks.classify("Обслуживание ужасное, ждали полтора часа.", ["похвала", "жалоба"])
    >>> answer.output, answer.probability > 0.5
    ('жалоба', True)

    Raises:
        as :func:`summarize`; UsageError: there are fewer than two labels.
    """
    return _answer("classify", text, {"labels": list(labels), "by": by}, model, language)


def label(
    text: Text,
    labels: Sequence[str],
    *,
    guidelines: str = "",
    examples: Iterable[tuple[str, str]] = (),
    model: Model = None,
    language: Language | None = None,
) -> Answer:
    """One of the labels by guidelines and examples (text, label), with its probability.

    >>> rules = "bug: something that should work does not. feature: asks for something new."
    >>> tasks.label("Since the update it crashes.", ["bug", "feature"], guidelines=rules).output
    'bug'

    Raises:
        as :func:`classify`.
    """
    from assistant.tasks.agreement import Labels

    given = [Given(each, its) for each, its in examples]
    filled = filled_of(Labels(labels), guidelines, given, language)
    opened = _opened(model)
    options = opened.generation_for(filled.template.options)
    return returned(answering(opened.engine, filled, _source(text).text, options, _nothing))


def translate(text: Text, to: str | None = None, *, model: Model = None, language: Language | None = None) -> Answer:
    """Translate a text of any length; without ``to`` Russian into English, and others into Russian.

    Raises:
        as :func:`summarize`.
    """
    return _answer("translate", text, {"to": to}, model, language)


def rewrite(
    text: Text,
    *,
    style: str | None = None,
    tone: str | None = None,
    length: str | None = None,
    model: Model = None,
    language: Language | None = None,
) -> Answer:
    """Say a text anew; ``.unsupported`` has numbers and names that it does not have.

    Raises:
        as :func:`summarize`.
    """
    return _answer("rewrite", text, {"style": style, "tone": tone, "length": length}, model, language)


def proofread(text: Text, *, model: Model = None, language: Language | None = None) -> Answer:
    """Correct a text: ``.output`` has the corrected ``text`` and the ``corrections`` with their places.

    >>> tasks.proofread("He go to school every day.").output["text"]
    'He goes to school every day.'

    Raises:
        as :func:`summarize`.
    """
    return _answer("proofread", text, {}, model, language)


def batch(
    template: str,
    records: Iterable[str | Mapping[str, Any]],
    *,
    values: Mapping[str, Any] | None = None,
    field: str = "text",
    mapped: Mapping[str, str] | None = None,
    model: Model = None,
    jobs: int = 1,
    retries: int = 2,
) -> Iterator[dict[str, Any]]:
    """Put records through a template, several in one batch of the engine where that is faster.

    >>> found = tasks.batch("classify", ["Great!", "Awful."], values={"labels": ["praise", "complaint"]})
    >>> [record["output"] for record in found]
    ['praise', 'complaint']

    Args:
        records: texts, or mappings with a ``field`` for the text.
        values: of the template's variables; ``mapped``: variables that each record has a field for.

    Yields:
        each record with ``output`` and what else is known of it, or with ``error``, in order.

    Raises:
        UsageError: there is no such template, or a variable is wrong. ModelError: the model cannot be used.
    """
    opened, chosen = _opened(model), Library().get(template)
    task_of = tasks_of(chosen, values or {}, mapped or {}, opened.generation_for(chosen.options))
    job, engines = Job(None, {}), opened.engines(jobs)
    values_of: dict[int, dict[str, Any]] = {}
    became: dict[int, dict[str, Any]] = {}

    def asked() -> Iterator[Record | Broken]:
        fields = Fields(field, tuple((mapped or {}).values()))
        for number, given in enumerate(records):
            record = fields.record(number, f"record {number}", given if isinstance(given, str) else dict(given))
            values_of[number] = record.values
            yield record

    try:
        next_one = 0
        for event in run(job, asked(), task_of, [EngineWorker(engine) for engine in engines], retries=retries):
            answer, error = (event.answer.to_json(), None) if isinstance(event, Done) else (None, event.reason)
            became[event.number] = outcome_of(values_of.pop(event.number), answer, error)
            while next_one in became:
                yield became.pop(next_one)
                next_one += 1
    finally:
        job.close()
        for engine in engines:
            if engine is not opened.engine:
                engine.close()


def close() -> None:
    """Free the models that calls have opened."""
    for opened in _models.values():
        opened.engine.close()
    _models.clear()


_models: dict[str | None, Opened] = {}
atexit.register(close)


def _opened(model: Model) -> Opened:
    if isinstance(model, Opened):
        return model
    if model not in _models:
        _models[model] = open_model(model)
    return _models[model]


def _answer(template: str, text: Text, values: Mapping[str, Any], model: Model, language: Language | None) -> Answer:
    opened = _opened(model)
    given = {name: value for name, value in values.items() if value is not None}
    filled = fill(Library().get(template), given, language)
    options = opened.generation_for(filled.template.options)
    return returned(answering(opened.engine, filled, _source(text).text, options, _nothing))


def _source(text: Text) -> Source:
    if isinstance(text, str):
        if not text.strip():
            raise UsageError("There is no text.", "Give it some.")
        return source_of(text)
    if text.is_dir():
        raise UsageError(f"{text} is a folder.", "Give its files one by one.")
    (found,) = read_sources([str(text)])
    if isinstance(found, Unread):
        raise UsageError(f"{found.name} {found.reason}.", "Give a file with text.")
    return found


def _nothing() -> None:
    pass
