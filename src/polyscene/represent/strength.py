"""How much an event says about a user's interest: action, value and age."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from polyscene.settings import Action, Scenario, Settings

__all__ = ["SECONDS_A_DAY", "Events", "Strengths", "action_strength", "decay"]

SECONDS_A_DAY = 86_400.0


def action_strength(action: Action, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Strengths before time decay; the formulas are in `settings.Action`. Same shape."""
    if action.value == "linear":
        return action.weight * np.clip((values - action.center) / action.scale, -1.0, 1.0)
    if action.value == "log":
        return action.weight * np.log1p(np.maximum(values, 0.0))
    return np.full_like(values, action.weight)


def decay(ages_s: npt.NDArray[np.float64], half_life_days: float) -> npt.NDArray[np.float64]:
    """0.5^(age / half-life), 1 where the age is unknown (NaN) or negative. Same shape.

    Args:
        ages_s: Ages in seconds.
        half_life_days: The age at which an event counts half.
    """
    ages = np.nan_to_num(np.maximum(ages_s, 0.0), nan=0.0)
    return np.exp2(-ages / (half_life_days * SECONDS_A_DAY))


class Events(Protocol):
    """Events as parallel arrays; `Dataset` and `Deeds` are such."""

    @property
    def action(self) -> npt.NDArray[np.int32]:
        """Code of each event's action, an index into `actions`."""

    @property
    def scenario(self) -> npt.NDArray[np.int32]:
        """Code of each event's scenario, an index into `scenarios`; -1 where it has none."""

    @property
    def value(self) -> npt.NDArray[np.float64]:
        """Value of each event."""

    @property
    def actions(self) -> tuple[str, ...]:
        """Names of the action codes."""

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Names of the scenario codes."""


class Strengths:
    """Strengths of events as one scenario sees them.

    An event counts by the action weights of the scenario in which it happened; events of no known
    scenario, and actions that scenario does not name, by those of the reading scenario.

    Args:
        settings: The workspace's settings.
        scenario: Name of the reading scenario.
    """

    def __init__(self, settings: Settings, scenario: str) -> None:
        self._settings = settings
        self._spec = settings.scenario(scenario)
        self._readable = settings.readable(scenario)

    def readable(self, events: Events) -> npt.NDArray[np.bool_]:
        """Which events are part of the history here. Shape (number of events,)."""
        by_code = [name in self._readable for name in events.scenarios]
        return np.array([*by_code, True], np.bool_)[events.scenario]  # code -1 is the last

    def seen(self, events: Events) -> npt.NDArray[np.bool_]:
        """Which events make their target one that was seen here. Shape (number of events,)."""
        readable = self.readable(events)
        if not self._spec.seen_actions or not len(events.actions):
            return readable
        counts = np.array([name in self._spec.seen_actions for name in events.actions], np.bool_)
        return np.asarray(readable & counts[events.action])

    def __call__(self, events: Events) -> npt.NDArray[np.float64]:
        """Strengths before time decay, shape (number of events,)."""
        strengths = np.zeros(len(events.action), np.float64)
        width = len(events.scenarios) + 1
        pairs = events.action.astype(np.int64) * width + events.scenario + 1
        for pair in np.unique(pairs):
            action, scenario = divmod(int(pair), width)
            origin = events.scenarios[scenario - 1] if scenario else None
            meaning = self._look_up(events.actions[action], origin)
            same = pairs == pair
            strengths[same] = action_strength(meaning, events.value[same])
        return strengths

    def positive(self, events: Events) -> npt.NDArray[np.bool_]:
        """Which events are successes here. Shape (number of events,)."""
        wanted = self._spec.successes
        if not wanted:
            return self(events) > 0
        least = np.array([wanted.get(action, np.inf) for action in events.actions], np.float64)
        return events.value >= least[events.action] if len(least) else self(events) > 0

    def _look_up(self, action: str, scenario: str | None) -> Action:
        origin: Scenario | None = self._settings.scenarios.get(scenario or "")
        for spec in (origin, self._spec):
            if spec is not None and action in spec.actions:
                return spec.actions[action]
        return Action(weight=self._spec.other_actions)
