"""Recipes against what llama.cpp itself says it would do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from small_gguf import llama_like, write_gguf

from convert.quantization import recipe
from convert.quantization.mixture import FILE_TYPE_IDS
from convert.quantization.recipe import NAMES, Recipe, for_backend, for_size, mixture, protect
from models.errors import ModelError, UsageError
from models.gguf_header import Header, read_header
from models.llama import library, quantization

MODELS = {
    "grouped": ("llama", llama_like(17, 256, 512, 8, 2)),
    "every head has its own values, tied": ("llama", llama_like(16, 256, 512, 4, 4, tied=True)),
    "rows of 96": ("llama", llama_like(9, 96, 352, 4, 2)),
    "rows of 80": ("llama", llama_like(8, 80, 512, 2, 1, tied=True)),
    "eight experts": ("llama", llama_like(10, 256, 256, 4, 2, experts=8)),
    "four experts": ("llama", llama_like(8, 256, 256, 4, 2, experts=4)),
    "70B": ("llama", llama_like(80, 256, 256, 8, 1)),
    "65B": ("llama", llama_like(80, 256, 256, 2, 2)),
    "qwen2 of 80 layers": ("qwen2", llama_like(80, 256, 256, 2, 2)),
    "qwen3": ("qwen3", llama_like(12, 256, 512, 8, 1, tied=True)),
    "gemma2": ("gemma2", llama_like(26, 256, 512, 4, 2, tied=True)),
    "phi3": ("phi3", llama_like(32, 256, 512, 4, 1, tied=True, fused=True)),
    "falcon": ("falcon", llama_like(20, 256, 512, 4, 1, fused=True)),
    "layers differ": ("llama", llama_like(8, 256, 512, 8, 2)),
}
MODELS["layers differ"][1][0]["attention.head_count_kv"] = [8, *[1] * 7]

_LINE = re.compile(
    r"\[ *\d+/ *\d+\] +(\S+) +- \[.*?\], type = +(\S+), size = +[\d.]+ MiB(?: -> +[\d.]+ MiB \((\S+)\))?"
)


def dry_run(path: Path, name: str, header: Header, has_imatrix: bool) -> tuple[dict[str, str], set[str]]:
    """llama.cpp's word: tensor -> type, and the tensors whose rows did not fit."""
    columns = {tensor.name: np.ones(int(np.prod(tensor.shape[:1] + tensor.shape[2:]))) for tensor in header.tensors}
    said = library.logged()
    imatrix = columns if has_imatrix else None
    quantization.quantize(path, Path("unused"), FILE_TYPE_IDS[name], imatrix=imatrix, dry_run=True)
    text = "".join(line for _, line in library.lines_since(said))
    types = {found[1]: (found[3] or found[2]).upper() for found in _LINE.finditer(text)}
    return types, set(re.findall(r"warning: (\S+) +- ncols", text))


@pytest.mark.parametrize("model", MODELS)
def test_mixtures_are_those_of_llama_cpp(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "_check_imatrix", lambda *_: None)  # here also those that would be refused are compared
    path = write_gguf(tmp_path / "model.gguf", MODELS[model][0], *MODELS[model][1])
    header = read_header(path)
    for name in NAMES:
        for has_imatrix in (False, True):
            if name == "Q1_0" and model.startswith("rows of"):
                with pytest.raises(ModelError, match="no tensor type fallback"):
                    dry_run(path, name, header, has_imatrix)
                with pytest.raises(UsageError, match="blocks of 128"):
                    mixture(header, name, has_imatrix=has_imatrix)
                continue
            expected, fallbacks = dry_run(path, name, header, has_imatrix)
            made = mixture(header, name, has_imatrix=has_imatrix)
            assert made.types == expected, (name, has_imatrix)
            assert list(made.types) == list(expected), "in the order in which they are written"
            assert {fallback.tensor for fallback in made.fallbacks} == fallbacks
            assert all(made.types[tensor] == type != wanted for tensor, wanted, type in made.fallbacks)


def test_what_needs_an_importance_matrix_is_refused_without(tmp_path: Path) -> None:
    header = header_of(tmp_path, "grouped")
    refused = {"IQ3_XS", "IQ3_XXS", "Q2_K_S", "IQ2_M", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S"}
    for name in NAMES:
        if name not in refused:
            assert not mixture(header, name).needs_imatrix
            continue
        with pytest.raises(UsageError, match="needs an importance matrix") as error:
            mixture(header, name)
        assert error.value.hint
        assert mixture(header, name, has_imatrix=True).needs_imatrix


def test_unknown_mixture(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no mixture Q4_K_X") as refused:
        mixture(header_of(tmp_path, "grouped"), "Q4_K_X")
    assert "Q4_K_M" in str(refused.value.hint)


def test_protecting_raises_these_tensors_alone(tmp_path: Path) -> None:
    header = header_of(tmp_path, "grouped")
    base = mixture(header, "Q3_K_M")
    protected = protect(base, header, ["blk.1.ffn_down.weight", "output_norm.weight"])
    changed = {name: type for name, type in protected.types.items() if type != base.types[name]}
    assert changed == {"blk.1.ffn_down.weight": "Q8_0"}
    assert protected.size > base.size
    assert protect(mixture(header, "Q8_0"), header, changed).types["blk.1.ffn_down.weight"] == "Q8_0"
    assert protect(mixture(header, "F16"), header, changed) == mixture(header, "F16"), "nothing is lowered"
    with pytest.raises(UsageError, match=r"no tensor blk\.99"):
        protect(base, header, ["blk.99.ffn_down.weight"])


@pytest.mark.parametrize("has_imatrix", [False, True])
@pytest.mark.parametrize("model", ["grouped", "every head has its own values, tied", "rows of 96", "eight experts"])
def test_a_size_is_filled_and_never_passed(model: str, has_imatrix: bool, tmp_path: Path) -> None:
    header = header_of(tmp_path, model)
    full = mixture(header, "F16").size
    smallest, largest = int(full * 0.4), mixture(header, "Q8_0").size
    for size in range(smallest, largest, (largest - smallest) // 7):
        made = for_size(header, size, has_imatrix=has_imatrix)
        assert made.size <= size
        most = max(tensor.size for tensor in header.tensors) // 4  # that one step adds: 4 of 16 bits
        assert size - made.size <= most or made.bits_per_weight > 8
        assert has_imatrix or not made.needs_imatrix
    assert for_size(header, full).name == "F16", "what fits as it is stays as it is"
    assert for_size(header, full - 1).name == "Q8_0"


def test_more_bytes_go_where_errors_matter_most(tmp_path: Path) -> None:
    header = header_of(tmp_path, "grouped")
    base = mixture(header, "Q4_K_S")
    made = for_size(header, base.size + 200_000, names=["Q4_K_S"])
    raised = [name for name, type in made.types.items() if type != base.types[name]]
    assert raised
    assert {re.sub(r"blk\.\d+\.", "", name) for name in raised} <= {
        "attn_v.weight", "attn_k.weight", "attn_output.weight", "ffn_down.weight",
    }  # fmt: skip
    assert all(recipe.bits(made.types[name]) > recipe.bits(base.types[name]) for name in raised)


def test_a_size_that_is_too_small_is_refused_with_the_smallest(tmp_path: Path) -> None:
    header = header_of(tmp_path, "grouped")
    smallest = mixture(header, "Q2_K").size
    assert for_size(header, smallest).name == "Q2_K"
    with pytest.raises(UsageError, match=f"Q2_K has {smallest:,}") as refused:
        for_size(header, smallest - 1)
    assert "importance matrix" in str(refused.value.hint)


@pytest.mark.parametrize("backend", ["cpu", "cuda", "metal"])
def test_backends_name_mixtures_that_need_nothing(backend: str, tmp_path: Path) -> None:
    header = header_of(tmp_path, "grouped")
    for name in for_backend(backend):  # type: ignore[arg-type]
        assert mixture(header, name).base == name


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    header = header_of(tmp_path, "grouped")
    file = tmp_path / "careful.toml"
    file.write_text(
        'base = "Q4_K_M"\n[rules]\n"^blk\\\\.[01]\\\\..*ffn_down" = "q8_0"\n"ffn_down" = "Q5_K"\n'
        '[types]\n"output.weight" = "F16"\n'
    )
    made, base = Recipe.read(file, header), mixture(header, "Q4_K_M")
    assert made.name == "careful"
    for name, type in made.types.items():
        layer = name.split(".")[1]
        if "ffn_down" in name:
            assert type == ("Q8_0" if layer in "01" else "Q5_K"), "the first rule that matches counts"
        else:
            assert type == ("F16" if name == "output.weight" else base.types[name])
    stored = tmp_path / "stored.json"
    made.write(stored)
    assert Recipe.read(stored, header) == made
    assert json.loads(stored.read_text())["types"] == made.types


def test_rows_that_do_not_fit_are_told_in_ones_own_recipe_too(tmp_path: Path) -> None:
    header = header_of(tmp_path, "rows of 96")
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"base": "Q8_0", "rules": {"attn_q": "Q6_K", "ffn_down": "Q4_K"}}))
    made = Recipe.read(file, header)
    assert made.types["blk.0.ffn_down.weight"] == "Q5_0"
    assert ("blk.0.ffn_down.weight", "Q4_K", "Q5_0") in made.fallbacks
    assert ("blk.0.attn_q.weight", "Q6_K", "Q8_0") in made.fallbacks


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("base = ", "is not TOML"),
        ('rules = {ffn_down = "Q8_0"}', "names no base"),
        ('base = "Q8_0"\nrule = {ffn_down = "Q8_0"}', "rule means nothing"),
        ('base = "Q9"', "There is no mixture Q9"),
        ('base = "Q8_0"\nrules = 3', "is no recipe"),
        ('base = "Q8_0"\nrules = {ffn_down = "Q8_K"}', "no type 'Q8_K'"),
        ('base = "Q8_0"\nrules = {ffn_down = 8}', "no type 8"),
        ('base = "Q8_0"\nrules = {ffn_sideways = "Q6_K"}', "'ffn_sideways' matches no tensor"),
        ('base = "Q8_0"\nrules = {attn_norm = "Q6_K"}', "'attn_norm' matches no tensor that can be quantized"),
        ('base = "Q8_0"\nrules = {"(" = "Q6_K"}', "is no regular expression"),
        ('base = "Q8_0"\nrules = {"a{99999999999}" = "Q6_K"}', "is no regular expression"),
        ('base = "Q8_0"\n[types]\n"blk.99.attn_q.weight" = "Q6_K"', "does not have: blk.99.attn_q.weight"),
        ('base = "Q8_0"\nrules = {ffn_down = "IQ2_XS"}', "needs an importance matrix"),
        ('base = "Q8_0"\nrules = {token_embd = "IQ2_XS"}', "needs an importance matrix"),
        ('base = "F16"\nrules = {ffn_down = "Q8_0"}', "cannot be the base"),
    ],
)
def test_recipes_that_are_refused(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(content)
    with pytest.raises(UsageError) as refused:
        Recipe.read(file, header_of(tmp_path, "grouped"))
    assert message in refused.value.message


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        Recipe.read(tmp_path / "none.toml", header_of(tmp_path, "grouped"))


def header_of(folder: Path, model: str) -> Header:
    architecture, content = MODELS[model]
    return read_header(write_gguf(folder / "model.gguf", architecture, *content))
