"""From a user and a scenario to a `Query`: history, vectors, and what may be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyscene.component import History, Query, Vectors
from polyscene.data.schema import Event, User
from polyscene.fitting.model import Model
from polyscene.represent.space import TargetSpace
from polyscene.represent.strength import Strengths
from polyscene.represent.users import Deeds, gather_history, interest_vectors, user_vector
from polyscene.settings import Scenario
from polyscene.workspace import Workspace

__all__ = ["Asker", "Asking"]

FRIENDS = frozenset({"follow", "follows", "friend", "friends", "knows"})
"""Predicates of relations that mean two people are connected already."""
BLOCKS = frozenset({"block", "blocks"})
"""Predicates of relations that keep two people apart, in both directions. As actions of events they
keep the target from the one who acted."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A question with what is known of the one who asks."""

    query: Query
    user: User
    known: bool
    """Whether the user exists in the store."""
    space: TargetSpace


class Asker:
    """Builds queries over one model.

    Args:
        workspace: Settings, store and encoder.
        model: The model whose rows the queries use.
    """

    def __init__(self, workspace: Workspace, model: Model) -> None:
        self._workspace = workspace
        self._model = model
        self._shown: dict[str, npt.NDArray[np.bool_]] = {}
        self._strengths: dict[str, Strengths] = {}

    def user(
        self,
        user_id: str | None,
        scenario: str,
        n: int,
        now: float,
        targets: Sequence[str] | None = None,
    ) -> Asking:
        """The question what to recommend to a user.

        Args:
            user_id: The user; None or an unknown id asks for somebody of whom nothing is known.
            scenario: Name of the scenario.
            n: How many candidates sources should return.
            now: Time of the question, seconds since 1970-01-01 UTC.
            targets: If given, only these may be recommended.
        """
        spec = self._workspace.settings.scenario(scenario)
        space, store = self._model.space(scenario), self._workspace.store
        found = None if user_id is None else store.user(user_id)
        user = found or User(user_id=user_id or "anonymous")
        events = store.history(user.user_id) if found else []
        history = self._history(events, scenario, spec, now)
        interests = self._interests(user, spec)
        allowed = self.shown(scenario).copy()
        if targets is not None:
            allowed &= _mask(space, targets)
        self._leave_out(allowed, user, events, scenario, spec)
        query = Query(
            scenario=scenario,
            spec=spec,
            n=n,
            now=now,
            space=space,
            history=history,
            vector=user_vector(history, interests, spec.users),
            interests=interests,
            allowed=allowed,
        )
        return Asking(query, user, found is not None, space)

    def shown(self, scenario: str) -> npt.NDArray[np.bool_]:
        """Which targets a scenario may show to somebody. Shape (number of targets,)."""
        mask = self._shown.get(scenario)
        if mask is None:
            spec = self._workspace.settings.scenario(scenario)
            targets = self._model.space(scenario).targets
            mask = targets.shown_in(scenario, spec)
            withheld = self._model.withheld[scenario]
            mask[: len(withheld)] &= ~withheld
            self._shown[scenario] = mask
        return mask

    def _history(
        self, events: Sequence[Event], scenario: str, spec: Scenario, now: float
    ) -> History:
        items = self._model.items
        strengths = self._strengths.get(scenario)
        if strengths is None:
            strengths = Strengths(self._workspace.settings, scenario)
            self._strengths[scenario] = strengths
        deeds = Deeds.of(events, items.targets.ids)
        return gather_history(deeds, items.vectors, strengths, spec, now)

    def _interests(self, user: User, spec: Scenario) -> Vectors:
        if not user.tags and not user.description.strip():
            return np.zeros(self._model.transform.dim, np.float32)
        encoder, transform = self._workspace.encoder, self._model.transform
        stated: Vectors = interest_vectors([user], encoder, transform, spec.users)[0]
        return stated

    def _leave_out(
        self,
        allowed: npt.NDArray[np.bool_],
        user: User,
        events: Sequence[Event],
        scenario: str,
        spec: Scenario,
    ) -> None:
        """Take what the user has seen, and people that must not be shown, out of the mask."""
        ids, items = self._model.space(scenario).targets.ids, self._model.items.targets.ids
        people = spec.target == "person"
        if spec.seen == "exclude":
            readable = self._workspace.settings.readable(scenario)
            seen = (
                event.item_id
                for event in events
                if (event.scenario is None or event.scenario in readable)
                and (not spec.seen_actions or event.action in spec.seen_actions)
                and (not people or event.item_id not in items)
            )
            _clear(allowed, ids.rows(seen))
        if people:
            blocked = (event.item_id for event in events if event.action in BLOCKS)
            blocking = self._workspace.store.acted_on_person(user.user_id, BLOCKS)
            apart = self._apart(user.user_id, spec)
            _clear(allowed, ids.rows([user.user_id, *apart, *blocked, *blocking]))

    def _apart(self, user_id: str, spec: Scenario) -> list[str]:
        """People connected to a user already, and people that one of the two has blocked."""
        store = self._workspace.store
        unwanted = BLOCKS | FRIENDS if spec.seen == "exclude" else BLOCKS
        outward = [
            relation.object
            for relation in store.relations(subject=user_id)
            if relation.predicate in unwanted
        ]
        mutual = unwanted & (BLOCKS | {"friend", "friends", "knows"})
        inward = [
            relation.subject
            for relation in store.relations(object=user_id)
            if relation.predicate in mutual
        ]
        return outward + inward


def _mask(space: TargetSpace, targets: Sequence[str]) -> npt.NDArray[np.bool_]:
    mask = np.zeros(len(space), np.bool_)
    rows = space.targets.ids.rows(targets)
    mask[rows[rows >= 0]] = True
    return mask


def _clear(mask: npt.NDArray[np.bool_], rows: npt.NDArray[np.int64]) -> None:
    mask[rows[(rows >= 0) & (rows < len(mask))]] = False
