"""A record put into its template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from assistant.engine.engine import GenerateOptions
from assistant.tasks.batching.records import Record, text_of
from assistant.templates.template import Filled, Template, fill
from models.errors import UsageError


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is given. ``tries`` counts those that failed."""

    record: Record
    filled: Filled
    options: GenerateOptions
    tries: int = 0

    @property
    def number(self) -> int:
        return self.record.number


def tasks_of(
    template: Template, given: Mapping[str, Any], mapped: Mapping[str, str], options: GenerateOptions
) -> Callable[[Record], Task]:
    """Puts each record into the template.

    Args:
        given: values of variables that are the same for all.
        mapped: variables that each record has a field for.

    Raises:
        UsageError: a variable is wrong or missing; of one that is mapped, the function that is returned raises it.
    """
    # The state of a prompt that does not come again is not worth the disk.
    options = replace(options, keep_state=False)
    if not mapped:
        filled = fill(template, given)
        return lambda record: Task(record, filled, options)
    for name in mapped:
        if name not in template.variables and name != "language":
            fill(template, {name: ""})  # says which there are
    # What is the same for all is checked now, without what only the records have.
    own = {name: variable for name, variable in template.variables.items() if name not in mapped}
    fill(template.model_copy(update={"variables": own, "choices": None, "scale": None, "schema_": None}), given)

    def task(record: Record) -> Task:
        values = dict(given)
        for variable, field in mapped.items():
            if (value := record.values.get(field)) is None:
                raise UsageError(f"it has no field {field!r} for the variable {variable!r}")
            values[variable] = value if isinstance(value, str | list | dict) else text_of(value)
        return Task(record, fill(template, values), options)

    return task
