"""Numbers and names of an answer that its input does not have: small models turn 15:00 into 4:00, and a reader who does
not know the source cannot see it."""

from __future__ import annotations

import re

from assistant.memory.claims import Evidence, claims_of
from assistant.memory.sentences import sentences
from assistant.templates.filled import Filled

_NUMBERING = re.compile(r"^\s*\d{1,3}[.)]\s", re.MULTILINE)


def ungrounded(filled: Filled, input: str, answer: str) -> tuple[str, ...]:
    """As they stand in the answer, each once; none where the template does not ask for it. Numbers are compared as
    values, names also across scripts, by their sound: a hint, as both can be said in other words."""
    asked = filled.template.grounded
    if asked is None:
        return ()
    evidence = Evidence(input)
    answer = _NUMBERING.sub("", answer)
    found = (
        claim.text
        for start, end in sentences(answer, 0, len(answer))
        for claim in claims_of(answer[start:end])
        if (claim.values or asked == "all") and not evidence.has(claim)
    )
    return tuple(dict.fromkeys(found))
