"""The one shape of every exchangeable part, and what passes between the stages.

A component is a `Config` with a documented default for each field, a class that takes it, and a
typed call. Defining a subclass with a `family` and a `name` registers it: settings, the command
line, the documentation test and the contract tests find it there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import Dataset, IntArray
from polyscene.errors import SettingsError, did_you_mean
from polyscene.settings import Config, Scenario, Settings, parse

__all__ = [
    "Candidates",
    "Component",
    "Config",
    "History",
    "Persistable",
    "Query",
    "Space",
    "Trainable",
    "Training",
    "Vectors",
    "build",
    "component_names",
]

Vectors = npt.NDArray[np.float32]
"""Row vectors, shape (n, dim)."""

_registry: dict[str, dict[str, type[Component]]] = {}


class Component:
    """Base of encoders, sources, rewards and every other part chosen by name.

    Args:
        config: The options; the defaults when omitted.
    """

    family: ClassVar[str] = ""
    """What kind of part it is: encoder, source, reward, ..."""
    name: ClassVar[str] = ""
    """Its name in settings, unique in the family."""
    config_type: ClassVar[type[Config]] = Config
    """Class of its options."""
    config: Config
    """Its options; subclasses narrow the type."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config if config is not None else self.config_type()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            _registry.setdefault(cls.family, {})[cls.name] = cls


ComponentT = TypeVar("ComponentT", bound=Component)


def component_names(family: str) -> tuple[str, ...]:
    """The names registered in a family, sorted."""
    return tuple(sorted(_registry.get(family, {})))


def build(
    base: type[ComponentT],
    name: str,
    options: Mapping[str, Any] | None = None,
    where: str = "",
) -> ComponentT:
    """A component by name, with validated options.

    Args:
        base: The base class of its family.
        name: Its registered name.
        options: Its options as read from settings.
        where: The setting they come from, for the message.

    Raises:
        SettingsError: When no component has that name, or an option is unknown or wrong.
    """
    known = _registry.get(base.family, {})
    if name not in known:
        raise SettingsError(
            f"{where or base.family}: unknown {base.family} {name!r}; {did_you_mean(name, known)}"
        )
    cls = cast("type[ComponentT]", known[name])
    return cls(parse(cls.config_type, options or {}, where or f"{base.family}.{name}"))


@dataclass(frozen=True, slots=True)
class Training:
    """What a component learns from."""

    data: Dataset
    """All events."""
    settings: Settings
    """The workspace's settings, with the declared scenarios."""
    vectors: Vectors
    """Unit vectors of the items, shape (number of items, dim); zero for items without text."""
    now: float
    """The time to count ages from, seconds since 1970-01-01 UTC."""


@runtime_checkable
class Trainable(Protocol):
    """A component that learns from the events."""

    def fit(self, training: Training) -> None:
        """Learn; what was learned before is forgotten."""


@runtime_checkable
class Persistable(Protocol):
    """A component whose learned state is saved with the model: JSON and .npy, never pickle."""

    def save(self, path: Path) -> None:
        """Write the learned state into the existing directory `path`."""

    def load(self, path: Path) -> Self:
        """Read what `save` wrote; returns the component itself."""


class Space(Protocol):
    """A set of targets with their vectors, as the sources see it."""

    @property
    def vectors(self) -> Vectors:
        """Unit rows, shape (number of targets, dim). Targets without text are zero."""

    @property
    def published_at(self) -> npt.NDArray[np.float64]:
        """When each target appeared, seconds since 1970-01-01 UTC; NaN where unknown."""

    def search(
        self, queries: Vectors, n: int, allowed: npt.NDArray[np.bool_] | None
    ) -> tuple[IntArray, Vectors]:
        """The most similar allowed targets of each query.

        Args:
            queries: Unit rows, shape (q, dim).
            n: How many to return for each.
            allowed: Which targets may be returned, shape (number of targets,); None for all.

        Returns:
            Rows and cosines, each of shape (q, n), best first; row -1 past the last allowed.
        """


@dataclass(frozen=True, slots=True)
class History:
    """What a user did, one entry a distinct item, latest first. All arrays of length h."""

    rows: IntArray
    """Rows in the space of items."""
    vectors: Vectors
    """Unit vectors of those items, shape (h, dim)."""
    strengths: npt.NDArray[np.float32]
    """Sum of action strength × time decay of the events on each, scaled so that the largest has
    size 1; negative for dislikes."""
    actions: tuple[str, ...]
    """The action that tells most of each entry, for texts and reasons."""
    scenarios: tuple[str | None, ...]
    """The scenario in which that happened, None where unknown."""

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: recommend to this user in this scenario."""

    scenario: str
    """Name of the scenario."""
    spec: Scenario
    """Its declaration."""
    n: int
    """How many candidates a source should return."""
    now: float
    """Time of the question, seconds since 1970-01-01 UTC."""
    space: Space
    """The targets to choose from."""
    history: History
    """What the user did; empty for an unknown user."""
    vector: Vectors
    """The user as one unit vector, shape (dim,); zero when nothing is known of them."""
    interests: Vectors
    """What the user states in words (tags, description) as one unit vector, or zero."""
    allowed: npt.NDArray[np.bool_]
    """Which targets may be recommended, shape (number of targets,)."""


@dataclass(slots=True)
class Candidates:
    """Targets with scores. All arrays have length m; sources return them best first."""

    rows: IntArray
    """Rows in the space of the query."""
    scores: npt.NDArray[np.float32]
    """Scores; higher is better."""
    parts: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    """What each source contributed to the score."""
    support: IntArray | None = None
    """For each candidate the rows of the history items that produced it, shape (m, k), -1 past
    the last; None when the source has none."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, order: IntArray) -> Candidates:
        """The candidates at these positions, in this order."""
        return Candidates(
            rows=self.rows[order],
            scores=self.scores[order],
            parts={name: part[order] for name, part in self.parts.items()},
            support=None if self.support is None else self.support[order],
        )
