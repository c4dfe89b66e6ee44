"""The engine on another machine, or in another program: any server that speaks OpenAI's API."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from assistant.engine.background import Call
from assistant.engine.calls import returned
from assistant.engine.endpoint import Endpoint, Json, Refused, Silent
from assistant.engine.engine import (
    Constraint,
    Delta,
    Event,
    GenerateOptions,
    Message,
    ModelInfo,
    OnProgress,
    Progress,
    Result,
)
from assistant.engine.scoring import check_choices
from assistant.engine.server_answer import Unfit, answer_of
from assistant.engine.server_forms import again, settle, told
from assistant.engine.server_scoring import Tokens, score, tokens_of
from assistant.engine.servers import Facts, Form, Server
from models.errors import Cancelled, DoesNotFit, ModelError

T = TypeVar("T")

_TOP = 20  # likeliest tokens at each place: the most that OpenAI and vLLM tell
_LONGEST_CHOICE = 256  # tokens


class RemoteEngine:
    """An :class:`~assistant.engine.engine.Engine` that asks a server. Several of them may share one, each for a thread
    of its own: an engine takes one call at a time.

    Args:
        server: or the address of one, whose first model is asked.

    Raises:
        as :class:`~assistant.engine.endpoint.Endpoint`.
    """

    def __init__(self, server: Server | str):
        self.server = Server(Endpoint(server)) if isinstance(server, str) else server
        self._cancelled = threading.Event()
        self._call: Call[Json] | None = None

    def load(self, on_progress: OnProgress | None = None) -> ModelInfo:
        """Ask what the server has: it loads its model itself.

        Raises:
            NetworkError: it cannot be reached. ModelError: it wants another key.
            UsageError: it does not say which models it has.
            Cancelled.
        """
        self._cancelled.clear()
        facts = self.server.facts(self._ask)
        if on_progress:
            on_progress(Progress("load", 100, 100))
        return ModelInfo(
            path=str(self.server.endpoint),
            description=facts.model,
            architecture="",
            parameters=facts.parameters,
            size=facts.size,
            context_length=self.server.window(facts),
            trained_context_length=facts.trained,
            reasoning=False,
            offloaded=(0, 0),
            threads=0,
        )

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """As the server counts them; where it does not, :func:`~assistant.engine.servers.estimate`, which is too high
        for most texts."""
        self._cancelled.clear()
        return self.server.count_tokens(self._ask, messages)

    def generate(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Event]:
        """As :meth:`Engine.generate`. An answer with a constraint comes in one piece, once it is checked: servers know
        constraints in different ways, and some ignore what they do not know. One that is wrong is asked for once more.

        Raises:
            Unfit: answers do not keep to the constraint, or are withheld.
            Refused: the server does not take the request.
            ModelError: it wants another key, or has no such model.
            NetworkError: it cannot be reached, is overloaded, or broke off.
            DoesNotFit: the prompt is longer than its window.
        """
        self._cancelled.clear()  # here, not at the first event: a cancel in between counts
        return self._generate(messages, options)

    def _generate(self, messages: Sequence[Message], options: GenerateOptions) -> Iterator[Event]:
        try:
            facts = self.server.facts(self._ask)
            self._check_room(facts, messages)
        except Cancelled:
            yield Result("", "", "cancelled", 0, 0)
            return
        if options.constraint is None:
            result = yield from self._answer(facts, messages, options, {})
        else:
            result = yield from self._constrained(facts, messages, options, options.constraint)
        yield result

    def score(
        self,
        messages: Sequence[Message],
        choices: Sequence[str],
        on_progress: OnProgress | None = None,
    ) -> list[float]:
        """As :meth:`Engine.score`, from the log-probabilities of the server's likeliest tokens while it chooses: that
        the answer then ends is not counted, and of what is not among these tokens, the value is an upper bound. A
        server that shows them after the constraint makes the choices sum to 1.

        Raises:
            NoProbabilities: the server does not give any.
        """
        check_choices(choices)
        self._cancelled.clear()
        report = on_progress or (lambda progress: None)
        report(Progress("prefill", 0, 0))
        facts = self.server.facts(self._ask)
        self._check_room(facts, messages)

        def choose(among: Sequence[str]) -> Tokens:
            found = self._choose(facts, messages, among)
            report(Progress("prefill", found.prompt_tokens, found.prompt_tokens))
            return found

        return score(choose, choices, str(self.server))

    def cancel(self) -> None:
        self._cancelled.set()
        call = self._call  # once: its thread may end it
        if call:
            call.cancel()

    def close(self) -> None:
        """Nothing: the server and its connections may be another engine's too."""

    # One request

    def _read(self, call: Call[Json]) -> Generator[Json, None, None]:
        self._call = call
        if self._cancelled.is_set():
            call.cancel()
        try:
            yield from call
        finally:
            self._call = None

    def _ask(self, method: str, path: str, body: Json | None = None, *, of_root: bool = False) -> Json:
        (found,) = self._read(self.server.endpoint.request(method, path, body, of_root=of_root))
        return found

    def _check_room(self, facts: Facts, messages: Sequence[Message]) -> None:
        """Some servers cut a prompt that is too long without a word: that is for us to see."""
        window = self.server.window(facts)
        if facts.window is None and self.server.context_length is None:
            return  # nothing is known; such a server has to say
        if self.server.counts(facts) and (facts.window or 0) <= window:
            return
        tokens = self.server.count_tokens(self._ask, messages)
        if tokens >= window:
            about = "" if self.server.counts(facts) else "about "
            raise DoesNotFit(
                f"The prompt has {about}{tokens:,} tokens, but the window of {self.server} holds {window:,}.",
                "Shorten it, or say with -o context_length how long the window is.",
            )

    def _answer(
        self, facts: Facts, messages: Sequence[Message], options: GenerateOptions, fields: Json
    ) -> Generator[Delta, None, Result]:
        """An answer; again without the fields that the server says it does not take."""
        whole: Json = {}
        while True:
            body = self.server.body(facts, messages, options, fields) | whole
            try:
                events = self._read(self.server.endpoint.stream("/chat/completions", body))
                return (yield from answer_of(events, messages, options, str(self.server)))
            except Silent:
                if whole:
                    raise
                whole = {"stream": False, "stream_options": None}  # to hear why
            except Refused as error:
                if error.status == 404:
                    raise ModelError(error.message, error.hint) from error
                if not self.server.learns_from(error, body):
                    raise

    # In a given form

    def _constrained(
        self, facts: Facts, messages: Sequence[Message], options: GenerateOptions, constraint: Constraint
    ) -> Generator[Delta, None, Result]:
        from assistant.engine import structured  # loads llama.cpp's library

        structured.check(constraint)
        forms, asked, problem = self.server.forms(facts, constraint), list(messages), ""

        def answer(form: Form) -> Result:
            return returned(self._answer(facts, told(asked, constraint, form), options, form.fields))

        for _ in range(2):
            form, result = _first_taken(forms, answer)
            if result.finish_reason == "cancelled":
                return result
            text, wrong = settle(result.text, constraint, form)
            if wrong is None:
                yield Delta(text, tokens=result.completion_tokens)
                return replace(result, text=text, finish_reason="stop")
            cut = f"cut off after {result.completion_tokens:,} tokens, " if result.finish_reason == "length" else ""
            problem = cut + wrong
            # By another way if there is one: servers ignore fields that they do not know.
            forms = forms[forms.index(form) + 1 :] or forms
            asked = again(messages, result.text, wrong)
        raise Unfit(
            f"{self.server} does not keep to the form that was asked for: {problem}.",
            "Raise max_tokens, simplify the form, or take a server that holds its model to it.",
        )

    def _choose(self, facts: Facts, messages: Sequence[Message], among: Sequence[str]) -> Tokens:
        """What the model takes, with the probabilities of the tokens that it could have taken."""
        constraint = Constraint("choices", json.dumps(among, ensure_ascii=False))
        options = GenerateOptions(
            temperature=0.0, top_k=0, top_p=1.0, min_p=0.0, max_tokens=_LONGEST_CHOICE, constraint=constraint
        )
        fields = {"stream": False, "logprobs": True, "top_logprobs": _TOP}

        def answer(form: Form) -> Json:
            while True:
                body = self.server.body(facts, told(messages, constraint, form), options, form.fields | fields)
                body.pop("stream_options", None)
                try:
                    return self._ask("POST", "/chat/completions", body)
                except Refused as error:
                    if not self.server.learns_from(error, body):
                        raise

        form, found = _first_taken(self.server.forms(facts, constraint), answer)
        tokens = tokens_of(found, form)
        text, wrong = settle(tokens.text, constraint, form)
        if wrong and not tokens.places:
            text = returned(self._constrained(facts, messages, options, constraint)).text
        return replace(tokens, text=text)


def _first_taken(forms: Sequence[Form], answer: Callable[[Form], T]) -> tuple[Form, T]:
    """The answer in the first form that the server takes."""
    refused: Refused | None = None
    for form in forms:
        try:
            return form, answer(form)
        except Refused as error:
            if error.status == 404:
                raise ModelError(error.message, error.hint) from error
            refused = refused or error
    assert refused is not None
    raise refused
