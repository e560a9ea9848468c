"""Sources that know nothing of the user: what is popular now, and what is new."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from polyscene.component import Config, Query, Training, Vectors
from polyscene.data.dataset import Dataset, FloatArray
from polyscene.represent.strength import SECONDS_A_DAY, Strengths, decay
from polyscene.settings import Settings
from polyscene.sources.base import Source, nothing
from polyscene.sources.saved import reading

__all__ = ["Fresh", "Trending"]


_KINDS = ("own", "all")
"""The files of a scenario."""


class TrendingConfig(Config):
    """Options of `trending`."""

    shrink: float = Field(default=20.0, ge=0)
    """m, how many events the trend of all scenarios counts for beside those of this one."""


@dataclass(frozen=True, slots=True)
class _Counts:
    """What the events on each target come to at one moment. Arrays of shape (targets,)."""

    at: float
    """The moment, seconds since 1970-01-01 UTC."""
    own: FloatArray
    """Σ_own w_e."""
    all: FloatArray
    """Σ_all w_e."""

    @classmethod
    def of(cls, data: Dataset, settings: Settings, scenario: str, now: float) -> Self:
        """The counts of some events as a scenario sees them."""
        spec, strengths = settings.scenario(scenario), Strengths(settings, scenario)
        ages = decay(now - data.timestamp, spec.trend_half_life_days)
        weights = np.maximum(strengths(data), 0.0) * ages * strengths.readable(data)
        weights[~data.aimed(spec.target) | (data.target < 0)] = 0.0
        elsewhere = [name != scenario for name in data.scenarios]
        own = weights.copy()
        own[np.array([*elsewhere, False], np.bool_)[data.scenario]] = 0.0
        size = len(data.users if spec.target == "person" else data.items)
        rows = np.where(weights > 0, data.target, 0)
        # as float: without events bincount has integers
        counted = (np.bincount(rows, w, size).astype(np.float64) for w in (own, weights))
        return cls(now, *counted)

    def later(self, more: _Counts, half_life_days: float) -> _Counts:
        """These counts at the moment of others, and those added."""
        passed = decay(np.array([more.at - self.at]), half_life_days)[0]
        own, both = more.own.copy(), more.all.copy()
        own[: len(self.own)] += passed * self.own
        both[: len(self.all)] += passed * self.all
        return _Counts(max(self.at, more.at), own, both)

    def scores(self, shrink: float) -> npt.NDArray[np.float32]:
        """See `Trending`. Shape (targets,)."""
        total, whole = self.own, self.all.sum()
        if whole > 0:
            # with no event of its own, a scenario follows the others whatever m is
            total = total + (shrink if total.any() else 1.0) * self.all / whole
        return np.asarray(total / max(total.max(initial=0.0), 1e-12), np.float32)


class Trending(Source):
    """What many act on: the sum over a target's events in the scenario of decayed strength.

        w_e = max(weight of the action, 0) · 0.5^(age / trend half-life)
        score(i) = Σ_own w_e + m · Σ_all w_e / Σ_j Σ_all w_e

    over the events of the scenario and those that name none (own), and over all events it may
    read (all): a scenario with few events of its own is drawn to what is popular elsewhere.
    Divided by the largest, so that scores lie in [0, 1]. Events that come after the fit are added
    to the counts, which is why it is `Live`.
    """

    name: ClassVar[str] = "trending"
    usual: ClassVar[float] = 0.05
    config_type = TrendingConfig
    config: TrendingConfig

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self.last = 0
        self._counts: dict[str, _Counts] = {}
        self._scores: dict[str, npt.NDArray[np.float32]] = {}

    def fit(self, training: Training) -> None:
        """Count; see `polyscene.component.Trainable`."""
        data, settings = training.data, training.settings
        self.last = data.last
        self._use(
            {name: _Counts.of(data, settings, name, training.now) for name in settings.scenarios}
        )

    def follow(self, data: Dataset, settings: Settings, now: float) -> None:
        """Add events that came after; see `polyscene.sources.base.Live`.

        What the fit would count at this moment, but for two kinds of events: one without a time
        decays from when it was counted, and so does one dated later than that.
        """
        self.last = data.last
        found = {}
        for name, counts in self._counts.items():
            if name in settings.scenarios:
                days = settings.scenario(name).trend_half_life_days
                found[name] = counts.later(_Counts.of(data, settings, name, now), days)
        self._use(self._counts | found)

    def scores(self, queries: Sequence[Query]) -> Vectors:
        """See `Source`; O(targets) a query."""
        scores = nothing(queries)
        if queries:
            trend = self._scores.get(queries[0].scenario, np.zeros(0, np.float32))
            known = np.flatnonzero(trend > 0)  # targets added since the count have no trend
            scores[:, known] = trend[known]
        return scores

    def save(self, path: Path) -> None:
        """Write the counts into the existing directory `path`, two arrays a scenario."""
        about = {
            "scenarios": list(self._counts),
            "at": [counts.at for counts in self._counts.values()],
            "last": self.last,
        }
        (path / "trends.json").write_text(json.dumps(about, ensure_ascii=False), "utf-8")
        for number, counts in enumerate(self._counts.values()):
            for kind, array in zip(_KINDS, (counts.own, counts.all), strict=True):
                np.save(path / f"{number}.{kind}.npy", array)

    def load(self, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: When a file is missing or damaged.
        """
        with reading("the trends", path):
            about = json.loads((path / "trends.json").read_text("utf-8"))
            self.last = int(about["last"])
            moments = dict(zip(about["scenarios"], about["at"], strict=True))
            counts = {
                name: _Counts(
                    float(at),
                    np.load(path / f"{number}.own.npy"),
                    np.load(path / f"{number}.all.npy"),
                )
                for number, (name, at) in enumerate(moments.items())
            }
            self._use(counts)
        return self

    def _use(self, counts: dict[str, _Counts]) -> None:
        self._counts = counts
        # Put in place at once: answers are made meanwhile, by another thread.
        self._scores = {name: one.scores(self.config.shrink) for name, one in counts.items()}


class FreshConfig(Config):
    """Options of `fresh`."""

    half_life_days: float = Field(default=14.0, gt=0)
    """The age at which a target's score has halved."""


class Fresh(Source):
    """What appeared last: 0.5^(age / half-life) by `published_at`; without a date, 0.

    Targets without a date stand behind all others, the latest ingested first.
    """

    name: ClassVar[str] = "fresh"
    config_type = FreshConfig
    config: FreshConfig

    def scores(self, queries: Sequence[Query]) -> Vectors:
        """See `Source`; O(targets) a query."""
        return np.stack([self._scored(query) for query in queries]) if queries else nothing([])

    def _scored(self, query: Query) -> npt.NDArray[np.float32]:
        published = query.space.published_at
        ages = np.maximum(query.now - published, 0.0)
        scores = np.exp2(-ages / (self.config.half_life_days * SECONDS_A_DAY))
        # A part too small to overtake any dated target orders the undated ones.
        order = np.arange(len(scores)) / max(len(scores), 1)
        return np.where(np.isnan(published), 1e-9 * (order - 1.0), scores).astype(np.float32)
