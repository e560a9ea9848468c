"""Sources that know nothing of the user: what is popular now, and what is new."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from polyscene.component import Config, Query, Training, Vectors
from polyscene.errors import ModelError
from polyscene.represent.strength import SECONDS_A_DAY, Strengths, decay
from polyscene.sources.base import Source, nothing

__all__ = ["Fresh", "Trending"]


class TrendingConfig(Config):
    """Options of `trending`."""

    shrink: float = Field(default=20.0, ge=0)
    """m, how many events the trend of all scenarios counts for beside those of this one."""


class Trending(Source):
    """What many act on: the sum over a target's events in the scenario of decayed strength.

        w_e = max(weight of the action, 0) · 0.5^(age / trend half-life)
        score(i) = Σ_own w_e + m · Σ_all w_e / Σ_j Σ_all w_e

    over the events of the scenario and those that name none (own), and over all events it may
    read (all): a scenario with few events of its own is drawn to what is popular elsewhere.
    Divided by the largest, so that scores lie in [0, 1].
    """

    name: ClassVar[str] = "trending"
    usual: ClassVar[float] = 0.05
    config_type = TrendingConfig
    config: TrendingConfig

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        self._scores: dict[str, npt.NDArray[np.float32]] = {}

    def fit(self, training: Training) -> None:
        """Count; see `polyscene.component.Trainable`."""
        data, settings, now = training.data, training.settings, training.now
        for name, spec in settings.scenarios.items():
            strengths = Strengths(settings, name)
            ages = decay(now - data.timestamp, spec.trend_half_life_days)
            weights = np.maximum(strengths(data), 0.0) * ages * strengths.readable(data)
            weights[~data.aimed(spec.target) | (data.target < 0)] = 0.0
            elsewhere = [other != name for other in data.scenarios]
            own = weights.copy()
            own[np.array([*elsewhere, False], np.bool_)[data.scenario]] = 0.0
            size = len(data.users if spec.target == "person" else data.items)
            target = np.maximum(data.target, 0)
            everywhere = np.bincount(target, weights, minlength=size)
            total = np.bincount(target, own, minlength=size)
            if (whole := everywhere.sum()) > 0:
                # with no event of its own, a scenario follows the others whatever m is
                total += (self.config.shrink if own.any() else 1.0) * everywhere / whole
            self._scores[name] = (total / max(total.max(initial=0.0), 1e-12)).astype(np.float32)

    def scores(self, queries: Sequence[Query]) -> Vectors:
        """See `Source`; O(targets) a query."""
        scores = nothing(queries)
        if queries:
            trend = self._scores.get(queries[0].scenario, np.zeros(0, np.float32))
            known = np.flatnonzero(trend > 0)  # targets added since the fit have no trend
            scores[:, known] = trend[known]
        return scores

    def save(self, path: Path) -> None:
        """Write the scores into the existing directory `path`, an array a scenario."""
        names = list(self._scores)
        (path / "scenarios.json").write_text(json.dumps(names, ensure_ascii=False), "utf-8")
        for number, name in enumerate(names):
            np.save(path / f"{number}.npy", self._scores[name])

    def load(self, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: When a file is missing or damaged.
        """
        try:
            names = json.loads((path / "scenarios.json").read_text("utf-8"))
            self._scores = {
                name: np.load(path / f"{number}.npy") for number, name in enumerate(names)
            }
        except (OSError, ValueError, EOFError) as error:
            raise ModelError(f"cannot read the trends in {path}: {error}") from error
        return self


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
