"""The graph source: walks by hand, ways by hand, and what joins two items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pytest

from planes import NOW, dataset, history, query, settings, space
from polyscene.component import Path, Query, Training, Validation
from polyscene.data.dataset import NO_LINKS, Links
from polyscene.errors import ModelError
from polyscene.fitting.holdout import validations
from polyscene.sources import Source
from polyscene.sources import graph as module
from polyscene.sources.base import SILENT
from polyscene.sources.graph import Graph, GraphConfig
from polyscene.testing.source_contract import SourceContract

SHOP = {"shop": {"target": "item", "actions": {"like": 1.0, "hide": -1.0}}}
LIKES = [("a", "i0"), ("a", "i1"), ("b", "i1"), ("b", "i2")]
"""i0 and i1 have a user in common, i1 and i2 another."""


class TestGraphContract(SourceContract):
    def make(self) -> Source:
        return Graph(GraphConfig())


class TestLongWalkContract(SourceContract):
    def make(self) -> Source:
        return Graph(GraphConfig(graded=True, steps=6, damping=0.8, tags=1.0, support=1))


def training(
    events: Sequence[tuple[str, ...]] = (),
    items: int = 4,
    tags: Sequence[tuple[str, ...]] = (),
    links: Sequence[tuple[str, str, str]] = (),
) -> Training:
    """Events as (user, item) or (user, item, action)."""
    full = [(e[0], e[1], e[2] if len(e) > 2 else "like", "shop", 1.0) for e in events]
    data = dataset(full, [f"i{row}" for row in range(items)])
    vectors = np.zeros((items, 2), np.float32)
    related = Links.of(links) if links else NO_LINKS
    return Training(data, settings(**SHOP), vectors, NOW, tags=tags, links=related)


def fitted(known: Training, **options: Any) -> Graph:
    plain = {"tags": 1.0, "relations": 1.0, "damping": 0.5, "beta": 0.0, "steps": 1}
    source = Graph(GraphConfig.model_validate({**plain, "graded": False, **options}))
    source.fit(known)
    return source


def asked(rows: Sequence[int], strengths: Sequence[float] = (), items: int = 4) -> Query:
    things = space(np.zeros((items, 2)).tolist())
    past = history(things, rows, strengths or [1.0] * len(rows))
    return query(things, past, n=items, target="item")


def score(source: Graph, *questions: Query) -> list[list[float]]:
    return [
        [round(float(value), 5) if value > SILENT else -1 for value in row]
        for row in source.scores(questions)
    ]


class TestWalk:
    def test_one_step_by_hand(self) -> None:
        """From i0 to a and back to i0 or i1; from i1 to a or b. Each walk goes on with 1/2."""
        assert score(fitted(training(LIKES)), asked([0]), asked([1])) == [
            [0.25, 0.25, -1, -1],
            [0.125, 0.25, 0.125, -1],
        ]

    def test_two_steps_by_hand(self) -> None:
        """p = (3/4, 1/4, 0) after one; half of that goes on, to a from i0, to a or b from i1."""
        assert score(fitted(training(LIKES), steps=2), asked([0])) == [[0.21875, 0.25, 0.03125, -1]]

    def test_popularity_is_held_against_a_target(self) -> None:
        """i1 has two likes, the others one: a third and a half at β = 1."""
        source = fitted(training(LIKES), beta=1.0)
        assert score(source, asked([1])) == [[0.0625, 0.08333, 0.0625, -1]]

    def test_it_starts_by_the_weight_of_the_likes(self) -> None:
        """Of i0 with 1 and i2 with 1/3: 3/4 and 1/4 of the starts; what is disliked is no start."""
        source = fitted(training(LIKES))
        assert score(source, asked([0, 3, 2], [1.0, -1.0, 1 / 3])) == [[0.1875, 0.25, 0.0625, -1]]

    def test_kinds_share_what_leaves_an_item(self) -> None:
        """i0 has a user and a tag: with weights 1 and 3, a quarter goes to i1, the rest to i2."""
        known = training(LIKES[:2], tags=[("red",), (), ("red",), ()])
        assert score(fitted(known, tags=3.0), asked([0])) == [[0.25, 0.0625, 0.1875, -1]]

    def test_a_kind_of_weight_zero_leads_nowhere(self) -> None:
        known = training(LIKES[:2], tags=[("red",), (), ("red",), ()])
        assert score(fitted(known, tags=0.0), asked([0])) == [[0.25, 0.25, -1, -1]]
        assert score(fitted(known, behaviour=0.0), asked([0])) == [[0.25, -1, 0.25, -1]]
        assert score(fitted(known, behaviour=0.0, tags=0.0), asked([0])) == [[-1] * 4]

    def test_graded_edges_lead_more_to_what_was_liked_more(self) -> None:
        """a liked i0 fully and i1 half: weights 1 and 0.8 when graded, alike when not."""
        rated = {"shop": {"target": "item", "actions": {"like": 1.0, "ok": 0.5}}}
        known = replace(training([("a", "i0"), ("a", "i1", "ok")]), settings=settings(**rated))
        assert score(fitted(known, graded=True), asked([0])) == [[0.27778, 0.22222, -1, -1]]
        assert score(fitted(known), asked([0])) == [[0.25, 0.25, -1, -1]]

    def test_many_questions_are_walked_in_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        source, questions = fitted(training(LIKES)), [asked([row]) for row in (0, 3, 1, 2)]
        whole = source.scores(questions)
        monkeypatch.setattr(module, "_CELLS", 1)
        np.testing.assert_array_equal(source.scores(questions), whole)


class TestPaths:
    def ways(self, known: Training, past: Query, *rows: int, **options: Any) -> list[Path | None]:
        return list(fitted(known, **options).paths(past, np.array(rows)))

    def test_of_tags_the_rarer_is_the_better_way(self) -> None:
        """Over red: 1/2 · 1/3; over blue: 1/2 · 1/2."""
        known = training(tags=[("red", "blue"), ("red", "blue"), ("red",), ()])
        assert self.ways(known, asked([0]), 1, 2, 3) == [
            Path(0, "tag", "blue"),
            Path(0, "tag", "red"),
            None,
        ]

    def test_a_relation_names_its_predicate_and_object(self) -> None:
        known = training(links=[("i0", "author", "Le Guin"), ("i1", "author", "Le Guin")])
        assert self.ways(known, asked([0]), 1) == [Path(0, "author", "Le Guin")]

    def test_an_item_can_be_the_object(self) -> None:
        """Both items of "anna wrote", and i2 with what it is a sequel of."""
        known = training(
            links=[("anna", "wrote", "i0"), ("anna", "wrote", "i1"), ("i2", "sequel of", "i3")]
        )
        assert self.ways(known, asked([0]), 1) == [Path(0, "wrote", "anna")]
        assert self.ways(known, asked([3]), 2) == [Path(3, "sequel of", "i3")]
        assert self.ways(known, asked([2]), 3) == [Path(2, "sequel of", "i3")]

    def test_people_have_no_names(self) -> None:
        """Neither those who liked both, nor a user to whom both are related."""
        known = training([("anna", "i3")], links=[("anna", "wrote", "i0"), ("anna", "wrote", "i1")])
        assert self.ways(known, asked([0]), 1) == [Path(0, "wrote", "")]
        assert self.ways(training(LIKES), asked([0]), 1, 2) == [Path(0, "people", ""), None]

    def test_the_start_is_what_the_target_would_fall_without(self) -> None:
        """Walks from item 0 come to 2 with 1/3, those from 1 with 1/6: half of them goes to "pop".

        (0.3·1/3 + 1·1/6) / 1.3 is 0.205. Without 1 it rises to 1/3, though 1 gives more of it;
        without 0 it falls to 1/6.
        """
        known = training(tags=[("red",), ("red", "pop"), ("red",), ("pop",)])
        source, past = fitted(known), asked([0, 1], [0.3, 1.0])
        assert source.support(past, np.array([2]))[0, 0] == 1
        assert source.paths(past, np.array([2])) == [Path(0, "tag", "red")]

    def test_the_stronger_history_item_is_the_start(self) -> None:
        known = training(tags=[("red",), ("red",), ("red",), ()])
        past = asked([0, 1], [0.3, 1.0])
        assert self.ways(known, past, 2) == [Path(1, "tag", "red")]

    def test_no_way_starts_at_the_target(self) -> None:
        """i1 is part of the history, and no reason to recommend i1."""
        known = training(tags=[("red",), ("red",), (), ("blue",)])
        assert self.ways(known, asked([1, 0], [1.0, 0.1]), 1, 3) == [Path(0, "tag", "red"), None]

    def test_the_kind_with_more_weight_is_the_better_way(self) -> None:
        known = training(LIKES[:2], tags=[("red",), ("red",), (), ()])
        assert self.ways(known, asked([0]), 1, tags=2.0) == [Path(0, "tag", "red")]
        assert self.ways(known, asked([0]), 1, tags=0.5) == [Path(0, "people", "")]

    def test_the_support_is_where_the_likeliest_ways_start(self) -> None:
        """Two ways from i1 to i2, one from i0; none to i3."""
        known = training(tags=[("red", "x"), ("red", "blue"), ("red", "blue"), ()])
        found = fitted(known).support(asked([0, 1]), np.array([2, 3, 1]))
        assert found.tolist() == [[1, 0, -1], [-1, -1, -1], [0, -1, -1]]


class TestEdges:
    @pytest.mark.parametrize(
        "known",
        [
            training(),
            training([("a", "i0")]),
            training([("a", "i0", "hide"), ("a", "i1", "hide")]),
            training(tags=[("red",), ("blue",), (), ()]),
            training(links=[("i0", "author", "Le Guin"), ("u", "friend", "v")]),
        ],
    )
    def test_what_joins_no_two_items_leads_nowhere(self, known: Training) -> None:
        source = fitted(known)
        assert len(source(asked([0, 1]))) == 0
        assert list(source.paths(asked([0]), np.arange(4))) == [None] * 4
        assert (source.support(asked([0]), np.arange(4)) == -1).all()

    def test_blocks_join_nothing(self) -> None:
        known = training(links=[("u", "blocks", "i0"), ("u", "blocks", "i1")])
        assert len(fitted(known)(asked([0]))) == 0

    def test_the_same_name_with_another_predicate_is_another_node(self) -> None:
        known = training(links=[("i0", "director", "X"), ("i1", "actor", "X")])
        assert len(fitted(known)(asked([0]))) == 0

    def test_what_is_said_twice_counts_once(self) -> None:
        once = training(tags=[("red", "x"), ("red",), ("x",), ()])
        twice = training(tags=[("red", "red", "x"), ("red",), ("x",), ()])
        assert score(fitted(once), asked([0])) == score(fitted(twice), asked([0]))
        link = ("i0", "author", "Le Guin")
        once, twice = (
            training(links=[*([link] * count), ("i1", "author", "Le Guin")]) for count in (1, 2)
        )
        assert score(fitted(once), asked([0])) == score(fitted(twice), asked([0]))

    def test_items_that_came_after_the_fit_are_not_in_it(self) -> None:
        source, made = fitted(training(LIKES)), asked([5, 0], items=6)
        assert score(source, made) == [[0.25, 0.25, -1, -1, -1, -1]]
        assert source.paths(made, np.array([1, 5])) == [Path(0, "people", ""), None]
        assert source.support(made, np.array([5])).tolist() == [[-1, -1, -1]]

    def test_people_are_not_its_matter(self) -> None:
        source = fitted(training(LIKES))
        made = replace(asked([0]), spec=settings(here={"target": "person"}).scenario("here"))
        assert np.isinf(source.scores([made])).all()
        assert source.paths(made, np.arange(2)) == [None, None]
        assert (source.support(made, np.arange(2)) == -1).all()

    def test_unfitted_it_has_nothing_to_say(self) -> None:
        assert len(Graph()(asked([0]))) == 0
        assert Graph().paths(asked([0]), np.arange(2)) == [None, None]

    @pytest.mark.parametrize("graded", [True, False])
    def test_who_only_dislikes_gets_nothing(self, graded: bool) -> None:
        source = fitted(training(LIKES), graded=graded)
        assert len(source(asked([0, 1], [-1.0, -0.5]))) == 0


def tastes(telling: bool) -> Training:
    """Users with one taste of ten; the tags of the items tell the taste, or nothing."""
    rng = np.random.default_rng(0)
    events = [
        (f"u{number}", f"i{8 * (number % 10) + row}")
        for number in range(80)
        for row in rng.choice(8, 3, replace=False)
    ]
    told = np.arange(80) // 8 if telling else rng.integers(0, 10, 80)
    return training(events, 80, tags=[(f"tag{number}",) for number in told])


class TestTuned:
    def test_every_option_is_set(self) -> None:
        for splits in ([], validations(tastes(True)), validations(training(LIKES))):
            assert None not in Graph().tuned(splits).config.model_dump().values()

    def test_what_is_given_is_kept(self) -> None:
        splits = validations(tastes(True))
        chosen = Graph(GraphConfig(tags=0.7, steps=2)).tuned(splits).config
        assert (chosen.tags, chosen.steps) == (0.7, 2)
        everything = GraphConfig(
            tags=0.5, relations=0.5, damping=0.5, beta=0.1, graded=True, decay=False, recency=3.0
        )
        assert Graph(everything).tuned(splits).config == everything

    def test_tags_that_tell_get_more_weight_than_those_that_do_not(self) -> None:
        """Few share an item here, so that tags of the taste lead further than people."""
        telling, silent = (
            Graph().tuned(validations(tastes(telling))).config.tags for telling in (True, False)
        )
        assert telling is not None
        assert silent is not None
        assert telling > silent

    def test_what_is_not_there_is_not_varied(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """There are no relations: their weight stays at its default, and is not tried."""
        tried: list[float | None] = []
        real = module._walk

        def walk(edges: Any, config: GraphConfig) -> Any:
            tried.append(config.relations)
            return real(edges, config)

        monkeypatch.setattr(module, "_walk", walk)
        assert Graph().tuned(validations(tastes(True))).config.relations == 0.1
        assert set(tried) == {0.1}

    def test_with_large_graphs_fewer_users_are_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        split = validations(tastes(True))[0]
        monkeypatch.setattr(module, "_ON_TRIAL", 20)
        assert len(module._smaller(split).users) == 20
        monkeypatch.setattr(module, "_EFFORT", 1)
        few: Validation = module._smaller(split)
        assert len(few.users) == 2
        assert few.users[0] == split.users[0]
        places = np.searchsorted(split.users, few.users)
        wanted = split.relevant["shop"][places].toarray()
        np.testing.assert_array_equal(few.relevant["shop"].toarray(), wanted)


class TestSaved:
    def test_the_chosen_options_and_ways_come_back(self, tmp_path: FilePath) -> None:
        known = replace(tastes(True), links=Links.of([("i0", "作者", "李"), ("i70", "作者", "李")]))
        source = Graph(GraphConfig(relations=0.5)).tuned(validations(known))
        source.fit(known)
        source.save(tmp_path)
        loaded = Graph().load(tmp_path)
        assert loaded.config == source.config
        made, rows = asked([0, 17], items=80), np.arange(80)
        np.testing.assert_array_equal(loaded.scores([made]), source.scores([made]))
        assert loaded.paths(made, rows) == source.paths(made, rows)
        assert loaded.paths(made, np.array([70])) == [Path(0, "作者", "李")]

    @pytest.mark.parametrize("known", [training(), training(LIKES)])
    def test_an_empty_graph_comes_back_too(self, known: Training, tmp_path: FilePath) -> None:
        source = fitted(known)
        source.save(tmp_path)
        made = asked([0])
        np.testing.assert_array_equal(Graph().load(tmp_path).scores([made]), source.scores([made]))

    @pytest.mark.parametrize(
        "name",
        ["options.json", "names.json", "popularity.npy", "away.data.npy", "back.indices.npy"],
    )
    @pytest.mark.parametrize("how", ["gone", "cut", "empty", "nonsense"])
    def test_damage_is_told(self, name: str, how: str, tmp_path: FilePath) -> None:
        fitted(training(LIKES)).save(tmp_path)
        path = tmp_path / name
        content = path.read_bytes()
        if how == "gone":
            path.unlink()
        else:
            path.write_bytes({"cut": content[:-3], "empty": b""}.get(how, b"nonsense"))
        with pytest.raises(ModelError, match="polyscene fit"):
            Graph().load(tmp_path)

    @pytest.mark.parametrize("names", ["[]", "3", '[["tag"], ["tag"]]', "{}"])
    def test_names_that_do_not_fit_are_told(self, names: str, tmp_path: FilePath) -> None:
        fitted(training(LIKES)).save(tmp_path)
        (tmp_path / "names.json").write_text(names, "utf-8")
        with pytest.raises(ModelError):
            Graph().load(tmp_path)


def test_options_have_bounds() -> None:
    for wrong in ({"damping": 0}, {"damping": 1}, {"steps": 0}, {"beta": -1}, {"behaviour": -1}):
        with pytest.raises(ValueError, match=r"greater than|less than"):
            GraphConfig.model_validate(wrong)
