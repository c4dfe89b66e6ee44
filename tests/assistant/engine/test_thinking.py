"""Reasoning before the answer: turned off, and closed after so many tokens.

The 135M does not reason by itself: its chat template is replaced by one that opens the block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from assistant.engine.chat_format import ChatFormat
from assistant.engine.engine import Constraint, Delta, GenerateOptions, LoadOptions, Message, Result
from assistant.engine.generation import Generation
from assistant.engine.local import LocalEngine
from models.gguf_header import read_header
from models.llama import Context

GREEDY = GenerateOptions(temperature=0, max_tokens=120, draft="off")
QUESTION = [Message("user", "Write a long story about a fox.")]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
    "<think>{% if enable_thinking is defined and not enable_thinking %}</think>{% endif %}"
)


@pytest.fixture(scope="module")
def engine(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    old = read_header(tiny).metadata["tokenizer.chat_template"]
    assert isinstance(old, str)
    size = len(old.encode())
    path = tmp_path_factory.mktemp("thinking") / "thinking.gguf"
    content = tiny.read_bytes()
    path.write_bytes(content.replace(old.encode(), TEMPLATE.encode().ljust(size), 1))
    engine = LocalEngine(path, LoadOptions(threads=1, prompt_cache=False))
    assert engine.load().reasoning
    yield engine
    engine.close()


def ask(engine: LocalEngine, **options: object) -> tuple[Result, list[Delta]]:
    events = list(engine.generate(QUESTION, GenerateOptions(**{**vars_of(GREEDY), **options})))
    assert isinstance(events[-1], Result)
    return events[-1], [event for event in events if isinstance(event, Delta)]


def vars_of(options: GenerateOptions) -> dict[str, object]:
    return {name: getattr(options, name) for name in options.__dataclass_fields__}


def test_left_alone_it_may_reason_to_the_end(engine: LocalEngine) -> None:
    result, _ = ask(engine)
    assert (result.text, result.finish_reason) == ("", "length")
    assert len(result.reasoning) > 100


@pytest.mark.parametrize("draft", ["off", "lookup"])
def test_a_number_closes_the_reasoning(engine: LocalEngine, draft: str) -> None:
    result, deltas = ask(engine, think=20, draft=draft, num_draft_tokens=4 if draft == "lookup" else None)
    assert result.text
    assert result.reasoning
    assert "think>" not in result.reasoning
    assert engine.count_tokens([Message("user", result.reasoning)]) < 20 + 4 + 40
    assert "".join(delta.text for delta in deltas if delta.reasoning) == result.reasoning
    assert "".join(delta.text for delta in deltas if not delta.reasoning) == result.text
    assert result.completion_tokens <= 120


def test_a_block_that_closes_with_the_last_tokens_is_not_closed_again(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several tokens come at once when they were drafted; the number may be reached among them."""
    sample = Generation.sample
    batch = engine._load().model.tokenize("One two three</think>Four", add_special=False, parse_special=True)

    def sampled(self: Generation, context: Context, drafted: Sequence[int]) -> tuple[list[int], int, bool]:
        new, accepted, ended = sample(self, context, drafted)
        return (new, accepted, ended) if self.generated else (list(batch), accepted, ended)

    monkeypatch.setattr(Generation, "sample", sampled)
    result, _ = ask(engine, think=2)
    assert result.reasoning == "One two three"
    assert result.text.startswith("Four")
    assert "think>" not in result.text


def test_the_answer_goes_on_from_what_was_thought(engine: LocalEngine) -> None:
    """The text after the block is what the model says to a prompt with just this block in it."""
    result, _ = ask(engine, think=20)
    prefix = result.reasoning
    again, _ = ask(engine, think=20)
    assert (again.reasoning, again.text) == (prefix, result.text)
    other, _ = ask(engine, think=40)
    assert other.reasoning.startswith(prefix.rstrip())
    assert len(other.reasoning) > len(prefix)


def test_off_answers_at_once(engine: LocalEngine) -> None:
    result, _ = ask(engine, think="off")
    assert result.reasoning == ""
    assert result.text


def test_no_room_for_an_answer_behind_the_block(engine: LocalEngine) -> None:
    result, _ = ask(engine, think=119)
    assert result.finish_reason == "length"
    assert result.completion_tokens == 120


def test_a_constraint_turns_it_off(engine: LocalEngine) -> None:
    result, _ = ask(engine, think="on", constraint=Constraint("choices", '["yes", "no"]'))
    assert (result.reasoning, result.text in ("yes", "no")) == ("", True)


def test_a_template_hears_what_was_chosen() -> None:
    chat = ChatFormat(
        "{% if enable_thinking is defined %}{{ enable_thinking }}{% endif %}|", control_texts=lambda _: ()
    )
    assert [chat.render(QUESTION, chosen) for chosen in (None, True, False)] == ["|", "True|", "False|"]
