"""Many requests in shared batches, against the same requests one after another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.engine import many
from assistant.engine.calls import Choice
from assistant.engine.engine import Constraint, GenerateOptions, LoadOptions, Message, Result
from assistant.engine.local import LocalEngine
from assistant.engine.many import Request, sequences_that_pay
from assistant.engine.scoring import probabilities
from assistant.engine.speculation.costs import BatchCosts
from models.errors import Cancelled, DoesNotFit, UsageError, UserError
from models.llama import Context, Model

SYSTEM = Message("system", "You answer in one short line. You never explain. You like the sea and the ships on it.")
GREEDY = GenerateOptions(temperature=0, max_tokens=12, draft="off")
SCHEMA = Constraint("json_schema", json.dumps({"type": "object", "properties": {"n": {"type": "integer"}}}))
MOODS = ("positive", "negative", "positive or negative", "нет")
# A batch of another size has other rounding, which the few bits of this model make large: of the same weights in F16
# the probabilities of choices are within 0.002.
ROUNDING = 0.15


@pytest.fixture(scope="module")
def engine(tiny: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine(tiny, LoadOptions(threads=1, context_length=1024, prompt_cache=False, drafting=False))
    engine.load()
    yield engine
    engine.close()


def ask(text: str, options: GenerateOptions = GREEDY, choices: tuple[str, ...] = ()) -> Request:
    return Request([SYSTEM, Message("user", text)], options, choices)


def answered(answer: Result | UserError) -> Result:
    assert isinstance(answer, Result), answer
    return answer


def rows_computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Fills with the size of each shared batch."""
    sizes: list[int] = []
    decode = Context.decode_rows

    def counted(self: Context, rows: list[object]) -> None:
        sizes.append(len(rows))
        decode(self, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(Context, "decode_rows", counted)
    return sizes


def test_choices_have_the_scores_of_each_alone(engine: LocalEngine) -> None:
    texts = [
        "The sea is calm and lovely.",
        "Прекрасный день!",
        "The ship sank.",
        "A" * 300,
        "The sea is calm and lovely.",
    ]
    requests = [ask(text, choices=MOODS[: 2 + index % 3]) for index, text in enumerate(texts)]
    before = list(engine.kv_cache.tokens)
    together = dict(engine.answer_many(requests, sequences=4))
    assert engine.kv_cache.tokens == before  # nothing of what the engine holds is touched
    for number, request in enumerate(requests):
        choice = together[number]
        assert isinstance(choice, Choice)
        alone = dict(zip(request.choices, engine.score(request.messages, request.choices), strict=True))
        assert list(choice.scores) == list(request.choices)
        for text, score in alone.items():
            assert choice.scores[text] == pytest.approx(score, abs=ROUNDING * len(text.encode()), rel=0.05)
        assert choice.scores[choice.text] == max(choice.scores.values())
        assert probabilities(choice.scores) == pytest.approx(probabilities(alone), abs=ROUNDING)
        assert choice.prompt_tokens == engine.count_tokens(request.messages)


def test_the_common_beginning_is_computed_once(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = rows_computed(monkeypatch)
    requests = [ask(f"Is {number} even?", choices=("yes", "no")) for number in range(10, 30)]
    assert len(dict(engine.answer_many(requests, sequences=4))) == 20
    whole = sum(engine.count_tokens(request.messages) for request in requests)
    assert sum(sizes) < whole / 2


def test_a_later_request_that_shares_less(engine: LocalEngine) -> None:
    other = Message("system", "Ты отвечаешь коротко, одним словом, и никогда не споришь с тем, кто спрашивает тебя.")
    russian = [
        Request([other, Message("user", text)], GREEDY, ("да", "нет")) for text in ("Небо синее?", "Снег тёплый?")
    ]
    requests = [
        *(ask(f"Is {n} even?", choices=("yes", "no")) for n in range(9)),
        *russian,
        ask("Hi", choices=("a", "b")),
    ]
    together = dict(engine.answer_many(requests, sequences=4))
    for number in (0, 9, 10, 11):
        request, choice = requests[number], together[number]
        assert isinstance(choice, Choice)
        shares = probabilities(choice.scores)
        alone = probabilities(dict(zip(request.choices, engine.score(request.messages, request.choices), strict=True)))
        assert shares == pytest.approx(alone, abs=ROUNDING)


def test_answers_are_those_of_each_alone(engine: LocalEngine) -> None:
    """Up to near ties: the first token is the same for nearly all, and what is forced or cut off for all of them."""
    texts = ["Say one.", "Say two.", "Say hello to the sea.", "Name a fish.", "Name a ship.", "Name a bird.", "Say no."]
    requests = [ask(text) for text in texts]
    together = {number: answered(answer) for number, answer in engine.answer_many(requests, sequences=3)}
    alone = {number: answered(answer) for number, answer in engine.answer_many(requests, sequences=1)}
    assert sorted(together) == list(range(len(texts)))
    begins = [together[number].text.split()[:1] == alone[number].text.split()[:1] for number in together]
    assert sum(begins) >= len(texts) - 2
    for number, answer in together.items():
        assert answer.prompt_tokens == alone[number].prompt_tokens
        assert answer.completion_tokens <= 12
        assert (answer.finish_reason == "length") == (answer.completion_tokens == 12)


def test_each_has_its_own_constraint_stop_string_and_length(engine: LocalEngine) -> None:
    regex = Constraint("regex", "(red|blue) ship number [0-9]{3}, and the sea is wide and deep and cold")
    requests = [
        ask("A number.", replace(GREEDY, max_tokens=40, constraint=SCHEMA)),
        ask("A ship.", replace(GREEDY, max_tokens=60, constraint=regex)),
        ask("Count: 1, 2, 3, 4, 5, 6, 7, 8, 9.", replace(GREEDY, max_tokens=40, stop=("5",))),
        ask("Tell a story.", replace(GREEDY, max_tokens=5)),
        ask("A colour.", replace(GREEDY, constraint=Constraint("choices", '["ultramarine"]'))),
        ask("Go on.", replace(GREEDY, max_tokens=300, constraint=Constraint("regex", "(la ){250}"))),
    ]
    together = {number: answered(answer) for number, answer in engine.answer_many(requests, sequences=4)}
    assert set(json.loads(together[0].text)) <= {"n"}
    assert together[1].text.endswith(", and the sea is wide and deep and cold")
    assert together[1].finish_reason == "stop"
    assert "5" not in together[2].text
    assert together[3].completion_tokens == 5
    assert together[4].text == "ultramarine"
    assert together[5].text.startswith("la la la")


def test_the_same_seed_is_the_same_answer(engine: LocalEngine) -> None:
    sampled = GenerateOptions(temperature=1.2, max_tokens=8, seed=7, draft="off")
    first = dict(engine.answer_many([ask("A word.", sampled)] * 2, sequences=2))
    assert answered(first[0]).text == answered(first[1]).text


def test_an_error_is_that_of_one_request(engine: LocalEngine) -> None:
    requests = [
        ask("Say one."),
        ask("word " * 2000),
        ask("JSON", replace(GREEDY, constraint=Constraint("json_schema", "{"))),
        ask("Choose.", choices=("a", "a")),
        ask("word " * 2000, choices=("a", "b")),
        ask("Choose.", choices=("a", "b")),
    ]
    together = dict(engine.answer_many(requests, sequences=2))
    assert isinstance(together[0], Result)
    assert isinstance(together[1], DoesNotFit)
    assert isinstance(together[2], UsageError)
    assert isinstance(together[3], UsageError)
    assert isinstance(together[4], DoesNotFit)
    assert isinstance(together[5], Choice)
    assert dict(engine.answer_many([], sequences=2)) == {}


def test_requests_are_taken_as_they_are_needed(engine: LocalEngine) -> None:
    taken = 0

    def requests() -> Iterator[Request]:
        nonlocal taken
        while True:
            taken += 1
            yield ask(f"Is {taken} even?", choices=("yes", "no"))

    answers = engine.answer_many(requests(), sequences=2)
    assert taken == 0
    assert {next(answers)[0] for _ in range(3)} <= set(range(40))
    assert taken < 60
    answers.close()  # type: ignore[attr-defined]


def test_cancel_in_between_and_within_a_batch(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [ask(f"Is {number} even?", choices=("yes", "no")) for number in range(40)]
    answers = engine.answer_many(requests, sequences=2)
    next(answers)
    engine.cancel()
    with pytest.raises(Cancelled):
        list(answers)
    sizes = rows_computed(monkeypatch)
    answers = engine.answer_many([ask("word " * 400 + str(n), choices=("yes", "no")) for n in range(9)], sequences=2)
    decode = Context._decode

    def stopped_within(self: Context, batch: object) -> None:
        engine.cancel()
        decode(self, batch)

    monkeypatch.setattr(Context, "_decode", stopped_within)
    with pytest.raises(Cancelled):
        next(answers)
    monkeypatch.setattr(Context, "_decode", decode)
    assert len(sizes) == 1
    cancelled = engine.answer_many(requests, sequences=2)
    engine.cancel()  # before the first is asked for
    with pytest.raises(Cancelled):
        next(cancelled)
    assert len(dict(engine.answer_many(requests[:3], sequences=2))) == 3


def test_answers_that_outgrow_the_memory(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cells run out while answers are written: some begin again later, and one that needs more gets more."""
    monkeypatch.setattr(many, "_CELLS", (512, 512))
    lalala = Constraint("regex", "(la ){400}")
    options = replace(GREEDY, max_tokens=150, constraint=lalala)
    together = dict(engine.answer_many([ask(f"Sing {number}.", options) for number in range(4)], sequences=4))
    assert [len(answered(together[number]).text.split()) > 100 for number in range(4)] == [True] * 4
    longer = replace(options, max_tokens=500)
    alone = dict(engine.answer_many([ask("Sing.", longer), ask("Say no.")], sequences=2))
    assert len(answered(alone[0]).text.split()) > 300


def test_without_memory_beside_the_model_requests_are_answered_alone(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.engine.loaded.Loaded.room_aside", lambda self: 0)
    sizes = rows_computed(monkeypatch)
    together = dict(engine.answer_many([ask("Say one."), ask("Well?", choices=("yes", "no"))], sequences=2))
    assert isinstance(together[0], Result)
    assert isinstance(together[1], Choice)
    assert not sizes


def test_a_memory_that_cannot_be_forked(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "can_rewind", False)
    sizes = rows_computed(monkeypatch)
    requests = [ask("Well?", choices=("yes", "no")), ask("word " * 2000), ask("Well?", choices=("yes", "no"))]
    together = list(engine.answer_many(requests))
    assert [number for number, _ in together] == [0, 1, 2]
    assert isinstance(together[1][1], DoesNotFit)
    assert not sizes


def test_more_choices_than_a_batch_takes(engine: LocalEngine) -> None:
    numbers = tuple(str(number) for number in range(130))
    together = dict(
        engine.answer_many([ask("Pick a number.", choices=numbers), ask("Hi", choices=("a", "b"))], sequences=2)
    )
    choice = together[0]
    assert isinstance(choice, Choice)
    assert len(choice.scores) == 130
    assert isinstance(together[1], Choice)


def test_how_many_side_by_side() -> None:
    assert sequences_that_pay(BatchCosts({1: 1.0, 32: 32.0})) == 1  # a batch costs as much as its tokens alone
    assert sequences_that_pay(BatchCosts({1: 1.0, 32: 1.0})) == 31  # nothing more than one token
    assert sequences_that_pay(BatchCosts({1: 1.0, 4: 3.1, 8: 5.2, 16: 6.4, 24: 9.5, 32: 12.7})) in (15, 16, 17)


def test_reasoning_is_kept_apart(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = engine._load()
    monkeypatch.setattr(loaded.format, "reasoning_markers", ("<think>", "</think>"))
    thinking = Constraint("regex", "<think>the sea</think>blue")
    prompt = loaded.prompt(ask("Colour?").messages, replace(GREEDY, think="off"))
    assert prompt.text.endswith("<think>\n\n</think>\n\n")
    together = dict(
        engine.answer_many([ask("Colour?", replace(GREEDY, max_tokens=30, constraint=thinking))] * 2, sequences=2)
    )
    assert [answered(together[number]).finish_reason for number in (0, 1)] == ["stop", "stop"]
