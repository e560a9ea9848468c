"""Whether a language model's order is a gain."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from polyscene.engine.listing import Gate, Method
from polyscene.evaluation.reranking import measure_reranking
from polyscene.llm import LanguageModel
from polyscene.settings import LlmSettings
from polyscene.testing.fake_llm import Said, ScriptedModel
from polyscene.workspace import Workspace
from tiny_world import NOW

from .planted import TASTES, events, make

SHOP = {"scenarios": {"shop": {"sources": {"trending": 1.0}}}}


@pytest.fixture(scope="module")
def trends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The planted world, where everybody gets what is trending."""
    bought = [
        one.model_copy(update={"scenario": "shop"}) for one in events() if one.action == "buy"
    ]
    with make(tmp_path_factory.mktemp("trends") / "w", bought, [], **SHOP) as workspace:
        yield workspace


def field(last: str, name: str) -> str:
    found = re.search(rf'<data name="{name}">(.*?)</data>', last)
    return found.group(1) if found else ""


def taste(last: str) -> str:
    return max(TASTES, key=field(last, "liked").count)


def knowing(last: str, schema: Mapping[str, Any]) -> str:
    """What has the taste of the history comes first."""
    if "candidates" not in last:
        return json.dumps({"better": "A" if taste(last) in field(last, "A") else "B"})
    listed = [one.split(": ", 1) for one in field(last, "candidates").split(" | ")]
    listed.sort(key=lambda one: taste(last) not in one[1])
    return json.dumps({"order": [letter for letter, _ in listed]})


def perverse(last: str, schema: Mapping[str, Any]) -> str:
    order = json.loads(knowing(last, schema))["order"]
    return json.dumps({"order": order[::-1]})


def measured(
    workspace: Workspace, said: Said, method: Method = "listwise", depth: int = 10
) -> Gate:
    settings = LlmSettings(provider="openai", model="m", price_in=1000, price_out=1000)
    with LanguageModel(ScriptedModel(always=said), workspace.store, settings) as model:
        return measure_reranking(workspace, model, "shop", method, depth, 40, now=NOW)


def test_a_model_that_knows_more_is_a_gain(trends: Workspace) -> None:
    gate = measured(trends, knowing, depth=20)
    assert gate.answered == gate.asked >= 20
    band = gate.bands[1]
    assert (band.least, band.most) == (6, 20)
    assert band.after > band.before
    assert band.low > 0
    spec = trends.settings.scenario("shop").model_copy(
        update={"rerank": "listwise", "rerank_depth": 20}
    )
    assert gate.opens("scripted", spec, 6)
    assert not gate.opens("scripted", spec, 3), "nobody with so short a history was measured"
    assert not gate.opens("another model", spec, 6)
    assert not gate.opens("scripted", spec.model_copy(update={"rerank_depth": 5}), 6)
    assert not gate.opens("scripted", spec.model_copy(update={"rerank": "pairwise"}), 6)
    assert not gate.opens("scripted", spec.model_copy(update={"rerank": "off"}), 6)


def test_what_it_costs_is_counted(trends: Workspace) -> None:
    """A token of the fake is a word, and a million of them cost 1,000."""
    with LanguageModel(
        ScriptedModel(always=lambda last, schema: knowing(last, schema) + " "), trends.store,
        LlmSettings(provider="openai", model="m", price_in=1000, price_out=1000, seed=7),
    ) as model:  # fmt: skip
        model.chat.id = "counted"  # type: ignore[misc]
        gate = measure_reranking(trends, model, "shop", "listwise", 4, 5, now=NOW)
    assert gate.tokens > 50
    assert gate.cost == pytest.approx(gate.tokens)
    assert gate.seconds > 0


def test_one_that_knows_less_is_none(trends: Workspace) -> None:
    with LanguageModel(
        ScriptedModel(always=perverse), trends.store, LlmSettings(provider="openai", model="m")
    ) as model:
        model.chat.id = "perverse"  # type: ignore[misc]
        gate = measure_reranking(trends, model, "shop", "listwise", 10, 40, now=NOW)
    assert all(band.low <= 0 for band in gate.bands)
    assert gate.bands[1].after < gate.bands[1].before


def test_an_answer_of_another_form_is_no_order(trends: Workspace) -> None:
    with LanguageModel(
        ScriptedModel(always="I OBEY"), trends.store, LlmSettings(provider="openai", model="m")
    ) as model:
        model.chat.id = "broken"  # type: ignore[misc]
        gate = measure_reranking(trends, model, "shop", "listwise", 10, 3, now=NOW)
    assert (gate.asked, gate.answered) == (3, 0)
    assert not any(band.users for band in gate.bands)


def test_pairs_are_compared_each_with_each(trends: Workspace) -> None:
    gate = measured(trends, knowing, "pairwise", 4)
    assert gate.answered == gate.asked > 0
    assert sum(band.after * band.users for band in gate.bands) >= sum(
        band.before * band.users for band in gate.bands
    )
