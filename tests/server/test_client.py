"""The client against the service, and against one that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from polyscene.client import Added, AsyncClient, Client, ServiceError
from served import eventually, listening


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with listening(tmp_path_factory.mktemp("client")) as found:
        yield found


def test_what_it_asks_is_typed(address: str) -> None:
    with Client(address) as client:
        answer = client.recommend("shop", user="ann", n=2, explain=True)
        assert [item.rank for item in answer.items] == [1, 2]
        assert answer.items[0].evidence is not None
        assert answer.items[0].waterfall is not None
        click = {"user_id": "ann", "item_id": "map-1", "action": "purchase", "scenario": "shop"}
        assert client.add_events([click | {"request_id": answer.request_id}]) == Added(1, 0)
        assert "map-1" not in [item.item_id for item in client.recommend("shop", "ann", 9).items]
        assert client.similar("map-1", "shop", 1).items[0].item_id in ("map-2", "map-3")
        assert client.search("green tea kettle", "shop", n=1).items[0].item_id == "tea-3"
        session = [{"item_id": "map-1", "action": "purchase"}]
        found = client.recommend("shop", n=1, events=session, exclude=["map-2"])
        assert found.items[0].item_id == "map-3"
        assert client.ready()["ready"]


def test_what_it_writes(address: str) -> None:
    with Client(address) as client:
        assert client.put_items([{"item_id": "a/b ü", "title": "Brass lamp"}]) == 1
        assert client.put_users([{"user_id": "c/d", "tags": ["tea"]}, {"user_id": "e"}]) == 2
        relation = {"subject": "c/d", "predicate": "follows", "object": "e"}
        assert client.put_relations([relation]) == 1
        eventually(lambda: client.similar("a/b ü", "shop").items)
        assert client.export_user("c/d")["relations"] == [relation]
        assert client.forget_user("c/d")["erased"]["relations"] == 1
        with pytest.raises(ServiceError) as refused:
            client.export_user("c/d")
        assert (refused.value.status, refused.value.type) == (404, "NotFoundError")
        with pytest.raises(ServiceError, match="unknown page"):
            client.page("home")


def test_it_asks_without_blocking(address: str) -> None:
    async def ask() -> None:
        async with AsyncClient(address) as client:
            answers = await asyncio.gather(*(client.recommend("shop", "bo", n) for n in (1, 2, 3)))
            assert [len(answer.items) for answer in answers] == [1, 2, 3]
            event = {"user_id": "f", "item_id": "map-1", "action": "view"}
            assert (await client.add_events([event])).accepted == 1
            assert (await client.search("tea", "shop", "f", 1)).items
            assert (await client.similar("tea-1", "shop", 1)).items
            assert await client.put_items([{"item_id": "g", "title": "Globe"}]) == 1
            assert await client.put_users([{"user_id": "f"}]) == 1
            link = {"subject": "f", "predicate": "follows", "object": "bo"}
            assert await client.put_relations([link]) == 1
            assert (await client.export_user("f"))["events"]
            assert (await client.forget_user("f"))["erased"]["users"] == 1
            assert (await client.ready())["ready"]
            with pytest.raises(ServiceError, match="unknown page"):
                await client.page("home")

    asyncio.run(ask())


class Failing:
    """Answers with what it is given, one after the other; keeps what it was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.content)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


GOOD = {"accepted": 1, "repeated": 0}
EVENT = {"user_id": "a", "item_id": "b", "action": "view"}


def test_a_request_is_sent_again_as_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused for now, lost, then accepted: three times the same event_id."""
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    busy = httpx.Response(503, headers={"retry-after": "2"})
    failing = Failing(busy, httpx.ConnectError("refused"), httpx.Response(200, json=GOOD))
    with Client("http://x", transport=httpx.MockTransport(failing)) as client:
        assert client.add_events([EVENT]) == Added(1, 0)
    assert len(set(failing.asked)) == 1
    assert b"event_id" in failing.asked[0]
    assert waits[0] == 2
    assert 0.1 <= waits[1] <= 0.2


def test_it_gives_up_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    lost = Failing(*[httpx.ConnectError("refused")] * 3)
    with Client("http://x", retries=2, transport=httpx.MockTransport(lost)) as client:
        with pytest.raises(ServiceError, match="does not answer: refused") as error:
            client.ready()
        assert error.value.status is None
    for answer, times in ((httpx.Response(502), 3), (httpx.Response(500, text="?"), 1)):
        failing = Failing(*[answer] * times)
        with (
            Client("http://x", retries=2, transport=httpx.MockTransport(failing)) as client,
            pytest.raises(ServiceError, match=f"status {answer.status_code}"),
        ):
            client.ready()
        assert len(failing.asked) == times
    late = Failing(httpx.Response(429, headers={"retry-after": "3600"}))
    with (
        Client("http://x", key="k", transport=httpx.MockTransport(late)) as client,
        pytest.raises(ServiceError),
    ):
        client.ready()
    assert len(late.asked) == 1  # an hour is not waited for


def test_it_sends_again_without_blocking_too() -> None:
    failing = Failing(httpx.ReadTimeout("slow"), httpx.Response(200, json=GOOD))

    async def ask() -> Added:
        transport = httpx.MockTransport(failing)
        async with AsyncClient("http://x", transport=transport) as client:
            return await client.add_events([EVENT])

    assert asyncio.run(ask()) == Added(1, 0)
    assert len(set(failing.asked)) == 1
