"""From candidates to recommendations a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyscene.component import Candidates, History, Precedent, Query
from polyscene.data.schema import User
from polyscene.engine.answer import Recommendation
from polyscene.engine.profile import verbs
from polyscene.explain.reasons import Before, Evidence, Support, sentence, shared_tags
from polyscene.fitting.asking import Asking
from polyscene.fitting.model import Model
from polyscene.represent.space import TargetSpace
from polyscene.rerank.select import PINNED_ALONE
from polyscene.settings import Scenario, Settings
from polyscene.sources import FALLBACKS
from polyscene.text.template import GENERIC
from polyscene.text.verbalise import Verbaliser

__all__ = ["Explainer"]


_NOTHING = 1e-6
"""Contributions up to this size only break ties."""


@dataclass(frozen=True, slots=True)
class _Ground:
    """What a recommendation rests on, in rows."""

    support: Sequence[int] = ()
    """Rows of the liked history items behind it."""
    about: Sequence[Precedent] = ()
    """What was done about contexts."""


class Explainer:
    """Adds titles, evidence and reasons to ranked candidates.

    Args:
        settings: The workspace's settings.
        verbaliser: What words the reasons.
        model: Whose sources say what a score rests on.
    """

    def __init__(self, settings: Settings, verbaliser: Verbaliser, model: Model) -> None:
        self._settings = settings
        self._verbaliser = verbaliser
        self._model = model
        self._items = model.items

    def recommendations(
        self, asking: Asking, candidates: Candidates, reasons: bool = True
    ) -> list[Recommendation]:
        """The candidates, best first, each with its reason in the user's language.

        Args:
            asking: The question.
            candidates: What was found, best first.
            reasons: Whether to say why; otherwise reasons are empty.
        """
        query, space = asking.query, asking.space
        if not reasons:
            return [
                _recommendation(space, candidates, at, _bare(candidates, at), "")
                for at in range(len(candidates))
            ]
        grounds = self._grounds(query, candidates)
        language = self._language(asking.user)
        wording = self._verbaliser.wording(query.spec.preset or GENERIC, language)
        places = {int(row): place for place, row in enumerate(query.history.rows)}
        stated = bool(query.interests.any())
        items = []
        for position, row in enumerate(candidates.rows.tolist()):
            found = [places[r] for r in grounds[position].support if r in places]
            support = self._support(space, row, found, query.history, query.scenario)
            tags = shared_tags(
                space.targets.tags[row],
                asking.user.tags,
                *(self._items.targets.tags[self._row(entry)] for entry in support),
            )
            near = float(space.vectors[row] @ query.interests) if stated else 0.0
            bare = _bare(candidates, position)
            personal = any(name not in FALLBACKS for name in bare.sources)
            evidence = replace(
                bare,
                support=support,
                tags=tags,
                stated=personal and near > 0,
                about=self._before(grounds[position].about),
            )
            reason = sentence(evidence, wording, language)
            items.append(_recommendation(space, candidates, position, evidence, reason))
        return items

    def _grounds(self, query: Query, candidates: Candidates) -> list[_Ground]:
        """For each candidate what the source says that gave most of those that have something.

        What somebody disliked may have its part in a score too, but is no reason to give.
        """
        liked = set(query.history.rows[query.history.strengths > 0].tolist())
        grounds = [_Ground() for _ in candidates.rows]
        most = np.zeros(len(candidates), np.float32)
        for name, part in candidates.parts.items():
            chosen = np.flatnonzero(part > most)
            if not len(chosen):
                continue
            source, rows = self._model.sources[name], candidates.rows[chosen]
            supports, precedents = source.support(query, rows), source.precedents(query, rows)
            for at, place in enumerate(chosen.tolist()):
                named = [] if supports is None else supports[at].tolist()
                about = () if precedents is None else precedents[at]
                ground = _Ground([row for row in named if row in liked], about)
                if ground.support or ground.about:
                    grounds[place] = ground
                    most[place] = part[place]
        return grounds

    def similar(
        self, space: TargetSpace, row: int, candidates: Candidates, spec: Scenario
    ) -> list[Recommendation]:
        """The neighbours of the target at `row`, with the tags that they share."""
        tags, language = space.targets.tags, self._verbaliser.language(None)
        wording = self._verbaliser.wording(spec.preset or GENERIC, language)
        items = []
        for position, other in enumerate(candidates.rows.tolist()):
            score = float(candidates.scores[position])
            shared = shared_tags(tags[other], tags[row])
            listed = wording.more.format(tags=wording.listing.join(shared)) if shared else ""
            evidence = Evidence({"similar": score}, (), shared, stated=False)
            items.append(_recommendation(space, candidates, position, evidence, listed))
        return items

    def _language(self, user: User) -> str:
        sample = user.description or " ".join(user.tags)
        return self._verbaliser.language(user.language, sample)

    def _support(
        self,
        space: TargetSpace,
        row: int,
        places: Sequence[int],
        history: History,
        scenario: str,
    ) -> list[Support]:
        """The history entries behind a target, nearest first, near ones only."""
        cosines = history.vectors[list(places)] @ space.vectors[row]
        targets = self._items.targets
        return [
            Support(
                item_id=targets.ids.ids[int(history.rows[places[order]])],
                title=targets.titles[int(history.rows[places[order]])],
                action=history.actions[places[order]],
                verbs=verbs(
                    self._settings,
                    history.actions[places[order]],
                    history.scenarios[places[order]],
                    scenario,
                ),
                similarity=float(cosines[order]),
            )
            for order in np.argsort(-cosines, kind="stable")
            if cosines[order] > 0
        ]

    def _before(self, precedents: Sequence[Precedent]) -> list[Before]:
        """What was done about contexts, with their names."""
        targets = self._items.targets
        return [
            Before(targets.ids.ids[one.context], targets.titles[one.context], one.own)
            for one in precedents
        ]

    def _row(self, support: Support) -> int:
        return self._items.targets.ids.row(support.item_id)


def _recommendation(
    space: TargetSpace, candidates: Candidates, position: int, evidence: Evidence, reason: str
) -> Recommendation:
    row = int(candidates.rows[position])
    return Recommendation(
        rank=position + 1,
        item_id=space.targets.ids.ids[row],
        title=space.targets.titles[row],
        score=float(candidates.scores[position]),
        sources=dict(evidence.sources),
        reason=reason,
        evidence=evidence,
    )


def _bare(candidates: Candidates, position: int) -> Evidence:
    """What the sources and rules say themselves."""
    rules = candidates.marks.get(int(candidates.rows[position]), ())
    sources = {
        name: float(part[position])
        for name, part in candidates.parts.items()
        if abs(part[position]) > _NOTHING
    }
    return Evidence(sources, (), (), stated=False, rules=rules, pinned=PINNED_ALONE in rules)
