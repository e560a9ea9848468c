"""What is asked over HTTP is what the engine answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from polyscene.testing.fake_llm import FakeChatServer
from served import Served, get, ids
from understood import plan, says

from .conftest import Server


def test_a_list_says_what_and_why_and_who_answered(world: Served) -> None:
    """Ann bought green tea: what she has not seen of tea comes first, and says so."""
    body = get(world, "/v1/recommend", scenario="shop", user="ann", n=3)
    assert body.keys() == {
        "request_id", "variant", "user_id", "scenario", "model", "context", "notes", "items",
    }  # fmt: skip
    assert body["user_id"] == "ann"
    assert body["variant"] == "default"
    assert len(body["request_id"]) == 32
    assert [item["rank"] for item in body["items"]] == [1, 2, 3]
    first = body["items"][0]
    assert first["item_id"] in ("tea-3", "tea-4")
    assert "tea" in first["reason"].lower()
    assert first["sources"].keys() == {"semantic-soft"}
    assert "evidence" not in first


def test_the_same_question_is_answered_again_under_another_id(world: Served) -> None:
    first = get(world, "/v1/recommend", scenario="shop", user="bo")
    again = get(world, "/v1/recommend", scenario="shop", user="bo")
    assert first.pop("request_id") != again.pop("request_id")
    assert first == again


def test_post_takes_what_get_takes(world: Served) -> None:
    asked = {"scenario": "shop", "user": "ann", "n": 2, "exclude": ["tea-3"], "explain": True}
    by_get = get(world, "/v1/recommend", **asked)
    by_post = world.post("/v1/recommend", json=asked).json()
    assert by_get["items"] == by_post["items"]
    assert "tea-3" not in ids(by_post)
    first = by_post["items"][0]
    assert first["evidence"]["sources"]
    assert first["waterfall"]["fused"] == pytest.approx(sum(first["sources"].values()))
    assert first["waterfall"]["place"] == first["rank"] == 1


def test_what_was_done_in_a_session_counts_and_is_not_stored(world: Served) -> None:
    """Somebody unknown who clicked a map gets maps; afterwards they are unknown as before."""
    clicked = [{"item_id": "map-1", "action": "purchase"}]
    asked = {"scenario": "shop", "n": 2}
    found = world.post("/v1/recommend", json=asked | {"events": clicked}).json()
    assert set(ids(found)) == {"map-2", "map-3"}
    assert "Old map of the Baltic" in found["items"][0]["reason"]
    before = world.post("/v1/recommend", json=asked).json()
    assert before["notes"]


def test_a_session_stands_before_what_the_store_knows(world: Served) -> None:
    """Bo collects maps; running shoes in the basket bring the vest to the top."""
    asked = {"scenario": "shop", "user": "bo", "n": 3}
    assert "run-2" not in ids(world.post("/v1/recommend", json=asked).json())
    clicked = [{"item_id": "run-1", "action": "purchase"}]
    assert "run-2" in ids(world.post("/v1/recommend", json=asked | {"events": clicked}).json())


def test_a_text_asks_in_place_of_a_user(world: Served) -> None:
    assert ids(get(world, "/v1/recommend", scenario="shop", text="old maps", n=2))[0] in (
        "map-1", "map-2", "map-3",
    )  # fmt: skip


def test_reasons_come_in_the_language_that_is_asked_for(world: Served) -> None:
    item = get(world, "/v1/recommend", scenario="shop", user="ann", language="zh", n=1)["items"][0]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in item["reason"])
    silent = get(world, "/v1/recommend", scenario="shop", user="ann", reasons=False, n=1)
    assert silent["items"][0]["reason"] == ""


def test_a_filter_leaves_only_what_fits(world: Served) -> None:
    body = get(world, "/v1/recommend", scenario="shop", user="ann", filter='"maps" in tags')
    assert set(ids(body)) == {"map-1", "map-2", "map-3"}
    body = get(world, "/v1/similar/tea-1", scenario="shop", filter='"kettle" in tags')
    assert ids(body) == ["tea-3"]
    asked = {"scenario": "shop", "filter": "shared(tags, user.tags) > 0"}
    assert set(ids(get(world, "/v1/recommend", user="ann", **asked))) <= {
        f"tea-{n}" for n in "1234"
    }
    assert ids(get(world, "/v1/recommend", user="ann", **asked))
    assert not ids(get(world, "/v1/recommend", user="nil", **asked))


def test_a_name_in_a_filter_that_no_target_has_is_pointed_at(world: Served) -> None:
    """The empty list says why, wherever a filter is taken."""
    asked = {"scenario": "shop", "filter": '"maps" in tag or has(title)'}
    note = (
        "filter: no target has the attribute 'tag'; did you mean 'tags'? (column 11)\n"
        '    "maps" in tag or has(title)\n              ^^^'
    )
    assert get(world, "/v1/recommend", user="ann", **asked)["notes"] == [note]
    assert get(world, "/v1/similar/tea-1", **asked)["notes"] == [note]
    assert get(world, "/v1/search", q="tea", **asked)["notes"] == [note]
    found = get(world, "/v1/recommend", user="ann", scenario="shop", filter="age_days < 3")
    assert not any("attribute" in note for note in found["notes"])


def test_a_page_has_its_rows_each_with_an_id(world: Served) -> None:
    page = get(world, "/v1/pages/home", user="ann", n=2)
    assert [row["scenario"] for row in page["rows"]] == ["shop", "news"]
    assert len({row["request_id"] for row in page["rows"]}) == 2


def test_similar_people_and_search(world: Served) -> None:
    assert ids(get(world, "/v1/similar/map-1", scenario="shop", n=1)) in (["map-2"], ["map-3"])
    people = get(world, "/v1/people/ann")
    assert people["scenario"] == "social"
    assert "ann" not in ids(people)
    assert "bo" in ids(people)
    found = get(world, "/v1/search", q="old map of lisbon harbour", scenario="shop", n=3)
    assert ids(found)[0] == "map-2"


def test_search_is_a_little_by_who_searches(world: Served) -> None:
    """Of two equal matches, the one that is nearer to the user has a part of theirs."""
    found = get(world, "/v1/search", q="trails", scenario="shop", user="ann", n=5)
    assert any("user" in item["sources"] for item in found["items"])


def test_a_request_in_plain_words(world: Served) -> None:
    """Without a model, what was said is searched for."""
    asked = {"scenario": "shop", "ask": True, "n": 1}
    found = get(world, "/v1/search", q="find me an old map", **asked)
    assert found["understood"] == {"text": "an old map", "filter": "", "by_model": False}
    later = get(world, "/v1/search", q="of lisbon harbour", after=["an old map", "paper"], **asked)
    assert later["understood"]["text"] == "an old map. paper. of lisbon harbour"
    assert ids(later) == ["map-2"]
    assert "understood" not in get(world, "/v1/search", q="old map", scenario="shop")


def test_a_language_model_filters_what_is_searched_for(serve: Server) -> None:
    with FakeChatServer() as model:
        llm = {"provider": "openai", "model": "m", "base_url": model.url, "retries": 0}
        world = serve(llm=llm)
        says(model, plan("paper", ["tag maps"]))
        asked = {"scenario": "shop", "user": "ann", "ask": True}
        found = get(world, "/v1/search", q="something old", filter="'books' not in tags", **asked)
        assert set(ids(found)) == {"map-1", "map-2"}
        assert found["understood"]["by_model"]
        assert found["understood"]["filter"] == "'maps' in item.tags"


def test_reasons_are_reworded_where_a_scenario_wants_it(serve: Server) -> None:
    """They are marked; on a page too. A list without reasons is not sent."""
    with FakeChatServer() as model:
        model.say(always=lambda last, _: json.dumps({"text": f"So: {_reason(last)}"}))
        llm = {"provider": "openai", "model": "m", "base_url": model.url, "wording_budget_s": 30}
        world = serve(llm=llm, scenarios={"shop": {"preset": "shop", "wording": "model"}}, pages={})
        get(world, "/v1/recommend", scenario="shop", user="ann", n=2, reasons=False)
        assert model.requests == []
        for _ in range(2):
            found = get(world, "/v1/recommend", scenario="shop", user="ann", n=2)
            for item in found["items"]:
                assert item["worded"]
                assert item["reason"].startswith("So: You bought")
        assert len(model.requests) == 2


def _reason(last: str) -> str:
    return last.split('<data name="reason">')[1].split("</data>")[0]


@pytest.mark.parametrize(
    ("path", "parameters", "status", "kind", "says"),
    [
        ("recommend", {"scenario": "shp"}, 404, "NotFoundError", "did you mean 'shop'?"),
        ("recommend", {}, 422, "RequestError", "scenario"),
        ("recommend", {"scenario": "shop", "n": 0}, 422, "RequestError", "query.n"),
        ("recommend", {"scenario": "shop", "m": 1}, 422, "RequestError", "query.m"),
        ("recommend", {"scenario": "shop", "filter": "price <"}, 422, "SettingsError", "price <"),
        ("recommend", {"scenario": "shop", "context": "x"}, 404, "NotFoundError", "context 'x'"),
        ("similar/none", {"scenario": "shop"}, 404, "NotFoundError", "unknown item 'none'"),
        ("pages/hom", {}, 404, "NotFoundError", "did you mean 'home'?"),
        ("people/ann", {"scenario": "shop"}, 404, "NotFoundError", "social"),
        ("nothing", {}, 404, "NotFoundError", "Not Found"),
        ("search", {"scenario": "shop", "q": ""}, 422, "RequestError", "query.q"),
    ],
)
def test_every_error_has_the_one_body(
    world: Served, path: str, parameters: dict[str, Any], status: int, kind: str, says: str
) -> None:
    answer = world.get(f"/v1/{path}", params=parameters)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["type"] == kind
    assert says in error["message"]


def test_bodies_that_are_no_request_are_refused(world: Served) -> None:
    for body in (b"", b"{", b"[]", b"null", b'{"scenario": 1}', b"[" * 100_000, b"\xff\xfe"):
        answer = world.post("/v1/recommend", content=body)
        assert answer.status_code in (400, 422), body[:20]
        assert answer.json()["error"]["message"]
    answer = world.post("/v1/recommend", content=b" " * (17 * 1024 * 1024))
    assert answer.status_code == 413
    assert world.put("/v1/recommend").status_code == 405


def test_the_interface_is_described_with_examples(world: Served) -> None:
    document = world.get("/openapi.json").json()
    asked = document["components"]["schemas"]["RecommendBody"]
    assert len(asked["examples"]) == 3
    assert asked["properties"]["filter"]["description"]
    for path, methods in document["paths"].items():
        if path.startswith("/v1/"):
            for method in methods.values():
                assert method["responses"]["422"]["content"]["application/json"]["schema"][
                    "$ref"
                ].endswith("ErrorModel"), path
