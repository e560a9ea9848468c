"""What is answered while there is no model: what drew most events lately, else what is new."""

from __future__ import annotations

import time
import uuid

import sqlalchemy as sa

from polyscene.engine.answer import Answer, Recommendation
from polyscene.explain.reasons import Evidence
from polyscene.server.question import Question
from polyscene.settings import Settings
from polyscene.storage import Store, tables

__all__ = ["NO_MODEL", "Fallback"]

NO_MODEL = "none"
"""In place of the version of a model."""
_LATEST = 20_000
"""Events that are counted, the latest to arrive."""
_KEPT_S = 60.0
"""How long a count is used."""
_MOST = 1000
_NOTE = "there is no model that can be read: what drew most events lately; run polyscene fit"


class Fallback:
    """Lists without a model, the same for everybody.

    Args:
        store: The store.
        settings: The workspace's settings.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._kept: dict[str, tuple[float, list[tuple[str, str, int]]]] = {}

    def answer(self, question: Question) -> Answer:
        """The list for a scenario; people are not recommended without a model."""
        spec = self._settings.scenario(question.scenario)
        found = [] if spec.target == "person" else self._popular(spec.target)
        left = [one for one in found if one[0] not in question.exclude][: question.n]
        most = max((count for _, _, count in left), default=0) or 1
        items = [
            Recommendation(rank, name, title, count / most, {"trending": count / most}, "",
                           Evidence({"trending": count / most}))
            for rank, (name, title, count) in enumerate(left, 1)
        ]  # fmt: skip
        return Answer(uuid.uuid4().hex, question.user, question.scenario, NO_MODEL, items, [_NOTE])

    def _popular(self, kind: str) -> list[tuple[str, str, int]]:
        """Id, title and number of late events of the targets of a kind, most first."""
        until, found = self._kept.get(kind, (0.0, []))
        if time.monotonic() < until:
            return found
        events, items = tables.events.c, tables.items.c
        late = sa.select(events.item_id).where(events.item_id.is_not(None))
        drawn = late.order_by(events.seq.desc()).limit(_LATEST).subquery()
        count = sa.func.count(drawn.c.item_id)
        query = (
            sa.select(items.item_id, items.title, count)
            .outerjoin(drawn, drawn.c.item_id == items.item_id)
            .where(items.kind == kind, items.available)
            .group_by(items.seq)
            .order_by(count.desc(), items.published_at.desc().nulls_last(), items.seq)
            .limit(_MOST)
        )
        with self._store.read() as connection:
            found = [(name, title, number) for name, title, number in connection.execute(query)]
        self._kept[kind] = (time.monotonic() + _KEPT_S, found)
        return found
