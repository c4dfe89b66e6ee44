"""Minutes of a meeting: four lists, which the model fills in as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from assistant.engine.engine import Constraint
from assistant.templates.fields import Language

_LONGEST = 280  # characters of a line
_LIST_ITEMS = 12
_NUMBERING = re.compile(r"^(?:-|\d{1,2}[.)])\s+")
# No open questions.
_NONE = re.compile(r"(?:no|none|not|n/a|нет|не|отсутств\w+)\b(?:\W+\w+){0,3}\W*", re.IGNORECASE)
_MINUTES = {
    "en": ("present", "decisions", "tasks", "open questions", ("who", "task", "by when")),
    "ru": ("присутствовали", "решения", "задачи", "открытые вопросы", ("кто", "задача", "срок")),
}
# What is said becomes what was decided.
EXAMPLE: dict[Language, tuple[str, dict[str, object]]] = {
    "en": (
        "Ann: So, the stall. Bert is ill, it's Ivo and me today. The tent has a hole.\nIvo: I'll get a new one by "
        "Friday, for 80.\nAnn: Fine, buy it. And from now on we open at 9, not at 8.\nIvo: OK. Who pays for the "
        "parking?\nAnn: No idea. I'll ask the council on Monday.",
        {
            "present": ["Ann", "Ivo"],
            "decisions": ["A new tent is bought for 80.", "The stall opens at 9 instead of 8."],
            "tasks": [
                {"who": "Ivo", "task": "Buy a new tent", "by when": "Friday"},
                {"who": "Ann", "task": "Ask the council who pays for the parking", "by when": "Monday"},
            ],
            "open questions": ["Who pays for the parking?"],
        },
    ),
    "ru": (
        "Анна: Так, про палатку. Борис болеет, сегодня мы с Ильёй. В тенте дыра.\nИлья: К пятнице куплю новый, за "
        "восемь тысяч.\nАнна: Хорошо, покупай. И теперь открываемся в 9, а не в 8.\nИлья: Ладно. А кто платит за "
        "стоянку?\nАнна: Не знаю. Спрошу в управе в понедельник.",
        {
            "присутствовали": ["Анна", "Илья"],
            "решения": ["Купить новый тент за восемь тысяч.", "Палатка открывается в 9, а не в 8."],
            "задачи": [
                {"кто": "Илья", "задача": "Купить новый тент", "срок": "пятница"},
                {"кто": "Анна", "задача": "Спросить в управе, кто платит за стоянку", "срок": "понедельник"},
            ],
            "открытые вопросы": ["Кто платит за стоянку?"],
        },
    ),
}


def headings(tongue: Language) -> tuple[str, ...]:
    """Who was there, decisions, tasks, open questions."""
    return tuple(str(name).capitalize() for name in _MINUTES[tongue][:4])


def minutes_constraint(tongue: Language) -> Constraint:
    """Minutes as JSON, which :func:`minutes_of` reads."""
    present, decisions, tasks, questions, task = _MINUTES[tongue]
    text = {"type": "string", "minLength": 8, "maxLength": _LONGEST}
    short = {"type": "string", "maxLength": 80}
    # Who first: then the task is that person's.
    each = {"type": "object", "properties": {task[0]: short, task[1]: text, task[2]: short}, "required": list(task)}

    def several(items: Mapping[str, object]) -> dict[str, object]:
        return {"type": "array", "items": items, "maxItems": _LIST_ITEMS}

    fields = {present: several(short), decisions: several(text), tasks: several(each), questions: several(text)}
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    return Constraint("json_schema", json.dumps(schema, ensure_ascii=False))


def minutes_of(answer: str, tongue: Language) -> list[tuple[int, str]] | None:
    """The lines of minutes, each with the place of its heading; None: the answer was cut short beyond repair."""
    present, decisions, tasks, questions, task = _MINUTES[tongue]
    try:
        found = json.loads(answer)
    except ValueError:
        return None
    lines = [(0, " ".join(name.split())) for name in found[present]]
    lines += [(1, line) for line in found[decisions]]
    for one in found[tasks]:
        who, what, when = (" ".join(one[name].split()) for name in task)
        about = ", ".join(filter(None, (who, when)))
        lines.append((2, what.rstrip(".") + (f" ({about})" if what and about else "")))
    lines += [(3, line) for line in found[questions]]
    plain = [(part, _NUMBERING.sub("", " ".join(line.split()))) for part, line in lines]
    return [(part, line) for part, line in plain if line and not _NONE.fullmatch(line)]
