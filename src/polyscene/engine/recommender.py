"""From questions to answers over one model: candidates, objective, rerank, reasons."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from polyscene.component import Candidates, Query
from polyscene.data.dataset import FloatArray, IntArray, Mask
from polyscene.data.schema import User
from polyscene.encoders import Encoder
from polyscene.engine.answer import Answer
from polyscene.engine.explainer import Explainer
from polyscene.engine.finding import Finder, Memory
from polyscene.engine.listing import Told
from polyscene.engine.mutual import Returned
from polyscene.engine.search import Searcher
from polyscene.engine.valuing import Valuer, said_of
from polyscene.enrichment.noted import NotedGates
from polyscene.errors import NotFoundError
from polyscene.fitting.asking import Asker, Asking
from polyscene.fitting.model import Model
from polyscene.fitting.past import Past
from polyscene.fitting.weights import DEPTH, declared_weights
from polyscene.ranking.fuse import fuse, joined
from polyscene.rerank.explore import seed_of
from polyscene.rerank.mutual import both_sides, depth
from polyscene.rerank.rerank import Asked, Reranker
from polyscene.settings import Settings
from polyscene.sources import FALLBACKS, Trending
from polyscene.text.verbalise import Verbaliser

__all__ = ["Recommender"]


class Recommender:
    """Answers questions with one model and one past.

    Args:
        settings: The workspace's settings.
        model: The model.
        encoder: What turns stated interests into vectors.
        verbaliser: What words the reasons.
        past: What is known of users.
        memory: Where what was found for users is kept; None to keep nothing.
        noted: Where noted interests count, and how much.
    """

    def __init__(
        self,
        settings: Settings,
        model: Model,
        encoder: Encoder,
        verbaliser: Verbaliser,
        past: Past,
        memory: Memory | None = None,
        noted: NotedGates | None = None,
    ) -> None:
        self._settings = settings
        self._model = model
        self._past = past
        self._memory = memory
        self.asker = Asker(settings, model, encoder, past, noted)
        """Builds the questions."""
        self._finder = Finder(settings, model, self.asker, self.weights, memory)
        self.search = Searcher(settings, model, encoder, self.asker)
        """Finds targets by a text."""
        self._explainer = Explainer(settings, verbaliser, model)
        self._valuer = Valuer(settings, model, self.weights)
        self._rerankers: dict[str, Reranker] = {}

    def answers(
        self,
        users: Sequence[str | None],
        scenario: str,
        n: int,
        now: float,
        targets: Sequence[str] | Mask | None = None,
        reasons: bool = True,
        above: npt.NDArray[np.uint64] | None = None,
        contexts: Sequence[str | None] | None = None,
        explain: bool = False,
        seed: int | None = None,
    ) -> Iterator[Answer]:
        """The n best targets of a scenario for each user; many users are scored together.

        Args:
            users: User ids, or None for somebody unknown.
            scenario: Name of the scenario.
            n: Length of a list.
            now: Time of the questions, seconds since 1970-01-01 UTC.
            targets: If given, only these are ranked: ids, or a mask over the targets.
            reasons: Whether to say why.
            above: Text keys of what stands above on the same page, and is not shown again.
            contexts: For each user the id of the item that is asked about, None for none.
            explain: Whether to predict the tasks of what is shown, even if no reward names them.
            seed: Of what a scenario draws, for each user and context another; if omitted, the
                request id of each answer.

        Raises:
            NotFoundError: When no item has the id of a context.
        """
        about = contexts or [None] * len(users)
        for context in set(about):
            self.asker.context(context)  # an unknown one fails before the work
        found = self._finder(users, about, scenario, _pool(n), now, targets, above)
        returned = self._returned(scenario, now)
        for user, context, (asking, fused) in zip(users, about, found, strict=True):
            request = uuid.uuid4().hex
            words = request if seed is None else f"{seed} {scenario} {user!r} {context!r}"
            shown = self._ranked(asking, n, fused, reasons, seed_of(words), returned)
            if explain and not shown.tasks:
                shown.tasks = self._valuer.learned(asking, shown.rows)
            yield self._answer(request, user, context, asking, shown, n, reasons)

    def similar(self, target: str, scenario: str, n: int, only: Mask | None = None) -> Answer:
        """The targets of a scenario that are nearest to one target by their vectors.

        Args:
            target: Id of the target.
            scenario: Name of the scenario.
            n: Length of the list.
            only: If given, only these are returned, shape (number of targets,).

        Raises:
            NotFoundError: When the target is unknown.
        """
        model, spec = self._model, self._settings.scenario(scenario)
        space = model.space(scenario)
        row = space.targets.ids.row(target)
        if row < 0:
            kind = "user" if spec.target == "person" else "item"
            raise NotFoundError(f"unknown {kind} {target!r}")
        allowed = self.asker.shown(scenario).copy()
        if row < len(allowed):
            allowed[row] = False
        if only is not None:
            allowed &= only
        self.asker.exclude(allowed, scenario, User(user_id="anybody"), time.time())
        candidates = _nothing()
        notes = [] if space.vectors[row].any() else [f"{target!r} has no text to compare"]
        if not notes:
            rows, cosines = space.search(space.vectors[row][None], _pool(n), allowed)
            near = rows[0] >= 0
            candidates = Candidates(rows[0][near], cosines[0][near])
            kept = self._reranker(scenario).distinct(space, candidates.rows, n)
            candidates = candidates.take(kept)
        return Answer(
            request_id=uuid.uuid4().hex,
            user_id=None,
            scenario=scenario,
            model=model.config.version,
            items=self._explainer.similar(space, row, candidates, spec),
            notes=notes,
        )

    def order(
        self,
        user: User,
        scenario: str,
        now: float,
        found: Mapping[str, Candidates],
        tasks: Callable[[IntArray], Mapping[str, FloatArray]],
    ) -> Candidates:
        """Targets that were given by their value, as an answer orders its candidates.

        None is left out as a duplicate; neither rules nor diversity nor exposure apply. Scores
        are those of an answer. Where it has 0, and none below, they are how well a target fits, so
        that they fall from the first target to the last.

        Args:
            user: Who asks.
            scenario: Name of the scenario.
            now: Time of the question, seconds since 1970-01-01 UTC.
            found: What the sources of weight, and those in reserve, say of these targets.
            tasks: The predicted tasks of some of these targets, by name, from their rows.
        """
        weights = self.weights(scenario)
        used = {name: [found[name]] for name, weight in weights.items() if weight > 0}
        fused = fuse(used, weights)[0] if used else _nothing()
        trend = partial(said_of, found[Trending.name])
        candidates = self._valuer(user, scenario, now, fused, trend, tasks)
        candidates = self._filled(candidates, scenario, found.__getitem__)
        scores = candidates.scores
        if scores.min(initial=0) == 0:
            fit = np.sum(list(candidates.parts.values()), axis=0)
            scores = np.where(scores > 0, scores, np.minimum(fit, 0))
            candidates.scores = np.minimum.accumulate(scores)
        return candidates

    def told(self, user: str | None, scenario: str, now: float) -> Told:
        """What a language model may know of a user: titles of what they liked, and how much."""
        history = self.asker.user(user, scenario, 1, now).query.history
        titles, liked = self._model.items.targets.titles, history.rows[history.strengths > 0]
        return Told([titles[row] for row in liked.tolist() if titles[row]], len(history))

    def weights(self, scenario: str) -> dict[str, float]:
        """The weight of each source of a scenario: as declared, else as the fit chose it."""
        fusion = self._model.fusions.get(scenario)  # none where it was declared after the fit
        spec = self._settings.scenario(scenario)
        return declared_weights(spec, self._model.sources, fusion.weights if fusion else None)

    def _answer(
        self,
        request: str,
        user: str | None,
        context: str | None,
        asking: Asking,
        candidates: Candidates,
        n: int,
        reasons: bool,
    ) -> Answer:
        return Answer(
            request_id=request,
            user_id=user,
            scenario=asking.query.scenario,
            model=self._model.config.version,
            items=self._explainer.recommendations(asking, candidates, reasons),
            notes=self._notes(user, asking, candidates, n),
            context=context,
            language=self._explainer.language(asking.user) if reasons else "",
        )

    def _notes(self, user: str | None, asking: Asking, candidates: Candidates, n: int) -> list[str]:
        """What the reader of an answer should know."""
        query, filled = asking.query, len(candidates)
        notes = [] if user is None or asking.known else [f"user {user!r} is unknown"]
        if not filled:
            return [*notes, self._why_empty(query)]
        told = (part.any() for name, part in candidates.parts.items() if name not in FALLBACKS)
        if not set(query.spec.sources) <= set(FALLBACKS) and not any(told):
            notes.append("nothing is known of the user's interests: trending and new targets")
        limited = any(rule.kind == "max" for rule in query.spec.rules)
        if limited and filled < min(n, int(query.allowed.sum())):
            notes.append(f"rules and duplicates leave {filled} of {n} places filled")
        return notes

    def _why_empty(self, query: Query) -> str:
        count = int(self.asker.shown(query.scenario).sum())
        if not count:
            return f"nothing to show: the scenario may show no target of kind {query.spec.target}"
        return (
            f"nothing to show: each of the {count} targets was seen, is excluded for this user, "
            "stands above on the page, or was not among those asked for"
        )

    def _ranked(
        self,
        asking: Asking,
        n: int,
        fused: Candidates,
        steps: bool,
        seed: int,
        returned: Returned | None,
    ) -> Candidates:
        """The list of n, looked for ever wider until nothing is lacking or none are left."""
        query, reranker = asking.query, self._reranker(asking.query.scenario)
        left = int(np.count_nonzero(query.allowed))
        wanted = min(n, left)
        pins = reranker.pins(asking.space.targets.ids, query.allowed, n)
        asked = Asked(
            space=asking.space,
            user=asking.user,
            now=query.now,
            n=n,
            pins=pins,
            history=query.history,
            items=self._model.items.targets,
            seed=seed,
        )
        by_value = self._valuer.asked(asking, steps)

        def valued(fused: Candidates, first: int | None = None) -> Candidates:
            if returned is None:
                return by_value(fused, first=first)
            found = by_value(fused, first=None if first is None else depth(n))
            return self._both_sides(found, query, n, returned)

        first = None if steps or pins else reranker.first(n)
        if first is not None:  # the best are enough but where many of them are alike
            shown = reranker(valued(fused, first=first), asked)
            if not reranker.lacks(shown, wanted, asked):
                return shown
        while True:
            pool = valued(fused)
            shown = reranker(_with_pins(pool, pins), asked)
            if reranker.lacks(shown, wanted, asked):
                pool = self._filled(pool, query.scenario, partial(self._asked, query))
                shown = reranker(_with_pins(pool, pins), asked)
            if query.n >= left or not reranker.lacks(shown, wanted, asked):
                break
            outside = query.allowed.copy()
            outside[pool.rows] = False
            if not reranker.helped(shown, wanted, np.flatnonzero(outside), asked):
                break
            query = replace(query, n=4 * query.n)
            (fused,) = self._finder.fused([query])
        explored = reranker.explored(_with_pins(pool, pins), asked)
        return shown if explored is None else explored

    def _returned(self, scenario: str, now: float) -> Returned | None:
        """What asks the other side, where that counts."""
        if not self._settings.scenario(scenario).reciprocity:
            return None
        weights = self.weights(scenario)
        return Returned(self._model, self.asker, weights, scenario, now, self._memory)

    def _both_sides(self, pool: Candidates, query: Query, n: int, returned: Returned) -> Candidates:
        back = returned(query.user, pool.rows[: depth(n)])
        return both_sides(pool, back, query.spec.reciprocity)

    def _asked(self, query: Query, name: str) -> Candidates:
        return self._model.sources[name](query)

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
            below = (1 - np.clip(rest.scores, 0, 1)) * np.float32(abs(lowest))
            rest.scores = np.float32(lowest) - below
            candidates = joined(candidates, rest)
        return candidates

    def _reranker(self, scenario: str) -> Reranker:
        if scenario not in self._rerankers:
            self._rerankers[scenario] = Reranker(self._settings.scenario(scenario))
        return self._rerankers[scenario]


def _pool(n: int) -> int:
    """Candidates asked of a source for a list of n: as many as weights were chosen on, or more."""
    return max(10 * n, DEPTH)


def _nothing() -> Candidates:
    return Candidates(np.zeros(0, np.int64), np.zeros(0, np.float32))


def _with_pins(pool: Candidates, pins: Mapping[int, int]) -> Candidates:
    """The candidates with those pinned that no source found at the end, of the lowest score."""
    if not pins:
        return pool
    rows = np.array(list(pins.values()), np.int64)
    rows = rows[~np.isin(rows, pool.rows)]
    lowest = pool.scores[-1:] if len(pool) else np.zeros(1, np.float32)
    return joined(pool, Candidates(rows, np.repeat(lowest, len(rows)))) if len(rows) else pool
