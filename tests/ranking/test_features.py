"""Features by hand, and what the events say of targets."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from planes import DAY, NOW, dataset, history, query, settings, space
from polyscene.component import Training
from polyscene.data.schema import Item, User
from polyscene.ranking.activity import Activity
from polyscene.ranking.features import FeatureBuilder, fused_column
from polyscene.ranking.overlap import Overlap
from polyscene.ranking.predictor import Predictor
from polyscene.sources.base import SILENT

SETTINGS = settings(here={"tasks": {"liked": "rate>=4", "stars": "value of rate"}})
SPECS = {"here": SETTINGS.scenario("here")}
SPACE = space(
    [[1, 0], [0, 1], [0.6, 0.8]],
    [
        Item(item_id="a", tags=["tea", "green"], brand="Leaf", published_at=NOW - 3 * DAY),
        Item(item_id="b", tags=["tea"]),
        Item(item_id="c", tags=["maps"], brand="leaf"),
    ],
)
TEXTS = Overlap(SPACE.targets, SPACE.targets)


def activity() -> Activity:
    """Two users rated a 5 and 3, one rated b 4, two days and twenty days ago."""
    events = dataset(
        [("u", "a", "rate", "here", 2), ("v", "a", "rate", "here", 20),
         ("u", "b", "rate", "here", 20)],
        items=["a", "b", "c"],
    )  # fmt: skip
    events = replace(events, value=np.array([5.0, 3.0, 4.0]))
    return Activity.fit(Training(events, SETTINGS, SPACE.vectors, NOW), SPECS)


def built(said: dict[str, list[float]], past: list[int], strengths: list[float]) -> dict[str, list]:
    builder = FeatureBuilder(("x", "y"), ("liked", "stars"), activity())
    scores = {name: np.array(values, np.float32) for name, values in said.items()}
    asked = query(SPACE, history(SPACE, past, strengths), vector=[1, 0])
    asked_user = User(user_id="u", tags=["Tea"])
    table = builder(asked, asked_user, np.arange(3), scores, {"x": 3.0, "y": 1.0}, TEXTS)
    assert table.shape == (3, len(builder.names))
    return {name: table[:, place].tolist() for place, name in enumerate(builder.names)}


def test_scores_are_scaled_as_fusion_does() -> None:
    """x: 4, 2, 0 become 1, 0.5, 0; y says nothing of c: -1, which counts a hundredth."""
    found = built({"x": [4, 2, 0], "y": [0, 10, float(SILENT)]}, [], [])
    assert found["x"] == [1, 0.5, 0]
    assert found["x raw"] == [4, 2, 0]
    assert found["y"] == [0, 1, -1]
    assert math.isnan(found["y raw"][2])
    expected = [(3 * 1 + 0) / 4, (3 * 0.5 + 1) / 4, -0.01 / 4]
    assert found["fused"] == pytest.approx(expected)


def test_a_source_that_a_scenario_lacks_is_not_defined() -> None:
    found = built({"x": [1, 2, 3]}, [], [])
    assert all(map(math.isnan, found["y"]))
    assert found["fused"] == pytest.approx([0, 0.5 * 3 / 4, 3 / 4])


def test_texts_are_compared_with_user_and_history() -> None:
    """The history is a, liked, and b, disliked; c is at 0.6 and 0.8 to them."""
    found = built({"x": [0, 0, 0]}, [0, 1], [1.0, -0.5])
    assert found["user cosine"] == pytest.approx([1, 0, 0.6])
    assert found["nearest cosine"] == pytest.approx([1, 0, 0.6])
    assert found["recent cosine"] == pytest.approx([0.5, 0.5, 0.7])
    assert found["disliked cosine"] == pytest.approx([0, 1, 0.8])
    assert found["history"] == pytest.approx([math.log(3)] * 3)
    assert found["mean strength"] == pytest.approx([0.25] * 3)
    assert found["dislikes"] == pytest.approx([0.5] * 3)


def test_without_a_history_nothing_is_compared_with_it() -> None:
    found = built({"x": [0, 0, 0]}, [], [])
    assert all(map(math.isnan, found["nearest cosine"]))
    assert found["history"] == [0, 0, 0]
    assert found["tags"] == [0, 0, 0]


def test_tags_and_attributes_are_shared_by_cosine() -> None:
    """The history is b alone, with the tag tea: 1/√2 with tea and green; no brand in it."""
    found = built({"x": [0, 0, 0]}, [1], [1.0])
    assert found["tags"] == pytest.approx([1 / math.sqrt(2), 1, 0])
    assert found["attributes"] == [0, 0, 0]
    assert found["stated tags"] == pytest.approx([1 / math.sqrt(2), 1, 0])
    assert built({"x": [0, 0, 0]}, [2], [1.0])["attributes"] == pytest.approx([1, 0, 1])


def test_events_are_counted_in_windows_and_tasks_as_smoothed_rates() -> None:
    """a: one event in 7 days, two in all, liked 1 of 2; of 3 pairs 2 are liked, at a mean of 4."""
    found = built({"x": [0, 0, 0]}, [], [])
    assert found["events 7d"] == pytest.approx([math.log(2), 0, 0])
    assert found["events 30d"] == pytest.approx([math.log(3), math.log(2), 0])
    assert found["events here"] == pytest.approx([math.log(3), math.log(2), 0])
    average = 2 / 3
    liked = [(1 + 10 * average) / 12, (1 + 10 * average) / 11, average]
    assert found["rate of liked"] == pytest.approx(liked)
    assert found["rate of stars"] == pytest.approx([(8 + 40) / 12, 44 / 11, 4])
    assert found["age"][0] == pytest.approx(math.log(4))
    assert math.isnan(found["age"][1])


def test_a_new_target_has_no_events() -> None:
    assert activity()("here", np.array([7]))[0] == pytest.approx([0, 0, 0, 0, 2 / 3, 4])


def test_the_fused_column_orders_as_the_weights_say() -> None:
    scaled = np.array([[1, 0], [0, 1], [np.nan, 0.5]], np.float32)
    assert fused_column(scaled, ["x", "y"], {"x": 2, "y": 1}) == pytest.approx(
        [2 / 3, 1 / 3, 1 / 6]
    )
    assert fused_column(scaled, ["x", "y"], {}).tolist() == [0, 0, 0]


def test_tags_that_changed_are_looked_at_anew() -> None:
    """c shares no tag with a until it is put again with one."""
    here = space([[1, 0], [0, 1]], [Item(item_id="a", tags=["tea"]), Item(item_id="c")])
    known = Activity.fit(
        Training(dataset([], items=["a", "c"]), SETTINGS, here.vectors, NOW), SPECS
    )
    tasks = {"liked": "rate>=4", "stars": "value of rate"}
    predictor = Predictor(("x",), {"here": tasks}, known, None)
    said = {"x": np.array([0.0, 1.0], np.float32)}

    def shared() -> float:
        asked, user = query(here, history(here, [0], [1.0]), vector=[1, 0]), User(user_id="u")
        found = predictor.features(
            asked, user, np.array([1]), said, {"x": 1.0}, here.targets, here.targets
        )
        return float(found.column("tags")[0])

    assert shared() == 0
    here.targets.put([Item(item_id="c", tags=["tea"])])
    assert shared() == pytest.approx(1)
