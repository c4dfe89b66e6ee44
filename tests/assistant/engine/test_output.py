"""Text comes out as soon as it is certain, and only then."""

from __future__ import annotations

import random

import pytest

from assistant.engine.output import Output

THINK = ("<think>", "</think>")


def run(output: Output, chunks: list[bytes]) -> list[tuple[str, bool]]:
    pieces = []
    for chunk in chunks:
        pieces += [(piece.text, piece.reasoning) for piece in output.feed(chunk)]
        if output.stopped:
            break
    return pieces + [(piece.text, piece.reasoning) for piece in output.finish()]


def cut(text: str, seed: int) -> list[bytes]:
    """The text's bytes in pieces of 1 to 4, so that characters and markers are cut anywhere."""
    raw, chunks, chance = text.encode(), [], random.Random(seed)
    while raw:
        size = chance.randint(1, 4)
        chunks.append(raw[:size])
        raw = raw[size:]
    return chunks


def test_a_character_across_tokens_comes_out_whole() -> None:
    assert run(Output(), ["ё"[:1].encode()[:1], "ё".encode()[1:]]) == [("ё", False)]


def test_half_a_character_at_the_end_is_replaced() -> None:
    output = Output()
    assert run(output, [b"ok ", "ё".encode()[:1]]) == [("ok ", False), ("\ufffd", False)]
    assert output.text == "ok \ufffd"


@pytest.mark.parametrize("seed", range(8))
def test_a_stop_string_across_tokens_ends_the_text(seed: int) -> None:
    output = Output(stop=["СТОП", "\nUser:"])
    pieces = run(output, cut("Первая строка\nUse it. СТОП и ещё", seed))
    assert "".join(text for text, _ in pieces) == output.text == "Первая строка\nUse it. "
    assert output.stopped


def test_the_earliest_stop_string_wins_and_half_a_one_is_text() -> None:
    assert run(Output(stop=["END", "ND"]), [b"an END"])[0] == ("an ", False)
    output = Output(stop=["END"])
    assert run(output, [b"the EN"]) == [("the ", False), ("EN", False)]
    assert not output.stopped


def test_text_is_not_held_back_without_need() -> None:
    output = Output(stop=["\nUser:"])
    assert [piece.text for piece in output.feed(b"Hello")] == ["Hello"]
    assert [piece.text for piece in output.feed(b" you\n")] == [" you"]
    assert [piece.text for piece in output.feed(b"there")] == ["\nthere"]


@pytest.mark.parametrize("seed", range(8))
def test_reasoning_is_told_apart(seed: int) -> None:
    output = Output(markers=THINK)
    pieces = run(output, cut("<think>\nЭто 2 < 3.\n</think>\n\nОтвет: да <b>", seed))
    assert output.reasoning == "Это 2 < 3.\n"
    assert output.text == "Ответ: да <b>"
    assert "".join(text for text, inside in pieces if inside) == output.reasoning
    assert "".join(text for text, inside in pieces if not inside) == output.text


def test_reasoning_that_the_prompt_opened() -> None:
    output = Output(markers=THINK, reasoning=True)
    run(output, [b"hm", b"</thi", b"nk>yes"])
    assert (output.reasoning, output.text) == ("hm", "yes")


def test_a_stop_string_inside_reasoning_does_not_end_the_answer() -> None:
    output = Output(stop=["\n\n"], markers=THINK)
    run(output, [b"<think>a\n\nb</think>yes\n\nmore"])
    assert (output.reasoning, output.text) == ("a\n\nb", "yes")


def test_an_answer_may_speak_of_the_markers() -> None:
    output = Output(markers=THINK)
    run(output, [b"<think>hm</think>", b"Models write <think>", b" first.</think>"])
    assert (output.reasoning, output.text) == ("hm", "Models write <think> first.</think>")


def test_without_markers_tags_are_text() -> None:
    output = Output()
    run(output, [b"<think>", b"x</think>"])
    assert output.text == "<think>x</think>"
