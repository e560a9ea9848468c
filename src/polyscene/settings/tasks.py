"""Tasks: the responses that are predicted in a scenario, and how they are declared.

purchase           whether the action happens
rate>=4            whether it happens with at least this value
value of rate      its value, where it happens
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["Task", "task_table"]

_CHANCE = re.compile(r"\s*([^<>=\s]+)\s*(?:>=\s*(-?\d+(?:\.\d+)?)\s*)?")
_VALUE = re.compile(r"\s*value\s+of\s+([^<>=\s]+)\s*")


@dataclass(frozen=True, slots=True)
class Task:
    """One response to predict."""

    name: str
    """Its name, as rewards write it."""
    action: str
    """The action that it looks at."""
    least: float = -math.inf
    """The value from which on the action counts."""
    of_value: bool = False
    """Whether the value of the action is predicted, not whether it happens."""

    @classmethod
    def of(cls, name: str, text: str) -> Self:
        """The task of that name, declared by one of the forms above.

        Raises:
            ValueError: When the text has none of the forms.
        """
        if found := _VALUE.fullmatch(text):
            return cls(name, found[1], of_value=True)
        if found := _CHANCE.fullmatch(text):
            return cls(name, found[1], float(found[2]) if found[2] else -math.inf)
        raise ValueError(
            f"{text!r} is no task; a task is an action, or like 'rate>=4' or 'value of rate'"
        )

    @property
    def plain(self) -> bool:
        """Whether it is the action itself, whatever its value."""
        return not self.of_value and self.least == -math.inf


def task_table(declared: Any) -> Any:
    """A list of actions as a table from each name to itself; a table as it is.

    Raises:
        ValueError: When it is a text or a number.
    """
    if isinstance(declared, str | int | float):
        raise ValueError("tasks are a list of actions, or a table of tasks by name")
    if isinstance(declared, list) and all(isinstance(name, str) for name in declared):
        return {name: name for name in declared}
    return declared
