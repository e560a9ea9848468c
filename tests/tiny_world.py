"""A tiny world with a fast encoder, for the tests of fitting and of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from polyscene.data.schema import Event, Item, Relation, User
from polyscene.encoders import Encoder
from polyscene.engine import Answer, Engine
from polyscene.settings import parse_settings
from polyscene.testing.word_encoder import WordEncoder, WordEncoderConfig
from polyscene.workspace import Workspace

Maker = Callable[..., Engine]
"""The type of the fixture `make`."""
NOW = 1_800_000_000.0
DAY = 86_400.0

SCENARIOS: dict[str, dict[str, Any]] = {
    "shop": {"preset": "shop"},
    "news": {"preset": "news"},
    "travel": {"preset": "travel"},
    "health": {"preset": "health"},
    "social": {"preset": "social"},
}
SOURCES = {"news": "semantic-multi", "social": "semantic-mean"}
"""The source of a preset where a test declares none, `semantic-soft` for all others: texts alone,
so that a fit has nothing to choose and an answer has one reason."""
TITLES = {
    "tea-1": ("Green tea from Hangzhou", ["tea", "green"]),
    "tea-2": ("Black tea from Assam", ["tea", "black"]),
    "tea-3": ("Green tea kettle", ["tea", "kettle"]),
    "tea-4": ("Tea cup of white clay", ["tea", "clay"]),
    "map-1": ("Old map of the Baltic", ["maps", "paper"]),
    "map-2": ("Old map of Lisbon harbour", ["maps", "paper"]),
    "map-3": ("Atlas of old maps", ["maps", "books"]),
    "run-1": ("Running shoes for trails", ["running"]),
    "run-2": ("Running vest for long trails", ["running"]),
    "zh-1": ("龙井绿茶", ["绿茶", "茶"]),
    "zh-2": ("祁门红茶", ["红茶", "茶"]),
    "zh-3": ("越野跑鞋", ["跑步"]),
}
ITEMS = [
    *(Item(item_id=name, title=title, tags=tags) for name, (title, tags) in TITLES.items()),
    Item(item_id="news-1", kind="content", title="Tea harvest is early", scenarios=["news"],
         description="Green tea farms report.", published_at=NOW - DAY),
    Item(item_id="news-2", kind="content", title="Marathon moves", scenarios=["news"],
         description="Running at dawn.", published_at=NOW - 2 * DAY),
    Item(item_id="news-3", kind="content", title="Tea prices of last year", scenarios=["news"],
         description="Green tea was dear.", published_at=NOW - 300 * DAY),
    Item(item_id="trip-1", kind="activity", title="Tea hills walk", place="Hangzhou"),
    Item(item_id="trip-2", kind="activity", title="Harbour run", place="Lisbon"),
    Item(item_id="heal-1", kind="content", title="Insulin at home", provider="Clinic",
         description="Storing insulin.", scenarios=["health"]),
    Item(item_id="heal-2", kind="content", title="Insulin and sport", provider="Clinic",
         description="Running with insulin.", scenarios=["health"]),
]  # fmt: skip
USERS = [
    User(user_id="ann", tags=["tea"], name="Ann"),
    User(user_id="bo", description="I collect old maps.", name="Bo"),
    User(user_id="cy", name="Cy"),
    User(user_id="di", tags=["running", "tea"], name="Di"),
    User(user_id="wei", tags=["茶"], language="zh", name="Wei"),
    User(user_id="nil"),
]


def act(
    user: str,
    item: str,
    action: str = "purchase",
    scenario: str | None = "shop",
    days: float | None = 1,
    **fields: Any,
) -> Event:
    time = None if days is None else NOW - days * DAY
    return Event(
        user_id=user, item_id=item, action=action, scenario=scenario, timestamp=time, **fields
    )


EVENTS = [
    act("ann", "tea-1"),
    act("ann", "tea-2", "view", days=3),
    act("ann", "heal-1", "read", "health"),
    act("bo", "map-1"),
    act("bo", "map-2", "view"),
    act("cy", "run-1"),
    act("di", "run-2", "cart"),
    act("di", "news-2", "read", "news"),
    act("wei", "zh-1"),
    act("ann", "di", "follow", "social"),
]


def make(
    path: Path,
    scenarios: dict[str, dict[str, Any]] | None = None,
    *,
    items: Sequence[Item] = ITEMS,
    users: Sequence[User] = USERS,
    events: Sequence[Event] = EVENTS,
    relations: Sequence[Relation] = (),
    fit: bool = True,
    **settings: Any,
) -> Engine:
    """An engine over a new workspace with these records, fitted at `NOW`."""
    engine = reopen(path, scenarios, **settings)
    with engine.workspace.store.write() as writer:
        writer.put_items(items)
        writer.put_users(users)
        writer.add_events(events)
        writer.put_relations(relations)
    if fit:
        engine.fit(now=NOW)
    return engine


def reopen(
    path: Path,
    scenarios: dict[str, dict[str, Any]] | None = None,
    encoder: Encoder | None = None,
    **settings: Any,
) -> Engine:
    """An engine over what is in a directory, with these settings."""
    declared = parse_settings(
        {
            "scenarios": {
                name: {"sources": {SOURCES.get(spec.get("preset", ""), "semantic-soft"): 1.0}}
                | spec
                for name, spec in (SCENARIOS if scenarios is None else scenarios).items()
            },
            **settings,
        }
    )
    path.mkdir(exist_ok=True)
    return Engine(Workspace(path, declared, encoder or words()))


def words(dims: int = 256) -> WordEncoder:
    return WordEncoder(WordEncoderConfig(dims=dims))


def put(engine: Engine, *records: Item | User | Event) -> None:
    """Write records as another process would: the engine is not told."""
    with engine.workspace.store.write() as writer:
        writer.put_items([record for record in records if isinstance(record, Item)])
        writer.put_users([record for record in records if isinstance(record, User)])
        writer.add_events([record for record in records if isinstance(record, Event)])


def ids(answer: Answer) -> list[str]:
    return [item.item_id for item in answer.items]
