"""Are reasons true: does a target lose when what its reason names is taken away?

For each recommendation the ground that its reason rests on first is removed from what is known of
the user: the history item of "You bought “Stoneware mug”", the friends, or the stated interests.
The same question is asked again, and the score of the target compared on the scale of the first
answer, since what a list is scaled by is no property of a target:

    score(i) = Σ_s w_s · max(0, x_s(i) - min x_s) / (max x_s - min x_s)

A reason is faithful if that is lower than before. What is trending or new, and what was done about
a context, is not counted: no single deed of the user is named there.

Reference: comprehensiveness of rationales (DeYoung et al., ACL 2020).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyscene.component import Query
from polyscene.data.dataset import IdMap, IntArray
from polyscene.engine.recommender import Recommender
from polyscene.explain.reasons import Evidence, Kind
from polyscene.fitting.asking import Asker
from polyscene.fitting.model import Model
from polyscene.fitting.past import DatasetPast, Known, Past
from polyscene.fitting.places import Acts
from polyscene.fitting.run import on_rows
from polyscene.fitting.weights import DEPTH
from polyscene.represent.connections import FRIENDS
from polyscene.sources import Source
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace

__all__ = ["Removals", "removals"]

_LEAST = 1e-6
"""What a score must lose, where a leading source gives up to 1, to be lower."""


@dataclass(frozen=True, slots=True)
class Removals:
    """What happened to scores when the ground of a reason was removed."""

    cases: Mapping[Kind, int]
    """Recommendations by the kind of ground that their reason rests on."""
    lower: Mapping[Kind, int]
    """Those of them whose score fell."""

    @property
    def share(self) -> float:
        """The share of all cases whose score fell; NaN without a case."""
        total = sum(self.cases.values())
        return sum(self.lower.values()) / total if total else float("nan")


def removals(
    workspace: Workspace,
    model: Model,
    scenario: str,
    users: Sequence[str],
    now: float,
    n: int = 10,
) -> Removals:
    """Remove the ground of each of the n best recommendations of some users, and ask again.

    Asks up to n + 1 questions a user.

    Args:
        workspace: The workspace.
        model: The model that answers.
        scenario: Name of the scenario.
        users: Ids of users.
        now: Time of the questions, seconds since 1970-01-01 UTC.
        n: Length of a list.
    """
    settings, store, ids = workspace.settings, workspace.store, model.items.targets.ids
    past = DatasetPast(on_rows(store.dataset(), ids), store.links(), store.users)
    past.load(users)
    recommender = Recommender(settings, model, workspace.encoder, Verbaliser(settings), past)
    weights = {name: w for name, w in recommender.weights(scenario).items() if w > 0}
    kinds: list[tuple[Kind, bool]] = []

    def asked(where: Past, user: str | None) -> Query:
        asker = Asker(settings, model, workspace.encoder, where)
        return asker.user(user, scenario, DEPTH, now).query

    for answer in recommender.answers(users, scenario, n, now, seed=0):
        query = asked(past, answer.user_id)
        scale = _Scale.of(query, {name: model.sources[name] for name in weights}, weights)
        for item in answer.items:
            kind = next((ground.kind for ground in item.evidence.grounds), None)
            less = None if kind is None else _Without.named(past, kind, item.evidence, ids)
            if kind is not None and less is not None:
                row = model.space(scenario).targets.ids.row(item.item_id)
                lost = scale(query, row) - scale(asked(less, answer.user_id), row)
                kinds.append((kind, lost > _LEAST))
    names: dict[Kind, int] = dict.fromkeys((kind for kind, _ in kinds), 0)
    return Removals(
        cases={name: sum(kind == name for kind, _ in kinds) for name in names},
        lower={name: sum(fell for kind, fell in kinds if kind == name) for name in names},
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """Scores of single targets on the scale of one answer."""

    sources: Mapping[str, Source]
    weights: Mapping[str, float]
    ends: Mapping[str, tuple[float, float]]
    """Lowest and highest score of what each source returned."""

    @classmethod
    def of(
        cls, query: Query, sources: Mapping[str, Source], weights: Mapping[str, float]
    ) -> _Scale:
        ends = {}
        for name, source in sources.items():
            scores = source(query).scores
            if len(scores):
                ends[name] = float(scores.min()), float(scores.max())
        return cls(sources, weights, ends)

    def __call__(self, query: Query, row: int) -> float:
        """The score of the target at a row."""
        total = 0.0
        for name, (low, high) in self.ends.items():
            said = float(self.sources[name].scores([query])[0][row])
            if np.isfinite(said) and high > low:
                total += self.weights[name] * max(0.0, said - low) / (high - low)
        return total


@dataclass(frozen=True, slots=True)
class _Without:
    """The past as if what a reason names had not been."""

    past: Past
    row: int | None = None
    """The history item that is forgotten."""
    alone: bool = False
    """Whether friends are forgotten."""
    silent: bool = False
    """Whether stated interests are."""

    @classmethod
    def named(cls, past: Past, kind: Kind, evidence: Evidence, ids: IdMap) -> _Without | None:
        """Without the ground of a reason; None where nothing that the user did is behind it."""
        if kind == "history":
            return cls(past, row=ids.row(evidence.support[0].item_id))
        if kind == "way" and evidence.way is not None:
            return cls(past, row=ids.row(evidence.way.start.item_id))
        if kind == "friends":
            return cls(past, alone=True)
        return cls(past, silent=True) if kind == "stated" else None

    def load(self, user_ids: Sequence[str]) -> None:
        """See `Past`."""
        self.past.load(user_ids)

    def taken(self, acts: Acts) -> IntArray:
        """See `Past`."""
        return self.past.taken(acts)

    def of(self, user_id: str | None) -> Known:
        """See `Past`."""
        known = self.past.of(user_id)
        if self.row is not None:
            known = replace(known, deeds=known.deeds.take(known.deeds.rows != self.row))
        if self.alone:
            met = [meeting for meeting in known.meetings if meeting.action not in FRIENDS]
            known = replace(known, friends=(), meetings=met)
        if self.silent:
            stated = known.user.model_copy(update={"tags": [], "description": ""})
            known = replace(known, user=stated)
        return known
