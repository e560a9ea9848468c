"""What is answered while there is no model: what drew most events lately, else what is new."""

from __future__ import annotations

import time
import uuid
from itertools import islice

import sqlalchemy as sa

from polyscene.data.schema import Item
from polyscene.engine.answer import Answer, Recommendation
from polyscene.explain.reasons import Evidence
from polyscene.rerank.safety import Screen
from polyscene.server.question import Question
from polyscene.settings import Settings
from polyscene.storage import Store, decided, tables

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
        self._kept: dict[str, tuple[float, list[tuple[Item, int]]]] = {}

    def answer(self, question: Question) -> Answer:
        """The list for a scenario; people are not recommended without a model."""
        spec = self._settings.scenario(question.scenario)
        found = [] if spec.target == "person" else self._popular(spec.target)
        screen = Screen(spec.safety, decided(self._store, question.scenario)) if found else None
        fitting = (
            (item, count)
            for item, count in found
            if item.item_id not in question.exclude
            and (not item.scenarios or question.scenario in item.scenarios)
            and not (screen and screen.withheld(item))
        )
        left = list(islice(fitting, question.n))
        most = max((count for _, count in left), default=0) or 1
        items = [
            Recommendation(rank, item.item_id, item.title, count / most,
                           {"trending": count / most}, "", Evidence({"trending": count / most}))
            for rank, (item, count) in enumerate(left, 1)
        ]  # fmt: skip
        return Answer(uuid.uuid4().hex, question.user, question.scenario, NO_MODEL, items, [_NOTE])

    def _popular(self, kind: str) -> list[tuple[Item, int]]:
        """The targets of a kind with their number of late events, most first."""
        until, found = self._kept.get(kind, (0.0, []))
        if time.monotonic() < until:
            return found
        events, items = tables.events.c, tables.items.c
        late = sa.select(events.item_id).where(events.item_id.is_not(None))
        drawn = late.order_by(events.seq.desc()).limit(_LATEST).subquery()
        count = sa.func.count(drawn.c.item_id)
        query = (
            sa.select(items.item_id, count)
            .outerjoin(drawn, drawn.c.item_id == items.item_id)
            .where(items.kind == kind, items.available)
            .group_by(items.seq)
            .order_by(count.desc(), items.published_at.desc().nulls_last(), items.seq)
            .limit(_MOST)
        )
        with self._store.read() as connection:
            counts = {name: number for name, number in connection.execute(query)}
        records = {item.item_id: item for item in self._store.items(list(counts))}
        found = [(records[name], count) for name, count in counts.items() if name in records]
        self._kept[kind] = (time.monotonic() + _KEPT_S, found)
        return found
