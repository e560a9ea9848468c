"""Questions that come at the same time are answered together, each as if it came alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from polyscene.server.answering import Answering
from polyscene.server.desk import Desk
from polyscene.server.question import Question
from served import get

from .conftest import Server

ASKED: list[dict[str, Any]] = [
    {"user": "ann"},
    {"user": "bo"},
    {"user": "stranger"},
    {},
    {"user": "bo", "n": 2},
    {"user": "ann", "text": "old maps"},
    {"user": "ann", "filter": '"maps" in tags'},
    {"user": "bo", "filter": '"maps" in tags'},
    {"user": "ann", "exclude": ["tea-3"]},
    {"user": "bo", "exclude": ["tea-3"], "explain": True},
    {"user": "ann", "reasons": False},
]
WRONG: list[tuple[dict[str, Any], int]] = [
    ({"user": "ann", "context": "none"}, 404),
    ({"user": "bo", "filter": "price <"}, 422),
    ({"user": "bo", "scenario": "shp"}, 404),
]


def test_each_gets_what_it_gets_alone(serve: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong questions among them fail alone. Nothing is kept, so that all are made."""
    client, sizes = serve(), list[int]()
    monkeypatch.setattr(Answering, "keep", lambda *_: None)
    alone = [get(client, "/v1/recommend", **{"scenario": "shop"} | one) for one in ASKED]
    plain = Answering.recommend_all

    def counted(self: Answering, questions: Sequence[Question]) -> Any:
        sizes.append(len(questions))
        return plain(self, questions)

    monkeypatch.setattr(Answering, "recommend_all", counted)

    async def all_at_once() -> list[Any]:
        asked = [*ASKED, *(one for one, _ in WRONG)]
        return await asyncio.gather(
            *(client.http.get("/v1/recommend", params={"scenario": "shop"} | one) for one in asked)
        )

    together = client.run(all_at_once())
    assert max(sizes) > 2
    for one, other in zip(alone, together, strict=False):
        assert other.status_code == 200
        assert told(one) == told(other.json())
    for (_, status), answer in zip(WRONG, together[len(ASKED) :], strict=True):
        assert answer.status_code == status


def told(body: Any) -> Any:
    """What an answer says, but for its id and the last digits of its scores."""
    items = [
        {**item, "score": round(item["score"], 4), "sources": rounded(item["sources"])}
        for item in body["items"]
    ]
    return {**body, "request_id": "", "items": items}


def rounded(parts: dict[str, float]) -> dict[str, float]:
    return {name: round(part, 4) for name, part in parts.items()}


def test_who_comes_meanwhile_is_answered_together() -> None:
    """The first has the thread for itself; three come then, of whom at most two go together."""
    begun, go = threading.Event(), threading.Event()
    batches: list[list[str]] = []

    def answer(questions: Sequence[str]) -> list[str | Exception]:
        batches.append(list(questions))
        begun.set()
        go.wait(5)
        return [KeyError(one) if one == "bad" else one.upper() for one in questions]

    async def ask(desk: Desk[str, str]) -> list[Any]:
        first = asyncio.create_task(desk.ask("a"))
        await asyncio.to_thread(begun.wait, 5)
        rest = [asyncio.create_task(desk.ask(one)) for one in ("b", "bad", "c")]
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(first, *rest, return_exceptions=True)

    with ThreadPoolExecutor(1) as thread:
        found = asyncio.run(ask(Desk(thread, answer, most=2)))
    assert batches == [["a"], ["b", "bad"], ["c"]]
    assert found[:2] == ["A", "B"]
    assert isinstance(found[2], KeyError)
    assert found[3] == "C"


def test_what_breaks_the_thread_reaches_all_who_wait() -> None:
    def answer(questions: Sequence[int]) -> list[int | Exception]:
        raise ValueError(len(questions))

    async def ask(desk: Desk[int, int]) -> list[Any]:
        return await asyncio.gather(desk.ask(1), desk.ask(2), return_exceptions=True)

    with ThreadPoolExecutor(1) as thread:
        found = asyncio.run(ask(Desk(thread, answer)))
    assert [str(error) for error in found] == ["2", "2"]
