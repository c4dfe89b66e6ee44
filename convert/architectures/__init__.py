"""The families of models that can be converted: one file each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convert.architectures.architecture import Architecture
from convert.architectures.gemma2 import Gemma2
from convert.architectures.gemma3 import Gemma3
from convert.architectures.gemma4 import Gemma4
from convert.architectures.granite import Granite
from convert.architectures.llama import Llama, Mistral
from convert.architectures.mistral3 import Mistral3
from convert.architectures.phi3 import Phi3
from convert.architectures.qwen2 import Qwen2
from convert.architectures.qwen3 import Qwen3
from convert.architectures.smollm3 import SmolLM3
from models.errors import ModelError

if TYPE_CHECKING:
    from convert.checkpoint import Checkpoint

FAMILIES: tuple[type[Architecture], ...] = (
    Llama,
    Mistral,
    Mistral3,
    Qwen2,
    Qwen3,
    Phi3,
    Gemma2,
    Gemma3,
    Gemma4,
    Granite,
    SmolLM3,
)

KNOWN: dict[str, type[Architecture]] = {name: family for family in FAMILIES for name in family.names}

# Names that begin like this have layers that keep a state instead of keys and values.
HYBRID = ("Qwen3Next", "Qwen3_5", "FalconH1", "GraniteMoeHybrid", "NemotronH", "Jamba", "Bamba", "Lfm2", "Zamba")


def find(checkpoint: Checkpoint) -> Architecture:
    """The checkpoint as a model of its family.

    Raises:
        ModelError: ``config.json`` names no family, or one that is not known; the configuration makes no sense; a
            tensor is missing, has the wrong shape, or is not known.
    """
    file = checkpoint.folder / "config.json"
    names = checkpoint.config.get("architectures")
    known = f"Known are {', '.join(sorted(KNOWN))}."
    if not isinstance(names, list) or not names or not isinstance(names[0], str):
        raise ModelError(f"{file} does not say which architecture the model has.", f"Add its name to it. {known}")
    name = names[0]
    if name in KNOWN:
        architecture = KNOWN[name](checkpoint)
        architecture.checked_tensors()  # from here on, sizes in the configuration are those of real tensors
        return architecture
    why = " Models that mix attention with recurrent layers cannot be converted." if name.startswith(HYBRID) else ""
    raise ModelError(f"{file}: the architecture {name[:100]} is not known.{why}", known)
