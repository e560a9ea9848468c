"""A client of the service, with and without blocking.

    with Client("http://127.0.0.1:8000", key="ps_...") as client:
        answer = client.recommend("shop", user="ann", n=5)
        client.add_events([{"user_id": "ann", "item_id": answer.items[0].item_id,
                            "action": "click", "request_id": answer.request_id}])

`AsyncClient` has the same methods as coroutines. Events without an `event_id` get one, so that a
request can be sent again without counting twice.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from polyscene.errors import RemoteError

__all__ = ["Added", "Answer", "AsyncClient", "Client", "Recommended", "ServiceError"]

_AGAIN = frozenset({429, 502, 503, 504})
_LONGEST_S = 30.0
Record = Mapping[str, Any]


class ServiceError(RemoteError):
    """The service refused a request, or did not answer after every retry.

    Attributes:
        status: The HTTP status, None when no answer came.
        type: The type of the error that the service names, "" for none.
    """

    def __init__(self, message: str, status: int | None = None, type: str = "") -> None:
        super().__init__(message, status)
        self.type = type


@dataclass(frozen=True, slots=True)
class Recommended:
    """One target in an answer."""

    rank: int
    item_id: str
    title: str
    score: float
    sources: dict[str, float]
    """What each source contributed."""
    reason: str
    propensity: float
    """The probability with which it stands at this rank."""
    rank_before: int | None = None
    """Its rank before a language model put the list in order."""
    worded: bool = False
    """Whether a language model worded the reason."""
    evidence: dict[str, Any] | None = None
    """What the reason is made of, where it was asked for."""
    waterfall: dict[str, Any] | None = None
    """What every stage made of it, where it was asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A list."""

    request_id: str
    """To be sent with the events that follow."""
    variant: str
    user_id: str | None
    scenario: str
    model: str
    context: str | None
    notes: list[str]
    items: list[Recommended]
    understood: Mapping[str, Any] | None = None
    """What a request in plain words came to."""


@dataclass(frozen=True, slots=True)
class Added:
    """What came of events."""

    accepted: int
    repeated: int


@dataclass(frozen=True, slots=True)
class _Call:
    """A request."""

    method: str
    path: str
    params: dict[str, Any] = field(default_factory=dict)
    json: Any = None


class _Calls:
    """What the two clients have in common: how each request looks, and when it is sent again."""

    def __init__(self, retries: int) -> None:
        self._retries = retries

    def _wait(self, attempt: int, answer: httpx.Response | None) -> float | None:
        """Seconds until a request is sent again; None where it is not."""
        if attempt >= self._retries or (answer is not None and answer.status_code not in _AGAIN):
            return None
        told = "" if answer is None else answer.headers.get("retry-after", "")
        if told.isdigit():
            return float(told) if float(told) <= _LONGEST_S else None
        return float(min(0.1 * 2**attempt, _LONGEST_S) * random.uniform(0.5, 1))

    def _result(self, answer: httpx.Response) -> Any:
        if answer.is_success:
            return answer.json()
        try:
            error = answer.json()["error"]
            kind, message = str(error["type"]), str(error["message"])
        except (ValueError, KeyError, TypeError):
            kind, message = "", f"the service answered with status {answer.status_code}"
        raise ServiceError(message, answer.status_code, kind)

    @staticmethod
    def _lost(error: httpx.TransportError) -> ServiceError:
        return ServiceError(f"the service does not answer: {error or type(error).__name__}")


class Client(_Calls):
    """Asks the service and waits for the answer. Use it as a context manager, or close it.

    A request without an answer, or answered with 429, 502, 503 or 504, is sent again: what this
    client writes counts once, however often it is sent. An erasure whose answer was lost finds
    nothing the second time, which is an error of type NotFoundError.

    Args:
        address: Where the service is, such as "http://127.0.0.1:8000".
        key: A key of the service, where it has some.
        timeout_s: How long to wait for an answer.
        retries: How often a request is sent again.
        transport: What carries the requests, for tests.
    """

    def __init__(
        self,
        address: str,
        key: str | None = None,
        timeout_s: float = 10.0,
        retries: int = 4,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(retries)
        self._http = httpx.Client(
            base_url=address, headers=_headers(key), timeout=timeout_s, transport=transport
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def recommend(
        self, scenario: str, user: str | None = None, n: int = 10, **asked: Any
    ) -> Answer:
        """A list for a user, a text or a session; `asked` has the other fields of the service.

        Raises:
            ServiceError: When it is refused, or no answer comes after every retry.
        """
        return _answer(self._send(_recommend(scenario, user, n, asked)))

    def page(self, page: str, user: str | None = None, n: int = 10) -> list[Answer]:
        """The lists of a page, from its top."""
        return [_answer(row) for row in self._send(_page(page, user, n))["rows"]]

    def similar(self, item: str, scenario: str, n: int = 10) -> Answer:
        """The targets of a scenario that read most like one."""
        return _answer(self._send(_similar(item, scenario, n)))

    def search(
        self, q: str, scenario: str, user: str | None = None, n: int = 10, **asked: Any
    ) -> Answer:
        """The targets of a scenario that fit a text; `asked` has the other fields."""
        return _answer(self._send(_search(q, scenario, user, n, asked)))

    def add_events(self, events: Sequence[Record]) -> Added:
        """Store events, all or none; when this returns, they are on disk."""
        return Added(**self._send(_events(events)))

    def put_items(self, items: Sequence[Record]) -> int:
        """Store items; returns how many."""
        return int(self._send(_Call("PUT", "/v1/items", json=list(items)))["stored"])

    def put_users(self, users: Sequence[Record]) -> int:
        """Store users; returns how many."""
        return int(self._send(_Call("PUT", "/v1/users", json=list(users)))["stored"])

    def put_relations(self, relations: Sequence[Record]) -> int:
        """Store relations; returns how many were new."""
        return int(self._send(_Call("PUT", "/v1/relations", json=list(relations)))["stored"])

    def forget_user(self, user: str) -> dict[str, Any]:
        """Erase a person everywhere; returns the receipt."""
        return dict(self._send(_Call("DELETE", f"/v1/users/{_quoted(user)}")))

    def export_user(self, user: str) -> dict[str, Any]:
        """All that is held on a person."""
        return dict(self._send(_Call("GET", f"/v1/exports/{_quoted(user)}")))

    def ready(self) -> dict[str, Any]:
        """Whether the service is ready, and which model serves."""
        return dict(self._send(_Call("GET", "/health/ready")))

    def _send(self, call: _Call) -> Any:
        for attempt in range(self._retries + 1):
            answer, lost = None, None
            try:
                answer = self._http.request(
                    call.method, call.path, params=call.params, json=call.json
                )
            except httpx.TransportError as error:
                lost = error
            wait = self._wait(attempt, answer)
            if lost is not None and wait is None:
                raise self._lost(lost) from lost
            if answer is not None and (answer.is_success or wait is None):
                return self._result(answer)
            time.sleep(wait or 0.0)
        raise AssertionError("the last attempt returns or raises")


class AsyncClient(_Calls):
    """Asks the service without blocking; see `Client`.

    Args:
        address: Where the service is, such as "http://127.0.0.1:8000".
        key: A key of the service, where it has some.
        timeout_s: How long to wait for an answer.
        retries: How often a request is sent again.
        transport: What carries the requests, for tests.
    """

    def __init__(
        self,
        address: str,
        key: str | None = None,
        timeout_s: float = 10.0,
        retries: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(retries)
        self._http = httpx.AsyncClient(
            base_url=address, headers=_headers(key), timeout=timeout_s, transport=transport
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def recommend(
        self, scenario: str, user: str | None = None, n: int = 10, **asked: Any
    ) -> Answer:
        """See `Client.recommend`."""
        return _answer(await self._send(_recommend(scenario, user, n, asked)))

    async def page(self, page: str, user: str | None = None, n: int = 10) -> list[Answer]:
        """See `Client.page`."""
        return [_answer(row) for row in (await self._send(_page(page, user, n)))["rows"]]

    async def similar(self, item: str, scenario: str, n: int = 10) -> Answer:
        """See `Client.similar`."""
        return _answer(await self._send(_similar(item, scenario, n)))

    async def search(
        self, q: str, scenario: str, user: str | None = None, n: int = 10, **asked: Any
    ) -> Answer:
        """See `Client.search`."""
        return _answer(await self._send(_search(q, scenario, user, n, asked)))

    async def add_events(self, events: Sequence[Record]) -> Added:
        """See `Client.add_events`."""
        return Added(**await self._send(_events(events)))

    async def put_items(self, items: Sequence[Record]) -> int:
        """See `Client.put_items`."""
        return int((await self._send(_Call("PUT", "/v1/items", json=list(items))))["stored"])

    async def put_users(self, users: Sequence[Record]) -> int:
        """See `Client.put_users`."""
        return int((await self._send(_Call("PUT", "/v1/users", json=list(users))))["stored"])

    async def put_relations(self, relations: Sequence[Record]) -> int:
        """See `Client.put_relations`."""
        call = _Call("PUT", "/v1/relations", json=list(relations))
        return int((await self._send(call))["stored"])

    async def forget_user(self, user: str) -> dict[str, Any]:
        """See `Client.forget_user`."""
        return dict(await self._send(_Call("DELETE", f"/v1/users/{_quoted(user)}")))

    async def export_user(self, user: str) -> dict[str, Any]:
        """See `Client.export_user`."""
        return dict(await self._send(_Call("GET", f"/v1/exports/{_quoted(user)}")))

    async def ready(self) -> dict[str, Any]:
        """See `Client.ready`."""
        return dict(await self._send(_Call("GET", "/health/ready")))

    async def _send(self, call: _Call) -> Any:
        for attempt in range(self._retries + 1):
            answer, lost = None, None
            try:
                answer = await self._http.request(
                    call.method, call.path, params=call.params, json=call.json
                )
            except httpx.TransportError as error:
                lost = error
            wait = self._wait(attempt, answer)
            if lost is not None and wait is None:
                raise self._lost(lost) from lost
            if answer is not None and (answer.is_success or wait is None):
                return self._result(answer)
            await asyncio.sleep(wait or 0.0)
        raise AssertionError("the last attempt returns or raises")


def _headers(key: str | None) -> dict[str, str]:
    return {} if key is None else {"authorization": f"Bearer {key}"}


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _recommend(scenario: str, user: str | None, n: int, asked: Mapping[str, Any]) -> _Call:
    body = _given({"scenario": scenario, "user": user, "n": n, **asked})
    return _Call("POST", "/v1/recommend", json=body)


def _page(page: str, user: str | None, n: int) -> _Call:
    return _Call("GET", f"/v1/pages/{_quoted(page)}", _given({"user": user, "n": n}))


def _similar(item: str, scenario: str, n: int) -> _Call:
    return _Call("GET", f"/v1/similar/{_quoted(item)}", {"scenario": scenario, "n": n})


def _search(q: str, scenario: str, user: str | None, n: int, asked: Mapping[str, Any]) -> _Call:
    fields = _given({"q": q, "scenario": scenario, "user": user, "n": n, **asked})
    return _Call("GET", "/v1/search", fields)


def _events(events: Sequence[Record]) -> _Call:
    named = [{"event_id": uuid.uuid4().hex, **_given(event)} for event in events]
    return _Call("POST", "/v1/events", json=named)


def _answer(body: Mapping[str, Any]) -> Answer:
    items = [Recommended(**item) for item in body["items"]]
    return Answer(**{**body, "items": items})
