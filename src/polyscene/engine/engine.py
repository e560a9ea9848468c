"""The read path: a question in, recommendations with reasons out."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from polyscene.closing import Closing
from polyscene.component import Candidates, Query, build
from polyscene.data.dataset import IntArray
from polyscene.data.importers import import_folder
from polyscene.data.ingest import ingest
from polyscene.data.report import IngestReport
from polyscene.data.schema import Event
from polyscene.engine.answer import Answer
from polyscene.engine.asking import Asker, Asking
from polyscene.engine.explainer import Explainer
from polyscene.engine.profile import item_texts, user_texts
from polyscene.errors import DataError, NotFittedError, NotFoundError
from polyscene.fitting.model import Model
from polyscene.fitting.refresh import changed_settings, refresh
from polyscene.fitting.run import fit
from polyscene.logs import NO_PROGRESS, Progress, get_logger
from polyscene.ranking.fuse import fuse, joined
from polyscene.ranking.reward import Reward
from polyscene.represent.space import TargetSpace
from polyscene.rerank.duplicates import distinct
from polyscene.settings import Scenario
from polyscene.sources import FALLBACKS
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace

__all__ = ["Engine"]

_POOL = 300
"""Candidates asked of a source, at least; ten times the length of the list when that is more."""
_log = get_logger(__name__)


class Engine(Closing):
    """Recommendations from a workspace. Use it as a context manager, or close it.

    Not safe for use by several threads at once.

    Args:
        workspace: The workspace.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._verbaliser = Verbaliser(workspace.settings)
        self._model: Model | None = None
        self._asker: Asker
        self._explainer: Explainer
        self._rewards: dict[str, Reward] = {}

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The engine of the workspace in a directory; its model is read on first use.

        Raises:
            WorkspaceError: When there is no workspace.
            SettingsError: When its settings are wrong.
        """
        return cls(Workspace.open(Path(path)))

    def close(self) -> None:
        """Close the store and the cache."""
        self.workspace.close()

    @property
    def model(self) -> Model:
        """The current model, with records that came after its fit taken in.

        Raises:
            NotFittedError: When there is none, or the settings that vectors depend on changed.
            ModelError: When it is damaged.
        """
        if self._model is None:
            model = Model.load(self.workspace.models, self.workspace.settings)
            changed = changed_settings(self.workspace, model)
            if changed:
                raise NotFittedError(
                    f"the model was fitted with other settings ({changed}); run: polyscene fit"
                )
            self._use(refresh(self.workspace, model))
            return model
        return self._model

    def ingest(self, **files: Any) -> IngestReport:
        """Load files; new and changed items can be recommended at once when a model exists.

        Takes the arguments of `polyscene.data.ingest.ingest`: items, users, events, relations,
        on_error, encoding, progress.

        Raises:
            IngestError: When a file is wrong; nothing of that file is kept.
        """
        return self._loaded(ingest, **files)

    def import_folder(self, name: str, path: str | Path, **options: Any) -> IngestReport:
        """Load a folder of another format; see `polyscene.data.importers.import_folder`."""
        return self._loaded(partial(import_folder, name, path), **options)

    def fit(self, progress: Progress = NO_PROGRESS, now: float | None = None) -> Model:
        """Fit a model to everything in the store and answer with it from now on.

        Raises:
            DataError: When there is nothing to recommend.
        """
        return self._use(fit(self.workspace, progress, now))

    def record(self, event: Event) -> bool:
        """Store an event; it changes the user's next answer.

        Its target is an item, or a user where its scenario recommends people.

        Returns:
            False when an event with the same event_id was there already.

        Raises:
            DataError: When the target is unknown.
        """
        with self.workspace.store.write() as writer:
            if event.scenario not in self._people and not writer.known_items([event.item_id]):
                raise DataError(f"event on the unknown item {event.item_id!r}; ingest it first")
            return writer.add_events([event]) > 0

    def recommend(
        self,
        user: str | None,
        scenario: str,
        n: int = 10,
        *,
        targets: Sequence[str] | None = None,
        now: float | None = None,
    ) -> Answer:
        """The n best targets of a scenario for a user.

        A user with tags but no history is served by the tags, one with history but no tags by the
        history; somebody of whom nothing is known gets what is trending, then what is new.

        Args:
            user: User id, or None for somebody unknown.
            scenario: Name of the scenario.
            n: Length of the list; shorter only when fewer targets may be shown.
            targets: If given, only these are ranked.
            now: Time of the question, seconds since 1970-01-01 UTC; the clock when omitted.

        Raises:
            SettingsError: When the scenario is unknown.
            NotFittedError: When there is no model.
            ValueError: When `n` is below 1, or `targets` is one string.
        """
        _check_length(n)
        if isinstance(targets, str):
            raise ValueError("targets is a list of ids, not one string")
        model = self.model
        moment = time.time() if now is None else now
        asking = self._asker.user(user, scenario, max(10 * n, _POOL), moment, targets)
        candidates = self._ranked(asking, n)
        notes = []
        if user is not None and not asking.known:
            notes.append(f"user {user!r} is unknown")
        if not any(part.any() for name, part in candidates.parts.items() if name not in FALLBACKS):
            notes.append("nothing is known of the user's interests: trending and new targets")
        return Answer(
            request_id=uuid.uuid4().hex,
            user_id=user,
            scenario=scenario,
            model=model.config.version,
            items=self._explainer.recommendations(asking, candidates),
            notes=notes,
        )

    def recommend_many(
        self,
        users: Iterable[str],
        scenario: str,
        n: int = 10,
        *,
        targets: Sequence[str] | None = None,
        now: float | None = None,
    ) -> Iterator[Answer]:
        """`recommend` for each user in turn."""
        for user in users:
            yield self.recommend(user, scenario, n, targets=targets, now=now)

    def similar(self, item: str, scenario: str, n: int = 10) -> Answer:
        """The targets of a scenario that are nearest to one target by their vectors.

        Args:
            item: Id of the target; of a user where people are recommended.
            scenario: The scenario whose targets are searched.
            n: Length of the list.

        Raises:
            NotFoundError: When the target is unknown.
            ValueError: When `n` is below 1.
        """
        _check_length(n)
        model, spec = self.model, self.workspace.settings.scenario(scenario)
        space = model.space(scenario)
        row = space.targets.ids.row(item)
        if row < 0:
            kind = "user" if spec.target == "person" else "item"
            raise NotFoundError(f"unknown {kind} {item!r}")
        allowed = self._asker.shown(scenario).copy()
        if row < len(allowed):
            allowed[row] = False
        candidates = Candidates(np.zeros(0, np.int64), np.zeros(0, np.float32))
        notes = [] if space.vectors[row].any() else [f"{item!r} has no text to compare"]
        if not notes:
            rows, cosines = space.search(space.vectors[row][None], max(10 * n, _POOL), allowed)
            near = rows[0] >= 0
            candidates = Candidates(rows[0][near], cosines[0][near])
            candidates = candidates.take(self._distinct(space, spec, candidates.rows, n))
        return Answer(
            request_id=uuid.uuid4().hex,
            user_id=None,
            scenario=scenario,
            model=model.config.version,
            items=self._explainer.similar(space, row, candidates, spec),
            notes=notes,
        )

    def texts(
        self, *, item: str | None = None, user: str | None = None, scenario: str | None = None
    ) -> list[str]:
        """The texts built from a record, as an encoder or language model reads them.

        Args:
            item: Id of an item.
            user: Id of a user.
            scenario: For a user, whose verbs and readable history; the first when omitted.

        Raises:
            NotFoundError: When the record does not exist.
        """
        if item is not None:
            return item_texts(self.workspace, self._verbaliser, item)
        return user_texts(self.workspace, self._verbaliser, user or "", scenario)

    @property
    def _people(self) -> list[str]:
        """The scenarios that recommend people."""
        scenarios = self.workspace.settings.scenarios
        return [name for name, spec in scenarios.items() if spec.target == "person"]

    def _loaded(self, load: Callable[..., IngestReport], **options: Any) -> IngestReport:
        """Load files into the store, and what came of them, even in part, into the model."""
        try:
            return load(sink=self.workspace.store, people=self._people, **options)
        finally:
            if self._model is not None:
                self._use(refresh(self.workspace, self._model))

    def _use(self, model: Model) -> Model:
        self._model = model
        self._asker = Asker(self.workspace, model)
        self._explainer = Explainer(self.workspace.settings, self._verbaliser, model.items)
        return model

    def _ranked(self, asking: Asking, n: int) -> Candidates:
        """The n best distinct candidates, looked for ever wider until n are found or none left."""
        query, spec = asking.query, asking.query.spec
        left = int(query.allowed.sum())
        wanted = min(n, left)
        while True:
            candidates = self._candidates(asking, query)
            kept = self._distinct(asking.space, spec, candidates.rows, n)
            if len(kept) < wanted:
                candidates = self._filled(candidates, query)
                kept = self._distinct(asking.space, spec, candidates.rows, n)
            if len(kept) >= wanted or query.n >= left:
                return candidates.take(kept)
            query = replace(query, n=4 * query.n)

    def _candidates(self, asking: Asking, query: Query) -> Candidates:
        """The candidates of the declared sources by satisfaction sim·f, best first."""
        weights = query.spec.sources
        found = {name: self.model.sources[name](query) for name in weights}
        candidates = fuse(found, weights)
        reward = self._reward(query.scenario, query.spec)
        worth = reward(asking.space.targets, candidates.rows, query.now)
        satisfaction = np.maximum(candidates.scores, 0) * worth
        order = np.lexsort((-candidates.scores, -satisfaction))
        candidates.scores = satisfaction.astype(np.float32)
        return candidates.take(order)

    def _filled(self, candidates: Candidates, query: Query) -> Candidates:
        """The candidates followed by what is trending and what is new, scaled to stand behind."""
        for name in FALLBACKS:
            rest = self.model.sources[name](query)
            fresh = np.flatnonzero(~np.isin(rest.rows, candidates.rows))
            rest = rest.take(fresh)
            lowest = float(candidates.scores[-1]) if len(candidates) else 1.0
            rest.scores = np.clip(rest.scores, 0, 1) * np.float32(lowest)
            candidates = joined(candidates, rest)
        return candidates

    def _distinct(self, space: TargetSpace, spec: Scenario, rows: IntArray, n: int) -> IntArray:
        keys = space.targets.text_keys[rows]
        # People who are alike are still different people.
        threshold = 1.0 if spec.target == "person" else spec.duplicates.threshold
        return distinct(keys, space.vectors, rows, threshold, n)

    def _reward(self, scenario: str, spec: Scenario) -> Reward:
        reward = self._rewards.get(scenario)
        if reward is None:
            options = dict(spec.reward)
            where = f"scenarios.{scenario}.reward"
            reward = build(Reward, str(options.pop("type", "constant")), options, where)
            self._rewards[scenario] = reward
        return reward


def _check_length(n: int) -> None:
    if n < 1:
        raise ValueError(f"n is the length of a list, at least 1; got {n}")
