"""From a user and a scenario to a `Query`: history, vectors, and what may be shown."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from polyscene.component import Query, Vectors
from polyscene.data.dataset import IntArray, Mask
from polyscene.data.schema import User
from polyscene.encoders import Encoder
from polyscene.enrichment.noted import NotedGates, with_noted
from polyscene.errors import NotFoundError
from polyscene.fitting.model import Model
from polyscene.fitting.past import Known, Meeting, Past
from polyscene.fitting.places import Acts
from polyscene.fitting.shown import shown
from polyscene.represent.connections import BLOCKS, FRIENDS
from polyscene.represent.deeds import Deeds
from polyscene.represent.space import TargetSpace
from polyscene.represent.strength import Strengths
from polyscene.represent.users import gather_histories, interest_vectors, user_vectors
from polyscene.rerank.attend import full
from polyscene.rerank.rules import Exclusions
from polyscene.settings import Scenario, Settings

__all__ = ["Asker", "Asking", "together"]

_CELLS = 1_500_000
"""Scores of a source that are in memory at once."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A question with what is known of the one who asks."""

    query: Query
    user: User
    known: bool
    """Whether the user exists in the store."""
    space: TargetSpace
    past: Known
    """All that it rests on."""
    memo: dict[Hashable, Any] = field(default_factory=dict)
    """What was worked out for it that no list and no moment changes, such as what a source's score
    of a target rests on."""


class Asker:
    """Builds queries over one model.

    Args:
        settings: The workspace's settings.
        model: The model whose rows the queries use.
        encoder: What turns stated interests into vectors.
        past: What is known of users.
        noted: Where noted interests count, and how much.
    """

    def __init__(
        self,
        settings: Settings,
        model: Model,
        encoder: Encoder,
        past: Past,
        noted: NotedGates | None = None,
    ) -> None:
        self._settings = settings
        self._noted = noted or {}
        self._model = model
        self._encoder = encoder
        self._past = past
        self._shown: dict[str, Mask] = {}
        self._strengths: dict[str, Strengths] = {}
        self._exclusions: dict[str, Exclusions] = {}
        self._capacity: tuple[int, npt.NDArray[np.float64]] | None = None

    def user(
        self,
        user_id: str | None,
        scenario: str,
        n: int,
        now: float,
        targets: Sequence[str] | Mask | None = None,
        above: npt.NDArray[np.uint64] | None = None,
        context: str | None = None,
    ) -> Asking:
        """The question what to recommend to one user; see `users`."""
        return self.users([user_id], scenario, n, now, targets, above, [context])[0]

    def users(
        self,
        user_ids: Sequence[str | None],
        scenario: str,
        n: int,
        now: float,
        targets: Sequence[str] | Mask | None = None,
        above: npt.NDArray[np.uint64] | None = None,
        contexts: Sequence[str | None] | None = None,
    ) -> list[Asking]:
        """The questions what to recommend to users, who are looked at together.

        O(events · log events + users · targets).

        Args:
            user_ids: The users; None or an unknown id asks for somebody of whom nothing is known.
            scenario: Name of the scenario.
            n: How many candidates sources should return.
            now: Time of the questions, seconds since 1970-01-01 UTC.
            targets: If given, only these may be recommended: ids, or a mask over the space.
            above: Text keys of what is shown already; what has one of them is left out.
            contexts: For each user the id of the item that is asked about, None for none.

        Raises:
            NotFoundError: When no item has the id of a context.
        """
        spec, space = self._settings.scenario(scenario), self._model.space(scenario)
        about = [self.context(one) for one in contexts or [None] * len(user_ids)]
        self._past.load([name for name in user_ids if name is not None])
        known = [self._past.of(name) for name in user_ids]
        deeds, ends = Deeds.joined([one.deeds for one in known])
        strengths, items = self._scenario_strengths(scenario), self._model.items.vectors
        histories = gather_histories(deeds, ends, items, strengths, spec, now)
        interests = self._interests([one.user for one in known], spec)
        if gate := self._noted.get(scenario):
            words = [one.noted.get(scenario, ()) for one in known]
            much = [gate.weight_of(len(history)) for history in histories]
            interests = with_noted(interests, words, much, self._encoder, self._model.transform)
        vectors = user_vectors(histories, interests, spec.users)
        allowed = self._allowed(known, scenario, spec, now, targets, above)
        if spec.seen == "exclude" and spec.target != "person":
            seen = strengths.seen(deeds) & (deeds.rows >= 0) & (deeds.rows < len(space))
            owner = np.repeat(np.arange(len(known)), np.diff(ends))
            if spec.target == "tag":  # seen where given to the same; it may be given to another
                seen &= deeds.context == np.array(about, np.int64)[owner]
            allowed[owner[seen], deeds.rows[seen]] = False
        readable = self._settings.readable(scenario)
        return [
            Asking(
                Query(
                    scenario=scenario,
                    spec=spec,
                    n=n,
                    now=now,
                    space=space,
                    history=histories[place],
                    vector=vectors[place],
                    interests=interests[place],
                    allowed=allowed[place],
                    user=user_ids[place],
                    friends=_friends(one, readable),
                    context=about[place],
                ),
                one.user,
                one.stored,
                space,
                one,
            )
            for place, one in enumerate(known)
        ]

    def context(self, item_id: str | None) -> int:
        """The row of a context, -1 for none.

        Raises:
            NotFoundError: When no item has that id.
        """
        row = -1 if item_id is None else self._model.items.targets.ids.row(item_id)
        if item_id is not None and row < 0:
            raise NotFoundError(
                f"unknown context {item_id!r}: it is the id of an item, such as the one that tags "
                f"are recommended for; ingest that item first"
            )
        return row

    def shown(self, scenario: str) -> Mask:
        """Which targets a scenario may show to somebody. Shape (number of targets,)."""
        mask = self._shown.get(scenario)
        if mask is None:
            mask = shown(self._model, scenario, self._settings.scenario(scenario))
            self._shown[scenario] = mask
        return mask

    def exclude(self, allowed: Mask, scenario: str, user: User, now: float) -> None:
        """Take what is excluded for a user at a moment, over, too far or full out of a mask."""
        taken = self._full(scenario)
        if taken is not None:
            allowed[taken[: len(allowed)]] = False
        self._exclude(allowed, scenario, user, now)

    def _exclude(self, allowed: Mask, scenario: str, user: User, now: float) -> None:
        targets, rows = self._model.space(scenario).targets, np.flatnonzero(allowed)
        excluded = self._exclusions_of(scenario).varying(targets, rows, user, now)
        allowed[rows[excluded]] = False

    def _full(self, scenario: str) -> Mask | None:
        """Which targets have no place left, shape (number of targets,); None where none has."""
        spec, targets = self._settings.scenario(scenario), self._model.space(scenario).targets
        if not spec.attend.takes or spec.target == "person":
            return None
        if self._capacity is None or self._capacity[0] != targets.changes:
            found = targets.field("capacity", np.arange(len(targets)))
            self._capacity = targets.changes, found
        capacity = self._capacity[1]
        if np.isnan(capacity).all():  # nothing needs to be counted
            return None
        return full(capacity, self._past.taken(Acts.of(spec.attend)))

    def _exclusions_of(self, scenario: str) -> Exclusions:
        if scenario not in self._exclusions:
            spec = self._settings.scenario(scenario)
            self._exclusions[scenario] = Exclusions(spec.rules, spec.attend)
        return self._exclusions[scenario]

    def _scenario_strengths(self, scenario: str) -> Strengths:
        strengths = self._strengths.get(scenario)
        if strengths is None:
            strengths = Strengths(self._settings, scenario)
            self._strengths[scenario] = strengths
        return strengths

    def _interests(self, users: Sequence[User], spec: Scenario) -> Vectors:
        """What users state, shape (users, dim); zero for those who state nothing."""
        stating = [p for p, user in enumerate(users) if user.tags or user.description.strip()]
        stated = np.zeros((len(users), self._model.transform.dim), np.float32)
        if stating:
            stated[stating] = interest_vectors(
                [users[place] for place in stating],
                self._encoder,
                self._model.transform,
                spec.users,
            )
        return stated

    def _allowed(
        self,
        known: Sequence[Known],
        scenario: str,
        spec: Scenario,
        now: float,
        targets: Sequence[str] | Mask | None,
        above: npt.NDArray[np.uint64] | None,
    ) -> Mask:
        """Which targets may be recommended to each user, whatever they have seen of items.

        Shape (users, targets).
        """
        space, anybody = self._model.space(scenario), self.shown(scenario)
        if targets is not None:
            anybody = anybody & _mask(space, targets)
        if above is not None:
            anybody = anybody & ~np.isin(space.targets.text_keys, above)
        taken = self._full(scenario)
        if taken is not None:
            anybody = anybody & ~taken
        allowed = np.tile(anybody, (len(known), 1))
        if spec.target == "person":
            for mask, one in zip(allowed, known, strict=True):
                _clear(mask, space.targets.ids.rows(self._unwanted(one, scenario, spec)))
        if self._exclusions_of(scenario).any_varying:
            for mask, one in zip(allowed, known, strict=True):
                self._exclude(mask, scenario, one.user, now)
        return allowed

    def _unwanted(self, known: Known, scenario: str, spec: Scenario) -> list[str]:
        """The people that must not be shown to a user."""
        found = [known.user.user_id, *known.apart]
        found += [met.person for met in known.meetings if met.action in BLOCKS]
        if spec.seen == "exclude":
            readable = self._settings.readable(scenario)
            found += known.friends
            found += [
                met.person
                for met in known.meetings
                if _read(met, readable)
                and (not spec.seen_actions or met.action in spec.seen_actions)
            ]
        return found


def together(targets: int) -> int:
    """How many questions over a space of so many targets are best asked at once."""
    return int(np.clip(_CELLS // max(targets, 1), 16, 512))


def _friends(known: Known, readable: Collection[str]) -> tuple[str, ...]:
    """The people a user is connected with, by relations or by following them in these scenarios."""
    followed = [
        met.person for met in known.meetings if met.action in FRIENDS and _read(met, readable)
    ]
    return tuple(dict.fromkeys([*known.friends, *followed]))


def _read(met: Meeting, readable: Collection[str]) -> bool:
    return met.scenario is None or met.scenario in readable


def _mask(space: TargetSpace, targets: Sequence[str] | Mask) -> Mask:
    if isinstance(targets, np.ndarray):
        return targets
    mask = np.zeros(len(space), np.bool_)
    rows = space.targets.ids.rows(targets)
    mask[rows[rows >= 0]] = True
    return mask


def _clear(mask: Mask, rows: IntArray) -> None:
    mask[rows[(rows >= 0) & (rows < len(mask))]] = False
