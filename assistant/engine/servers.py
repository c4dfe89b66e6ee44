"""What the servers that speak OpenAI's API differ in: which model they have, how long its window is, how tokens are
counted, which fields of sampling they take, and how they are told what an answer must look like.

Which server it is stands in ``owned_by`` of its list of models. After tools/server/README.md of llama.cpp, vLLM's
docs/features/structured_outputs.md, Ollama's docs/api/openai-compatibility, and llama-cpp-python's ``server`` package.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

from assistant.engine import schema as schemas
from assistant.engine.endpoint import Endpoint, Json, Refused
from assistant.engine.engine import Constraint, GenerateOptions, Message
from models.errors import UsageError

Kind = Literal["llama.cpp", "vllm", "ollama", "llama-cpp-python", "other"]

UNKNOWN_WINDOW = 4096  # tokens, where a server does not say and nobody else does: what Ollama has by default
_KINDS: dict[str, Kind] = {
    "llamacpp": "llama.cpp",
    "vllm": "vllm",
    "library": "ollama",
    "ollama": "ollama",
    "me": "llama-cpp-python",
}
_SAMPLING: dict[Kind, dict[str, str]] = {  # beside temperature, top_p and seed, which are OpenAI's own
    "llama.cpp": {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repeat_penalty"},
    "llama-cpp-python": {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repeat_penalty"},
    "vllm": {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty"},
    "ollama": {},
    "other": {},
}
# An answer without them is still an answer: what a server does not take of these is left to its own defaults.
_OPTIONAL = (
    *("stream_options", "seed", "temperature", "top_p", "top_k", "min_p", "repeat_penalty", "repetition_penalty"),
    *("chat_template_kwargs", "reasoning_effort", "thinking_budget_tokens", "logprobs", "top_logprobs"),
)
_LETTERS = re.compile(r"[^\W\d_]+|\s+")
_MOST_STOPS = 4  # that OpenAI's API takes; the others are looked for here


class Ask(Protocol):
    """One request that is answered by a JSON object."""

    def __call__(self, method: str, path: str, body: Json | None = None, *, of_root: bool = False) -> Json: ...


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server says of itself.

    Attributes:
        window: tokens of one conversation; None: it does not say.
        trained: tokens of the window that the model was trained for, 0 where it is not known; so ``parameters`` and
            ``size`` in bytes.
        models: the names of all it has.
    """

    kind: Kind
    model: str
    window: int | None
    trained: int = 0
    parameters: int = 0
    size: int = 0
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """A way to say what an answer must look like.

    Attributes:
        fields: of the request. ``wrapped``: the answer comes as ``{"answer": …}``.
        told: the model reads it in the prompt, as the server knows no way to hold it to that.
    """

    fields: Json
    wrapped: bool = False
    told: bool = False


class Server:
    """One model of one server; engines in several threads may share it.

    Args:
        model: its name there; None: the first of the server's.
        context_length: tokens of the window that may be used, or that there are where the server does not say.
    """

    def __init__(self, endpoint: Endpoint, model: str | None = None, context_length: int | None = None):
        self.endpoint = endpoint
        self.model = model
        self.context_length = context_length
        self._facts: Facts | None = None
        self._refused: set[str] = set()  # fields, and ways to count
        self._learning = threading.Lock()

    def __str__(self) -> str:
        name = self._facts.model if self._facts else self.model
        return f"{name} at {self.endpoint}" if name else str(self.endpoint)

    def facts(self, ask: Ask) -> Facts:
        """Asked once.

        Raises:
            UsageError: the server lists no models, and none is named.
            as :meth:`Endpoint.stream`.
        """
        with self._learning:
            if self._facts is None:
                self._facts = self._learn(ask)
            return self._facts

    def window(self, facts: Facts) -> int:
        """Tokens of a conversation, prompt and answer."""
        known = [length for length in (self.context_length, facts.window) if length]
        return min(known, default=UNKNOWN_WINDOW)

    def _learn(self, ask: Ask) -> Facts:
        try:
            listed = ask("GET", "/models").get("data")
        except Refused:
            listed = None
        entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
        names = tuple(str(entry["id"]) for entry in entries if entry.get("id"))
        name = self.model or next(iter(names), None)
        if name is None:
            raise UsageError(f"{self.endpoint} does not say which models it has.", "Name one: -m MODEL")
        entry = next((entry for entry in entries if entry.get("id") == name), entries[0] if len(entries) == 1 else {})
        owners = [str(one.get("owned_by", "")).lower() for one in (entry, *entries)]
        kind: Kind = next((_KINDS[owner] for owner in owners if owner in _KINDS), "other")
        meta = entry.get("meta")
        meta = meta if isinstance(meta, dict) else {}
        window = _whole(entry.get("max_model_len")) or _whole(meta.get("n_ctx")) or None
        if window is None:
            window = self._window_elsewhere(ask, kind, name)
        trained, parameters, size = (_whole(meta.get(key)) for key in ("n_ctx_train", "n_params", "size"))
        return Facts(kind, name, window, trained, parameters, size, names)

    def _window_elsewhere(self, ask: Ask, kind: Kind, name: str) -> int | None:
        try:
            if kind == "llama.cpp":
                settings = ask("GET", "/props", of_root=True).get("default_generation_settings")
                return (_whole(settings.get("n_ctx")) if isinstance(settings, dict) else 0) or None
            if kind == "ollama":  # it cuts a longer prompt without a word, so that its default counts
                running = ask("GET", "/api/ps", of_root=True).get("models") or []
                lengths = [one.get("context_length") for one in running if name in (one.get("name"), one.get("model"))]
                return next((_whole(length) for length in lengths if _whole(length)), UNKNOWN_WINDOW)
        except Refused:
            pass
        return UNKNOWN_WINDOW if kind == "ollama" else None

    # Counting

    def count_tokens(self, ask: Ask, messages: Sequence[Message]) -> int:
        """Tokens of a prompt: by the server where it counts, else by :func:`estimate`."""
        facts = self.facts(ask)
        said = [asdict(message) for message in messages]
        ways: dict[Kind, list[tuple[str, Callable[[], int]]]] = {
            "llama.cpp": [
                ("input_tokens", lambda: _count_llama(ask, facts.model, said)),
                ("apply-template", lambda: _count_llama_by_template(ask, said)),
            ],
            "vllm": [("tokenize", lambda: _count_vllm(ask, facts.model, said))],
            "llama-cpp-python": [("extras/tokenize", lambda: _count_python(ask, messages))],
        }
        for name, count in ways.get(facts.kind, []):
            if name not in self._refused:
                try:
                    if found := count():
                        return found
                except Refused:
                    self._refused.add(name)
        return estimate(messages)

    def counts(self, facts: Facts) -> bool:
        """The server counts tokens, and says by itself when a prompt is too long."""
        return facts.kind in ("llama.cpp", "vllm", "llama-cpp-python")

    # Requests

    def body(self, facts: Facts, messages: Sequence[Message], options: GenerateOptions, more: Json) -> Json:
        """A request for one answer, with ``more`` in it, without fields that the server is known not to take. It knows
        nothing of beam search, drafting and the caches of this machine; what asks for beams is decoded greedily."""
        body: Json = {
            "model": facts.model,
            "messages": [asdict(message) for message in messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": options.temperature if options.beams == 1 else 0.0,
            "top_p": options.top_p,
        }
        body |= {name: getattr(options, key) for key, name in _SAMPLING[facts.kind].items()}
        if options.seed is not None:
            body["seed"] = options.seed
        if options.max_tokens is not None:
            body["max_completion_tokens" if "max_tokens" in self._refused else "max_tokens"] = options.max_tokens
        if options.stop:
            body["stop"] = list(options.stop[:_MOST_STOPS])
        silent = options.think == "off" or options.constraint is not None
        if facts.kind in ("llama.cpp", "vllm") and (silent or options.think is not None):
            body["chat_template_kwargs"] = {"enable_thinking": not silent}
            if facts.kind == "llama.cpp" and isinstance(options.think, int) and not silent:
                body["thinking_budget_tokens"] = options.think
        elif facts.kind == "ollama" and silent:
            body["reasoning_effort"] = "none"
        return {name: value for name, value in (body | more).items() if name not in self._refused}

    def learns_from(self, error: Refused, body: Json) -> bool:
        """Whether the server complains of a field that it need not have; later requests are without it."""
        named = [name for name in _OPTIONAL if name in body and re.search(rf"\b{name}\b", error.words)]
        if "max_tokens" in body and "max_completion_tokens" in error.words:
            named.append("max_tokens")
        self._refused.update(named)
        return bool(named)

    def forms(self, facts: Facts, constraint: Constraint) -> list[Form]:
        """The ways to hold this server to a constraint, the strictest first; the last is to ask for it."""
        text, found = constraint.text, []
        kind, of_vllm = constraint.kind, facts.kind == "vllm"
        if kind == "json_schema":
            schema = schemas.parse(text)
            if facts.kind != "llama-cpp-python":
                found.append(Form(_response_format(schema)))
            found.append(Form({"response_format": {"type": "json_object", "schema": schema}}))
        elif of_vllm:
            field = {"choices": "choice", "regex": "regex", "lark": "grammar"}[kind]
            value = json.loads(text) if kind == "choices" else text
            found.append(Form({"structured_outputs": {field: value}}))
        elif kind == "choices" and facts.kind in ("llama.cpp", "llama-cpp-python"):
            found.append(Form({"grammar": _gbnf(json.loads(text))}))
        if kind in ("choices", "regex") and facts.kind != "llama-cpp-python":
            inner: Json = {"type": "string"}
            inner |= {"enum": json.loads(text)} if kind == "choices" else {"pattern": f"^({text})$"}
            properties = {"type": "object", "properties": {"answer": inner}, "required": ["answer"]}
            wrapper = _response_format(properties | {"additionalProperties": False})
            found.append(Form(wrapper, wrapped=True))
        found.append(Form({}, told=True))
        return found


def estimate(messages: Sequence[Message]) -> int:
    """Tokens of a prompt where nobody counts them, rather too many than too few: one for three letters of ASCII, for
    two bytes of another script, for each digit and each sign; ten around each message, thirty for what templates add.

    Against the tokenizers of Qwen2.5 and SmolLM2 that is 1.4 to 1.6 times as many of English, 1.2 to 2.3 of
    Russian, 0.9 times of numbers. A model that knows English alone takes more of Chinese than this.
    """
    tokens = 30
    for message in messages:
        text = message.content
        letters = "".join(_LETTERS.findall(text))
        ascii_letters = sum(map(str.isascii, letters))
        others = len(text.encode("utf-8", "replace")) - sum(map(str.isascii, text))
        tokens += 10 + len(text) - len(letters) + -(-ascii_letters // 3) + -(-others // 2)
    return tokens


def _count_llama(ask: Ask, model: str, said: list[Any]) -> int:
    return _whole(ask("POST", "/chat/completions/input_tokens", {"model": model, "messages": said}).get("input_tokens"))


def _count_llama_by_template(ask: Ask, said: list[Any]) -> int:
    prompt = ask("POST", "/apply-template", {"messages": said}, of_root=True).get("prompt")
    tokens = ask("POST", "/tokenize", {"content": prompt, "add_special": True}, of_root=True).get("tokens")
    return len(tokens) if isinstance(tokens, list) else 0


def _count_vllm(ask: Ask, model: str, said: list[Any]) -> int:
    body = {"model": model, "messages": said, "add_generation_prompt": True}
    return _whole(ask("POST", "/tokenize", body, of_root=True).get("count"))


def _count_python(ask: Ask, messages: Sequence[Message]) -> int:
    """It counts texts; the template around them is estimated."""
    text = "\n".join(message.content for message in messages)
    counted = _whole(ask("POST", "/extras/tokenize/count", {"input": text}, of_root=True).get("count"))
    return counted + estimate([replace(message, content="") for message in messages]) if counted else 0


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _response_format(schema: Json) -> Json:
    wanted = {"name": "answer", "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": wanted}}


def _gbnf(choices: Sequence[str]) -> str:
    """A grammar of llama.cpp; all but letters and digits of ASCII are escaped."""
    literals = ("".join(c if c.isascii() and c.isalnum() else f"\\U{ord(c):08x}" for c in choice) for choice in choices)
    return "root ::= " + " | ".join(f'"{literal}"' for literal in literals)
