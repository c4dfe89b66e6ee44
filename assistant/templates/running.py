"""A template at work: one input, one answer.

What the template asks for beside the answer (steps towards it, a check of a draft) is written as reasoning: hidden
unless it is shown. A model that reasons by itself is not asked for it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace

from assistant.engine.calls import Choice, Computed, completing, scoring, telling
from assistant.engine.engine import Delta, Engine, Event, GenerateOptions, Message, NoProbabilities, Result
from assistant.engine.scoring import coverage, probabilities
from assistant.templates import tools
from assistant.templates.template import Filled, Language
from assistant.templates.tools import ToolCall

_LONGEST_STEPS = 400  # tokens: a small model that goes on longer has lost its way

_THEN_ANSWER = {
    "en": "Now write the answer itself, in the form that was asked for, and nothing else.",
    "ru": "Теперь напиши сам ответ в той форме, о которой просили, и ничего больше.",
}
_VERDICT: dict[Language, tuple[str, str]] = {"en": ("Yes", "No"), "ru": ("Да", "Нет")}
_REPAIR = {
    "en": "Write the answer again without this mistake, in the same form, and nothing else.",
    "ru": "Напиши ответ ещё раз без этой ошибки, в той же форме, и ничего больше.",
}


def _nothing() -> None:
    pass


def answer(
    engine: Engine,
    filled: Filled,
    input: str,
    *,
    options: GenerateOptions | None = None,
    prompt: Sequence[Message] | None = None,
    reasons: bool = False,
    check: Callable[[], None] = _nothing,
    call: ToolCall | None = None,
) -> Iterator[Event]:
    """Answer one input. The last event is a Result: a Choice of choices; a Computed of a scale or a tool.

    Args:
        options: how answers are sampled, the template's own options in them.
        prompt: the messages, if more stands in them than ``filled`` puts there.
        reasons: the model reasons before it answers.
        check: raises Cancelled when it is to be stopped.
        call: what a tool gets; by default the input and nothing of a conversation.

    Raises:
        as :meth:`Engine.generate`.
    """
    options = options or GenerateOptions()
    language = filled.language_of(input)
    if filled.template.tools:
        call = call or ToolCall(
            engine=engine, text=input, language=language, values=dict(filled.values), options=options, check=check
        )
        return tools.run(filled.template.tools[0], replace(call, filled=filled))
    messages = list(prompt if prompt is not None else filled.messages(input))
    if choices := filled.choices():
        return scoring(engine, messages, choices, check)
    if scale := filled.scale():
        return _rating(engine, messages, scale, check)
    if constraint := filled.constraint():
        options = replace(options, constraint=constraint, beams=1)
    steps, question = filled.template.steps, filled.template.check
    reasons = reasons and options.constraint is None  # an answer of a given form has no room for it
    if (steps or question) and not (reasons or options.think == "off"):
        asked = filled.render(steps, language, input) if steps else None
        looked_over = filled.render(question, language, input) if question else None
        return _thought_over(engine, messages, options, language, asked, looked_over, check)
    return engine.generate(messages, options)


def _rating(
    engine: Engine, messages: list[Message], scale: tuple[int, int], check: Callable[[], None]
) -> Iterator[Event]:
    for event in scoring(engine, messages, steps_of(scale), check):
        if isinstance(event, Choice):
            rated = rating(event, scale)
            yield Delta(rated.text)
            yield rated
        elif isinstance(event, Result):  # its favourite is all that is known
            data = {"score": float(event.text), "likeliest": int(event.text), "scale": list(scale)}
            yield Delta(event.text)
            yield Computed(event.text, "", "stop", event.prompt_tokens, 0, event.timings, data=data)
        elif not isinstance(event, Delta):
            yield event


def steps_of(scale: tuple[int, int]) -> tuple[str, ...]:
    """The answers that a scale has."""
    return tuple(str(number) for number in range(scale[0], scale[1] + 1))


def rating(choice: Choice, scale: tuple[int, int]) -> Computed:
    """A number on the scale: the mean of what the model would give, each number as probable as it finds it. That is
    finer than its favourite, and less often the middle (Liu et al., "G-Eval", 2023)."""
    shares = probabilities(choice.scores)
    mean = sum(int(number) * share for number, share in shares.items())
    data = {
        "score": round(mean, 2),
        "likeliest": int(choice.text),
        "scale": list(scale),
        "probabilities": shares,
        "coverage": coverage(choice.scores),
    }
    return Computed(f"{mean:.1f}", "", "stop", choice.prompt_tokens, 0, choice.timings, data=data)


def _thought_over(
    engine: Engine,
    messages: list[Message],
    options: GenerateOptions,
    language: Language,
    steps: str | None,
    question: str | None,
    check: Callable[[], None],
) -> Generator[Event, None, None]:
    """The answer after its steps, and again if the model finds its draft wrong."""
    thought: list[str] = []
    if steps:
        last = replace(messages[-1], content=f"{messages[-1].content}\n\n{steps}")
        most = min(options.max_tokens or _LONGEST_STEPS, _LONGEST_STEPS)
        free = replace(options, constraint=None, max_tokens=most, stop=(), think="off")
        work = yield from completing(engine, [*messages[:-1], last], free, check)
        thought.append(work.text)
        messages = [*messages[:-1], last, Message("assistant", work.text), Message("user", _THEN_ANSWER[language])]
    if question:
        # Whether the draft is good is asked by the probability of the word, not by an essay about it.
        draft = yield from completing(engine, messages, options, check)
        asked = [*messages, Message("assistant", draft.text), Message("user", question)]
        try:
            good, bad = yield from telling(engine, lambda tell: engine.score(asked, _VERDICT[language], tell), check)
        except NoProbabilities as unknown:
            good, bad = float(unknown.likeliest == _VERDICT[language][0]), 0.5
        if good >= bad:
            yield Delta(draft.text)
            yield replace(draft, reasoning="\n\n".join(thought))
            return
        thought += [draft.text, f"{question} {_VERDICT[language][1]}"]
        asked += [Message("assistant", _VERDICT[language][1]), Message("user", _REPAIR[language])]
        messages = asked
    for event in engine.generate(messages, options):
        yield replace(event, reasoning="\n\n".join(thought)) if isinstance(event, Result) else event
