"""What every family shares: hyperparameters, names and shapes of tensors, and the order in which they are written."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar

import gguf

from convert.tensors import LazyTensor
from convert.tokenizer import vocab
from models.errors import ModelError

if TYPE_CHECKING:
    from convert.checkpoint import Checkpoint

# What llama.cpp was built with (LLAMA_MAX_LAYERS), and what a 32-bit field of GGUF holds.
MOST_LAYERS = 512
MOST = 2**31 - 1
MOST_FLOAT = 3.4e38

Shape = tuple[int, ...]

NEEDED = "LLAMA MISTRAL3 QWEN2 QWEN3 PHI3 GEMMA2 GEMMA3 GEMMA4 GRANITE SMOLLM3"
if missing := [name for name in NEEDED.split() if not hasattr(gguf.MODEL_ARCH, name)]:
    raise ImportError(f"gguf {version('gguf')} does not know {', '.join(missing)}. pip install gguf==0.19.0")


class Architecture:
    """A checkpoint, seen as a model of one family.

    A new family is one file: a subclass with the class attributes below, ``layer`` where its tensors differ from
    Llama's, ``convert`` where its tensors are changed, ``write_metadata`` where it has more hyperparameters; and its
    name in ``convert/architectures/__init__.py``.

    Attributes:
        names: the values of ``architectures`` in ``config.json`` that mean this family.
        arch: the family in GGUF.
        defaults: what the family's configuration class in transformers fills in where ``config.json`` is silent;
            ``head_dim`` None: hidden_size / num_attention_heads, as if it were written there.
        fixed: keys for which llama.cpp has only these values; anything else would give another model.
        ropes: the kinds of rotary scaling that llama.cpp has for this family.
        skipped: first words of tensor names (after ``model.``) that are no part of the language model.
        config: ``config.json``, with ``text_config`` merged into it, defaults filled in and nulls left out.
        rope: rotary parameters of full attention, the old and the new form of ``config.json`` alike.
        rope_sliding: those of sliding-window layers, where they differ; otherwise empty.

    Raises:
        ModelError: ``config.json`` lacks a key or has a value that makes no sense.
    """

    names: ClassVar[tuple[str, ...]]
    arch: ClassVar[gguf.MODEL_ARCH]
    defaults: ClassVar[Mapping[str, Any]] = {}
    fixed: ClassVar[Mapping[str, tuple[Any, ...]]] = {"hidden_act": ("silu", "swish")}
    ropes: ClassVar[tuple[str, ...]] = ("default", "linear", "yarn")
    skipped: ClassVar[tuple[str, ...]] = ()

    def __init__(self, checkpoint: Checkpoint):
        self.checkpoint = checkpoint
        self.file = checkpoint.folder / "config.json"
        top, text = checkpoint.config, checkpoint.config.get("text_config") or {}
        if not isinstance(text, dict):
            raise self.bad("text_config", text, "an object")
        merged = {**self.defaults, **top, **text}
        # Where vision is around the text, the two say different things, and readers differ in whom they believe.
        merged["tie_word_embeddings"] = any(
            given.get("tie_word_embeddings", merged.get("tie_word_embeddings")) for given in (top, text)
        )
        self.config: dict[str, Any] = {key: value for key, value in merged.items() if value is not None}
        for key, allowed in self.fixed.items():
            if key in self.config and self.config[key] not in allowed:
                raise self.bad(key, self.config[key], f"what llama.cpp computes for this family ({allowed[0]})")

        self.layers = self.integer("num_hidden_layers", MOST_LAYERS)
        self.hidden_size = self.integer("hidden_size")
        self.ffn_size = self.integer("intermediate_size")
        self.vocab_size = self.integer("vocab_size")
        self.heads = self.integer("num_attention_heads")
        self.config.setdefault("num_key_value_heads", self.heads)
        self.kv_heads = self.integer("num_key_value_heads")
        if self.heads % self.kv_heads:
            raise self.bad("num_key_value_heads", self.kv_heads, f"a divisor of num_attention_heads ({self.heads})")
        if "head_dim" not in self.config and self.hidden_size % self.heads:
            raise self.bad("hidden_size", self.hidden_size, f"a multiple of num_attention_heads ({self.heads})")
        self.head_dim = self.integer("head_dim") if "head_dim" in self.config else self.hidden_size // self.heads
        if "head_dim" in self.defaults:
            self.config["head_dim"] = self.head_dim
        if self.head_dim % 2:
            raise self.bad("head_dim", self.head_dim, "even")
        self.rope, self.rope_sliding = self._rope()

    # Hyperparameters

    def bad(self, key: str, value: Any, expected: str) -> ModelError:
        """The error to raise for a value in ``config.json``."""
        return ModelError(
            f"{self.file}: {key} is {reprlib.repr(value)}, which is not {expected}.",
            "Compare the file with the one that the model's authors publish.",
        )

    def integer(self, key: str, most: int = MOST, within: Mapping[str, Any] | None = None) -> int:
        """A whole number from 1 to ``most`` in the configuration, or in an object ``within`` it."""
        value = self._required(key, within)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise self.bad(key, value, f"a whole number from 1 to {most}")
        return value

    def number(self, key: str, within: Mapping[str, Any] | None = None) -> float:
        """A positive number."""
        value = self._required(key, within)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= MOST_FLOAT:
            raise self.bad(key, value, "a positive number")
        return float(value)

    def _required(self, key: str, within: Mapping[str, Any] | None) -> Any:
        value = (self.config if within is None else within).get(key)
        if value is None:
            raise ModelError(f"{self.file}: {key} is missing.", "Fetch the file again, or add the key to it.")
        return value

    def _rope(self) -> tuple[dict[str, Any], dict[str, Any]]:
        given = self.config.get("rope_scaling") or self.config.get("rope_parameters") or {}
        if not isinstance(given, dict):
            raise self.bad("rope_parameters", given, "an object")
        if "full_attention" in given or "sliding_attention" in given:
            full, sliding = given.get("full_attention") or {}, given.get("sliding_attention") or {}
        else:
            full, sliding = given, {}
        if not isinstance(full, dict) or not isinstance(sliding, dict):
            raise self.bad(
                "rope_parameters", given, "one object, or one for full_attention and one for sliding_attention"
            )
        full, sliding = dict(full), dict(sliding)
        full.setdefault("rope_theta", self.config.get("rope_theta", 10000.0))
        if "rope_local_base_freq" in self.config:
            sliding.setdefault("rope_theta", self.config["rope_local_base_freq"])
        full["rope_type"] = full.get("rope_type") or full.get("type") or "default"
        if full["rope_type"] not in self.ropes:
            raise self.bad("rope_type", full["rope_type"], f"one that llama.cpp has for it ({', '.join(self.ropes)})")
        if full["rope_type"] in ("llama3", "yarn", "longrope", "su"):
            outer = self.config.get("original_max_position_embeddings")
            full["original_max_position_embeddings"] = (
                outer or full.get("original_max_position_embeddings") or self.integer("max_position_embeddings")
            )
        return full, sliding

    def write_metadata(self, writer: gguf.GGUFWriter) -> None:
        """Add the hyperparameters."""
        writer.add_block_count(self.layers)
        writer.add_context_length(self.integer("max_position_embeddings"))
        writer.add_embedding_length(self.hidden_size)
        writer.add_head_count(self.heads)
        writer.add_layer_norm_rms_eps(self.number("rms_norm_eps"))
        self._write_layers(writer)
        self._write_rope(writer)

    def _write_layers(self, writer: gguf.GGUFWriter) -> None:
        """What is one number for all layers here, and may differ among them elsewhere."""
        writer.add_feed_forward_length(self.ffn_size)
        writer.add_head_count_kv(self.kv_heads)
        if "head_dim" in self.config:
            writer.add_key_length(self.head_dim)
            writer.add_value_length(self.head_dim)

    def _write_rope(self, writer: gguf.GGUFWriter) -> None:
        rope = self.rope
        writer.add_rope_freq_base(self.number("rope_theta", rope))
        if self.rope_sliding:
            writer.add_rope_freq_base_swa(self.number("rope_theta", self.rope_sliding))
        match rope["rope_type"]:
            case "linear":
                writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
                writer.add_rope_scaling_factor(self.number("factor", rope))
            case "yarn":
                writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
                writer.add_rope_scaling_factor(self.number("factor", rope))
                writer.add_rope_scaling_orig_ctx_len(self.integer("original_max_position_embeddings", within=rope))
                for add, key in (
                    (writer.add_rope_scaling_yarn_ext_factor, "extrapolation_factor"),
                    (writer.add_rope_scaling_yarn_attn_factor, "attention_factor"),
                    (writer.add_rope_scaling_yarn_beta_fast, "beta_fast"),
                    (writer.add_rope_scaling_yarn_beta_slow, "beta_slow"),
                ):
                    if rope.get(key) is not None:
                        add(self.number(key, rope))

    def vocabulary(self, pre: str | None = None) -> vocab.Vocabulary:
        """The tokenizer. ``pre``: the pre-tokenizer, where the caller knows better."""
        return vocab.read(self.checkpoint, self.vocab_size, pre)

    # Tensors

    def layer(self, index: int) -> dict[str, Shape]:
        """The shapes of a layer's tensors in the checkpoint, by what follows ``model.layers.{index}.``."""
        hidden, queries, keys = self.hidden_size, self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "input_layernorm.weight": (hidden,),
            "self_attn.q_proj.weight": (queries, hidden),
            "self_attn.k_proj.weight": (keys, hidden),
            "self_attn.v_proj.weight": (keys, hidden),
            "self_attn.o_proj.weight": (hidden, queries),
            "post_attention_layernorm.weight": (hidden,),
            "mlp.gate_proj.weight": (self.ffn_size, hidden),
            "mlp.up_proj.weight": (self.ffn_size, hidden),
            "mlp.down_proj.weight": (hidden, self.ffn_size),
        }

    def shapes(self) -> dict[str, Shape]:
        """The shapes of all tensors that the checkpoint must have, by their plain names (see ``plain_name``)."""
        shapes: dict[str, Shape] = {
            "model.embed_tokens.weight": (self.vocab_size, self.hidden_size),
            "model.norm.weight": (self.hidden_size,),
            "lm_head.weight": (self.vocab_size, self.hidden_size),
        }
        for index in range(self.layers):
            shapes |= {f"model.layers.{index}.{name}": shape for name, shape in self.layer(index).items()}
        return shapes

    def plain_name(self, name: str) -> str | None:
        """The tensor's name in a checkpoint of the language model alone; None: it is not part of that."""
        plain = name.replace("language_model.", "", 1)
        if name.endswith(".rotary_emb.inv_freq") or plain.removeprefix("model.").startswith(self.skipped):
            return None
        return plain

    def extra_tensors(self) -> Iterator[tuple[str, LazyTensor]]:
        """Tensors that no file holds: rope factors."""
        return iter(())

    def convert(self, name: str, tensor: LazyTensor) -> Iterator[tuple[str, LazyTensor]]:
        """The GGUF tensors, by name, that this tensor of the checkpoint (by its plain name) becomes: none or more."""
        yield self.gguf_name(name), tensor

    def gguf_name(self, name: str) -> str:
        """The GGUF name of a tensor."""
        found = self._gguf_names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise ModelError(f"{self.checkpoint.folder}: the tensor {name} has no name in GGUF.")
        return found

    @cached_property
    def _gguf_names(self) -> gguf.TensorNameMap:
        return gguf.get_tensor_name_map(self.arch, self.layers)

    def checked_tensors(self) -> dict[str, LazyTensor]:
        """The checkpoint's tensors by plain name: all that must be there are, with the right shapes, and no others.

        Raises:
            ModelError: a tensor is missing, has the wrong shape, or is not known; file and tensor are named.
        """
        found: dict[str, LazyTensor] = {}
        expected = self.shapes()
        for name, tensor in self.checkpoint.tensors.items():
            plain = self.plain_name(name)
            if plain is None:
                continue
            if plain in found or plain not in expected:
                what = "is there twice" if plain in found else f"is not known in {self.names[0]}"
                raise ModelError(
                    f"{self.checkpoint.stored[name].file}: the tensor {name} {what}.",
                    "Convert the checkpoint of the plain model; adapters and other additions are not part of it.",
                )
            if tensor.shape != expected[plain]:
                raise ModelError(
                    f"{self.checkpoint.stored[name].file}: the tensor {name} has the shape {list(tensor.shape)}, "
                    f"but {self.file.name} asks for {list(expected[plain])}.",
                    "The files are of two different models, or one is damaged: fetch the checkpoint again.",
                )
            found[plain] = tensor
        optional = {"lm_head.weight"} if self.config["tie_word_embeddings"] else set()
        missing = [name for name in expected if name not in found and name not in optional]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ModelError(
                f"{self.checkpoint.folder}: the tensor {missing[0]}{more} is missing.",
                "A file of the checkpoint is missing or damaged: fetch it again.",
            )
        return found

    def tensors(self) -> Iterator[tuple[str, LazyTensor]]:
        """All tensors, by their GGUF names: extras first, then the checkpoint's, in its order. Raises as above."""
        checked = self.checked_tensors()
        yield from self.extra_tensors()
        for name, tensor in checked.items():
            yield from self.convert(name, tensor)
