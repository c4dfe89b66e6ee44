"""May a draft model serve a target: do the same token ids mean the same text?

The rules are llama.cpp's (``common_speculative_are_compatible``), on the headers alone, before anything is loaded.
Equal sizes prove nothing: models whose tokenizer was replaced keep them.
"""

from __future__ import annotations

from pathlib import Path

from models.gguf_header import Array, Header, read_header, read_strings

_TOKENS = "tokenizer.ggml.tokens"
_MOST_MORE = 128  # tokens that one vocabulary may have more: padding
_FIRST = 5  # the ids below are special tokens, which families name differently
# Keys of recurrent and hybrid architectures, whose memory cannot take back single tokens.
_RECURRENT = ("ssm.conv_kernel", "ssm.state_size", "wkv.head_size", "shortconv.l_cache", "kda.head_dim")
_MUST_AGREE = {
    "tokenizer.ggml.model": "its tokenizer is {draft}, not {target}",
    "tokenizer.ggml.bos_token_id": "its texts begin with token {draft}, not {target}",
    "tokenizer.ggml.eos_token_id": "its texts end with token {draft}, not {target}",
    "tokenizer.ggml.add_bos_token": "one of the two begins every text with a token of its own, the other does not",
    "tokenizer.ggml.add_eos_token": "one of the two ends every text with a token of its own, the other does not",
}


def mismatch(target: Path, draft: Path) -> str | None:
    """Why the model ``draft`` cannot draft for ``target``, as a clause about the draft; None: it can.

    Raises:
        ModelError: one of the files is missing or damaged.
    """
    headers = read_header(target), read_header(draft)
    for name, header in zip(("the model it would draft for", "it"), headers, strict=True):
        if any(f"{header.architecture}.{key}" in header.metadata for key in _RECURRENT):
            return f"{name} is recurrent ({header.architecture}): its memory cannot take back single tokens"
    return difference(*headers)


def difference(one: Header, other: Header) -> str | None:
    """What is different in the vocabulary of ``other``, as a clause about it; None: the same ids mean the same text.

    Raises:
        ModelError: a file has changed since its header was read.
    """
    headers = one, other
    sizes = [_vocabulary_size(header) for header in headers]
    if not all(sizes):
        return "one of the two has no vocabulary in its file"
    if abs(sizes[0] - sizes[1]) > _MOST_MORE:
        return f"its vocabulary has {sizes[1]:,} tokens, not {sizes[0]:,}"
    for key, reason in _MUST_AGREE.items():
        values = [header.metadata.get(key) for header in headers]
        if None not in values and values[0] != values[1]:  # what is not said is the tokenizer's default
            return reason.format(target=values[0], draft=values[1])
    ours, theirs = (read_strings(header, _TOKENS)[_FIRST : min(sizes)] for header in headers)
    if ours == theirs:
        return None
    differing = next(place for place, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
    wanted, found = (tokens[differing].decode("utf-8", "replace")[:40] for tokens in (ours, theirs))
    return f"its vocabulary differs: token {_FIRST + differing:,} is “{found}”, not “{wanted}”"


def _vocabulary_size(header: Header) -> int:
    tokens = header.metadata.get(_TOKENS)
    if isinstance(tokens, list):
        return len(tokens)
    return tokens.length if isinstance(tokens, Array) and tokens.type == "string" else 0
