"""The ground of a recommendation is that of the source that gave most."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from polyscene.component import Candidates, Path, Query, Vectors
from polyscene.data.dataset import IntArray
from polyscene.data.schema import Item, Relation, User
from polyscene.engine import Engine
from polyscene.engine.answer import Recommendation
from polyscene.engine.explainer import Explainer
from polyscene.fitting.asking import Asker
from polyscene.fitting.past import StorePast
from polyscene.sources import Source
from polyscene.sources.base import nothing
from polyscene.text.verbalise import Verbaliser
from tiny_world import NOW, Maker, act


class Grounds(Source):
    """Names one history item as the ground of some targets; counts the targets asked about."""

    def __init__(self, ground: int, known: Sequence[int] | None) -> None:
        super().__init__()
        self._ground, self._known = ground, known
        self.asked: list[int] = []

    def scores(self, queries: Sequence[Query]) -> Vectors:
        return nothing(queries)

    def support(self, query: Query, rows: IntArray) -> IntArray | None:
        self.asked += rows.tolist()
        if self._known is None:
            return None
        named = np.where(np.isin(rows, self._known), self._ground, -1)
        return np.stack([named, np.full(len(rows), -1)], axis=1)


class Stating(Source):
    """Reads the stated interests."""

    stated: ClassVar[bool] = True

    def scores(self, queries: Sequence[Query]) -> Vectors:
        return nothing(queries)


class Walking(Stating):
    """Leads to every target from one history item."""

    stated: ClassVar[bool] = False

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def paths(self, query: Query, rows: IntArray) -> Sequence[Path | None]:
        return [self._path] * len(rows)


class Befriended(Stating):
    """Knows how many friends acted on each of `TARGETS`."""

    stated: ClassVar[bool] = False

    def __init__(self, *counts: int) -> None:
        super().__init__()
        self._counts = counts

    def friends(self, query: Query, rows: IntArray) -> IntArray | None:
        return np.array(self._counts[: len(rows)])


TARGETS = ["tea-3", "tea-4", "map-1"]
"""What is recommended to ann, who bought tea-1 and looked at tea-2."""


def explained(
    world: Engine,
    sources: Mapping[str, Source],
    parts: dict[str, list[float]],
    reasons: bool = True,
    friends: Sequence[str] = (),
) -> list[Recommendation]:
    """The recommendations of TARGETS, with what each source gave to each of them."""
    (found,) = explained_in_turn(world, sources, [parts], reasons, friends)
    return found


def explained_in_turn(
    world: Engine,
    sources: Mapping[str, Source],
    turns: Sequence[Mapping[str, Sequence[float]]],
    reasons: bool = True,
    friends: Sequence[str] = (),
) -> list[list[Recommendation]]:
    """The same where one question is answered several times, sources giving other amounts."""
    settings, store = world.workspace.settings, world.workspace.store
    model = replace(world.model, sources=dict(sources))
    ids = model.items.targets.ids
    asker = Asker(settings, model, world.workspace.encoder, StorePast(store, model.items.targets))
    explainer = Explainer(settings, Verbaliser(settings), model)
    asking = asker.user("ann", "shop", 10, NOW)
    asking = replace(asking, query=replace(asking.query, friends=friends))
    found = []
    for parts in turns:
        given = {name: np.array(values, np.float32) for name, values in parts.items()}
        scores = np.sum(list(given.values()), axis=0)
        candidates = Candidates(rows=ids.rows(TARGETS), scores=scores, parts=given)
        found.append(explainer.recommendations(asking, candidates, reasons))
    return found


def named(items: Sequence[Recommendation]) -> list[list[str]]:
    return [[support.item_id for support in item.evidence.support] for item in items]


@pytest.fixture
def rows(world: Engine) -> dict[str, int]:
    ids = world.model.items.targets.ids
    return {name: ids.row(name) for name in ("tea-1", "tea-2", *TARGETS)}


def test_the_ground_is_that_of_the_source_that_gave_most(
    world: Engine, rows: dict[str, int]
) -> None:
    """a gave most to tea-3, b to tea-4; which of them comes first does not matter."""
    for order in ("ab", "ba"):
        sources = {
            "a": Grounds(rows["tea-1"], [rows["tea-3"], rows["tea-4"]]),
            "b": Grounds(rows["tea-2"], [rows["tea-3"], rows["tea-4"]]),
        }
        parts = {"a": [2.0, 1.0, 0.0], "b": [1.0, 2.0, 0.0]}
        found = explained(world, {n: sources[n] for n in order}, {n: parts[n] for n in order})
        assert named(found) == [["tea-1"], ["tea-2"], []]


@pytest.mark.parametrize("none", [True, False])
def test_a_source_without_a_ground_leaves_it_to_the_next(
    world: Engine, rows: dict[str, int], none: bool
) -> None:
    """a gave most everywhere, but names nothing: by itself, or for these targets."""
    sources = {
        "a": Grounds(rows["tea-1"], None if none else [rows["map-1"]]),
        "b": Grounds(rows["tea-2"], [rows["tea-3"], rows["tea-4"]]),
    }
    found = explained(world, sources, {"a": [2.0, 2.0, 0.0], "b": [1.0, 1.0, 0.0]})
    assert named(found) == [["tea-2"], ["tea-2"], []]


def test_a_source_that_gave_nothing_is_not_asked(world: Engine, rows: dict[str, int]) -> None:
    sources = {"a": Grounds(rows["tea-1"], list(rows.values())), "b": Grounds(rows["tea-2"], [])}
    found = explained(world, sources, {"a": [0.0, 1.0, 0.0], "b": [0.0, 0.0, 0.0]})
    assert named(found) == [[], ["tea-1"], []]
    assert sources["a"].asked == [rows["tea-4"]]
    assert sources["b"].asked == []


def test_what_was_said_is_said_again_while_the_sources_stand_in_the_same_order(
    world: Engine, rows: dict[str, int]
) -> None:
    """Sources are asked again only about tea-4, to which another gave most the second time; the
    amounts are those of each time, and all is as if it were asked for the first time."""
    turns = [
        {"a": [2.0, 2.0, 1.0], "b": [1.0, 1.0, 0.0]},
        {"a": [3.0, 1.0, 2.0], "b": [2.0, 4.0, 0.0]},
    ]
    near = list(rows.values())

    def sources() -> dict[str, Grounds]:
        return {"a": Grounds(rows["tea-1"], near), "b": Grounds(rows["tea-2"], near)}

    asked = sources()
    first, second = explained_in_turn(world, asked, turns)
    assert asked["a"].asked == [rows[name] for name in TARGETS]
    assert asked["b"].asked == [rows["tea-4"]]
    assert [first, second] == [explained(world, sources(), turn) for turn in turns]
    assert [named(found)[1] for found in (first, second)] == [["tea-1"], ["tea-2"]]
    assert [one.evidence.grounds[0].part for one in second] == [3.0, 4.0, 2.0]


def test_what_the_user_did_not_do_is_never_a_ground(world: Engine, rows: dict[str, int]) -> None:
    """A source that names something else is not believed."""
    sources = {"a": Grounds(rows["map-1"], [rows["tea-3"]])}
    assert named(explained(world, sources, {"a": [1.0, 0.0, 0.0]})) == [[], [], []]


def test_without_reasons_no_source_is_asked(world: Engine, rows: dict[str, int]) -> None:
    sources = {"a": Grounds(rows["tea-1"], list(rows.values()))}
    plain = explained(world, sources, {"a": [3.0, 2.0, 1.0]}, reasons=False)
    full = explained(world, sources, {"a": [3.0, 2.0, 1.0]})
    assert [item.item_id for item in plain] == TARGETS
    assert [item.reason for item in plain] == [""] * 3
    assert len(sources["a"].asked) == 3
    for one, other in zip(plain, full, strict=True):
        assert one == replace(other, reason="", evidence=one.evidence, waterfall=None)
        assert one.evidence.sources == other.evidence.sources


class TestOrder:
    """Which ground is said is a matter of what its source contributed."""

    def told(self, world: Engine, rows: dict[str, int], **parts: float) -> Recommendation:
        """tea-3 with every kind of ground: of a source by that name."""
        sources = {
            "kernel": Grounds(rows["tea-1"], [rows["tea-3"]]),
            "words": Stating(),
            "walk": Walking(Path(rows["tea-1"], "tag", "tea")),
            "crowd": Befriended(2, 0, 0),
            "trending": Grounds(0, None),
            "fresh": Grounds(0, None),
        }
        given = {name: [part, 0.0, 0.0] for name, part in parts.items()}
        used = {name: sources[name] for name in parts}
        return explained(world, used, given, friends=["x", "y", "z"])[0]

    @pytest.mark.parametrize(
        ("first", "kind", "reason"),
        [
            ("kernel", "history", "You bought “Green tea from Hangzhou”; shared"),
            ("words", "stated", "Matches what you say you like"),
            ("walk", "way", "You bought “Green tea from Hangzhou”, and both have the tag “tea”"),
            ("crowd", "friends", "Known to 2 of your friends"),
            ("trending", "trending", "Popular with shoppers now"),
            ("fresh", "fresh", "New in the shop"),
        ],
    )
    def test_the_source_that_gave_most_has_the_word(
        self, world: Engine, rows: dict[str, int], first: str, kind: str, reason: str
    ) -> None:
        parts = {"kernel": 0.1, "words": 0.2, "walk": 0.3, "crowd": 0.4, "trending": 0.5,
                 "fresh": 0.6, first: 0.9}  # fmt: skip
        found = self.told(world, rows, **parts)
        assert found.reason.startswith(reason)
        grounds = found.evidence.grounds
        assert (grounds[0].kind, grounds[0].source) == (kind, first)
        assert [one.part for one in grounds] == sorted(
            (np.float32(part) for part in parts.values()), reverse=True
        )
        assert {one.source for one in grounds} == parts.keys()

    def test_what_gave_nothing_is_no_ground(self, world: Engine, rows: dict[str, int]) -> None:
        """Nor is what took something away."""
        found = self.told(world, rows, kernel=0.0, words=-0.2, walk=0.0, trending=0.3, fresh=0.0)
        assert [one.kind for one in found.evidence.grounds] == ["trending"]
        assert not found.evidence.stated
        assert found.evidence.way is None

    def test_only_a_source_that_reads_stated_interests_can_rest_on_them(
        self, world: Engine, rows: dict[str, int]
    ) -> None:
        """ann states tea, but the kernel does not look at that."""
        assert not self.told(world, rows, kernel=1.0).evidence.stated
        assert self.told(world, rows, kernel=1.0, words=0.1).evidence.stated


class TestWays:
    def way(self, world: Engine, path: Path) -> Recommendation:
        return explained(world, {"walk": Walking(path)}, {"walk": [1.0, 0.0, 0.0]})[0]

    def test_a_way_starts_at_what_was_done_and_liked(
        self, world: Engine, rows: dict[str, int]
    ) -> None:
        """ann did nothing with the map, so that a way from there is not believed."""
        assert self.way(world, Path(rows["map-1"], "tag", "tea")).evidence.way is None
        found = self.way(world, Path(rows["tea-1"], "tag", "tea")).evidence.way
        assert found is not None
        assert (found.start.item_id, found.start.action) == ("tea-1", "purchase")
        assert (found.kind, found.via, found.name) == ("tag", "tea", "tea")

    @pytest.mark.parametrize(
        ("via", "name"),
        [("map-1", "Old map of the Baltic"), ("Wedgwood", "Wedgwood"), ("tea-1", ""),
         ("tea-3", ""), ("", "")],
    )  # fmt: skip
    def test_what_stands_between_is_called_by_its_title(
        self, world: Engine, rows: dict[str, int], via: str, name: str
    ) -> None:
        """An item by its title, and not at all where it is the start or the target."""
        found = self.way(world, Path(rows["tea-1"], "maker", via))
        assert found.evidence.way is not None
        assert (found.evidence.way.via, found.evidence.way.name) == (via, name)
        assert ("which is linked with this" in found.reason) == (name == "")
        assert "tea-" not in found.reason

    def test_a_tag_that_is_the_id_of_an_item_stays_a_tag(
        self, world: Engine, rows: dict[str, int]
    ) -> None:
        found = self.way(world, Path(rows["tea-1"], "tag", "map-1"))
        assert "the tag “map-1”" in found.reason


class TestFriends:
    def told(self, world: Engine, counts: tuple[int, ...], friends: int) -> list[int | None]:
        found = explained(
            world, {"crowd": Befriended(*counts)}, {"crowd": [3.0, 2.0, 1.0]},
            friends=[f"f{n}" for n in range(friends)],
        )  # fmt: skip
        return [item.evidence.friends for item in found]

    def test_a_number_is_told_where_it_does_not_say_who(self, world: Engine) -> None:
        """Not of one friend, and not of all of them."""
        assert self.told(world, (0, 1, 2), 4) == [None, None, 2]
        assert self.told(world, (2, 3, 4), 4) == [2, 3, None]
        assert self.told(world, (1, 1, 2), 2) == [None, None, None]

    def test_without_a_number_nothing_is_said_of_friends(self, world: Engine) -> None:
        (one, *_) = explained(
            world, {"crowd": Befriended(1, 1, 1)}, {"crowd": [1.0, 1.0, 1.0]}, friends=["x", "y"]
        )
        assert one.evidence.grounds == []
        assert one.reason.startswith("Also available here")

    def test_where_they_cannot_be_counted_it_is_a_circle(self, world: Engine) -> None:
        (one, *_) = explained(
            world, {"crowd": Befriended(-1, 0, 0)}, {"crowd": [1.0, 0.0, 0.0]}, friends=["x"]
        )
        assert one.evidence.friends is None
        assert [ground.kind for ground in one.evidence.grounds] == ["friends"]
        assert one.reason.startswith("In the circles of people you know")


def test_graph_and_friends_reach_the_answer(make: Maker) -> None:
    """A film by the director of one that ann liked, and one that two of her three friends saw;
    no friend's id stands anywhere in the answer."""
    films = [Item(item_id=name, title=name.title()) for name in ("alien", "gladiator", "heat")]
    known = [
        Relation(subject="alien", predicate="director", object="Scott"),
        Relation(subject="gladiator", predicate="director", object="Scott"),
        *(Relation(subject="ann", predicate="friend", object=f"pal-{n}") for n in range(3)),
    ]
    done = [act("ann", "alien"), *(act(f"pal-{n}", "heat") for n in range(2))]
    spec = {"shop": {"preset": "shop", "sources": {"graph": 1.0, "social": 0.5}}}
    options = {"graph": {"behaviour": 0.0, "relations": 1.0, "beta": 0.0}}
    people = [User(user_id=name) for name in ("ann", "pal-0", "pal-1", "pal-2")]
    engine = make(spec, items=films, users=people, events=done, relations=known, sources=options)
    answer = engine.recommend("ann", "shop", 2, now=NOW)
    first, second = answer.items
    assert first.item_id == "gladiator"
    assert first.reason == "You bought “Alien”, and both have to do with “Scott” (director)"
    assert first.evidence.way is not None
    assert (first.evidence.way.kind, first.evidence.way.via) == ("director", "Scott")
    assert second.item_id == "heat"
    assert second.reason == "Known to 2 of your friends"
    assert second.evidence.friends == 2
    assert "pal-" not in json.dumps(answer.to_dict())
