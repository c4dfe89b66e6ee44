"""What an observer sees of a forward pass is what was computed; what it raises arrives where the pass was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray

from models.gguf_header import read_header
from models.llama import Context, Model, Observer, Product

TOKENS = list(range(100, 120))
WEIGHT = "blk.0.attn_v.weight"


@pytest.fixture(scope="module")
def model(tiny: Path) -> Iterator[Model]:
    with Model(tiny, gpu_layers=0) as model:
        yield model


def decode(model: Model, see: Callable[[Product], None] | None = None, name: str = WEIGHT) -> NDArray[np.float32]:
    observer = Observer(lambda product: product.weight == name, see) if see else None
    with Context(model, n_ctx=256, threads=1, outputs=len(TOKENS), observer=observer) as context:
        context.decode(TOKENS, len(TOKENS))
        return context.logits().copy()


def rows_of(model: Path, name: str) -> tuple[NDArray[np.uint8], gguf.GGMLQuantizationType]:
    """The rows of a tensor as they are in the file, and their type."""
    (tensor,) = (tensor for tensor in read_header(model).tensors if tensor.name == name)
    raw = np.memmap(model, np.uint8, "r", tensor.offset, (tensor.size,))
    return raw.reshape(*tensor.shape[:0:-1], -1), gguf.GGMLQuantizationType[tensor.type]


def test_activations_and_results_are_those_of_the_model(model: Model, tiny: Path) -> None:
    seen = []

    def see(product: Product) -> None:
        seen.append((product.weight_shape, product.activations().copy(), product.results().copy(), product.experts()))

    decode(model, see)
    ((shape, activations, results, experts),) = seen
    embedding, kind = rows_of(tiny, "token_embd.weight")
    x = gguf.dequantize(embedding[TOKENS], kind)
    norm = rows_of(tiny, "blk.0.attn_norm.weight")[0].view(np.float32)
    normed = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * norm
    values = gguf.dequantize(*rows_of(tiny, WEIGHT))
    assert shape == (1, 1, *values.shape)
    assert experts is None
    assert activations.shape == (1, 1, *normed.shape)
    np.testing.assert_allclose(activations[0, 0], normed, rtol=2e-4, atol=2e-5)
    expected = normed @ values.T
    assert results.shape == (1, 1, *expected.shape)
    # Kernels of quantized weights round the activations to 8 bits.
    assert np.linalg.norm(results[0, 0] - expected) < 0.02 * np.linalg.norm(expected)


def test_looking_changes_nothing(model: Model) -> None:
    names: list[str] = []
    plain = decode(model)
    watched = decode(model, lambda product: names.append(product.weight))
    assert names == [WEIGHT]
    np.testing.assert_array_equal(plain, watched)


def test_replaced_results_are_what_the_rest_is_computed_from(model: Model) -> None:
    plain = decode(model)
    same = decode(model, lambda product: product.replace(product.results().copy()))
    other = decode(model, lambda product: product.replace(product.results() + 1))
    np.testing.assert_array_equal(plain, same)
    assert np.abs(plain - other).max() > 0.1


def test_results_of_another_shape_are_refused(model: Model) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        decode(model, lambda product: product.replace(np.zeros((1, 1, 2, 2), np.float32)))


def test_what_see_raises_ends_the_pass_and_is_raised_once(model: Model) -> None:
    names: list[str] = []

    def see(product: Product) -> None:
        names.append(product.weight)
        if len(names) == 3:
            raise KeyboardInterrupt

    observer = Observer(lambda product: True, see)
    with Context(model, n_ctx=256, threads=1, observer=observer) as context:
        with pytest.raises(KeyboardInterrupt):
            context.decode(TOKENS)
        assert len(names) == 3, "nothing was looked at after it"
        context.clear()
        context.decode(TOKENS)
        assert len(names) > 200


def test_what_wants_raises_arrives_too(model: Model) -> None:
    def wants(product: Product) -> bool:
        raise LookupError(product.weight)

    with (
        Context(model, n_ctx=256, threads=1, observer=Observer(wants, lambda product: None)) as context,
        pytest.raises(LookupError, match=r"blk\.0"),
    ):
        context.decode(TOKENS)
