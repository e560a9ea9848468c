"""From candidates to recommendations a person can read."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyscene.component import PROPENSITY, Candidates, Path, Precedent, Query
from polyscene.data.dataset import IntArray
from polyscene.data.schema import User
from polyscene.engine.answer import Recommendation
from polyscene.engine.grounds import UNCOUNTED, Grounds, grounds_of
from polyscene.engine.profile import verbs
from polyscene.engine.waterfall import Waterfall, waterfalls
from polyscene.explain.reasons import (
    TAG,
    Before,
    Evidence,
    Ground,
    Kind,
    Support,
    Way,
    sentence,
    shared_tags,
)
from polyscene.fitting.asking import Asking
from polyscene.fitting.model import Model
from polyscene.represent.space import TargetSpace
from polyscene.represent.targets import Targets
from polyscene.rerank.explore import EXPLORED
from polyscene.rerank.mutual import MUTUAL
from polyscene.rerank.select import PINNED_ALONE
from polyscene.settings import Scenario, Settings
from polyscene.sources import Fresh, Trending
from polyscene.text.template import GENERIC
from polyscene.text.verbalise import Verbaliser
from polyscene.tracing import traced

__all__ = ["Explainer"]


_NOTHING = 1e-6
"""Contributions up to this size only break ties."""


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

    @traced("reasons")
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
        told = _told(candidates)
        if not reasons:
            return _recommendations(space, candidates, told, [""] * len(told))
        known: dict[Hashable, _Reason] = asking.memo.setdefault("reasons", {})
        keys = [
            _standing(row, bare) for row, bare in zip(candidates.rows.tolist(), told, strict=True)
        ]
        new = [place for place, key in enumerate(keys) if key not in known]
        if new:
            found = self._reasons(asking, candidates.take(np.array(new)), [told[p] for p in new])
            known.update(zip([keys[place] for place in new], found, strict=True))
        why = [known[key] for key in keys]
        evidence = [own.evidence_of(bare.sources) for own, bare in zip(why, told, strict=True)]
        steps = waterfalls(candidates, query.spec)
        return _recommendations(space, candidates, evidence, [own.words for own in why], steps)

    def _reasons(
        self, asking: Asking, candidates: Candidates, told: Sequence[Evidence]
    ) -> list[_Reason]:
        """Why candidates fit; `told` is what the sources and rules say themselves of each."""
        query, language = asking.query, self.language(asking.user)
        grounds = grounds_of(self._model.sources, query, candidates)
        wording = self._verbaliser.wording(query.spec.preset or GENERIC, language)
        entries = asking.memo.get("entries")
        if entries is None:
            entries = asking.memo["entries"] = _Entries(self._settings, self._items.targets, query)
        supports = _supports(grounds.supports.found, candidates.rows, query, entries)
        found = []
        for position, (row, bare) in enumerate(zip(candidates.rows.tolist(), told, strict=True)):
            evidence, givers = self._evidence(
                asking, row, bare, position, grounds, supports[position], entries
            )
            words = sentence(evidence, wording, language, query.spec.target == "person")
            found.append(_Reason(evidence, givers, words))
        return found

    def similar(
        self, space: TargetSpace, row: int, candidates: Candidates, spec: Scenario
    ) -> list[Recommendation]:
        """The neighbours of the target at `row`, with the tags that they share."""
        tags, language = space.targets.tags, self._verbaliser.language(None)
        wording = self._verbaliser.wording(spec.preset or GENERIC, language)
        shared = [shared_tags(tags[other], tags[row]) for other in candidates.rows.tolist()]
        evidence = [
            Evidence({"similar": score}, tags=own)
            for score, own in zip(candidates.scores.tolist(), shared, strict=True)
        ]
        listed = [
            wording.more.format(tags=wording.listing.join(own)) if own else "" for own in shared
        ]
        return _recommendations(space, candidates, evidence, listed)

    def language(self, user: User) -> str:
        """The language in which reasons are told to a user."""
        sample = user.description or " ".join(user.tags)
        return self._verbaliser.language(user.language, sample)

    def _evidence(
        self,
        asking: Asking,
        row: int,
        bare: Evidence,
        position: int,
        grounds: Grounds,
        support: Sequence[tuple[int, Support]],
        entries: _Entries,
    ) -> tuple[Evidence, dict[Kind, str]]:
        """What one candidate rests on, and the source of each kind of ground, "" for none.

        `support` are the near entries with their rows.
        """
        space = asking.space
        path, friends = grounds.paths.found[position], grounds.friends.found[position]
        givers: dict[Kind, str] = {
            "way": grounds.paths.givers[position],
            "friends": grounds.friends.givers[position],
            "history": grounds.supports.givers[position] if support else "",
            "about": grounds.about.givers[position],
            "stated": self._stating(bare.sources, row, asking),
        }
        of_support = [self._items.targets.tags[other] for other, _ in support]
        evidence = replace(
            bare,
            support=[entry for _, entry in support],
            tags=shared_tags(space.targets.tags[row], asking.user.tags, *of_support),
            stated=bool(givers["stated"]),
            about=self._before(grounds.about.found[position] or ()),
            way=None if path is None else self._way(space, row, path, entries),
            friends=None if friends == UNCOUNTED else friends,
            grounds=_ordered(bare.sources, givers),
        )
        return evidence, givers

    def _stating(self, sources: Mapping[str, float], row: int, asking: Asking) -> str:
        """The source that the stated interests had most part in; "" where they had none."""
        query, user = asking.query, asking.user
        if not (user.tags or user.description.strip()):  # what was noted is no statement
            return ""
        if not query.interests.any() or query.space.vectors[row] @ query.interests <= 0:
            return ""
        reading = [n for n, part in sources.items() if part > 0 and self._model.sources[n].stated]
        return max(reading, key=lambda name: sources[name], default="")

    def _before(self, precedents: Sequence[Precedent]) -> list[Before]:
        """What was done about contexts, with their names."""
        targets = self._items.targets
        return [
            Before(targets.ids.ids[one.context], targets.titles[one.context], one.own)
            for one in precedents
        ]

    def _way(self, space: TargetSpace, row: int, path: Path, entries: _Entries) -> Way:
        """A path with names."""
        targets, name = self._items.targets, path.via
        item = -1 if path.kind == TAG else targets.ids.row(path.via)
        if item in (path.start, row):
            name = ""
        elif item >= 0:
            name = targets.titles[item] or path.via
        cosine = float(self._items.vectors[path.start] @ space.vectors[row])
        return Way(entries.support(path.start, cosine), path.kind, path.via, name)


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why a candidate fits, for as long as its sources stand in the same order."""

    evidence: Evidence
    givers: Mapping[Kind, str]
    """The source of each kind of ground, or ""."""
    words: str
    """The sentence."""

    def evidence_of(self, sources: Mapping[str, float]) -> Evidence:
        """The evidence where sources contributed other amounts, in the same order."""
        if sources == self.evidence.sources:
            return self.evidence
        return replace(self.evidence, sources=sources, grounds=_ordered(sources, self.givers))


class _Entries:
    """The entries of one history as reasons name them; many targets rest on the same few."""

    def __init__(self, settings: Settings, items: Targets, query: Query) -> None:
        self._settings = settings
        self._items = items
        self._history, self._scenario = query.history, query.scenario
        rows = query.history.rows.tolist()
        self._places = dict(zip(rows, range(len(rows)), strict=True))
        self._told: dict[int, tuple[str, str, str, Mapping[str, str]]] = {}

    def support(self, row: int, similarity: float) -> Support:
        """One entry, by its row."""
        told = self._told.get(row)
        if told is None:
            history, place = self._history, self._places[row]
            action, origin = history.actions[place], history.scenarios[place]
            said = verbs(self._settings, action, origin, self._scenario)
            told = self._items.ids.ids[row], self._items.titles[row], action, said
            self._told[row] = told
        return Support(*told, similarity)


def _supports(
    found: Sequence[Sequence[int] | None], rows: IntArray, query: Query, entries: _Entries
) -> list[list[tuple[int, Support]]]:
    """The history entries behind each target with their rows, nearest first, near ones only.

    Args:
        found: The rows of the entries of each target; None for none.
        rows: The targets.
        query: The question.
        entries: The history.
    """
    asked = [own or () for own in found]
    targets = np.repeat(rows, [len(own) for own in asked])
    behind = np.array([entry for own in asked for entry in own], np.int64)
    vectors = query.space.vectors[targets]
    cosines = iter(np.einsum("ij,ij->i", query.history.items[behind], vectors).tolist())
    near = []
    for own in asked:
        some = [(entry, next(cosines)) for entry in own]
        some = sorted((pair for pair in some if pair[1] > 0), key=lambda pair: -pair[1])
        near.append([(entry, entries.support(entry, cosine)) for entry, cosine in some])
    return near


def _recommendations(
    space: TargetSpace,
    candidates: Candidates,
    evidence: Sequence[Evidence],
    reasons: Sequence[str],
    steps: Sequence[Waterfall] = (),
) -> list[Recommendation]:
    ids, titles = space.targets.ids.ids, space.targets.titles
    rows, scores = candidates.rows.tolist(), candidates.scores.tolist()
    made: Sequence[Waterfall | None] = steps or [None] * len(rows)
    chances = candidates.steps.get(PROPENSITY, np.ones(len(rows))).tolist()
    return [
        Recommendation(
            rank, ids[row], titles[row], score, dict(told.sources), reason, told, chance, step
        )
        for rank, (row, score, told, reason, chance, step) in enumerate(
            zip(rows, scores, evidence, reasons, chances, made, strict=True), start=1
        )
    ]


def _told(candidates: Candidates) -> list[Evidence]:
    """What the sources and rules say themselves of each candidate."""
    names, marks = list(candidates.parts), candidates.marks
    parts = [part.tolist() for part in candidates.parts.values()]
    given = zip(*parts, strict=True) if parts else ((),) * len(candidates)
    told = [
        {name: part for name, part in zip(names, own, strict=True) if abs(part) > _NOTHING}
        for own in given
    ]
    if not marks:
        return [Evidence(sources) for sources in told]
    found = []
    for row, sources in zip(candidates.rows.tolist(), told, strict=True):
        rules = marks.get(row, ())
        pinned, explored, mutual = (mark in rules for mark in (PINNED_ALONE, EXPLORED, MUTUAL))
        found.append(
            Evidence(sources, rules=rules, pinned=pinned, explored=explored, mutual=mutual)
        )
    return found


def _standing(row: int, bare: Evidence) -> Hashable:
    """What the reason of a target rests on: the order of its sources, and what rules did."""
    parts = sorted(((-part, name) for name, part in bare.sources.items() if part > 0))
    return row, tuple(name for _, name in parts), bare.rules, bare.pinned, bare.explored


def _ordered(sources: Mapping[str, float], givers: Mapping[Kind, str]) -> list[Ground]:
    """The grounds by the contribution of their sources, most first; of equals as they stand.

    Args:
        sources: What each source contributed.
        givers: The source of each kind of ground, or "".
    """
    told: dict[Kind, str] = {**givers, "trending": Trending.name, "fresh": Fresh.name}
    found = [Ground(kind, name, sources.get(name, 0.0)) for kind, name in told.items() if name]
    return sorted((one for one in found if one.part > 0), key=lambda one: -one.part)
