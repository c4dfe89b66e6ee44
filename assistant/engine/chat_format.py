"""From messages to the prompt of one model: its own chat template, rendered in a sandbox.

A template is a program that came with a download (CVE-2024-34359): it may not reach Python, not change what it is
given, not run for ever and not fill the memory.
"""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Callable, Collection, Sequence
from types import FrameType
from typing import Any, NoReturn

from jinja2 import TemplateError, TemplateSyntaxError
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import CallBlock, Concat, Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from assistant.engine.engine import Message
from models.errors import ModelError

MAX_STEPS = 500_000  # lines of compiled template code; a real template takes a few dozen per message
MAX_LENGTH = 50_000_000  # characters that a value may grow to

# What opens and closes the reasoning, by the models that are known to write it.
REASONING_MARKERS = (("<think>", "</think>"), ("<|channel>thought", "<channel|>"))

_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# What a wrong template raises besides TemplateError.
_TEMPLATE_BUGS = (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError, MemoryError)

# For base models, which know no turns: they go on with a written dialogue.
_DIALOGUE = (
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'system' %}{{ message.content }}\n\n"
    "{% else %}{{ message.role | capitalize }}: {{ message.content }}\n\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
_DIALOGUE_STOPS = ("\nUser:", "\n\nUser:")


class _Generation(Extension):
    """``{% generation %}``, with which training libraries mark the answer: here it only passes its body through."""

    tags = {"generation"}  # noqa: RUF012 - the name that jinja2 reads

    def parse(self, parser: Parser) -> Node | list[Node]:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return CallBlock(self.call_method("_same"), [], [], body).set_lineno(line)

    def _same(self, caller: Callable[[], str]) -> str:
        return caller()


class _Compiler(CodeGenerator):
    """``~`` is no binary operator to jinja2's sandbox, which does not intercept it."""

    def visit_Concat(self, node: Concat, frame: Frame) -> None:
        self.write("environment.concatenate((")
        for piece in node.nodes:
            self.visit(piece, frame)
            self.write(", ")
        self.write("))")


class _Sandbox(ImmutableSandboxedEnvironment):
    """Also bounds what makes something large out of something small."""

    code_generator_class = _Compiler
    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        padding = attr in ("ljust", "rjust", "center", "zfill", "expandtabs", "format", "format_map")
        return not padding and super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and (abs(left) > 1e6 or abs(right) > 64):
            raise SecurityError("a power is too large")
        sizes = [len(value) for value in (left, right) if isinstance(value, str | list | tuple)]
        if operator == "+" and sum(sizes) > MAX_LENGTH:
            raise SecurityError("a value is too long")
        if operator == "*" and len(sizes) == 1:
            times = right if isinstance(right, int) else left
            if sizes[0] * times > MAX_LENGTH:
                raise SecurityError("a value is too long")
        if operator == "%" and isinstance(left, str):
            raise SecurityError("printf formats are not allowed")
        return super().call_binop(context, operator, left, right)

    def concatenate(self, pieces: Sequence[object]) -> str:
        """``~`` of these values."""
        texts = [str(piece) for piece in pieces]
        if sum(map(len, texts)) > MAX_LENGTH:
            raise SecurityError("a value is too long")
        return "".join(texts)


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _tojson(value: object, indent: int | None = None, **_options: object) -> str:
    # Like transformers, not like jinja2: no HTML escapes.
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _bounded(render: Callable[[], str]) -> str:
    """Run ``render``, but stop it after MAX_STEPS lines of template code: unlike seconds, the same on every machine."""
    steps = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal steps
        if frame.f_code.co_filename != "<template>":
            return None
        steps += 1
        if steps > MAX_STEPS:
            raise SecurityError("it does not come to an end")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return render()
    finally:
        sys.settrace(before)


class ChatFormat:
    """Renders conversations for one model.

    Args:
        template: the model's Jinja template, or None: ChatML if the vocabulary has it, else a plain dialogue.
        control_texts: the texts of the control tokens that the tokenizer finds in a text. In a message they are broken
            up, so that nobody's words can pose as a turn of their own.
        bos, eos: texts of these tokens, which templates may write.

    Raises:
        ModelError: the template is not valid Jinja.
    """

    def __init__(
        self, template: str | None, *, control_texts: Callable[[str], Collection[str]], bos: str = "", eos: str = ""
    ):
        self.bos, self.eos = bos, eos
        self._control_texts = control_texts
        self.stop: tuple[str, ...] = ()
        if template is None:
            chatml = bool(control_texts("<|im_start|>"))
            template = _CHATML if chatml else _DIALOGUE
            self.stop = () if chatml else _DIALOGUE_STOPS
        environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation])
        environment.filters["tojson"] = _tojson
        environment.globals["raise_exception"] = _raise_exception
        environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
        for padding in ("center", "format", "indent", "wordwrap"):
            environment.filters.pop(padding)
        environment.globals.pop("lipsum")
        try:
            self._template = environment.from_string(template)
        except (TemplateSyntaxError, SyntaxError, *_TEMPLATE_BUGS) as error:  # SyntaxError: of the Python made of it
            raise self._broken(error) from error
        self.reasoning_markers = next((pair for pair in REASONING_MARKERS if pair[0] in template), None)

    @staticmethod
    def _broken(error: Exception) -> ModelError:
        return ModelError(
            f"The model's chat template is broken: {error or type(error).__name__}.",
            "Choose another file of this model; this one cannot hold a conversation.",
        )

    def render(self, messages: Sequence[Message], reasoning: bool | None = None) -> str:
        """The prompt of these messages, with the opening of the answer. ``reasoning`` asks a template for it, or for
        none; most that can choose do so by these names, others take no notice.

        Raises:
            ModelError: the template fails, runs for ever, or makes something too long.
        """
        chosen = {} if reasoning is None else {"enable_thinking": reasoning, "thinking": reasoning}
        given = [{"role": message.role, "content": self._neutral(message.content)} for message in messages]
        try:
            return self._render(given, chosen)
        except TemplateError as error:
            # Some templates refuse a system message (gemma 2, early mistral): it then opens the first question.
            if isinstance(error, SecurityError) or len(given) < 2 or given[0]["role"] != "system":
                raise self._broken(error) from error
            merged = {"role": given[1]["role"], "content": f"{given[0]['content']}\n\n{given[1]['content']}"}
            try:
                return self._render([merged, *given[2:]], chosen)
            except TemplateError:
                raise self._broken(error) from error

    def _render(self, messages: list[dict[str, str]], chosen: dict[str, bool]) -> str:
        def render() -> str:
            return self._template.render(
                messages=messages, add_generation_prompt=True, bos_token=self.bos, eos_token=self.eos, **chosen
            )

        try:
            text = _bounded(render)
        except TemplateError:
            raise
        except _TEMPLATE_BUGS as error:
            raise self._broken(error) from error
        if len(text) > MAX_LENGTH:
            raise self._broken(SecurityError("it makes too long a prompt"))
        return text

    def _neutral(self, content: str) -> str:
        """The text with a zero-width space inside everything that the tokenizer would take for a control token."""
        while found := [text for text in self._control_texts(content) if len(text) > 1 and text in content]:
            for text in found:
                content = content.replace(text, text[0] + "\u200b" + text[1:])
        return content

    def opens_reasoning(self, prompt: str) -> bool:
        """True if the prompt ends inside a reasoning block that the template has opened."""
        if self.reasoning_markers is None:
            return False
        opening, closing = self.reasoning_markers
        return prompt.rfind(opening) > prompt.rfind(closing) and prompt.rstrip().endswith(opening)
