"""From questions to answers over one model: candidates, reward, duplicates, reasons."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np

from polyscene.component import Candidates, Query, build
from polyscene.data.dataset import IntArray
from polyscene.encoders import Encoder
from polyscene.engine.answer import Answer
from polyscene.engine.explainer import Explainer
from polyscene.errors import NotFoundError
from polyscene.fitting.asking import Asker, Asking
from polyscene.fitting.model import Model
from polyscene.fitting.past import DatasetPast, Past
from polyscene.fitting.weights import DEPTH, declared_weights
from polyscene.ranking.fuse import fuse, joined
from polyscene.ranking.reward import Reward
from polyscene.represent.space import TargetSpace
from polyscene.rerank.duplicates import distinct
from polyscene.settings import Scenario, Settings
from polyscene.sources import FALLBACKS
from polyscene.text.verbalise import Verbaliser

__all__ = ["Recommender"]

_TOGETHER = 128
"""Questions asked of a source at once."""


class Recommender:
    """Answers questions with one model and one past.

    Args:
        settings: The workspace's settings.
        model: The model.
        encoder: What turns stated interests into vectors.
        verbaliser: What words the reasons.
        past: What is known of users.
    """

    def __init__(
        self, settings: Settings, model: Model, encoder: Encoder, verbaliser: Verbaliser, past: Past
    ) -> None:
        self._settings = settings
        self._model = model
        self._past = past
        self._asker = Asker(settings, model, encoder, past)
        self._explainer = Explainer(settings, verbaliser, model)
        self._rewards: dict[str, Reward] = {}

    def answers(
        self,
        users: Sequence[str | None],
        scenario: str,
        n: int,
        now: float,
        targets: Sequence[str] | None = None,
        reasons: bool = True,
    ) -> Iterator[Answer]:
        """The n best targets of a scenario for each user; many users are scored together.

        Args:
            users: User ids, or None for somebody unknown.
            scenario: Name of the scenario.
            n: Length of a list.
            now: Time of the questions, seconds since 1970-01-01 UTC.
            targets: If given, only these are ranked.
            reasons: Whether to say why.
        """
        waiting = iter(users)
        while some := list(islice(waiting, _TOGETHER)):
            if isinstance(self._past, DatasetPast):
                self._past.load([user for user in some if user is not None])
            askings = [self._asker.user(user, scenario, _pool(n), now, targets) for user in some]
            found = self._found(askings)
            for user, asking, candidates in zip(some, askings, found, strict=True):
                ranked = self._ranked(asking, n, candidates)
                yield self._answer(user, asking, ranked, reasons)

    def similar(self, target: str, scenario: str, n: int) -> Answer:
        """The targets of a scenario that are nearest to one target by their vectors.

        Raises:
            NotFoundError: When the target is unknown.
        """
        model, spec = self._model, self._settings.scenario(scenario)
        space = model.space(scenario)
        row = space.targets.ids.row(target)
        if row < 0:
            kind = "user" if spec.target == "person" else "item"
            raise NotFoundError(f"unknown {kind} {target!r}")
        allowed = self._asker.shown(scenario).copy()
        if row < len(allowed):
            allowed[row] = False
        candidates = Candidates(np.zeros(0, np.int64), np.zeros(0, np.float32))
        notes = [] if space.vectors[row].any() else [f"{target!r} has no text to compare"]
        if not notes:
            rows, cosines = space.search(space.vectors[row][None], _pool(n), allowed)
            near = rows[0] >= 0
            candidates = Candidates(rows[0][near], cosines[0][near])
            candidates = candidates.take(_distinct(space, spec, candidates.rows, n))
        return Answer(
            request_id=uuid.uuid4().hex,
            user_id=None,
            scenario=scenario,
            model=model.config.version,
            items=self._explainer.similar(space, row, candidates, spec),
            notes=notes,
        )

    def order(self, scenario: str, now: float, found: Mapping[str, Candidates]) -> Candidates:
        """Targets that were given, as an answer would order them; none is left out as a duplicate.

        Scores are those of an answer where they are above 0. Below, where an answer has 0, they
        are how well a target fits, so that they fall from the first target to the last.

        Args:
            scenario: Name of the scenario.
            now: Time of the question, seconds since 1970-01-01 UTC.
            found: What the sources of weight, and those in reserve, say of these targets.
        """
        used = {name: found[name] for name, weight in self.weights(scenario).items() if weight > 0}
        candidates = self._by_satisfaction(scenario, now, used)
        candidates = self._filled(candidates, scenario, found.__getitem__)
        fit = np.sum(list(candidates.parts.values()), axis=0)
        scores = np.where(candidates.scores > 0, candidates.scores, np.minimum(fit, 0))
        candidates.scores = np.minimum.accumulate(scores)
        return candidates

    def weights(self, scenario: str) -> dict[str, float]:
        """The weight of each source of a scenario: as declared, else as the fit chose it."""
        fusion = self._model.fusions.get(scenario)  # none where it was declared after the fit
        spec = self._settings.scenario(scenario)
        return declared_weights(spec, self._model.sources, fusion.weights if fusion else None)

    def _answer(
        self, user: str | None, asking: Asking, candidates: Candidates, reasons: bool
    ) -> Answer:
        notes = []
        if user is not None and not asking.known:
            notes.append(f"user {user!r} is unknown")
        if not any(part.any() for name, part in candidates.parts.items() if name not in FALLBACKS):
            notes.append("nothing is known of the user's interests: trending and new targets")
        return Answer(
            request_id=uuid.uuid4().hex,
            user_id=user,
            scenario=asking.query.scenario,
            model=self._model.config.version,
            items=self._explainer.recommendations(asking, candidates, reasons),
            notes=notes,
        )

    def _found(self, askings: Sequence[Asking]) -> Iterator[dict[str, Candidates]]:
        """What each source of weight finds for each question."""
        queries = [asking.query for asking in askings]
        weights = self.weights(queries[0].scenario)
        sources = {name: self._model.sources[name] for name, w in weights.items() if w > 0}
        if len(queries) == 1:
            yield {name: source(queries[0]) for name, source in sources.items()}
            return
        scores = {name: source.scores(queries) for name, source in sources.items()}
        for place, query in enumerate(queries):
            yield {
                name: source.candidates(query, scores[name][place])
                for name, source in sources.items()
            }

    def _ranked(self, asking: Asking, n: int, found: Mapping[str, Candidates]) -> Candidates:
        """The n best distinct candidates, looked for ever wider until n are found or none left."""
        query, spec = asking.query, asking.query.spec
        left = int(query.allowed.sum())
        wanted = min(n, left)
        while True:
            candidates = self._by_satisfaction(query.scenario, query.now, found)
            kept = _distinct(asking.space, spec, candidates.rows, n)
            if len(kept) < wanted:
                ask = partial(self._asked, query)
                candidates = self._filled(candidates, query.scenario, ask)
                kept = _distinct(asking.space, spec, candidates.rows, n)
            if len(kept) >= wanted or query.n >= left:
                return candidates.take(kept)
            query = replace(query, n=4 * query.n)
            found = {name: self._model.sources[name](query) for name in found}

    def _asked(self, query: Query, name: str) -> Candidates:
        return self._model.sources[name](query)

    def _by_satisfaction(
        self, scenario: str, now: float, found: Mapping[str, Candidates]
    ) -> Candidates:
        """The candidates of the declared sources by satisfaction sim·f, best first."""
        candidates = fuse(found, self.weights(scenario))
        reward = self._reward(scenario, self._settings.scenario(scenario))
        worth = reward(self._model.space(scenario).targets, candidates.rows, now)
        satisfaction = np.maximum(candidates.scores, 0) * worth
        order = np.lexsort((-candidates.scores, -satisfaction))
        return replace(candidates, scores=satisfaction.astype(np.float32)).take(order)

    def _filled(
        self, candidates: Candidates, scenario: str, ask: Callable[[str], Candidates]
    ) -> Candidates:
        """The candidates followed by those of the sources in reserve, scaled to stand behind.

        In reserve are the declared sources of weight 0, then what is trending and what is new.
        """
        weights = self.weights(scenario)
        reserve = [name for name, weight in weights.items() if not weight]
        for name in dict.fromkeys([*reserve, *FALLBACKS]):
            rest = ask(name)
            rest = rest.take(np.flatnonzero(~np.isin(rest.rows, candidates.rows)))
            lowest = float(candidates.scores[-1]) if len(candidates) else 1.0
            rest.scores = np.clip(rest.scores, 0, 1) * np.float32(lowest)
            candidates = joined(candidates, rest)
        return candidates

    def _reward(self, scenario: str, spec: Scenario) -> Reward:
        reward = self._rewards.get(scenario)
        if reward is None:
            options = dict(spec.reward)
            where = f"scenarios.{scenario}.reward"
            reward = build(Reward, str(options.pop("type", "constant")), options, where)
            self._rewards[scenario] = reward
        return reward


def _pool(n: int) -> int:
    """Candidates asked of a source for a list of n: as many as weights were chosen on, or more."""
    return max(10 * n, DEPTH)


def _distinct(space: TargetSpace, spec: Scenario, rows: IntArray, n: int) -> IntArray:
    keys = space.targets.text_keys[rows]
    # People who are alike are still different people.
    threshold = 1.0 if spec.target == "person" else spec.duplicates.threshold
    return distinct(keys, space.vectors, rows, threshold, n)
