"""Routes for items, users and relations: put, change, read, delete."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from polyscene.data.schema import Event, Id, Item, Relation, User
from polyscene.errors import NotFoundError
from polyscene.fitting.forget import held
from polyscene.server.lists import ERRORS, json_bytes, service_of
from polyscene.server.wire import dumped
from polyscene.storage import StoreWriter

__all__ = ["router"]

MOST_RECORDS = 10_000
"""Records in one request."""

router = APIRouter(prefix="/v1", responses=ERRORS, tags=["records"])

_ITEM = {"title": "Green tea from Hangzhou", "tags": ["tea", "green"], "price": 12.5}
_USER = {"tags": ["tea"], "language": "en"}
_RELATION = {"subject": "ann", "predicate": "follows", "object": "bo"}
Fields = Annotated[dict[str, Any], Body()]
_ID: TypeAdapter[str] = TypeAdapter(Id)


class StoredModel(BaseModel):
    """How many records were stored or removed."""

    stored: int = 0
    removed: int = 0


class ReceiptModel(BaseModel):
    """What an erasure removed."""

    user_id: str
    erased_at: float
    erased: dict[str, int]
    vectors: int
    models: list[str]
    """Versions on disk that may still hold what was learned from them, until replaced by fits."""


class HeldModel(BaseModel):
    """All that is held on a person."""

    user_id: str
    user: User | None
    events: list[Event]
    events_on_them: list[Event]
    relations: list[Relation]
    impressions: list[dict[str, Any]]
    reviews: list[dict[str, Any]]
    notes: list[dict[str, Any]]
    language_model_answers: list[dict[str, Any]]
    labels: list[dict[str, Any]]
    tags_given: list[dict[str, Any]]
    models: list[str]


def _stored(count: int) -> Response:
    return json_bytes(b'{"stored":%d,"removed":0}' % count)


def _removed(count: int) -> Response:
    return json_bytes(b'{"stored":0,"removed":%d}' % count)


@router.put("/items", response_model=StoredModel)
async def put_items(
    request: Request,
    items: Annotated[
        list[Item],
        Field(min_length=1, max_length=MOST_RECORDS),
        Body(examples=[[{"item_id": "tea-1", **_ITEM}]]),
    ],
) -> Response:
    """Store items, each replacing the one of its id; recommendable within two seconds."""
    service = service_of(request)
    await service.commits.write(lambda writer: writer.put_items(items))
    service.keeper.look()
    return _stored(len(items))


@router.put("/items/{item_id:path}", response_model=StoredModel)
async def put_item(
    request: Request, item_id: str, fields: Annotated[dict[str, Any], Body(examples=[_ITEM])]
) -> Response:
    """Store an item, replacing the one of that id; recommendable within two seconds."""
    item = Item.model_validate({**fields, "item_id": item_id})
    service = service_of(request)
    await service.commits.write(lambda writer: writer.put_items([item]))
    service.keeper.look()
    return _stored(1)


@router.patch("/items/{item_id:path}", response_model=StoredModel)
async def change_item(
    request: Request,
    item_id: str,
    fields: Annotated[dict[str, Any], Body(examples=[{"available": False}])],
) -> Response:
    """Change some fields of an item; null removes a field."""
    service = service_of(request)
    _ID.validate_python(item_id)

    def change(writer: StoreWriter) -> None:
        held = service.workspace.store.item(item_id)
        if held is None:
            raise NotFoundError(f"unknown item {item_id!r}")
        writer.put_items([Item.model_validate(_changed(held, fields) | {"item_id": item_id})])

    await service.commits.write(change)
    service.keeper.look()
    return _stored(1)


@router.get("/items/{item_id:path}", response_model=Item)
async def read_item(request: Request, item_id: str) -> Response:
    """An item as it is stored."""
    store = service_of(request).workspace.store
    item = await service_of(request).aside(lambda: store.item(item_id))
    if item is None:
        raise NotFoundError(f"unknown item {item_id!r}")
    return json_bytes(dumped(item.model_dump()))


@router.delete("/items/{item_id:path}", response_model=StoredModel)
async def delete_item(request: Request, item_id: str) -> Response:
    """Remove an item with its events; to hide it only, set `available` to false."""
    service = service_of(request)
    if not await service.commits.write(lambda writer: writer.remove_item(item_id)):
        raise NotFoundError(f"unknown item {item_id!r}")
    service.keeper.look()
    return _removed(1)


@router.put("/users", response_model=StoredModel)
async def put_users(
    request: Request,
    users: Annotated[
        list[User],
        Field(min_length=1, max_length=MOST_RECORDS),
        Body(examples=[[{"user_id": "ann", **_USER}]]),
    ],
) -> Response:
    """Store users, each replacing the one of their id."""
    service = service_of(request)
    await service.commits.write(lambda writer: writer.put_users(users))
    service.keeper.look()
    return _stored(len(users))


@router.put("/users/{user_id:path}", response_model=StoredModel)
async def put_user(
    request: Request, user_id: str, fields: Annotated[dict[str, Any], Body(examples=[_USER])]
) -> Response:
    """Store a user, replacing the one of that id."""
    user = User.model_validate({**fields, "user_id": user_id})
    service = service_of(request)
    await service.commits.write(lambda writer: writer.put_users([user]))
    service.keeper.look()
    return _stored(1)


@router.patch("/users/{user_id:path}", response_model=StoredModel)
async def change_user(
    request: Request,
    user_id: str,
    fields: Annotated[dict[str, Any], Body(examples=[{"tags": ["maps"]}])],
) -> Response:
    """Change some fields of a user; null removes a field."""
    service = service_of(request)
    _ID.validate_python(user_id)

    def change(writer: StoreWriter) -> None:
        held = service.workspace.store.user(user_id)
        if held is None:
            raise NotFoundError(f"unknown user {user_id!r}")
        writer.put_users([User.model_validate(_changed(held, fields) | {"user_id": user_id})])

    await service.commits.write(change)
    service.keeper.look()
    return _stored(1)


@router.get("/users/{user_id:path}", response_model=User)
async def read_user(request: Request, user_id: str) -> Response:
    """The record of a user; all that is held on one is at `/v1/exports`."""
    store = service_of(request).workspace.store
    user = await service_of(request).aside(lambda: store.user(user_id))
    if user is None:
        raise NotFoundError(f"unknown user {user_id!r}")
    return json_bytes(dumped(user.model_dump()))


@router.delete("/users/{user_id:path}", response_model=ReceiptModel)
async def forget_user(request: Request, user_id: str) -> Response:
    """Erase a person everywhere: the store, what is in memory, what is cached, the next model."""
    service = service_of(request)
    receipt = await service.forget(user_id)
    return json_bytes(dumped(receipt.to_dict()))


@router.get("/exports/{user_id:path}", response_model=HeldModel)
async def export_user(request: Request, user_id: str) -> Response:
    """All that is held on a person."""
    service = service_of(request)
    return json_bytes(dumped(await service.aside(lambda: held(service.workspace, user_id))))


@router.put("/relations", response_model=StoredModel)
async def put_relations(
    request: Request,
    relations: Annotated[
        list[Relation],
        Field(min_length=1, max_length=MOST_RECORDS),
        Body(examples=[[_RELATION]]),
    ],
) -> Response:
    """Store relations; those that are there already are not counted."""
    write = service_of(request).commits.write
    return _stored(await write(lambda writer: writer.put_relations(relations)))


@router.delete("/relations", response_model=StoredModel)
async def delete_relation(request: Request, relation: Annotated[Relation, Query()]) -> Response:
    """Remove a relation."""
    write = service_of(request).commits.write
    if not await write(lambda writer: writer.remove_relations([relation])):
        raise NotFoundError(f"no relation {relation.subject} {relation.predicate} ...")
    return _removed(1)


@router.get("/relations", response_model=list[Relation])
async def read_relations(
    request: Request,
    subject: Id | None = None,
    predicate: Id | None = None,
    object: Id | None = None,
) -> Response:
    """The first 10,000 relations that fit."""
    service = service_of(request)

    def read() -> list[dict[str, Any]]:
        found = service.workspace.store.relations(predicate, subject=subject, object=object)
        return [one.model_dump() for one, _ in zip(found, range(MOST_RECORDS), strict=False)]

    return json_bytes(dumped(await service.aside(read)))


def _changed(held: Item | User, fields: dict[str, Any]) -> dict[str, Any]:
    merged = {**held.model_dump(), **fields}
    return {name: value for name, value in merged.items() if value is not None}
