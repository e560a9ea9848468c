"""From a user and a scenario to a `Query`: history, vectors, and what may be shown."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyscene.component import Query, Vectors
from polyscene.data.dataset import IntArray, Mask
from polyscene.data.schema import User
from polyscene.encoders import Encoder
from polyscene.errors import NotFoundError
from polyscene.fitting.model import Model
from polyscene.fitting.past import Known, Meeting, Past
from polyscene.fitting.shown import shown
from polyscene.represent.connections import BLOCKS, FRIENDS
from polyscene.represent.space import TargetSpace
from polyscene.represent.strength import Strengths
from polyscene.represent.users import gather_history, interest_vectors, user_vector
from polyscene.rerank.rules import Exclusions
from polyscene.settings import Scenario, Settings

__all__ = ["Asker", "Asking"]


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
        settings: The workspace's settings.
        model: The model whose rows the queries use.
        encoder: What turns stated interests into vectors.
        past: What is known of users.
    """

    def __init__(self, settings: Settings, model: Model, encoder: Encoder, past: Past) -> None:
        self._settings = settings
        self._model = model
        self._encoder = encoder
        self._past = past
        self._shown: dict[str, Mask] = {}
        self._strengths: dict[str, Strengths] = {}
        self._exclusions: dict[str, Exclusions] = {}

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
        """The question what to recommend to a user.

        Args:
            user_id: The user; None or an unknown id asks for somebody of whom nothing is known.
            scenario: Name of the scenario.
            n: How many candidates sources should return.
            now: Time of the question, seconds since 1970-01-01 UTC.
            targets: If given, only these may be recommended: ids, or a mask over the space.
            above: Text keys of what is shown already; what has one of them is left out.
            context: Id of the item that is asked about, if any.

        Raises:
            NotFoundError: When no item has the id of the context.
        """
        spec = self._settings.scenario(scenario)
        space, known = self._model.space(scenario), self._past.of(user_id)
        strengths = self._scenario_strengths(scenario)
        about = self.context(context)
        history = gather_history(known.deeds, self._model.items.vectors, strengths, spec, now)
        interests = self._interests(known.user, spec)
        allowed = self.shown(scenario).copy()
        if targets is not None:
            allowed &= _mask(space, targets)
        if above is not None:
            allowed &= ~np.isin(space.targets.text_keys, above)
        self._leave_out(allowed, known, scenario, spec, about)
        self.exclude(allowed, scenario, known.user, now)
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
            user=user_id,
            friends=_friends(known, self._settings.readable(scenario)),
            context=about,
        )
        return Asking(query, known.user, known.stored, space)

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
        """Take what the scenario's rules exclude for a user at a moment out of a mask."""
        if scenario not in self._exclusions:
            self._exclusions[scenario] = Exclusions(self._settings.scenario(scenario).rules)
        exclusions, rows = self._exclusions[scenario], np.flatnonzero(allowed)
        targets = self._model.space(scenario).targets
        allowed[rows[exclusions.varying(targets, rows, user, now)]] = False

    def _scenario_strengths(self, scenario: str) -> Strengths:
        strengths = self._strengths.get(scenario)
        if strengths is None:
            strengths = Strengths(self._settings, scenario)
            self._strengths[scenario] = strengths
        return strengths

    def _interests(self, user: User, spec: Scenario) -> Vectors:
        if not user.tags and not user.description.strip():
            return np.zeros(self._model.transform.dim, np.float32)
        stated: Vectors = interest_vectors(
            [user], self._encoder, self._model.transform, spec.users
        )[0]
        return stated

    def _leave_out(
        self, allowed: Mask, known: Known, scenario: str, spec: Scenario, context: int
    ) -> None:
        """Take what the user has seen, and people that must not be shown, out of the mask.

        A tag is seen where it was given to the same thing: it may be given to another.
        """
        people = spec.target == "person"
        if spec.seen == "exclude" and not people:
            deeds = known.deeds
            seen = self._scenario_strengths(scenario).seen(deeds)
            if spec.target == "tag":
                seen &= deeds.context == context
            _clear(allowed, deeds.rows[seen])
        if people:
            unwanted = [known.user.user_id, *known.apart]
            unwanted += [met.person for met in known.meetings if met.action in BLOCKS]
            if spec.seen == "exclude":
                readable = self._settings.readable(scenario)
                unwanted += known.friends
                unwanted += [
                    met.person
                    for met in known.meetings
                    if _read(met, readable)
                    and (not spec.seen_actions or met.action in spec.seen_actions)
                ]
            _clear(allowed, self._model.space(scenario).targets.ids.rows(unwanted))


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
