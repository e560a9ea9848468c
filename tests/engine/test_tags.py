"""Tags beside items: each is recommended in its own scenarios, and learned from there alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tagged_world
from evaluation.planted import SETTINGS, USERS
from polyscene.data.schema import Event, Item
from polyscene.engine import Engine
from polyscene.engine.checkup import examine
from polyscene.fitting.model import Fusion
from tagged_world import EVERY_SOURCE, SCENARIO, TAGS, WORDS, posts, tag
from tiny_world import NOW, ids, put

PLAIN: dict[str, dict[str, Any]] = {
    "商店": {"sources": EVERY_SOURCE},
    "news": {"target": "content", "sources": EVERY_SOURCE},
    "social": SETTINGS["scenarios"]["social"],
}
Said = list[tuple[str, list[str], list[str]]]


def said(engine: Engine) -> tuple[Said, list[float], dict[str, Fusion]]:
    """Every list of every scenario that recommends no tags, the scores, the weights behind them."""
    users = [f"u{number}" for number in range(0, USERS, 3)]
    answers = [
        answer
        for scenario in PLAIN
        for answer in engine.recommend_many(users, scenario, 40, now=NOW)
    ]
    lists = [(one.scenario, ids(one), [item.reason for item in one.items]) for one in answers]
    scores = [item.score for one in answers for item in one.items]
    return lists, scores, {name: engine.model.fusions[name] for name in PLAIN}


def test_tags_change_nothing_where_items_and_people_are_recommended(tmp_path: Path) -> None:
    """Neither vectors nor what is learned, chosen, shown or told, in any source.

    Tags come before and after the items, with events of a scenario and of none, dated and not.
    """
    given = posts()
    given[::3] = [one.model_copy(update={"scenario": "tags"}) for one in given[::3]]
    given[::5] = [one.model_copy(update={"timestamp": None}) for one in given[::5]]
    given.append(Event(user_id="u0", item_id="tag-tea", action="tag"))
    with tagged_world.make(tmp_path / "without", [], PLAIN, tags=False) as engine:
        without, scores, fusions = said(engine)
        vectors = engine.model.items.vectors
    with tagged_world.make(tmp_path / "with", given, PLAIN | {"tags": SCENARIO}) as engine:
        found, others, chosen = said(engine)
        moved = engine.model.items.vectors[~engine.model.items.targets.is_tag]
    np.testing.assert_allclose(vectors, moved, atol=1e-6)  # sums of other lengths are rounded so
    assert all(fusions["商店"].alone.values())
    assert {name: one.weights for name, one in chosen.items()} == {
        name: one.weights for name, one in fusions.items()
    }
    for name, fusion in fusions.items():
        assert chosen[name].alone == pytest.approx(fusion.alone)
    assert found == without
    np.testing.assert_allclose(others, scores, rtol=1e-3, atol=1e-5)


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with tagged_world.make(tmp_path_factory.mktemp("tagged") / "w", posts()) as engine:
        yield engine


def test_only_a_scenario_of_tags_shows_tags(tagged: Engine) -> None:
    """And it shows nothing else."""
    for scenario in PLAIN:
        assert not {one.item_id for one in TAGS} & set(ids(tagged.recommend("u0", scenario, 99)))
    assert set(ids(tagged.recommend("u0", "tags", 99))) == {f"tag-{word}" for word in WORDS}


def test_a_new_tag_is_shown_when_the_engine_opens(tmp_path: Path) -> None:
    """Centred as the other tags are, so that its vector does not depend on when it came."""
    with tagged_world.make(tmp_path / "w", posts()) as engine:
        _ = engine.model
        path = engine.workspace.path
        put(engine, Item(item_id="late", kind="tag", title="tea"))
    with tagged_world.make(tmp_path / "other", posts()) as other, \
            tagged_world.tiny_world.reopen(path, engine_settings()) as engine:  # fmt: skip
        assert "late" in ids(engine.recommend("u0", "tags", 99))
        space, targets = engine.model.items, engine.model.items.targets
        assert targets.is_tag[targets.ids.row("late")]
        row = other.model.items.targets.ids.row("tag-tea")
        late = space.vectors[targets.ids.row("late")]
        np.testing.assert_allclose(late, other.model.items.vectors[row], atol=1e-6)


def engine_settings() -> dict[str, dict[str, Any]]:
    return dict(SETTINGS["scenarios"]) | {"tags": SCENARIO}


def test_what_was_done_with_tags_is_told_where_tags_are_recommended(tagged: Engine) -> None:
    """A tag given is part of the history there, and of no other text or history."""
    for scenario, expected in (("商店", False), ("social", False), ("tags", True)):
        texts = " ".join(tagged.texts(user="u0", scenario=scenario))
        assert ("used fine" in texts or "used tea, fine" in texts) == expected, texts


def test_the_doctor_counts_tags(tagged: Engine) -> None:
    texts = {found.subject: found.text for found in examine(tagged)}
    assert texts["scenario tags"] == f"{len(WORDS)} targets of kind tag"


def test_a_tag_given_to_one_thing_may_be_given_to_another(tagged: Engine) -> None:
    """With no context named, what was given to something is not seen; what was done with no
    context is."""  # fmt: skip
    assert "tag-tea" in ids(tagged.recommend("u0", "tags", 99))


def test_a_tag_that_was_used_without_a_context_is_seen(tmp_path: Path) -> None:
    given = [tag("u0", "tea", "tea-1"), Event(user_id="u0", item_id="tag-fine", action="tag")]
    with tagged_world.make(tmp_path / "w", given) as engine:
        shown = ids(engine.recommend("u0", "tags", 99))
    assert set(shown) == {f"tag-{word}" for word in WORDS} - {"tag-fine"}
