"""Labels for records, by guidelines and examples: what the model is given, whose label a record gets in the end, and
which records a person should look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal

from assistant.tasks.agreement import Agreement, Labels, agreement, folded
from assistant.tasks.answering import Answer
from assistant.tasks.batching.records import Record
from assistant.templates.library import Library
from assistant.templates.template import Example, Filled, Language, fill
from models.errors import UsageError

if TYPE_CHECKING:
    from assistant.memory.embedding import Embedder
    from assistant.tasks.probe import Learnt

TEMPLATE = "label"
MOST_LABELS = 100
_EXAMPLES_OF_A_LABEL = 4  # more of them teach a small model little, and every record waits for them
_EXAMPLE_TOKENS = 1_000
_NO_GUIDELINES = {
    "en": "each label means what its name says; choose the one that fits the item best.",
    "ru": "метка значит то, что говорит её название; выбери ту, которая подходит записи лучше всего.",
}
_SAME_GUIDELINES = {"en": "as above.", "ru": "те же."}

Answers = Mapping[str, Answer | str]
"""By text: the model's answer, or why there is none."""
By = Literal["model", "probe", "combination", "example", "correction"]


@dataclass(frozen=True, slots=True)
class Given:
    """A text and the label that a person gave it."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """A record with its label.

    Attributes:
        label: None: it has none, and ``problem`` says why.
        confidence: the probability of the label, among the labels.
        by: whose label it is: the model's, that of what was learnt from corrections, or a person's.
        model: what the model alone says.
    """

    record: Record
    label: str | None
    confidence: float | None
    probabilities: Mapping[str, float]
    by: By = "model"
    model: str | None = None
    problem: str | None = None


def given_labels(records: Iterable[Record], column: str, labels: Labels, source: str) -> tuple[list[Given], int]:
    """The texts that a person labelled in this column, each once, and how many were left out: texts that have two
    different labels. Empty cells say nothing.

    Raises:
        UsageError: the column has labels that there are not.
    """
    records = list(records)
    found: dict[str, Given] = {}
    contradicted: set[str] = set()
    for record, label in zip(records, truth_of(records, column, labels, source), strict=True):
        if label is None:
            continue
        key = folded(record.text)
        if found.setdefault(key, Given(record.text, label)).label != label:
            contradicted.add(key)
    return [each for key, each in found.items() if key not in contradicted], len(contradicted)


def truth_of(records: Sequence[Record], column: str, labels: Labels, source: str) -> list[str | None]:
    """What a column says of each record; None where its cell is empty.

    Raises:
        UsageError: it has labels that there are not.
    """
    cells = [cell_of(record, column) for record in records]
    found = [labels.find(cell) if cell else None for cell in cells]
    strange = Counter(cell for cell, label in zip(cells, found, strict=True) if cell and label is None)
    if strange:
        named = ", ".join(f"{cell[:40]!r} ({count})" for cell, count in strange.most_common(5))
        more = f" and {len(strange) - 5} more" if len(strange) > 5 else ""
        raise UsageError(
            f"The column {column!r} of {source} has labels that are not among {', '.join(labels)}: {named}{more}.",
            "Correct them there, or add them to --labels.",
        )
    return found


def cell_of(record: Record, column: str) -> str:
    """What a record has in a column, spaces around it aside; numbers and truth values as JSON writes them."""
    value = record.values.get(column)
    if value is None:
        return ""
    return (value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)).strip()


def filled_of(
    labels: Labels, guidelines: str = "", examples: Sequence[Given] = (), language: Language | None = None
) -> Filled:
    """The template ``label`` with these guidelines; examples of one's own stand in the place of its own.

    Raises:
        UsageError: the template, which may be the user's own, does not take them.
    """
    template = Library().get(TEMPLATE)
    if examples:
        # The guidelines stand in the first one: in all of them they would crowd out the examples.
        shown = [
            Example(user=each.text, assistant=each.label, variables={"guidelines": _SAME_GUIDELINES} if place else {})
            for place, each in enumerate(examples)
        ]
        template = template.model_copy(update={"examples": tuple(shown)})
    return fill(template, {"labels": list(labels), "guidelines": guidelines.strip() or _NO_GUIDELINES}, language)


def choose_examples(
    given: Sequence[Given], labels: Labels, asked: Iterable[str], count_tokens: Callable[[str], int], room: int
) -> list[Given]:
    """Examples for the prompt: of each label as many, in their order, as long as there is room for one more of each.

    Args:
        asked: texts to be labelled: what else there is comes before them, as an example cannot be scored.
        room: tokens of the window; at most a quarter of it, and 1,000, are taken.
    """
    taken = {folded(text) for text in asked}
    room = min(_EXAMPLE_TOKENS, room // 4)
    longest = max(1, room // len(labels))  # of an example: one long text leaves no room for the other labels
    by_label: dict[str, list[Given]] = {label: [] for label in labels}
    for each in sorted(given, key=lambda each: folded(each.text) in taken):
        of_label = by_label[each.label]
        # No token has more than some ten characters: what cannot fit need not be counted.
        if (
            len(of_label) < _EXAMPLES_OF_A_LABEL
            and len(each.text) <= 10 * longest
            and count_tokens(each.text) <= longest
        ):
            of_label.append(each)
    chosen: list[Given] = []
    for rank in zip_longest(*by_label.values()):
        turn = [each for each in rank if each is not None]
        room -= sum(count_tokens(each.text) for each in turn)
        if room < 0:
            break
        chosen += turn
    return chosen


def learn_from(
    corrections: Sequence[Given],
    answers: Answers,
    examples: Sequence[Given],
    labels: Labels,
    embedder: Callable[[], Embedder],
) -> Learnt:
    """What the corrections teach: those that the model has answered too, and that it was not shown as examples.

    Args:
        embedder: called where there are enough of them.
    """
    from assistant.tasks.probe import Learnt, learn, too_few

    shown = {folded(each.text) for each in examples}
    shares = {
        text: answer.probabilities
        for text, answer in answers.items()
        if isinstance(answer, Answer) and answer.probabilities
    }
    known = [each for each in corrections if each.text in shares and folded(each.text) not in shown]
    truth = [each.label for each in known]
    if reason := too_few(truth, labels):
        return Learnt(labels, len(known), "model", reason, {})
    vectors = embedder().passages([each.text for each in known])
    return learn(vectors, [shares[each.text] for each in known], truth, labels)


def labelled(
    records: Sequence[Record],
    answers: Answers,
    examples: Sequence[Given] = (),
    corrections: Sequence[Given] = (),
    learnt: Learnt | None = None,
    embedder: Embedder | None = None,
) -> list[Labelled]:
    """Each record's label: a person's where there is one, else that of what was learnt, else the model's.

    What was learnt was measured on the corrected records. Where the model is surer than it was of any of these nothing
    is known of who is better, and the model's label stays.

    Args:
        learnt: needs the ``embedder`` where it uses a probe.
    """
    by_person: dict[str, tuple[str, By]] = {folded(each.text): (each.label, "example") for each in examples}
    by_person |= {folded(each.text): (each.label, "correction") for each in corrections}
    rows = [_by_model(record, answers.get(record.text, "was not asked about")) for record in records]
    corrected = {folded(each.text) for each in corrections}
    surest = max((r.confidence or 0 for r in rows if folded(r.record.text) in corrected), default=0.0)
    if learnt and learnt.probe is not None and embedder is not None:
        asked = [i for i, row in enumerate(rows) if row.label is not None and (row.confidence or 0) <= surest]
        if asked:
            vectors = embedder.passages([rows[i].record.text for i in asked])
            shares = learnt.probabilities(vectors, [rows[i].probabilities for i in asked])
            for i, row in zip(asked, shares.tolist(), strict=True):
                by_label = dict(zip(learnt.labels, row, strict=True))
                best = max(by_label, key=by_label.__getitem__)
                rows[i] = replace(
                    rows[i], label=best, confidence=by_label[best], probabilities=by_label, by=_by(learnt)
                )
    for i, row in enumerate(rows):
        if person := by_person.get(folded(row.record.text)):
            rows[i] = replace(row, label=person[0], confidence=1.0, by=person[1], problem=None)
    return rows


def _by(learnt: Learnt) -> By:
    return "combination" if learnt.used == "combination" else "probe"


def _by_model(record: Record, answer: Answer | str) -> Labelled:
    if isinstance(answer, str):
        return Labelled(record, None, None, {}, problem=answer)
    return Labelled(
        record, answer.text, answer.probability, answer.probabilities or {}, "model", answer.text, answer.problem
    )


def least_certain(rows: Iterable[Labelled]) -> list[Labelled]:
    """Rows that the program labelled, those it is least sure of first."""
    own = [row for row in rows if row.label is not None and row.by not in ("example", "correction")]
    return sorted(own, key=lambda row: row.confidence or 0)


def to_review(rows: Iterable[Labelled], most: int) -> list[Labelled]:
    """The first of these, each text once: a person says once what it is."""
    once: dict[str, Labelled] = {}
    for row in least_certain(rows):
        if len(once) < most:
            once.setdefault(folded(row.record.text), row)
    return list(once.values())


@dataclass(frozen=True)
class Compared:
    """Labels beside those of people.

    Attributes:
        disagree: rows with another label than theirs, the least certain first, and theirs.
        without_truth: rows that people have not labelled.
        by_person: rows left out as their label was given: they are examples in the prompt, or corrections.
        failed: rows with no label.
    """

    agreement: Agreement
    disagree: tuple[tuple[Labelled, str], ...]
    without_truth: int
    by_person: int
    failed: int

    def to_json(self) -> dict[str, Any]:
        return {
            **self.agreement.to_json(),
            "unlabelled": self.without_truth,
            "given": self.by_person,
            "failed": self.failed,
            "disagree": [
                {"record": row.record.number, "label": row.label, "truth": truth, "confidence": row.confidence}
                for row, truth in self.disagree
            ],
        }


def compare(rows: Sequence[Labelled], truth: Sequence[str | None], labels: Labels) -> Compared:
    """Rows beside what people say of each (None: nothing), those that the program itself labelled."""
    known = [(row, said) for row, said in zip(rows, truth, strict=True) if said is not None]
    own = {id(row) for row in least_certain(rows)}
    pairs = [(row, said) for row, said in known if id(row) in own]
    failed = sum(row.label is None for row, _ in known)
    wrong = [(row, said) for row, said in pairs if row.label != said]
    return Compared(
        agreement([said for _, said in pairs], [row.label or "" for row, _ in pairs], labels),
        tuple(sorted(wrong, key=lambda pair: pair[0].confidence or 0)),
        len(rows) - len(known),
        len(known) - len(pairs) - failed,
        failed,
    )
