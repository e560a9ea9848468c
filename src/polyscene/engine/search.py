"""From a text to targets: what is searched for, a little by who searches."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from polyscene.component import Candidates, Vectors
from polyscene.data.dataset import Mask
from polyscene.encoders import Encoder
from polyscene.engine.answer import Answer, Recommendation, Understood
from polyscene.engine.understand import Catalogue, Catalogues, Plan, narrowed
from polyscene.explain.reasons import Evidence, shared_tags
from polyscene.fitting.asking import Asker
from polyscene.fitting.model import Model
from polyscene.represent.whiten import normalise
from polyscene.rerank.rerank import Reranker
from polyscene.settings import Settings

__all__ = ["Searcher", "encoded"]

_PERSONAL = 0.2
"""Share of the likeness to the user in the order of what was found."""
_DEEP = 10
"""How many times the wanted length is looked at."""


def encoded(model: Model, encoder: Encoder, texts: list[str]) -> Vectors:
    """Texts of requests as unit vectors in the space of the targets, shape (texts, dim)."""
    return normalise(model.transform(encoder.encode(texts), "description"))


class Searcher:
    """Finds the targets whose text is nearest to a text.

        score = 0.8 · cos(text, target) + 0.2 · cos(user, target)

    among the targets nearest to the text; the second part is 0 for somebody unknown. Rules that
    exclude and the safety screen apply, what was seen before is found as well.

    Args:
        settings: The workspace's settings.
        model: The model.
        encoder: What turns the text into a vector.
        asker: What knows the user and what may be shown.
    """

    def __init__(self, settings: Settings, model: Model, encoder: Encoder, asker: Asker) -> None:
        self._settings = settings
        self._model = model
        self._encoder = encoder
        self._asker = asker

    def __call__(
        self,
        text: str,
        scenario: str,
        n: int,
        now: float,
        user: str | None = None,
        only: Mask | None = None,
    ) -> Answer:
        """The n targets of a scenario that fit a text best.

        Args:
            text: What is searched for.
            scenario: Whose targets are searched.
            n: Length of the list, at most.
            now: Time of the question, seconds since 1970-01-01 UTC.
            user: Who searches, or None.
            only: If given, only these targets are found, shape (number of targets,).
        """
        model = self._model
        space = model.space(scenario)
        asking = self._asker.user(user, scenario, n, now)
        allowed = self._asker.shown(scenario).copy()
        if only is not None:
            allowed &= only
        self._asker.exclude(allowed, scenario, asking.user, now)
        wanted = self.encode([text])[0]
        notes = [] if user is None or asking.known else [f"user {user!r} is unknown"]
        if not wanted.any():
            return self._answer(user, scenario, [], [*notes, "the text says nothing to search for"])
        found, cosines = space.search(wanted[None], min(_DEEP * n, len(space)), allowed)
        near = found[0] >= 0
        rows, fit = found[0][near], cosines[0][near]
        taste = space.vectors[rows] @ asking.query.vector
        scores = ((1 - _PERSONAL) * fit + _PERSONAL * taste).astype(np.float32)
        order = np.argsort(-scores, kind="stable")
        parts = {"text": (1 - _PERSONAL) * fit, "user": _PERSONAL * taste}
        candidates = Candidates(rows, scores, parts).take(order)
        kept = Reranker(asking.query.spec).distinct(space, candidates.rows, n)
        candidates = candidates.take(kept)
        words = text.split()
        items = [
            self._found(candidates, position, scenario, words) for position in range(len(kept))
        ]
        return self._answer(user, scenario, items, notes)

    def ask(
        self,
        plan: Plan,
        scenario: str,
        n: int,
        now: float,
        user: str | None = None,
        only: Mask | None = None,
    ) -> Answer:
        """The n targets that fit best what a request came to; the rest is as in a search.

        Args:
            plan: What it came to; see `polyscene.engine.understand`.
            scenario: Whose targets are searched.
            n: Length of the list, at most.
            now: Time of the question, seconds since 1970-01-01 UTC.
            user: Who asks, or None.
            only: If given, only these targets are found, shape (number of targets,).
        """
        allowed = self._asker.shown(scenario)
        if only is not None:
            allowed = allowed & only
        targets = self._model.space(scenario).targets
        left, condition, note = narrowed(plan, targets, allowed, now)
        answer = self(plan.text, scenario, n, now, user, left)
        notes = [*answer.notes, *(said for said in (plan.note, note) if said)]
        understood = Understood(plan.text, condition, plan.by_model)
        return replace(answer, notes=notes, understood=understood)

    def catalogue(self, scenario: str, kept: Catalogues) -> Catalogue:
        """What requests to a scenario can be filtered by."""
        return kept.of(scenario, self._model.space(scenario).targets, self._asker.shown(scenario))

    def encode(self, texts: list[str]) -> Vectors:
        """Texts of requests as unit vectors, shape (number of texts, dim)."""
        return encoded(self._model, self._encoder, texts)

    def _found(
        self, candidates: Candidates, position: int, scenario: str, words: Sequence[str]
    ) -> Recommendation:
        targets = self._model.space(scenario).targets
        row = int(candidates.rows[position])
        tags = shared_tags(targets.tags[row], words)
        parts = {
            name: float(part[position]) for name, part in candidates.parts.items() if part[position]
        }
        return Recommendation(
            rank=position + 1,
            item_id=targets.ids.ids[row],
            title=targets.titles[row],
            score=float(candidates.scores[position]),
            sources=parts,
            reason="",
            evidence=Evidence(parts, tags=tags),
        )

    def _answer(
        self,
        user: str | None,
        scenario: str,
        items: Sequence[Recommendation],
        notes: Sequence[str],
    ) -> Answer:
        version = self._model.config.version
        return Answer(uuid.uuid4().hex, user, scenario, version, items, notes)
