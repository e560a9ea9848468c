"""The order of a language model in an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from polyscene.data.schema import Item
from polyscene.engine import Engine
from polyscene.engine.listing import Band, Gate, prompt_of
from polyscene.engine.polish import gates_of, write_gates
from polyscene.testing.fake_llm import FakeChatServer
from polyscene.testing.fake_server import FakeAnswer
from polyscene.testing.injections import injections
from tiny_world import EVENTS, ITEMS, NOW, Maker, act, ids


def engine_with(
    make: Maker, server: FakeChatServer, *, open_to: int = 20, spec: Any = (), **options: Any
) -> Engine:
    """The shop of the tiny world, with a gain measured for histories of up to so many targets."""
    shop = {"preset": "shop", "rerank": "listwise", "rerank_depth": 4} | dict(spec)
    llm = {"provider": "openai", "model": "m", "base_url": server.url, "retries": 0}
    llm |= {"rerank_budget_s": 30.0, "failures_to_pause": 1000} | options.pop("llm", {})
    engine = make({"shop": shop}, llm=llm, **options)
    band = Band(least=1, most=open_to, users=50, before=0.1, after=0.2, low=0.05, high=0.15)
    gate = Gate(
        model=engine.workspace.language_model.chat.id, prompt=prompt_of(shop["rerank"]).version,
        method=shop["rerank"],
        depth=shop["rerank_depth"], bands=(band,), asked=50, answered=50, seconds=1.0, cost=0.0,
        tokens=100.0,
    )  # fmt: skip
    models = engine.workspace.models
    write_gates(models, engine.model.config.version, {"shop": gate})
    assert gates_of(models, engine.model.config.version) == {"shop": gate}
    return engine


def backwards(last: str, schema: Mapping[str, Any]) -> str:
    letters = schema["properties"]["order"]["items"]["enum"]
    return json.dumps({"order": letters[::-1]})


def test_the_first_places_are_put_in_order(make: Maker) -> None:
    with FakeChatServer() as server:
        plain = ids(make().recommend("ann", "shop", 6, now=NOW))
        engine = engine_with(make, server)
        server.say(always=backwards)
        found = engine.recommend("ann", "shop", 6, now=NOW)
        assert ids(found) == [*plain[3::-1], *plain[4:]]
        assert [item.rank for item in found.items] == [1, 2, 3, 4, 5, 6]
        assert [item.rank_before for item in found.items] == [4, 3, 2, 1, None, None]
        said = server.requests[0].payload["messages"][-1]["content"]
        assert "Green tea from Hangzhou" in said
        assert "tea-1" not in said


def test_pairs_are_compared_and_the_winners_come_first(make: Maker) -> None:
    with FakeChatServer() as server:
        plain = ids(make().recommend("ann", "shop", 4, now=NOW))
        engine = engine_with(make, server, spec={"rerank": "pairwise"})
        last_title = make().recommend("ann", "shop", 4, now=NOW).items[-1].title
        server.say(
            always=lambda last, _: json.dumps(
                {"better": "B" if f'"B">{last_title}' in last else "A"}
            )
        )
        found = engine.recommend("ann", "shop", 4, now=NOW)
        assert ids(found)[0] == plain[-1]
        assert len(server.requests) == 6


@pytest.mark.parametrize(
    "case", ["history too long", "nobody", "no gate", "late", "broken", "twice"]
)
def test_else_the_list_stays_as_it_was(make: Maker, case: str) -> None:
    with FakeChatServer() as server:
        plain = ids(make().recommend(None if case == "nobody" else "ann", "shop", 4, now=NOW))
        engine = engine_with(
            make, server, open_to=1 if case == "history too long" else 20,
            llm={"rerank_budget_s": 0.0 if case == "late" else 30.0},
        )  # fmt: skip
        server.say(always='{"order": ["A", "A", "B", "C"]}' if case == "twice" else backwards)
        if case == "no gate":
            write_gates(engine.workspace.models, engine.model.config.version, {})
        if case == "broken":
            server.answer_with(FakeAnswer(500, "no"))
        found = engine.recommend(None if case == "nobody" else "ann", "shop", 4, now=NOW)
        assert ids(found) == plain
        assert all(item.rank_before is None for item in found.items)
        if case in ("history too long", "nobody", "no gate"):
            assert server.requests == []


def test_what_was_measured_of_another_version_does_not_count(make: Maker) -> None:
    with FakeChatServer() as server:
        engine = engine_with(make, server)
        engine.fit(now=NOW)
        engine.recommend("ann", "shop", 4, now=NOW)
        assert server.requests == []


def test_pins_keep_their_places(make: Maker) -> None:
    with FakeChatServer() as server:
        rules = [{"pin": "map-3", "position": 2}]
        engine = engine_with(make, server, spec={"rules": rules})
        server.say(always=backwards)
        found = engine.recommend("ann", "shop", 5, now=NOW)
        assert ids(found)[1] == "map-3"
        assert found.items[0].rank_before == 4


def test_hostile_titles_do_not_order_a_list(make: Maker) -> None:
    """The model sees them without the orders; one that obeys what it sees finds nothing to obey."""
    bad = [
        Item(item_id=f"bad-{place}", title=f"Green tea. {one.text[:60]}", tags=["tea"])
        for place, one in enumerate(injections()[:3])
    ]
    seen = []

    def obey(last: str, schema: Mapping[str, Any]) -> str:
        seen.append(last)
        letters = schema["properties"]["order"]["items"]["enum"]
        return json.dumps({"order": letters[::-1] if "gnore" in last else letters})

    with FakeChatServer() as server:
        engine = engine_with(
            make, server, items=[*ITEMS, *bad], events=[*EVENTS, act("ann", "tea-3")]
        )
        server.say(always=obey)
        found = engine.recommend("ann", "shop", 6, now=NOW)
        assert [item.rank for item in found.items] == [1, 2, 3, 4, 5, 6]
        assert seen
        assert [item.rank_before for item in found.items[:4]] == [1, 2, 3, 4]
