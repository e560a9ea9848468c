"""What is known of users is the same whether it is read one by one or from all events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from planes import DAY, NOW, settings
from polyscene.data.schema import Event, Item, Relation, User
from polyscene.fitting.past import DatasetPast, Known, Meeting, Past, StorePast
from polyscene.fitting.places import Acts
from polyscene.fitting.run import on_rows
from polyscene.represent.deeds import Deeds
from polyscene.represent.strength import Strengths
from polyscene.represent.targets import Targets
from polyscene.represent.users import gather_history
from polyscene.storage import Store

USERS = [f"u{number}" for number in range(9)]
ITEMS = [f"i{number}" for number in range(7)]
RECORDS = [Item(item_id=name, kind="tag" if name == "i4" else "item") for name in ITEMS]
"""Items, one of them a tag."""
TARGETS = Targets()
TARGETS.put([*RECORDS[3:], *RECORDS[:3], Item(item_id="new")])
ROWS = TARGETS.ids
"""The rows of a model; the store has the items in another order."""
SCENARIOS: dict[str, dict[str, Any]] = {
    "shop": {"actions": {"buy": 1.0, "view": 0.3, "return": -0.5}, "half_life_days": 10},
    "news": {"actions": {"read": 1.0}, "reads": []},
    "secret": {"private": True},
    "social": {"target": "person", "actions": {"follow": 1.0, "block": -1.0}},
    "tags": {"target": "tag", "actions": {"buy": 1.0}},
}


def world(store: Store, seed: int = 0) -> None:
    """Events with and without time and scenario, at equal times too; u8 does nothing."""
    rng = np.random.default_rng(seed)
    events = []
    for _ in range(300):
        person = rng.random() < 0.3
        when = None if rng.random() < 0.2 else NOW - float(rng.integers(0, 30)) * DAY
        where = ["shop", "news", "secret", "undeclared", None][rng.integers(5)]
        done = ["buy", "view", "return", "read"][rng.integers(4)]
        if person:
            where, done = "social", ["follow", "block", "visit", "knows"][rng.integers(4)]
        events.append(
            Event(
                user_id=USERS[rng.integers(8)],
                item_id=(USERS if person else ITEMS)[rng.integers(7)],
                action=done,
                scenario=where,
                timestamp=when,
                value=float(rng.integers(1, 6)),
                context=None if rng.random() < 0.7 else ITEMS[rng.integers(7)],
            )
        )
    relations = [
        Relation(subject=USERS[a], predicate=p, object=USERS[b])
        for p in ("friend", "knows", "follows", "blocks", "likes")
        for a, b in rng.integers(0, 9, (4, 2))
    ]
    relations.append(Relation(subject="u1", predicate="likes", object="tea"))
    with store.write() as writer:
        writer.put_items(RECORDS)
        writer.put_users([User(user_id=name, tags=[f"tag of {name}"]) for name in USERS])
        writer.add_events(events)
        writer.put_relations(relations)


def both(store: Store) -> tuple[StorePast, DatasetPast]:
    data = on_rows(store.dataset(), ROWS)
    return StorePast(store, TARGETS), DatasetPast(data, store.links(), store.users)


def deeds(known: Known) -> Counter[Any]:
    """The events on items, whatever their order and codes."""
    own = known.deeds
    names = (*own.scenarios, None)
    return Counter(
        (row, tag, about, own.actions[action], names[scenario], str(time), value)
        for row, tag, about, action, scenario, time, value in zip(
            own.rows.tolist(),
            own.on_tag.tolist(),
            own.context.tolist(),
            own.action.tolist(),
            own.scenario.tolist(),
            own.timestamp.tolist(),
            own.value.tolist(),
            strict=True,
        )
        if row >= 0
    )


@pytest.mark.parametrize("seed", range(3))
def test_both_know_the_same_of_everybody(store: Store, seed: int) -> None:
    """Records, deeds, meetings, friends and those apart; also of nobody and of somebody unknown."""
    world(store, seed)
    by_store, by_data = both(store)
    by_data.load(USERS)
    met: Counter[Meeting] = Counter()
    for user in (*USERS, "nobody", None):
        one, other = by_store.of(user), by_data.of(user)
        assert one.user == other.user
        assert one.stored == other.stored == (user in USERS)
        assert deeds(one) == deeds(other)
        assert Counter(one.meetings) == Counter(other.meetings)
        assert set(one.friends) == set(other.friends)
        assert set(one.apart) == set(other.apart)
        met.update(one.meetings)
    assert {meeting.action for meeting in met} == {"follow", "block", "visit", "knows"}


@pytest.mark.parametrize("seed", range(3))
def test_both_lead_to_the_same_histories(store: Store, seed: int) -> None:
    """In each scenario, entry by entry, the order of undated events included."""
    world(store, seed)
    by_store, by_data = both(store)
    declared, vectors = settings(**SCENARIOS), np.eye(len(ROWS), dtype=np.float32)
    lengths = []
    for name, spec in declared.scenarios.items():
        strengths = Strengths(declared, name)
        for user in (*USERS, "nobody", None):
            one, other = (
                gather_history(past.of(user).deeds, vectors, strengths, spec, NOW)
                for past in (by_store, by_data)
            )
            assert one.rows.tolist() == other.rows.tolist()
            np.testing.assert_allclose(one.strengths, other.strengths, rtol=1e-6)
            np.testing.assert_allclose(one.undecayed, other.undecayed, rtol=1e-6)
            assert list(one.actions) == list(other.actions)
            assert list(one.scenarios) == list(other.scenarios)
            lengths.append(len(one))
    assert max(lengths) == len(ITEMS)  # where tags are recommended
    assert min(lengths) == 0


@pytest.mark.parametrize("kind", [StorePast, DatasetPast])
class TestConnections:
    """By hand, for both."""

    @pytest.fixture
    def past(self, store: Store, kind: type[Past]) -> Past:
        def act(user: str, other: str, action: str) -> Event:
            return Event(user_id=user, item_id=other, action=action, scenario="social")

        with store.write() as writer:
            writer.put_items([Item(item_id="i0")])
            writer.put_users([User(user_id=name) for name in "abcdef"])
            writer.add_events(
                [act("a", "b", "visit"), act("a", "c", "block"), act("d", "a", "blocks"),
                 act("e", "a", "visit"), act("a", "i0", "buy")]
            )  # fmt: skip
            writer.put_relations(
                [
                    Relation(subject="a", predicate="follows", object="b"),
                    Relation(subject="c", predicate="follows", object="a"),
                    Relation(subject="d", predicate="knows", object="a"),
                    Relation(subject="f", predicate="block", object="a"),
                ]
            )
        by_store, by_data = both(store)
        return by_store if kind is StorePast else by_data

    def test_friends_are_followed_or_mutual(self, past: Past) -> None:
        assert set(past.of("a").friends) == {"b", "d"}
        assert set(past.of("c").friends) == {"a"}
        assert set(past.of("e").friends) == set()

    def test_apart_are_those_who_block_in_relations_or_events_and_the_blocked(
        self, past: Past
    ) -> None:
        """Whom a blocked in an event stands among the meetings."""
        assert set(past.of("a").apart) == {"f", "d"}
        assert set(past.of("f").apart) == {"a"}
        assert set(past.of("c").apart) == {"a"}

    def test_meetings_are_events_on_people(self, past: Past) -> None:
        assert Counter(past.of("a").meetings) == Counter(
            [Meeting("b", "visit", "social"), Meeting("c", "block", "social")]
        )
        assert list(past.of("f").meetings) == []

    def test_somebody_unknown_is_nobody(self, past: Past) -> None:
        for user in ("stranger", None):
            known = past.of(user)
            assert not known.stored
            assert known.user == User(user_id=user or "anonymous")
            assert len(known.deeds.rows) == 0
            assert (*known.meetings, *known.friends, *known.apart) == ()


class TestDataset:
    def past(self, store: Store) -> tuple[DatasetPast, list[list[str]]]:
        """A past, and what it asked of the store."""
        world(store)
        asked: list[list[str]] = []

        def users(names: Sequence[str]) -> Iterable[User]:
            asked.append(list(names))
            return store.users(names)

        return DatasetPast(on_rows(store.dataset(), ROWS), store.links(), users), asked

    def test_records_are_read_together_and_once(self, store: Store) -> None:
        past, asked = self.past(store)
        past.load(["u1", "u2"])
        past.load(["u2", "u3"])
        assert past.of("u1").user.tags == ["tag of u1"]
        assert past.of("u4").user.tags == ["tag of u4"]
        assert past.of("u4").stored
        assert asked == [["u1", "u2"], ["u3"], ["u4"]]

    def test_what_is_held_out_is_not_known(self, store: Store) -> None:
        """Only a part of the events and no relations: nothing of the rest comes through."""
        world(store)
        data = on_rows(store.dataset(), ROWS)
        kept = np.arange(len(data)) % 3 == 0
        links = store.links().take(np.zeros(0, np.int64))
        past = DatasetPast(data.take(kept), links, store.users)
        whole = both(store)[1]
        for user in USERS:
            one, all_of_it = past.of(user), whole.of(user)
            assert deeds(one) <= deeds(all_of_it)
            assert Counter(one.meetings) <= Counter(all_of_it.meetings)
            assert list(one.friends) == []
        counts = sum(sum(deeds(past.of(user)).values()) for user in USERS)
        assert counts == int((kept & ~data.on_person).sum())

    def test_a_user_who_came_after_the_events_were_read(self, store: Store) -> None:
        past, _ = self.past(store)
        with store.write() as writer:
            writer.put_users([User(user_id="late", tags=["tea"])])
        known = past.of("late")
        assert known.stored
        assert known.user.tags == ["tea"]
        assert len(known.deeds.rows) == 0
        assert list(known.meetings) == []


def test_the_latest_to_arrive_comes_first_among_events_without_a_time(store: Store) -> None:
    with store.write() as writer:
        writer.put_items(RECORDS)
        writer.add_events(
            [Event(user_id="a", item_id=name, action="buy") for name in ("i0", "i1", "i2")]
        )
    for past in both(store):
        found: Deeds = past.of("a").deeds
        assert found.rows.tolist() == ROWS.rows(["i2", "i1", "i0"]).tolist()


ACTS = Acts(takes=frozenset({"buy"}), frees=frozenset({"return"}))


@pytest.mark.parametrize("seed", range(3))
def test_the_places_taken_are_the_same_in_both(store: Store, seed: int) -> None:
    """Counted once, after more events, and from a dataset."""
    world(store, seed)
    by_store, by_data = both(store)
    assert by_store.taken(ACTS).tolist() == by_data.taken(ACTS).tolist()
    assert by_store.taken(ACTS).sum() > 0
    with store.write() as writer:
        writer.add_events(
            [
                Event(user_id=f"u{n}", item_id="i1", action=done, timestamp=NOW)
                for n, done in enumerate(["buy", "return", "buy", "view"])
            ]
        )
    _, by_data = both(store)
    assert by_store.taken(ACTS).tolist() == by_data.taken(ACTS).tolist()


class TestPlaces:
    """By hand: how many places of i0 are taken."""

    @pytest.mark.parametrize("kind", [StorePast, DatasetPast])
    @pytest.mark.parametrize(
        ("acts", "taken"),
        [
            ([("a", "buy", 1), ("b", "buy", 1)], 2),
            ([("a", "buy", 1), ("a", "buy", 2)], 1),
            ([("a", "buy", 1), ("a", "return", 2)], 0),
            ([("a", "return", 2), ("a", "buy", 1)], 0),
            ([("a", "return", 1), ("a", "buy", 1)], 1),
            ([("a", "return", None), ("a", "buy", None)], 1),
            ([("a", "return", 1), ("a", "buy", None)], 0),
            ([("a", "return", 1), ("a", "view", 2)], 0),
            ([("a", "return", 1), ("b", "buy", 2)], 1),
        ],
    )
    def test_each_user_counts_by_the_last_word(
        self, store: Store, kind: type[Past], acts: list[tuple[str, str, float | None]], taken: int
    ) -> None:
        """By time, and by arrival where times are equal or unknown."""
        with store.write() as writer:
            writer.put_items([Item(item_id="i0")])
            writer.put_users([User(user_id="a"), User(user_id="b")])
            writer.add_events(
                [
                    Event(user_id=user, item_id="i0", action=done, timestamp=when)
                    for user, done, when in acts
                ]
            )
        past: Past = both(store)[0 if kind is StorePast else 1]
        assert past.taken(ACTS)[ROWS.row("i0")] == taken

    def test_who_is_forgotten_holds_no_place(self, store: Store) -> None:
        world(store)
        past, _ = both(store)
        with store.write() as writer:
            writer.add_events([Event(user_id="u8", item_id="i0", action="buy", timestamp=NOW)])
        before = past.taken(ACTS)[ROWS.row("i0")]
        with store.write() as writer:
            writer.erase_user("u8")
        assert past.taken(ACTS)[ROWS.row("i0")] == before - 1
