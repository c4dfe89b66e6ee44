"""What llama.cpp would end the process over is refused before it gets there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import ModelError
from models.llama import Context, Model, Row


@pytest.fixture(scope="module")
def model(tiny: Path) -> Iterator[Model]:
    with Model(tiny, gpu_layers=0) as model:
        yield model


def test_rows_of_logits_that_there_is_no_room_for(model: Model) -> None:
    with pytest.raises(ValueError, match="1 outputs for 2 sequences"):
        Context(model, n_ctx=256, threads=1, outputs=1, sequences=2)
    with Context(model, n_ctx=256, threads=1, outputs=2, sequences=2) as context:
        with pytest.raises(ValueError, match="4 rows"):
            context.decode([1, 2, 3, 4], 4)
        with pytest.raises(ValueError, match="3 rows"):
            context.decode_rows([Row(1, 0, (0,)), Row(1, 0, (1,)), Row(1, 1, (0,))])
        with pytest.raises(ValueError, match="257 rows"):
            context.decode_rows([Row(1, place, (0,), False) for place in range(257)])
        context.decode([1, 2, 3, 4], 2)
        assert context.length == 4
        with pytest.raises(ValueError, match="NULL"):
            context.logits(-3)


def test_tokens_that_cannot_be_computed_leave_the_context_as_it_was(model: Model) -> None:
    with Context(model, n_ctx=256, threads=1) as context:
        context.decode([1] * 200)
        for tokens in ([], [1] * 100, [1_000_000]):
            with pytest.raises(ModelError):
                context.decode(tokens)
            assert context.length == 200
        context.decode([1] * 56)
        assert context.length == 256


def test_a_closed_context_refuses_to_be_used(model: Model) -> None:
    context = Context(model, n_ctx=256, threads=1)
    context.close()
    context.abort()  # from another thread it may come late
    with pytest.raises(ValueError, match="closed"):
        context.decode([1])


def test_a_closed_model_refuses_to_be_used(tiny: Path) -> None:
    model = Model(tiny, gpu_layers=0)
    model.close()
    for use in (
        lambda: model.vocabulary_size,
        lambda: model.bos,
        lambda: model.eos,
        lambda: model.is_end(0),
        lambda: model.is_control(0),
        lambda: model.tokenize("a", add_special=False, parse_special=False),
        lambda: model.piece(0),
    ):
        with pytest.raises(ValueError, match="closed"):
            use()
