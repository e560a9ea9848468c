"""The one shape of every exchangeable part, and what passes between the stages.

A component is a `Config` with a documented default for each field, a class that takes it, and a
typed call. Defining a subclass with a `family` and a `name` registers it: settings, the command
line, the documentation test and the contract tests find it there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, ClassVar, Protocol, Self, TypeVar, cast, overload, runtime_checkable

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.data.dataset import NO_LINKS, Dataset, IntArray, Links
from polyscene.data.questions import Questions
from polyscene.errors import SettingsError, did_you_mean
from polyscene.settings import Config, Scenario, Settings, parse

__all__ = [
    "BACK",
    "BOTH_PLACE",
    "FUSED_PLACE",
    "FUSED_SCORE",
    "NO_POSTS",
    "PROPENSITY",
    "VALUE",
    "VALUE_PLACE",
    "Candidates",
    "Coded",
    "Component",
    "Config",
    "History",
    "Path",
    "Persistable",
    "Posts",
    "Precedent",
    "Query",
    "Questions",
    "Space",
    "Trainable",
    "Training",
    "Tunable",
    "Validation",
    "Vectors",
    "build",
    "component_names",
]

Vectors = npt.NDArray[np.float32]
"""Row vectors, shape (n, dim)."""

NameT = TypeVar("NameT")

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
    people: Mapping[str, Vectors] = field(default_factory=dict)
    """Unit vectors of people by the scenario that recommends them, shape (targets, dim); the first
    rows are the users of `data`, in their order."""
    tags: Sequence[tuple[str, ...]] = ()
    """Tags of each item; empty where unknown."""
    links: Links = NO_LINKS
    """All relations."""
    shown: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    """By scenario which items it recommends, shape (items,); where it is left out, all but tags."""


@dataclass(frozen=True, slots=True)
class Validation:
    """Events held out of a training set, on which options are tried."""

    training: Training
    """What is left to learn from."""
    questions: Questions
    """The users who have something held out that they liked, and what it was about; q of them."""
    relevant: Mapping[str, sp.csr_matrix]
    """By scenario what is to be found by each question, shape (q, targets of the scenario)."""
    held: Dataset | None = None
    """All held-out events of the users who were drawn, whether or not they liked anything."""

    @property
    def users(self) -> IntArray:
        """Row of the user of each question, ascending, shape (q,)."""
        return self.questions.users


@runtime_checkable
class Trainable(Protocol):
    """A component that learns from the events."""

    def fit(self, training: Training) -> None:
        """Learn; what was learned before is forgotten."""


@runtime_checkable
class Tunable(Protocol):
    """A component that can choose options that are left unset."""

    def tuned(self, validations: Sequence[Validation]) -> Self:
        """A component of the same kind with every option set, by what was held out.

        Args:
            validations: One or more splits of the same events.
        """


@runtime_checkable
class Persistable(Protocol):
    """A component whose learned state is saved with the model: JSON and .npy, never pickle."""

    def save(self, path: FilePath) -> None:
        """Write the learned state into the existing directory `path`."""

    def load(self, path: FilePath) -> Self:
        """Read what `save` wrote; returns the component itself."""


class Space(Protocol):
    """A set of targets with their vectors, as the sources see it."""

    @property
    def vectors(self) -> Vectors:
        """Unit rows, shape (number of targets, dim). Targets without text are zero."""

    @property
    def edition(self) -> int:
        """A number that grows with every change of the vectors."""

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
class Posts:
    """What a user did about contexts, one entry a distinct pair of context and target.

    The latest come first. A post is all that was done about one context.
    """

    contexts: IntArray
    """Rows of the contexts in the space of items."""
    targets: IntArray
    """Rows of the targets in the space of items."""

    def __len__(self) -> int:
        return len(self.contexts)


class Coded(Sequence[NameT]):
    """Names by their codes, each looked up when it is read.

    Args:
        codes: Places among the names; -1 is the last.
        names: The names.
    """

    __slots__ = ("_codes", "_names")

    def __init__(self, codes: npt.NDArray[np.integer[Any]], names: Sequence[NameT]) -> None:
        self._codes = codes
        self._names = names

    def __len__(self) -> int:
        return len(self._codes)

    @overload
    def __getitem__(self, place: int) -> NameT: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[NameT]: ...

    def __getitem__(self, place: int | slice) -> NameT | Sequence[NameT]:
        if isinstance(place, slice):
            return Coded(self._codes[place], self._names)
        return self._names[int(self._codes[place])]

    def copy(self) -> Coded[NameT]:
        """The same, with codes of its own."""
        return Coded(self._codes.copy(), self._names)

    def where(self, wanted: Callable[[NameT], bool]) -> npt.NDArray[np.bool_]:
        """Which of them are wanted; each name is looked at once."""
        found = np.array([wanted(name) for name in self._names], np.bool_)
        return np.asarray(found[self._codes])


NO_POSTS = Posts(np.zeros(0, np.int64), np.zeros(0, np.int64))
"""Nothing done about anything."""


@dataclass(frozen=True, slots=True)
class History:
    """What a user did, one entry a distinct item, latest first. All arrays of length h."""

    rows: IntArray
    """Rows in the space of items."""
    items: Vectors
    """Unit vectors of all items, shape (number of items, dim)."""
    strengths: npt.NDArray[np.float32]
    """Sum of action strength × time decay of the events on each, scaled so that the largest has
    size 1; negative for dislikes."""
    undecayed: npt.NDArray[np.float32]
    """The same without time decay, scaled alike."""
    actions: Sequence[str]
    """The action that tells most of each entry, for texts and reasons."""
    scenarios: Sequence[str | None]
    """The scenario in which that happened, None where unknown."""
    posts: Posts = NO_POSTS
    """What was done about contexts, of the events on tags where tags are recommended, else of the
    others."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def vectors(self) -> Vectors:
        """Unit vectors of the items in it, shape (h, dim)."""
        return self.items[self.rows]

    def elsewhere(self, scenario: str) -> npt.NDArray[np.bool_]:
        """Which entries are of other scenarios; those of an unknown one are not. Shape (h,)."""
        known = Coded(np.arange(len(self)), self.scenarios)
        names = self.scenarios if isinstance(self.scenarios, Coded) else known
        return names.where(lambda name: name not in (None, scenario))


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
    user: str | None = None
    """Id of the user; None for somebody unknown."""
    friends: Sequence[str] = ()
    """Ids of the people that the user is connected with."""
    context: int = -1
    """Row of what is asked about in the space of items, whose vectors the history has; -1 for
    nothing."""


@dataclass(frozen=True, slots=True)
class Path:
    """What connects a history item with a target, in two steps."""

    start: int
    """Row of the history item."""
    kind: str
    """What stands between: "tag", "people" for users who acted on both, or a predicate."""
    via: str
    """The tag, or the object of the relation; "" for people, who are not named."""


@dataclass(frozen=True, slots=True)
class Precedent:
    """What was done about a context before, and speaks for a target."""

    context: int
    """Row of the context in the space of items: the one asked about, or one like it."""
    own: bool
    """Whether the user did it; else others."""


FUSED_SCORE = "fused"
"""A step: the fused score of the sources."""
FUSED_PLACE = "fused_place"
"""A step: the place by it."""
VALUE = "value"
"""A step: the value by the reward."""
VALUE_PLACE = "value_place"
"""A step: the place by it, before rules and diversity."""
BACK = "back"
"""A step: what the person would say of the one who asks, in [0, 1]; NaN for nothing."""
BOTH_PLACE = "both_place"
"""A step: the place by what both sides say."""
PROPENSITY = "propensity"
"""A step: the probability that the target stands at its place; where it is missing, 1."""


@dataclass(slots=True)
class Candidates:
    """Targets with scores. All arrays have length m; sources return them best first."""

    rows: IntArray
    """Rows in the space of the query."""
    scores: npt.NDArray[np.float32]
    """Scores; higher is better."""
    parts: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    """What each source contributed to the score."""
    marks: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """What rules did to targets, by row."""
    tasks: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    """The predicted tasks by name, where they were asked for and learned; NaN where not."""
    steps: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    """What stages before gave: `FUSED_SCORE`, `FUSED_PLACE`, `VALUE` and `VALUE_PLACE`, places from
    1, NaN for what only fills a list up; `BACK` and `BOTH_PLACE`, where both sides were asked; and
    `PROPENSITY`, where places were drawn."""

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, order: IntArray) -> Candidates:
        """The candidates at these positions, in this order."""
        return Candidates(
            rows=self.rows[order],
            scores=self.scores[order],
            parts={name: part[order] for name, part in self.parts.items()},
            marks=self.marks,
            tasks={name: column[order] for name, column in self.tasks.items()},
            steps={name: column[order] for name, column in self.steps.items()},
        )
