from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planes import DAY, NOW, dataset, query, settings, space
from polyscene.component import Candidates, Training
from polyscene.data.schema import Item, User
from polyscene.errors import ModelError
from polyscene.sources import Fresh, Trending
from polyscene.sources.base import best, leading
from polyscene.sources.trending import FreshConfig, TrendingConfig

ITEMS = ["i0", "i1", "i2"]
THINGS = space(np.eye(3).tolist())


def trend(
    events: list[tuple[str, str, str, str | None, float | None]],
    shrink: float = 20.0,
    **scenarios: Any,
) -> Trending:
    source = Trending(TrendingConfig(shrink=shrink))
    data = dataset(events, ITEMS, ["a", "b", "c"])
    vectors = np.eye(len(ITEMS), dtype=np.float32)
    source.fit(Training(data, settings(**scenarios), vectors, NOW))
    return source


def scores(found: Candidates) -> dict[int, float]:
    return {
        row: round(score, 5)
        for row, score in zip(found.rows.tolist(), found.scores.tolist(), strict=True)
    }


class TestTrending:
    HERE = {"trend_half_life_days": 10, "actions": {"like": 1.0, "view": 0.5, "hide": -1.0}}

    def test_decayed_weights_are_summed_and_divided_by_the_largest(self) -> None:
        """i0: like today 1 + view today 0.5 = 1.5; i1: like 10 days ago 0.5 → 1/3."""
        source = trend(
            [
                ("a", "i0", "like", "here", 0),
                ("b", "i0", "view", "here", 0),
                ("a", "i1", "like", "here", 10),
            ],
            here=self.HERE,
        )
        assert scores(source(query(THINGS))) == {0: 1.0, 1: 0.33333}

    def test_tags_and_items_have_trends_of_their_own(self) -> None:
        """Of events of no scenario the tag i2 has three and i0 one; each is all there is to it."""
        events = [(user, "i2", "like", None, 0.0) for user in "abc"]
        data = dataset([*events, ("a", "i0", "like", None, 0.0)], ITEMS, tags=["i2"])
        declared = settings(here=self.HERE, tags=self.HERE | {"target": "tag"})
        source = Trending()
        source.fit(Training(data, declared, np.eye(3, dtype=np.float32), NOW))
        assert scores(source(query(THINGS))) == {0: 1.0}
        assert scores(source(query(THINGS, scenario="tags", target="tag"))) == {2: 1.0}

    def test_dislikes_do_not_count_against_a_target(self) -> None:
        """A hide adds nothing: i0 keeps its like."""
        source = trend(
            [
                ("a", "i0", "like", None, 0),
                ("b", "i0", "hide", None, 0),
                ("c", "i1", "hide", None, 0),
            ],
            here=self.HERE,
        )
        assert scores(source(query(THINGS))) == {0: 1.0}

    def test_events_without_a_time_do_not_decay(self) -> None:
        source = trend(
            [("a", "i0", "like", "here", None), ("a", "i1", "like", "here", 20)], here=self.HERE
        )
        assert scores(source(query(THINGS))) == {0: 1.0, 1: 0.25}

    ELSEWHERE = (
        ("a", "i1", "like", "there", 0.0),
        ("b", "i1", "like", "there", 0.0),
        ("a", "i0", "like", "here", 0.0),
        ("a", "i2", "view", None, 0.0),
    )
    """i1 is loved elsewhere; here only i0 and the event of no scenario are own."""

    def test_events_of_other_scenarios_do_not_count_where_there_is_no_shrinkage(self) -> None:
        source = trend(list(self.ELSEWHERE), shrink=0, here=self.HERE, there={})
        assert scores(source(query(THINGS))) == {0: 1.0, 2: 0.5}

    def test_the_trend_of_all_counts_as_many_events_as_the_shrinkage(self) -> None:
        """Shares of all are 2/7, 4/7, 1/7. m = 7: i0 = 1 + 2, i1 = 0 + 4, i2 = 1/2 + 1."""
        source = trend(list(self.ELSEWHERE), shrink=7, here=self.HERE, there={})
        assert scores(source(query(THINGS))) == {1: 1.0, 0: 0.75, 2: 0.375}

    def test_what_may_not_be_read_does_not_draw(self) -> None:
        """There is private: its likes are no part of the whole."""
        there = {"private": True}
        source = trend(list(self.ELSEWHERE), here=self.HERE, there=there)
        assert scores(source(query(THINGS))) == {0: 1.0, 2: 0.5}

    def test_a_scenario_without_events_borrows_those_it_may_read(self) -> None:
        """here reads there, but not what is private."""
        source = trend(
            [("a", "i1", "like", "there", 0), ("a", "i0", "like", "secret", 0)],
            here=self.HERE, there={}, secret={"private": True},
        )  # fmt: skip
        assert scores(source(query(THINGS))) == {1: 1.0}

    def test_a_scenario_without_events_borrows_whatever_the_shrinkage(self) -> None:
        source = trend([("a", "i1", "like", "there", 0)], shrink=0, here=self.HERE, there={})
        assert scores(source(query(THINGS))) == {1: 1.0}

    def test_an_isolated_scenario_borrows_nothing(self) -> None:
        source = trend([("a", "i1", "like", "there", 0)], here={"reads": []}, there={})
        assert len(source(query(THINGS))) == 0

    def test_people_trend_by_events_on_people(self) -> None:
        """Two follows of b, one of c; likes of items do not matter."""
        people = space(np.eye(3).tolist(), [User(user_id=name) for name in "abc"])
        source = trend(
            [
                ("a", "b", "follow", "here", 0),
                ("c", "b", "follow", "here", 0),
                ("a", "c", "follow", "here", 0),
                ("b", "i0", "like", "here", 0),
            ],
            here={"target": "person"},
        )
        assert scores(source(query(people, target="person"))) == {1: 1.0, 2: 0.5}

    def test_only_allowed_targets_and_no_more_than_n(self) -> None:
        events = [(user, f"i{n}", "like", "here", 0.0) for n in range(3) for user in "abc"[n:]]
        source = trend(events, here=self.HERE)
        assert source(query(THINGS, allowed=[1, 2], n=1)).rows.tolist() == [1]

    def test_targets_added_since_the_fit_and_unknown_scenarios_have_no_trend(self) -> None:
        source = trend([("a", "i0", "like", "here", 0)], here=self.HERE)
        more = space(np.eye(5).tolist())
        assert source(query(more)).rows.tolist() == [0]
        assert len(source(query(THINGS, scenario="other"))) == 0

    def test_no_events_are_no_trend(self) -> None:
        assert len(trend([], here=self.HERE)(query(THINGS))) == 0

    def test_events_after_the_fit_count_like_those_before(self) -> None:
        """Ten days on, i1 = 2 · 1/2, i0 = 1/2 + 1 like of today; the new i3 has 1/2 of a view.

        Shares of all are the same, m = 0: 1, 3/2, 0 and 1/2, by the largest.
        """
        source = trend(
            [(user, "i1", "like", "here", 0) for user in "ab"] + [("a", "i0", "like", "here", 0)],
            shrink=0, here=self.HERE,
        )  # fmt: skip
        more = dataset(
            [("c", "i0", "like", "here", -10), ("c", "i3", "view", "here", -10)], [*ITEMS, "i3"]
        )
        source.follow(more, settings(here=self.HERE), NOW + 10 * DAY)
        four = space(np.eye(4).tolist())
        assert scores(source(query(four))) == {0: 1.0, 1: 0.66667, 3: 0.33333}

    @given(
        st.lists(
            st.tuples(
                st.sampled_from("abc"), st.sampled_from(ITEMS), st.sampled_from(["like", "hide"]),
                st.sampled_from(["here", "there", None]), st.floats(0, 30),
            ),
            max_size=12,
        ),
        st.lists(st.floats(0, 30), max_size=3),
    )  # fmt: skip
    def test_what_followed_is_what_a_new_fit_counts(
        self, events: list[tuple[str, str, str, str | None, float]], looks: list[float]
    ) -> None:
        """Whenever it was fitted, and however the events came in parts."""
        declared = settings(here=self.HERE, there={})

        def fitted(some: list[tuple[str, str, str, str | None, float]], days: float) -> Trending:
            source, data = Trending(), dataset(some, ITEMS)
            source.fit(Training(data, declared, np.eye(3, dtype=np.float32), NOW - days * DAY))
            return source

        first, *later = sorted([*looks, 0.0], reverse=True)
        followed = fitted([event for event in events if event[4] >= first], first)
        for before, days in pairwise([first, *later]):
            data = dataset([event for event in events if days <= event[4] < before], ITEMS)
            followed.follow(data, declared, NOW - days * DAY)
        for name in ("here", "there"):
            asked = [query(THINGS, scenario=name)]
            np.testing.assert_allclose(
                followed.scores(asked), fitted(events, 0).scores(asked), rtol=1e-5
            )

    @pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[1]", b'{"last": 1}'])
    def test_a_damaged_file_is_a_model_error(self, tmp_path: Path, content: bytes) -> None:
        trend([("a", "i0", "like", "here", 0)], here=self.HERE).save(tmp_path)
        (tmp_path / "trends.json").write_bytes(content)
        with pytest.raises(ModelError, match="cannot read the trends"):
            Trending().load(tmp_path)


class TestFresh:
    def fresh(self, *ages: float | None, allowed: list[int] | None = None) -> Candidates:
        items = [
            Item(item_id=f"i{row}", published_at=None if age is None else NOW - age * DAY)
            for row, age in enumerate(ages)
        ]
        things = space(np.eye(len(ages)).tolist(), items)
        return Fresh(FreshConfig(half_life_days=10))(query(things, allowed=allowed))

    def test_the_score_halves_every_half_life(self) -> None:
        """10 days 1/2, 0 days 1, 20 days 1/4; a date to come counts as now."""
        found = self.fresh(10, 0, 20, -5)
        assert found.rows.tolist() == [1, 3, 0, 2]
        np.testing.assert_allclose(found.scores, [1, 1, 0.5, 0.25])

    def test_what_has_no_date_stands_last_the_latest_ingested_first(self) -> None:
        assert self.fresh(None, 5000, None, 1).rows.tolist() == [3, 1, 2, 0]

    def test_only_allowed_targets(self) -> None:
        assert self.fresh(1, 2, 3, allowed=[2, 1]).rows.tolist() == [1, 2]

    def test_the_half_life_must_be_positive(self) -> None:
        with pytest.raises(ValueError, match="greater than 0"):
            FreshConfig(half_life_days=0)


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, -2.0]), max_size=30), st.integers(1, 40))
def test_best_is_the_head_of_a_stable_sort(values: list[float], n: int) -> None:
    """The n best, ties in order of row, as a full sort would give them."""
    given_scores = np.array(values, np.float32)
    rows = np.arange(len(values), dtype=np.int64) * 3
    found, ranked = best(given_scores, rows, n)
    expected = sorted(range(len(values)), key=lambda place: (-values[place], place))[:n]
    assert found.tolist() == [3 * place for place in expected]
    assert ranked.tolist() == [values[place] for place in expected]


@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0, -2.0, -np.inf]), min_size=40, max_size=40)),
    st.integers(1, 45),
)
def test_leading_are_the_best_of_each_row(table: list[list[float]], n: int) -> None:
    """As a stable sort of each row would give them, in order of place; what is silent is not."""
    scores = np.array(table, np.float32).reshape(-1, 40)
    expected = [
        40 * row + place
        for row, values in enumerate(table)
        for place in sorted(sorted(range(40), key=lambda p: (-values[p], p))[:n])
        if values[place] > -np.inf
    ]
    assert leading(scores, n).tolist() == expected
