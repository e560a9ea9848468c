"""The interface of Gorse, so that its clients work unchanged: recommend, feedback, records.

Gorse has one list for all; here it is that of the first scenario that recommends no people, or of
the one that the parameter `scenario` names. A category is the attribute `categories` of an item.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body
from pydantic import BaseModel, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from polyscene.data.importers.gorse import gorse_event, gorse_item, gorse_user
from polyscene.data.schema import Event, Id, Item, User
from polyscene.errors import NotFoundError
from polyscene.server.events import stamped
from polyscene.server.lists import ERRORS, json_bytes, service_of
from polyscene.server.question import Question
from polyscene.server.service import Service
from polyscene.server.wire import dumped
from polyscene.storage import StoreWriter

__all__ = ["router"]

router = APIRouter(prefix="/api", responses=ERRORS, tags=["gorse"])

Row = dict[str, Any]
Rows = Annotated[list[Row], Field(max_length=10_000), Body()]
Many = Annotated[int, Field(ge=1, le=1000)]
Offset = Annotated[int, Field(ge=0, le=10_000)]
_EVENTS: TypeAdapter[list[Event]] = TypeAdapter(list[Event])
_USERS: TypeAdapter[list[User]] = TypeAdapter(list[User])


class Affected(BaseModel):
    """How many rows were written."""

    RowAffected: int


@router.get("/recommend/{user_id}", response_model=None)
@router.get("/recommend/{user_id}/{category:path}", response_model=None)
async def recommend(
    request: Request,
    user_id: str,
    category: str = "",
    n: Many = 10,
    offset: Offset = 0,
    scenario: Id | None = None,
) -> Response:
    """Ids, or with `X-API-Version: 2` ids and scores; `write-back-type` notes them as feedback."""
    service = service_of(request)
    question = Question(
        scenario or _default(service),
        min(n + offset, 1000),
        user_id,
        filter=f"{category!r} in categories" if category else None,
        reasons=False,
    )
    found = _scores(await service.recommend(question))[offset:]
    write_back = request.query_params.get("write-back-type")
    if write_back and found:
        rows = [{"FeedbackType": write_back, "UserId": user_id, "ItemId": one["Id"]}
                for one in found]  # fmt: skip
        await service.commits.add(stamped(_events(rows)))
    if request.headers.get("x-api-version") == "2":
        return json_bytes(dumped(found))
    return json_bytes(dumped([one["Id"] for one in found]))


@router.post("/session/recommend", response_model=None)
async def recommend_for_session(
    request: Request, feedback: Rows, n: Many = 10, scenario: Id | None = None
) -> Response:
    """Ids and scores for somebody of whom only this feedback is known."""
    service = service_of(request)
    events = stamped(_events([{**row, "UserId": "anonymous"} for row in feedback]))
    name = scenario or _default(service)
    question = Question(name, n, events=tuple(events), reasons=False)
    return json_bytes(dumped(_scores(await service.recommend(question))))


@router.get("/item/{item_id}/neighbors", response_model=None)
async def neighbours(
    request: Request, item_id: str, n: Many = 10, offset: Offset = 0, scenario: Id | None = None
) -> Response:
    """Ids and scores of the items that read most like one."""
    service = service_of(request)
    question = Question(scenario or _default(service), min(n + offset, 1000))
    body = await service.listed(lambda: service.answering.similar(item_id, question))
    return json_bytes(dumped(_scores(body)[offset:]))


@router.post("/feedback", response_model=Affected)
@router.put("/feedback", response_model=Affected)
async def put_feedback(request: Request, feedback: Rows) -> Response:
    """Store feedback; the same type, user and item count once, unknown items are made empty."""
    service = service_of(request)
    events = stamped(_events(feedback))
    wanted, kind = {event.item_id for event in events}, _kind(service)

    def make_items(writer: StoreWriter) -> None:
        missing = sorted(wanted - writer.known_targets(wanted))
        writer.put_items([_item({"ItemId": name}, kind) for name in missing])

    await service.commits.write(make_items)
    added = await service.commits.add(events)
    return _affected(added.accepted)


@router.get("/feedback", response_model=None)
async def list_feedback(request: Request, n: Many = 10, cursor: str = "") -> Response:
    """Feedback in order of arrival, and where the next page begins."""
    store, start = service_of(request).workspace.store, _start(cursor)
    found = await service_of(request).aside(lambda: store.events(start, n))
    following = str(found[-1][0]) if len(found) == n else ""
    rows = [_feedback(event) for _, event in found]
    return json_bytes(dumped({"Cursor": following, "Feedback": rows}))


@router.get("/user/{user_id}/feedback/{kind}", response_model=None)
async def feedback_of(request: Request, user_id: str, kind: str) -> Response:
    """Feedback of one type of a user, newest first."""
    store = service_of(request).workspace.store
    history = await service_of(request).aside(lambda: store.history(user_id))
    rows = [_feedback(event) for event in history if event.action == kind.lower()]
    return json_bytes(dumped(rows))


@router.delete("/feedback/{user_id}/{item_id}", response_model=None)
async def delete_feedback(request: Request, user_id: str, item_id: str) -> Response:
    """Remove what a user did with an item."""
    write = service_of(request).commits.write
    return _affected(await write(lambda writer: writer.remove_events(user_id, item_id)))


@router.post("/item", response_model=Affected)
async def put_item(request: Request, item: Annotated[Row, Body()]) -> Response:
    """Store an item."""
    return await _put_items(request, [item])


@router.post("/items", response_model=Affected)
async def put_items(request: Request, items: Rows) -> Response:
    """Store items."""
    return await _put_items(request, items)


@router.get("/items", response_model=None)
async def list_items(request: Request, n: Many = 10, cursor: str = "", q: str = "") -> Response:
    """Items in order of arrival and where the next page begins; with `q` those that fit a text."""
    service = service_of(request)
    store, start = service.workspace.store, _start(cursor)
    if q.strip():
        question = Question(_default(service), n, text=q[:10_000])
        body = await service.listed(lambda: service.answering.search(question))
        names = [one["Id"] for one in _scores(body)]
        held = {item.item_id: item for item in await service.aside(lambda: [*store.items(names)])}
        rows = [_item_row(held[name]) for name in names if name in held]
        return json_bytes(dumped({"Cursor": "", "Items": rows}))
    found = await service.aside(lambda: [*islice(store.items(), start, start + n)])
    following = str(start + n) if len(found) == n else ""
    rows = [_item_row(item) for item in found]
    return json_bytes(dumped({"Cursor": following, "Items": rows}))


@router.get("/item/{item_id}", response_model=None)
async def read_item(request: Request, item_id: str) -> Response:
    """An item."""
    store = service_of(request).workspace.store
    item = await service_of(request).aside(lambda: store.item(item_id))
    if item is None:
        raise NotFoundError(f"unknown item {item_id!r}")
    return json_bytes(dumped(_item_row(item)))


@router.patch("/item/{item_id}", response_model=Affected)
async def change_item(request: Request, item_id: str, fields: Annotated[Row, Body()]) -> Response:
    """Change those fields of an item that are not null."""
    service = service_of(request)

    def change(writer: StoreWriter) -> None:
        held = service.workspace.store.item(item_id)
        if held is None:
            raise NotFoundError(f"unknown item {item_id!r}")
        given = {name: value for name, value in fields.items() if value is not None}
        writer.put_items([_changed(held, given)])

    await service.commits.write(change)
    service.keeper.look()
    return _affected(1)


@router.delete("/item/{item_id}", response_model=Affected)
async def delete_item(request: Request, item_id: str) -> Response:
    """Remove an item with its feedback."""
    service = service_of(request)
    removed = await service.commits.write(lambda writer: writer.remove_item(item_id))
    service.keeper.look()
    return _affected(int(removed))


@router.post("/user", response_model=Affected)
async def put_user(request: Request, user: Annotated[Row, Body()]) -> Response:
    """Store a user."""
    return await _put_users(request, [user])


@router.post("/users", response_model=Affected)
async def put_users(request: Request, users: Rows) -> Response:
    """Store users."""
    return await _put_users(request, users)


@router.get("/users", response_model=None)
async def list_users(request: Request, n: Many = 10, cursor: str = "") -> Response:
    """Users in order of arrival, and where the next page begins."""
    store, start = service_of(request).workspace.store, _start(cursor)
    found = await service_of(request).aside(lambda: [*islice(store.users(), start, start + n)])
    following = str(start + n) if len(found) == n else ""
    rows = [_user_row(user) for user in found]
    return json_bytes(dumped({"Cursor": following, "Users": rows}))


@router.get("/user/{user_id}", response_model=None)
async def read_user(request: Request, user_id: str) -> Response:
    """A user."""
    store = service_of(request).workspace.store
    user = await service_of(request).aside(lambda: store.user(user_id))
    if user is None:
        raise NotFoundError(f"unknown user {user_id!r}")
    return json_bytes(dumped(_user_row(user)))


@router.delete("/user/{user_id}", response_model=Affected)
async def delete_user(request: Request, user_id: str) -> Response:
    """Erase a person everywhere, as `DELETE /v1/users/{user_id}` does."""
    await service_of(request).forget(user_id)
    return _affected(1)


def _default(service: Service) -> str:
    """The scenario of lists for which none is named."""
    fitting = _fitting(service)
    if not fitting:
        raise NotFoundError("no scenario recommends items; declare one")
    return next(iter(fitting))


def _fitting(service: Service) -> dict[str, str]:
    """The scenarios that recommend items of some kind, with the kind."""
    scenarios = service.workspace.settings.scenarios.items()
    return {name: spec.target for name, spec in scenarios if spec.target not in ("person", "tag")}


def _kind(service: Service) -> str:
    """The kind of new items: that of the lists for which no scenario is named."""
    return next(iter(_fitting(service).values()), "item")


def _scores(body: bytes) -> list[Row]:
    items = orjson.loads(body)["items"]
    return [{"Id": one["item_id"], "Score": one["score"]} for one in items]


def _events(rows: Sequence[Row]) -> list[Event]:
    """Feedback as events; a Value of 0, which clients send for none, is left out."""
    cleaned = [{**row, "Value": row.get("Value") or 1.0} for row in rows]
    return _EVENTS.validate_python([gorse_event(row) for row in cleaned])


def _item(row: Row, kind: str) -> Item:
    found = gorse_item({**row, "Labels": row.get("Labels") or []})
    categories = row.get("Categories")
    if categories:
        found["categories"] = categories
    return Item.model_validate({"kind": kind, **found})


def _changed(held: Item, given: Row) -> Item:
    """An item with other values in fields of Gorse; what Gorse has no field for stays."""
    row = {**_item_row(held), **given, "ItemId": held.item_id}
    if "Timestamp" not in given:
        del row["Timestamp"]  # which would be 1970 where the item has none
    fresh = _item(row, held.kind).model_dump(exclude_unset=True)
    kept = held.model_dump(exclude={"title", "categories"})
    return Item.model_validate(kept | fresh)


def _item_row(item: Item) -> Row:
    categories = item.attributes.get("categories") or []
    return {
        "ItemId": item.item_id,
        "IsHidden": not item.available,
        "Categories": categories,
        "Timestamp": _moment(item.published_at),
        "Labels": [tag for tag in item.tags if tag not in categories],
        "Comment": item.title,
    }


def _user_row(user: User) -> Row:
    return {"UserId": user.user_id, "Labels": list(user.tags), "Comment": user.description}


def _feedback(event: Event) -> Row:
    return {
        "FeedbackType": event.action,
        "UserId": event.user_id,
        "ItemId": event.item_id,
        "Value": event.value,
        "Timestamp": _moment(event.timestamp),
        "Comment": "",
    }


def _moment(seconds: float | None) -> str:
    moment = datetime.fromtimestamp(seconds or 0.0, UTC)
    return moment.isoformat().replace("+00:00", "Z")


def _start(cursor: str) -> int:
    return int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 18 else 0


def _affected(count: int) -> Response:
    return json_bytes(dumped({"RowAffected": count}))


async def _put_items(request: Request, rows: Sequence[Row]) -> Response:
    service = service_of(request)
    kind = _kind(service)
    items = [_item(row, kind) for row in rows]
    await service.commits.write(lambda writer: writer.put_items(items))
    service.keeper.look()
    return _affected(len(items))


async def _put_users(request: Request, rows: Sequence[Row]) -> Response:
    service = service_of(request)
    users = _USERS.validate_python([gorse_user(row) for row in rows])
    await service.commits.write(lambda writer: writer.put_users(users))
    service.keeper.look()
    return _affected(len(users))
