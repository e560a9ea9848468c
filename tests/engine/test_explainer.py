"""The ground of a recommendation is that of the source that gave most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from polyscene.component import Candidates, Query, Vectors
from polyscene.data.dataset import IntArray
from polyscene.engine import Engine
from polyscene.engine.answer import Recommendation
from polyscene.engine.explainer import Explainer
from polyscene.fitting.asking import Asker
from polyscene.fitting.past import StorePast
from polyscene.sources import Source
from polyscene.sources.base import nothing
from polyscene.text.verbalise import Verbaliser
from tiny_world import NOW


class Grounds(Source):
    """Names one history item as the ground of some targets; counts the targets asked about."""

    def __init__(self, ground: int, known: Sequence[int] | None) -> None:
        super().__init__()
        self._ground, self._known = ground, known
        self.asked: list[int] = []

    def scores(self, queries: Sequence[Query]) -> Vectors:
        return nothing(queries)

    def support(self, query: Query, rows: IntArray) -> IntArray | None:
        self.asked += rows.tolist()
        if self._known is None:
            return None
        named = np.where(np.isin(rows, self._known), self._ground, -1)
        return np.stack([named, np.full(len(rows), -1)], axis=1)


TARGETS = ["tea-3", "tea-4", "map-1"]
"""What is recommended to ann, who bought tea-1 and looked at tea-2."""


def explained(
    world: Engine, sources: dict[str, Grounds], parts: dict[str, list[float]], reasons: bool = True
) -> list[Recommendation]:
    """The recommendations of TARGETS, with what each source gave to each of them."""
    settings, store = world.workspace.settings, world.workspace.store
    model = replace(world.model, sources=dict(sources))
    ids = model.items.targets.ids
    asker = Asker(settings, model, world.workspace.encoder, StorePast(store, model.items.targets))
    given = {name: np.array(values, np.float32) for name, values in parts.items()}
    candidates = Candidates(
        rows=ids.rows(TARGETS), scores=np.sum(list(given.values()), axis=0), parts=given
    )
    explainer = Explainer(settings, Verbaliser(settings), model)
    asking = asker.user("ann", "shop", 10, NOW)
    return explainer.recommendations(asking, candidates, reasons)


def named(items: Sequence[Recommendation]) -> list[list[str]]:
    return [[support.item_id for support in item.evidence.support] for item in items]


@pytest.fixture
def rows(world: Engine) -> dict[str, int]:
    ids = world.model.items.targets.ids
    return {name: ids.row(name) for name in ("tea-1", "tea-2", *TARGETS)}


def test_the_ground_is_that_of_the_source_that_gave_most(
    world: Engine, rows: dict[str, int]
) -> None:
    """a gave most to tea-3, b to tea-4; which of them comes first does not matter."""
    for order in ("ab", "ba"):
        sources = {
            "a": Grounds(rows["tea-1"], [rows["tea-3"], rows["tea-4"]]),
            "b": Grounds(rows["tea-2"], [rows["tea-3"], rows["tea-4"]]),
        }
        parts = {"a": [2.0, 1.0, 0.0], "b": [1.0, 2.0, 0.0]}
        found = explained(world, {n: sources[n] for n in order}, {n: parts[n] for n in order})
        assert named(found) == [["tea-1"], ["tea-2"], []]


@pytest.mark.parametrize("none", [True, False])
def test_a_source_without_a_ground_leaves_it_to_the_next(
    world: Engine, rows: dict[str, int], none: bool
) -> None:
    """a gave most everywhere, but names nothing: by itself, or for these targets."""
    sources = {
        "a": Grounds(rows["tea-1"], None if none else [rows["map-1"]]),
        "b": Grounds(rows["tea-2"], [rows["tea-3"], rows["tea-4"]]),
    }
    found = explained(world, sources, {"a": [2.0, 2.0, 0.0], "b": [1.0, 1.0, 0.0]})
    assert named(found) == [["tea-2"], ["tea-2"], []]


def test_a_source_that_gave_nothing_is_not_asked(world: Engine, rows: dict[str, int]) -> None:
    sources = {"a": Grounds(rows["tea-1"], list(rows.values())), "b": Grounds(rows["tea-2"], [])}
    found = explained(world, sources, {"a": [0.0, 1.0, 0.0], "b": [0.0, 0.0, 0.0]})
    assert named(found) == [[], ["tea-1"], []]
    assert sources["a"].asked == [rows["tea-4"]]
    assert sources["b"].asked == []


def test_what_the_user_did_not_do_is_never_a_ground(world: Engine, rows: dict[str, int]) -> None:
    """A source that names something else is not believed."""
    sources = {"a": Grounds(rows["map-1"], [rows["tea-3"]])}
    assert named(explained(world, sources, {"a": [1.0, 0.0, 0.0]})) == [[], [], []]


def test_without_reasons_no_source_is_asked(world: Engine, rows: dict[str, int]) -> None:
    sources = {"a": Grounds(rows["tea-1"], list(rows.values()))}
    plain = explained(world, sources, {"a": [3.0, 2.0, 1.0]}, reasons=False)
    full = explained(world, sources, {"a": [3.0, 2.0, 1.0]})
    assert [item.item_id for item in plain] == TARGETS
    assert [item.reason for item in plain] == [""] * 3
    assert len(sources["a"].asked) == 3
    for one, other in zip(plain, full, strict=True):
        assert one == replace(other, reason="", evidence=one.evidence)
        assert one.evidence.sources == other.evidence.sources
