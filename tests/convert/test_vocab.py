"""Tokenizers: the same arrays as llama.cpp's converter, the same ids from llama.cpp as from the original."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import sentencepiece
import tokenizers
from real_checkpoints import token_types
from small_tokenizers import (
    CONTROL,
    DEFINITIONS,
    pieces,
    sentencepiece_model,
    write_bpe_tokenizer,
    write_byte_fallback_tokenizer,
    write_sentencepiece_tokenizer,
)

from convert.checkpoint import Checkpoint
from convert.tokenizer import vocab
from convert.tokenizer.vocab import Vocabulary
from models.errors import ModelError, UsageError
from models.gguf_header import read_header, read_strings
from models.llama.model import Model

Reader = Callable[..., Vocabulary]
ADDED = [("<tool_call>", False), ("<|x|>", False), ("▁▁▁", False), ("<unused1>", False)]
PLAIN = {"single_word": False, "lstrip": False, "rstrip": False}


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text()) if path.exists() else {}
    change(content)
    path.write_text(json.dumps(content))


def checkpoint(folder: Path, **config: Any) -> Checkpoint:
    """Without weights: the tokenizer does not look at them."""
    return Checkpoint(folder, config, {}, {})


def written(vocabulary: Vocabulary) -> dict[str, Any]:
    """The keys and values that go into the GGUF."""
    writer = gguf.GGUFWriter(None, "llama")
    vocabulary.write(writer)
    return {key: plain(value.value) for key, value in writer.kv_data[0].items() if key.startswith("tokenizer.")}


def plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if isinstance(value, (str, float, bool)) else int(value)


def bpe(pre: str, **settings: Any) -> Callable[[Path], None]:
    return lambda folder: write_bpe_tokenizer(folder, pre=pre, added=ADDED, settings=settings)


def spm_with_added(folder: Path) -> None:
    """Tokens in all three places; some replace a piece, some lie beyond the embedding."""
    added = {3: ("▁ab", False), 515: ("<img>", True), 519: ("<|q|>", False), 600: ("<image>", True)}
    write_sentencepiece_tokenizer(folder, 512, added=added, settings={"add_prefix_space": True})
    (folder / "added_tokens.json").write_text('{"<x>": 513, "<y>": 515, "<z>": 700}')


def phi3(folder: Path) -> None:
    spm_with_added(folder)
    edit(folder / "tokenizer_config.json", lambda content: content["added_tokens_decoder"].pop("600"))
    tokens = [(1, "<s>", True), (2, "</s>", False), (517, "<|assistant|>", True), (516, "<|mid|>", False)]
    added = [{"id": number, "content": text, "special": special} for number, text, special in tokens]
    (folder / "tokenizer.json").write_text(json.dumps({"added_tokens": added}))


def two_templates(folder: Path) -> None:
    write_bpe_tokenizer(folder, pre="qwen2", added=ADDED, settings={"chat_template": None})
    (folder / "chat_template.jinja").write_text("from jinja")
    (folder / "chat_template.json").write_text('{"chat_template": "from json"}')


def gaps(folder: Path) -> None:
    """As in Phi-4: the special tokens lie far behind the others, and are in the vocabulary too."""
    write_bpe_tokenizer(folder, pre="gpt-4o")

    def move(content: dict[str, Any]) -> None:
        for token in content["added_tokens"]:
            token["id"] += 10
            content["model"]["vocab"][token["content"]] = token["id"]

    edit(folder / "tokenizer.json", move)


def gemma(checkpoint: Checkpoint, size: int, pre: str | None = None) -> Vocabulary:
    vocabulary = vocab.read_sentencepiece(checkpoint, size)
    vocabulary.add_space_prefix = False
    return vocabulary


DECODER = {
    "512": {"content": "<new>", "special": False, "normalized": True, **PLAIN},
    "513": {"content": "<newer>", "special": True, "normalized": False, **PLAIN},
}
TEMPLATES = [{"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}]
EOT = {"__type": "AddedToken", "content": "<|eot_id|>", "special": True, "normalized": False, **PLAIN}
# name -> (how the folder is made, our reader, upstream's class, rows of the embedding)
CASES: dict[str, tuple[Callable[[Path], None], Reader, str, int]] = {
    "llama-bpe": (bpe("llama-bpe"), vocab.read_llama, "llama", 520),
    "smaug-bpe": (bpe("smaug-bpe"), vocab.read_llama, "llama", 520),
    "qwen2": (bpe("qwen2"), vocab.read, "qwen2", 520),
    "tekken": (bpe("tekken"), vocab.read_llama, "llama", 520),
    "gpt-4o": (bpe("gpt-4o"), vocab.read_phi3, "phi3", 520),
    "gaps between the ids": (gaps, vocab.read_phi3, "phi3", 530),
    "smollm": (bpe("smollm"), vocab.read_llama, "llama", 49152),
    "refact": (bpe("refact"), vocab.read_llama, "llama", 520),
    "gpt-2": (bpe("gpt-2"), vocab.read_llama, "llama", 520),
    "added tokens in tokenizer_config.json": (
        bpe("llama-bpe", add_prefix_space=False, add_bos_token=False, added_tokens_decoder=DECODER),
        vocab.read_llama, "llama", 520,
    ),
    "several templates, a turn's end": (
        bpe("llama-bpe", chat_template=TEMPLATES, eos_token=EOT, bos_token=None, add_eos_token=True),
        vocab.read_llama, "llama", 512,
    ),
    "template in a file": (two_templates, vocab.read, "qwen2", 512),
    "sentencepiece": (spm_with_added, vocab.read_llama, "llama", 520),
    "codellama": (spm_with_added, vocab.read_llama, "llama", 32016),
    "gemma": (spm_with_added, gemma, "gemma2", 520),
    "phi3": (phi3, vocab.read_phi3, "phi3", 520),
    "byte fallback": (write_byte_fallback_tokenizer, vocab.read_llama, "llama", 512),
    "gemma4": (write_byte_fallback_tokenizer, vocab.read_gemma4, "gemma4", 512),
}  # fmt: skip
# SHA-256 of all tokenizer keys, as the converter of llama.cpp in llama-cpp-python 0.3.36 writes them (set_vocab of its
# classes on these folders, with get_vocab_base_pre replaced: it does not know such small vocabularies).
UPSTREAM = {
    "llama-bpe": "4f5c187453c9a64b",
    "smaug-bpe": "cea169c9469c94be",
    "qwen2": "eda6d131f0464fa4",
    "tekken": "dca842052dd636eb",
    "gpt-4o": "66afdd3bdd467bec",
    "gaps between the ids": "752f395665afbf72",
    "smollm": "4c699fa8d5d9bd33",
    "refact": "4cfbf741f2cc03c4",
    "gpt-2": "8e3dfe7868ff50de",
    "added tokens in tokenizer_config.json": "e019738da6f65b01",
    "several templates, a turn's end": "0ddf4c2ff299d686",
    "template in a file": "c2006a87bb9895bd",
    "sentencepiece": "1feed00073cf3a95",
    "codellama": "af61f4e077c42930",
    "gemma": "661b5b08666602a6",
    "phi3": "b0eaee6a4954dd63",
    "byte fallback": "004a6e1b9da1c6ef",
    "gemma4": "ed01cbecc6ab9e1d",
}


def digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


@pytest.mark.parametrize("case", CASES)
def test_arrays_are_those_of_upstreams_converter(case: str, tmp_path: Path) -> None:
    make, read, _, size = CASES[case]
    make(tmp_path)
    assert digest(written(read(checkpoint(tmp_path), size))) == UPSTREAM[case]


TEXTS = [
    "The time of the year: 2024-11-22, 1234567 people!",
    "  two  spaces\n\nlines\t\ttabs   \n",
    "Привет, МИР! Как твои дела? ёлка 42",
    "I'll, I'LL, don't, DON'T, we'Ve a'lL",
    "def return_self(x):\n    return x + 10 ** 3  # 漢字 and 🚀😶‍🌫️",
    "<|im_start|>user<|x|> the <tool_call>{}</tool_call>",
]


def loaded(vocabulary: Vocabulary, path: Path) -> Model:
    """llama.cpp's tokenizer: a model of one small layer around the vocabulary."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(32)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    vocabulary.write(writer)
    shapes = {"token_embd": (len(vocabulary.tokens), 32), "output_norm": (32,), "blk.0.attn_norm": (32,)}
    shapes |= {f"blk.0.{name}": (32, 32) for name in ("attn_q", "attn_k", "attn_v", "attn_output")}
    shapes |= {"blk.0.ffn_norm": (32,)} | {f"blk.0.{name}": (32, 32) for name in ("ffn_gate", "ffn_up", "ffn_down")}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", np.zeros(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Model(path)


@pytest.mark.parametrize("pre", DEFINITIONS)
def test_llama_cpp_splits_text_as_the_tokenizer_does(pre: str, tmp_path: Path) -> None:
    write_bpe_tokenizer(tmp_path, pre=pre, size=900, added=ADDED[:2])
    vocabulary = vocab.read_bpe(checkpoint(tmp_path), 960)
    original = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    with loaded(vocabulary, tmp_path / "model.gguf") as model:
        for text in TEXTS:
            assert model.tokenize(text, add_special=True, parse_special=True) == original.encode(text).ids, text


def test_llama_cpp_splits_text_as_sentencepiece_does(tmp_path: Path) -> None:
    write_sentencepiece_tokenizer(tmp_path, 700)
    vocabulary = vocab.read_llama(checkpoint(tmp_path), 704)
    original = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    with loaded(vocabulary, tmp_path / "model.gguf") as model:
        for text in TEXTS:
            assert model.tokenize(text, add_special=False, parse_special=False) == original.encode(text), text


def same_as_original(folder: Path, original: Path, read: Reader) -> Vocabulary:
    opened = Checkpoint.open(folder)
    vocabulary = read(opened, opened.config["vocab_size"])
    header = read_header(original)
    assert vocabulary.tokens == read_strings(header, "tokenizer.ggml.tokens")
    assert [merge.encode() for merge in vocabulary.merges] == read_strings(header, "tokenizer.ggml.merges")
    np.testing.assert_array_equal(np.array(vocabulary.types), token_types(original))
    assert vocabulary.pre == header.metadata["tokenizer.ggml.pre"]
    for key, value in written(vocabulary).items():
        if key in header.metadata and not isinstance(value, list) and "template" not in key:
            assert value == header.metadata[key], key
    return vocabulary


def test_a_real_tokenizer_is_that_of_its_gguf(tiny_checkpoint: Path, tiny: Path) -> None:
    vocabulary = same_as_original(tiny_checkpoint, tiny, vocab.read_llama)
    assert vocabulary.special.chat_template == read_header(tiny).metadata["tokenizer.chat_template"]


@pytest.mark.slow
def test_a_large_real_tokenizer_is_that_of_its_gguf(draft_checkpoint: Path, draft: Path) -> None:
    same_as_original(draft_checkpoint, draft, vocab.read)


def test_the_digest_of_a_published_tokenizer_counts_before_its_definition(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """SmolLM's and Granite's definitions differ in clean_up_tokenization_spaces alone; the ids tell them apart."""
    (tmp_path / "tokenizer.json").write_bytes((tiny_checkpoint / "tokenizer.json").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"clean_up_tokenization_spaces": true}')
    assert vocab.read_bpe(checkpoint(tmp_path), 49152).pre == "smollm"


def unknown_pre_tokenizer(folder: Path) -> None:
    write_bpe_tokenizer(folder, pre="qwen2")
    splitter = {"type": "Split", "pattern": {"Regex": "[a-q]+"}, "behavior": "Isolated", "invert": False}
    edit(
        folder / "tokenizer.json",
        lambda content: content["pre_tokenizer"]["pretokenizers"].__setitem__(0, splitter),
    )


def test_an_unknown_pre_tokenizer_is_shown_and_not_guessed(tmp_path: Path) -> None:
    unknown_pre_tokenizer(tmp_path)
    with pytest.raises(ModelError, match=r"tokenizer\.json.*pre-tokenizer.*[0-9a-f]{64}.*\[a-q\]\+") as raised:
        vocab.read(checkpoint(tmp_path), 512)
    assert "--pre" in str(raised.value.hint)
    assert "llama-bpe" in str(raised.value.hint)


def test_the_caller_may_name_the_pre_tokenizer(tmp_path: Path) -> None:
    unknown_pre_tokenizer(tmp_path)
    assert vocab.read(checkpoint(tmp_path), 512, "tekken").pre == "tekken"
    with pytest.raises(UsageError, match="no pre-tokenizer 'gpt-5'"):
        vocab.read(checkpoint(tmp_path), 512, "gpt-5")


def test_bos_is_said_where_llama_cpps_default_would_be_wrong(tmp_path: Path) -> None:
    """llama.cpp begins texts of "llama-bpe" with BOS; this tokenizer does not, and says so nowhere."""
    write_bpe_tokenizer(tmp_path, pre="llama-bpe")
    edit(tmp_path / "tokenizer.json", lambda content: content.update(post_processor=None))
    assert vocab.read(checkpoint(tmp_path), 512).special.add == {"bos": False}


def model(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """Without added tokens: they count on from the last id."""

    def both(content: dict[str, Any]) -> None:
        content["added_tokens"] = []
        change(content["model"])

    return lambda folder: edit(folder / "tokenizer.json", both)


def listed(**change: Any) -> Callable[[Path], object]:
    """Another last added token."""
    return lambda folder: edit(folder / "tokenizer.json", lambda content: content["added_tokens"][-1].update(change))


def settings(**change: Any) -> Callable[[Path], object]:
    return lambda folder: edit(folder / "tokenizer_config.json", lambda content: content.update(change))


def content(name: str, text: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(text)


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (content("tokenizer.json", b'{"model": '), r"tokenizer\.json: not valid JSON"),
        (content("tokenizer.json", b"[]"), r"tokenizer\.json: not a JSON object"),
        (content("tokenizer.json", b'{"model": {}}'), r"tokenizer\.json: not a tokenizer"),
        (content("tokenizer.json", b'{"a": ' * 100_000), r"tokenizer\.json: not valid JSON"),
        (model(lambda model: model["vocab"].update(x=-1)), r"tokenizer\.json: not a tokenizer"),
        (model(lambda model: model["vocab"].update(x=2**40)), r"tokenizer\.json: not a tokenizer"),
        (model(lambda model: model["vocab"].update(xyz=2**31)), r"up to the id 2147483648 \('xyz'\).*512 rows"),
        (model(lambda model: model["vocab"].update(xyz=7)), r"'xyz'.*same id"),
        (model(lambda model: model.update(merges=[])), r"no merges"),
        (model(lambda model: model.update(merges=[["the", "nothing like that"]])), r"not a tokenizer"),
        (listed(id=510), r"<\|im_end\|>.*the id 510, but 511"),
        (listed(id=-1), r"tokenizer\.json"),
        (listed(id=2**31), r"<\|im_end\|>.*the id 2147483648"),
        (settings(added_tokens_decoder=["<new>"]), r"tokenizer_config\.json: added_tokens_decoder is not an object"),
        (settings(added_tokens_decoder={"5": {"content": "<new>"}}), r"'<new>' has the id 5, but 512"),
        (settings(added_tokens_decoder={"512": {"content": "<new>"}}), r"512 \('<new>'\).*512 rows"),
        (settings(added_tokens_decoder={"-5": {"content": "<new>"}}), r"malformed added token -5"),
        (settings(added_tokens_decoder={"512": {"content": "\ud800"}}), r"malformed added token 512"),
        (settings(added_tokens_decoder={"512": 7}), r"malformed added token 512"),
        (settings(chat_template=[{"name": "default"}]), r"malformed"),
        (settings(chat_template="half a character: \ud800"), r"malformed"),
        (content("tokenizer_config.json", b"\xff"), r"tokenizer_config\.json: not valid JSON"),
    ],
)
def test_a_malformed_bpe_is_refused(break_it: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    write_bpe_tokenizer(tmp_path, pre="qwen2")
    break_it(tmp_path)
    with pytest.raises(ModelError, match=f"(?s){said}"):
        vocab.read(checkpoint(tmp_path), 512)


def test_a_tokenizer_on_which_the_library_panics_is_refused(tmp_path: Path) -> None:
    write_bpe_tokenizer(tmp_path, pre="llama-bpe")
    edit(tmp_path / "tokenizer.json", lambda content: content.update(normalizer=[""]))
    with pytest.raises(ModelError, match=r"tokenizer\.json: the tokenizer cannot be used"):
        vocab.read(checkpoint(tmp_path), 512)


@pytest.mark.parametrize("size", [0, -1, 10**12])
def test_an_absurd_size_is_refused_before_it_is_allocated(size: int, tmp_path: Path) -> None:
    write_bpe_tokenizer(tmp_path / "bpe", pre="qwen2")
    write_sentencepiece_tokenizer(tmp_path / "spm")
    for kind in ("bpe", "spm"):
        with pytest.raises(ModelError, match=f"said to have {size} tokens"):
            vocab.read(checkpoint(tmp_path / kind), size)


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (content("tokenizer.model", b""), r"tokenizer\.model: "),
        (content("tokenizer.model", b"not a model"), r"tokenizer\.model: not a SentencePiece model"),
        (content("tokenizer.model", sentencepiece_model([("<s>", 0.0, CONTROL)])), r"tokenizer\.model: not a"),
        (content("added_tokens.json", b'{"<x>": -3}'), r"added_tokens\.json: malformed added token -3"),
        (content("added_tokens.json", b'{"<x>": "5"}'), r"added_tokens\.json: malformed added token 5"),
        (lambda folder: write_sentencepiece_tokenizer(folder, 600), r"600 tokens.*512 rows"),
        (
            content("tokenizer.model", sentencepiece_model((text, math.nan, kind) for text, _, kind in pieces(384))),
            r"tokenizer\.model: a token has a score that is no number",
        ),
    ],
)
def test_a_malformed_sentencepiece_is_refused(break_it: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    write_sentencepiece_tokenizer(tmp_path, 512)
    break_it(tmp_path)
    with pytest.raises(ModelError, match=said):
        vocab.read(checkpoint(tmp_path), 512)


def test_a_truncated_sentencepiece_is_refused_or_has_fewer_tokens(tmp_path: Path) -> None:
    """A protobuf may end after any field; what is cut within one is refused."""
    write_sentencepiece_tokenizer(tmp_path, 512)
    whole = (tmp_path / "tokenizer.model").read_bytes()
    (tmp_path / "tokenizer.model").write_bytes(whole[: len(whole) // 2 + 1])
    with pytest.raises(ModelError, match="not a SentencePiece model"):
        vocab.read(checkpoint(tmp_path), 512)


@pytest.mark.parametrize("files", [[], ["tekken.json"]])
def test_a_folder_without_tokenizer_is_refused(files: list[str], tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer\.json") as raised:
        vocab.read(checkpoint(tmp_path), 512)
    assert "Download" in str(raised.value.hint)


def test_a_negative_special_id_is_refused_and_one_beyond_the_embedding_left_out(tmp_path: Path) -> None:
    write_bpe_tokenizer(tmp_path, pre="qwen2")
    ids = vocab.read(checkpoint(tmp_path, bos_token_id=512, eos_token_id=[1, 2], unk_token_id=7), 512).special.ids
    assert ids == {"eos": 511, "unk": 509, "pad": 509}
    with pytest.raises(ModelError, match="bos has the id -1"):
        vocab.read(checkpoint(tmp_path, bos_token_id=-1), 512)


def test_another_kind_of_tokenizer_is_refused(tmp_path: Path) -> None:
    tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, unk_token="a")).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ModelError, match="WordLevel"):
        vocab.read(checkpoint(tmp_path), 512)
