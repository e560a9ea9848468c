"""A fit: options and weights by what is held out, then everything on all events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny_world
from polyscene.data.schema import Event, Item, User
from polyscene.engine import Engine
from polyscene.fitting.learn import build_sources
from polyscene.fitting.model import Model
from polyscene.settings import parse_settings
from polyscene.sources import FALLBACKS, Kernel, SemanticMean, SemanticSoft, Trending
from tiny_world import DAY, NOW

KERNEL = {"rank": 8, "reg": 10, "text": 10, "graded": True, "decay": False}
GIVEN = {
    "floor": 0.2,
    "near": 0,
    "recency": 0,
    "elsewhere": 1,
    "cold": 0.5,
    "cold_reg": 1,
    "doubt": 0,
}
"""All that is left to choose; what is chosen may differ by the processor's rounding."""
AUTO = {"semantic-soft": "auto", "trending": "auto"}


def made(path: Path, shop: dict[str, Any], **settings: Any) -> Engine:
    """Forty users who each liked six of the ten things of one of four tastes."""
    rng, tastes = np.random.default_rng(2), ("tea", "map", "shoe", "harp")
    items = [Item(item_id=f"{name}-{n}", title=f"{name} number{n}") for name in tastes
             for n in range(10)]  # fmt: skip
    events = [
        Event(user_id=f"u{user}", item_id=f"{tastes[user % 4]}-{n}", action="like",
              scenario="shop", timestamp=NOW - float(rng.integers(1, 9)) * DAY)
        for user in range(40)
        for n in rng.choice(10, 6, replace=False)
    ]  # fmt: skip
    return tiny_world.make(
        path, {"shop": shop}, items=items, users=[User(user_id="u0")], events=events, **settings
    )


def test_weights_are_chosen_saved_and_used(tmp_path: Path) -> None:
    """Texts tell the taste; what is popular among all tells little beside them."""
    with made(tmp_path, {"sources": AUTO}) as engine:
        fusion = engine.model.fusions["shop"]
        assert fusion.weights["semantic-soft"] == 1.0
        assert fusion.weights["trending"] < 0.5
        assert fusion.alone["semantic-soft"] > fusion.alone["trending"] > 0
        assert fusion.ndcg is not None
        assert fusion.ndcg >= fusion.alone["semantic-soft"]
        assert fusion.users == 40
        loaded = Model.load(engine.workspace.models, engine.workspace.settings)
        assert loaded.fusions == engine.model.fusions
        items = engine.recommend("u0", "shop", 4, now=NOW).items
        assert {item.item_id.split("-")[0] for item in items} == {"tea"}
        used = {name for name, weight in fusion.weights.items() if weight}
        assert {name for item in items for name in item.sources} == used


def test_a_weight_that_is_declared_stays(tmp_path: Path) -> None:
    with made(tmp_path, {"sources": AUTO | {"fresh": 0.25}}) as engine:
        assert engine.model.fusions["shop"].weights["fresh"] == 0.25


@pytest.mark.parametrize(
    ("sources", "settings"), [(AUTO, {"validation": {"folds": 0}}), ({"trending": "auto"}, {})]
)
def test_without_anything_to_choose_by_the_usual_weights_count(
    tmp_path: Path, sources: dict[str, Any], settings: dict[str, Any]
) -> None:
    """Nothing is held out, or there is one source only."""
    with made(tmp_path, {"sources": sources}, **settings) as engine:
        fusion = engine.model.fusions["shop"]
        usual = {"semantic-soft": SemanticSoft.usual, "trending": Trending.usual}
        assert fusion.weights == {name: usual[name] for name in sources}
        assert fusion.alone == {}
        assert fusion.ndcg is None
        assert fusion.users == 0


def test_a_world_too_small_to_hold_out_has_the_usual_weights(tmp_path: Path) -> None:
    sources = {"semantic-mean": "auto", "trending": "auto"}
    with tiny_world.make(tmp_path, {"shop": {"sources": sources}}, events=[]) as engine:
        assert engine.model.fusions["shop"].weights == {
            "semantic-mean": SemanticMean.usual, "trending": Trending.usual,
        }  # fmt: skip
        assert engine.recommend("ann", "shop", 3, now=NOW).items


def test_options_are_chosen_and_saved(tmp_path: Path) -> None:
    """κ was left unset: it is set in the model, and in the model as it is read again."""
    shop = {"sources": {"kernel": 1.0}}
    with made(tmp_path, shop, sources={"kernel": KERNEL}) as engine:
        source = engine.model.sources["kernel"]
        assert isinstance(source, Kernel)
        assert source.config.cold is not None
        assert source.config.reg == KERNEL["reg"]
        loaded = Model.load(engine.workspace.models, engine.workspace.settings).sources["kernel"]
        assert loaded.config == source.config
        assert engine.workspace.settings.sources == {"kernel": KERNEL}


def test_what_was_held_out_is_lost_to_nobody(tmp_path: Path) -> None:
    """Sources end up fitted on all events, as if nothing had been held out."""
    tables = []
    for folds in (0, 3):
        shop = {"sources": {"kernel": "auto", "trending": "auto"}}
        options = {"kernel": KERNEL | GIVEN}
        with made(
            tmp_path / str(folds), shop, sources=options, validation={"folds": folds}
        ) as engine:
            answer = engine.recommend("u0", "shop", 14, targets=None, now=NOW)
            space = engine.model.space("shop")
            assert len(answer.items) == 14
            path = engine.workspace.models / engine.model.config.version / "sources"
            tables.append(
                {file.name: np.load(file) for name in ("kernel", "trending")
                 for file in sorted((path / name).glob("*.npy"))}
            )  # fmt: skip
            assert len(space) == 40
    assert tables[0].keys() == tables[1].keys()
    for name, values in tables[0].items():
        np.testing.assert_allclose(values, tables[1][name], atol=1e-5)


def test_every_source_that_is_named_is_built_and_the_fallbacks() -> None:
    settings = parse_settings(
        {
            "scenarios": {
                "a": {"sources": {"semantic-soft": 1.0}},
                "b": {"sources": {"kernel": 0}},
            },
            "sources": {"semantic-soft": {"power": 2.0}},
        }
    )
    sources = build_sources(settings)
    assert set(sources) == {"semantic-soft", "kernel", *FALLBACKS}
    soft = sources["semantic-soft"]
    assert isinstance(soft, SemanticSoft)
    assert soft.config.power == 2.0
