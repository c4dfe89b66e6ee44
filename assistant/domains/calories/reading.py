"""What a meal's text says by its grammar alone: foods that the table has names for, the amounts that belong to
them, what was not eaten, and which words only a model can judge."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from assistant.domains.calories import lemmas, portions, units, when
from assistant.domains.calories.clauses import Token, is_of_another, is_verb, tokens_of
from assistant.domains.calories.foods import SURE
from assistant.domains.calories.naming import Mention, Names, measured, merged, named, widen, without_names
from assistant.domains.calories.negation import negate
from assistant.domains.calories.pairing import pair
from assistant.domains.calories.units import Quantity

MOST_AMOUNTS = 200
_MOST_OPEN = 2  # words that nobody knows beside a name, in a clause without a verb
# What a text says beside foods and amounts: energy, which the table knows better, with the mark that sets it off; how
# an amount was judged.
_ASIDE = re.compile(
    r"[|(,;–—-]?\s*(?<!\w)(?:as|at|with|по|на)?\s*\d(?:[\d\s.,]*\d)?\s?(?:к?кал(?:ори\w*|\.)?|ккал(?:ори\w*|\.)?|килокалори\w*|kcals?"
    r"|(?:kilo)?calories?|cals?|kj|кдж)(?!\w)\)?"
    r"|(?<!\w)(?:на\s+глаз(?:ок)?|на\s+вид|на\s?вскидку|на\s+ходу|на\s+бегу|на\s+скорую\s+руку|по\s+ощущениям|eyeballed"
    r"|give\s+or\s+take|on\s+the\s+go)(?!\w)",
    re.IGNORECASE,
)
# One word for a heap of it.
_COLLECTIVE_WORDS = """
картошка картофель картоха морковь морковка свекла лук пицца рыба курица печенье хлеб ягода капуста шоколад pizza
chicken fish bread chocolate sushi shrimp
"""
_COLLECTIVE = frozenset(_COLLECTIVE_WORDS.split())
_HOT_DRINKS = frozenset(
    (
        "чай",
        "кофе",
        "капучино",
        "латте",
        "эспрессо",
        "американо",
        "какао",
        "tea",
        "coffee",
        "cappuccino",
        "latte",
        "espresso",
        "americano",
        "cocoa",
    )
)


@dataclass(slots=True)
class Reading:
    """Attributes:
    open: places of words that nothing explains, in runs without separators.
    loose: amounts that belong to no food.
    """

    text: str
    hints: list[when.Hint]
    mentions: list[Mention]
    open: list[tuple[int, int]]
    loose: list[Quantity]
    quantities: list[Quantity]
    tokens: list[Token]

    @property
    def undecided(self) -> list[tuple[int, int]]:
        """Places that a model has to judge."""
        unsure = [(mention.start, mention.end) for mention in self.mentions if mention.eaten is None]
        return sorted([*(place for place in self.open if not self.is_negated(place[0])), *unsure])

    def excerpt(self) -> tuple[int, int]:
        """From the first sentence with an undecided place to the last; where the model has to look."""
        undecided = self.undecided
        before = [token.start for token in self.tokens if token.before == "stop" and token.start <= undecided[0][0]]
        behind = [token.start for token in self.tokens if token.before == "stop" and token.start >= undecided[-1][1]]
        return before[-1] if before else 0, behind[0] if behind else len(self.text)

    def is_negated(self, place: int) -> bool:
        return any(token.negated for token in self.tokens if token.start <= place < token.end)

    @property
    def eaten(self) -> bool:
        """Whether anything surely was."""
        return any(mention.eaten for mention in self.mentions)

    def decides(self, start: int, end: int) -> bool:
        """Whether the grammar says already of these words, and of no others beside them, what they are."""
        touched = [mention for mention in self.mentions if mention.start < end and start < mention.end]
        if self.is_negated(start) or len(touched) > 1:
            return True
        return any(
            one.eaten is not None and (one.eaten is False or (one.start <= start and end <= one.end)) for one in touched
        )

    def strange_unit(self, quantity: Quantity, mention: Mention) -> str:
        """A bare number with a noun between it and the food, which nobody can weigh: "3 ведра супа"; or nothing."""
        between = [token for token in self.tokens if quantity.end <= token.start < mention.start]
        if quantity.unit or quantity.vague or len(between) != 1 or between[0].role != "open" or between[0].before:
            return ""
        if "ADJF" in lemmas.grammemes(between[0].text):
            return ""
        return self.text[quantity.start : between[0].end]

    def names(self, start: int, end: int) -> bool:
        """Whether the table has a name among these words."""
        return any(one.sure and one.start < end and start < one.end for one in self.mentions)

    def take(self, start: int, end: int, amount: str) -> None:
        """What a model marked: a mention that the grammar left open, more words of one, or words that no table has."""
        touched = next((one for one in self.mentions if one.start < end and start < one.end), None)
        if touched:
            touched.eaten = True
            if touched.sure and (start < touched.start or touched.end < end):
                touched.core = touched.words
                touched.start, touched.end = min(start, touched.start), max(end, touched.end)
                touched.words = self.text[touched.start : touched.end]
            return
        mention = Mention(start, end, self.text[start:end], sure=False, eaten=True)
        said = next((q for q in self.loose if self.text[q.start : q.end] == amount), None)
        if said:
            self.loose.remove(said)
            mention.quantities.append(said)
        self.mentions.append(mention)
        self.mentions.sort(key=lambda each: each.start)

    def beside(self, mention: Mention) -> Literal["", "food", "drink"]:
        """What it came with: "кофе с молоком"."""
        other = next((other for other in self.mentions if other.start == mention.beside), None)
        if not other:
            return ""
        return "drink" if any(lemma in _HOT_DRINKS for lemma in lemmas.lemmas(other.words)) else "food"

    def spans(self, start: int, end: int, longest: int) -> list[tuple[int, int]]:
        """Runs of up to ``longest`` words there that may name a food, and the mentions."""
        spans = {
            (mention.start, mention.end) for mention in self.mentions if start <= mention.start and mention.end <= end
        }
        tokens = [token for token in self.tokens if start <= token.start and token.end <= end]
        for first, token in enumerate(tokens):
            for last in range(first, min(first + longest, len(tokens))):
                if (last > first and tokens[last].before in ("comma", "stop")) or tokens[last].role in (
                    "quantity",
                    "hint",
                ):
                    break
                if token.role in ("open", "food") and tokens[last].role in ("open", "food"):
                    spans.add((token.start, tokens[last].end))
        return sorted(spans)


def read(text: str, foods: Names, today: date) -> Reading:
    """The reading of a text of any length; nothing is guessed."""
    said, text = text, _ASIDE.sub(lambda aside: " " * len(aside[0]), text)
    hints = when.find(text, today)
    quantities = units.find(text, [(hint.start, hint.end) for hint in hints if hint.end > hint.start], foods.is_name)
    quantities = quantities[:MOST_AMOUNTS]
    tokens = tokens_of(text, hints, quantities)
    mentions = named(text, tokens, quantities, foods)
    quantities = without_names(text, mentions, quantities, foods)
    for token in tokens:
        if any(q.start <= token.start < q.end for q in quantities) and not token.words:
            token.role = "quantity"
    widen(text, tokens, mentions, quantities, foods)
    mentions += measured(text, tokens, quantities, mentions)
    mentions.sort(key=lambda mention: mention.start)
    negate(text, tokens, mentions)
    mentions = merged(text, mentions, quantities, foods)
    loose = pair(text, tokens, mentions, quantities, lambda mention: _portion(mention, foods))
    _judge(tokens, mentions, quantities)
    return Reading(said, hints, mentions, _open_runs(tokens), loose, quantities, tokens)


def _judge(tokens: Sequence[Token], mentions: Sequence[Mention], quantities: Sequence[Quantity]) -> None:
    """Mark what was surely eaten: it has an amount, or stands by a verb of eating, or alone."""
    clauses, sentences = _parts(tokens, "comma", "stop"), _parts(tokens, "stop")
    exact = {token.start for token in tokens for q in quantities if not q.vague and q.start <= token.start < q.end}
    for mention in mentions:
        if mention.eaten is False:
            continue
        own, sentence = _around(mention, clauses), _around(mention, sentences)
        if any(is_of_another(token.text) for token in own if token.role != "food"):
            mention.eaten = False
            continue
        unknown = sum(token.role == "open" for token in own)
        of_meals = any(token.role in ("eat", "hint") or token.start in exact for token in sentence)
        verb = _tells_of_else(own) or (_tells_of_else(sentence) and not of_meals)
        said = any(token.role in ("eat", "hint") for token in own)
        if mention.sure:
            amount = any(quantity.unit or not quantity.vague for quantity in mention.quantities)
            plain = unknown <= _MOST_OPEN and not verb
        else:
            amount = any(quantity.unit for quantity in mention.quantities)
            plain = not unknown and not verb
        if amount or said or plain:
            mention.eaten = True


def _parts(tokens: Sequence[Token], *separators: str) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.before in separators:
            parts.append([])
        parts[-1].append(token)
    return parts


def _around(mention: Mention, parts: Sequence[list[Token]]) -> list[Token]:
    return next((part for part in parts if part and part[0].start <= mention.start <= part[-1].start), [])


def _tells_of_else(tokens: Sequence[Token]) -> bool:
    """Whether the words have a verb of their own: a poem rather than a list. A name of a food is none: капучино."""
    return any(is_verb(token.text) for token in tokens if token.role != "food")


def _portion(mention: Mention, foods: Names) -> float:
    """Grams of a usual portion; 0 where the food is not known."""
    found = foods.look_up(mention.words, 1)
    return portions.usual(found[0].food).grams if found and found[0].score >= SURE else 0.0


def _open_runs(tokens: Sequence[Token]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    previous: Token | None = None
    for token in tokens:
        if token.role == "open":
            if previous and previous.role == "open" and not token.before:
                runs[-1] = (runs[-1][0], token.end)
            else:
                runs.append((token.start, token.end))
        previous = token
    return runs


def is_singular(words: str) -> bool:
    """Whether the words name one: яйцо, egg."""
    last = ""
    if not _COLLECTIVE.isdisjoint(lemmas.lemmas(words)):
        return False
    for word in lemmas.words(words):
        tags = lemmas.grammemes(word.text)
        if "NOUN" in tags:
            return "sing" in tags
        last = word.text
    return bool(last) and last.isascii() and lemmas.readings(last)[0] == last


def is_russian(words: str) -> bool:
    return bool(re.search("[а-яё]", words, re.IGNORECASE))
