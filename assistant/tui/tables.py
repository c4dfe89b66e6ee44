"""The answers of /stats and /context: small tables in the transcript."""

from __future__ import annotations

from textual.content import Content

from assistant.chat.context import Budget
from assistant.engine.calls import Choice
from assistant.engine.engine import Result
from assistant.tui.strings import Strings

BAR_CELLS = 20
OTHERS = 3  # choices told of beside the one that was made


def stats(say: Strings, model: str, result: Result) -> Content:
    """Timings of an answer, phase by phase."""
    times, drafting = result.timings, result.speculation

    def speed(tokens: int, seconds: float) -> str:
        if not seconds:
            return say("tokens", tokens=say.number(tokens))
        rate = say.number(tokens / seconds, 1)
        return say("tokens_in", tokens=say.number(tokens), seconds=say.number(seconds, 2), speed=rate)

    rows = [(say("stats_model"), model)]
    if times.load_seconds >= 0.005:
        rows.append((say("stats_load"), say("seconds", seconds=say.number(times.load_seconds, 2))))
    rows += [
        (say("stats_first"), say("seconds", seconds=say.number(times.first_token_seconds, 2))),
        (say("stats_prefill"), speed(times.prefill_tokens, times.prefill_seconds)),
        (say("stats_cached"), say("tokens", tokens=say.number(result.prompt_tokens - times.prefill_tokens))),
    ]
    if times.restored_tokens:
        rows.append((say("stats_restored"), say("tokens", tokens=say.number(times.restored_tokens))))
    rows.append((say("stats_decode"), speed(times.decode_tokens, times.decode_seconds)))
    if drafting.rounds:
        words = say(
            "drafted",
            drafted=say.number(drafting.drafted),
            accepted=say.number(drafting.accepted),
            gain=say.number(drafting.gain, 2),
            mode=drafting.mode,
        )
        rows.append((say("stats_drafted"), words))
    rows.append((say("stats_reason"), say(f"reason_{result.finish_reason}")))
    return _table(say("stats_title"), rows)


def budget(say: Strings, budget: Budget) -> Content:
    """What fills the window, each part with its bar."""
    parts = [
        ("budget_system", budget.system),
        ("budget_history", budget.history),
        ("budget_reserve", budget.reply),
        *([("budget_passages", budget.passages)] if budget.passages else []),
        ("budget_free", max(0, budget.free)),
    ]

    def row(tokens: int) -> str:
        share = tokens / budget.window if budget.window else 0
        return f"{say.number(tokens):>8}  {'━' * round(share * BAR_CELLS):<{BAR_CELLS}} {round(100 * share):>3} %"

    rows = [(say(name), row(tokens)) for name, tokens in parts]
    rows.append((say("budget_window"), f"{say.number(budget.window):>8}"))
    return _table(say("budget_title"), rows)


def chosen(say: Strings, choice: Choice) -> str:
    """How probable a chosen answer is, and what else it could have been."""
    from assistant.engine.scoring import probabilities  # with numpy, which the chat does without

    shares = sorted(probabilities(choice.scores).items(), key=lambda one: -one[1])
    others = ", ".join(f"{answer} {say.number(100 * share)} %" for answer, share in shares[1 : 1 + OTHERS])
    return say("chosen", choice=choice.text, percent=say.number(100 * shares[0][1]), others=others)


def _table(title: str, rows: list[tuple[str, str]]) -> Content:
    width = max(len(name) for name, _ in rows)
    parts: list[tuple[str, str]] = [(title, "bold")]
    for name, value in rows:
        parts += [(f"\n  {name:<{width}}  ", "$text-muted"), (value, "$text")]
    return Content.assemble(*parts)
