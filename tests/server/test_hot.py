"""The requests that are answered before routing get what their routes say."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from polyscene.server import hot
from served import Served

EVENT = {"user_id": "hot", "item_id": "tea-1", "action": "view", "event_id": "hot-1"}
ASKED: list[tuple[str, str, Any]] = [
    ("GET", "/v1/recommend?scenario=shop&user=ann&n=3", None),
    ("GET", "/v1/recommend?scenario=shop&user=a%2Fb%20%C3%BC&explain=true", None),
    ("GET", "/v1/recommend?scenario=shop&text=old+maps&language=zh&reasons=0", None),
    ("GET", "/v1/recommend?scenario=shop&exclude=tea-3&exclude=tea-4&user=ann", None),
    ("GET", "/v1/recommend?scenario=shop&filter=%22maps%22+in+tags", None),
    ("GET", "/v1/recommend?scenario=shop&n=2&n=3", None),
    ("GET", "/v1/recommend", None),
    ("GET", "/v1/recommend?scenario=", None),
    ("GET", "/v1/recommend?scenario=shop&n=x&m=1", None),
    ("GET", "/v1/recommend?scenario=shp", None),
    ("GET", "/v1/recommend?scenario=shop&context=none", None),
    ("GET", "/v1/recommend?scenario=shop&filter=price+%3C", None),
    ("POST", "/v1/events", EVENT),
    ("POST", "/v1/events", [EVENT, EVENT]),
    ("POST", "/v1/events", []),
    ("POST", "/v1/events", {"user_id": 1}),
    ("POST", "/v1/events", EVENT | {"item_id": "none"}),
    ("POST", "/v1/events", "text"),
]


@pytest.mark.parametrize(("method", "path", "body"), ASKED)
def test_a_hot_request_and_its_route_say_the_same(
    world: Served, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: Any
) -> None:
    world.request(method, path, json=body)  # an event is new the first time only
    swift = world.request(method, path, json=body)
    for kept in (hot._RECOMMEND, hot._EVENTS):
        monkeypatch.setattr(kept, "path", "none")  # so that all go to their routes
    routed = world.request(method, path, json=body)
    assert swift.status_code == routed.status_code
    assert swift.headers["content-type"] == routed.headers["content-type"]
    assert told(swift) == told(routed)


def told(answer: httpx.Response) -> Any:
    """What an answer says, but for its id."""
    body = answer.json()
    body.pop("request_id", None)
    return body
