"""What each protocol holds out, on a dataset that fits a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from planes import DAY, NOW, dataset, settings
from polyscene.data.dataset import NO_LINKS, Dataset, Links
from polyscene.data.split import pairs_of
from polyscene.errors import DataError
from polyscene.evaluation.given import read_given
from polyscene.evaluation.protocols import PROTOCOLS, Plan, Split, split
from polyscene.settings import Settings

ITEMS = [f"i{number}" for number in range(10)]
Row = tuple[str, str, str, str | None, float | None]


def world(**scenarios: dict[str, Any]) -> Settings:
    """A shop, a news page and a social network; every event there is a success."""
    return settings(**({"shop": {}, "news": {}, "social": {"target": "person"}} | scenarios))


def rows(users: int = 20) -> list[Row]:
    """Each user buys eight items, one twice and one in both scenarios, and reads three news."""
    found: list[Row] = []
    for number in range(users):
        user = f"u{number}"
        for step in range(8):
            found.append(
                (user, ITEMS[(number + step) % 10], "buy", "shop", 50 - step - number / 99)
            )
        found.append((user, ITEMS[number % 10], "view", "shop", 1 + number / 99))
        found.append((user, ITEMS[(number + 2) % 10], "read", "news", 30))
        found.append((user, ITEMS[(number + 8) % 10], "read", "news", 30))
        found.append((user, ITEMS[(number + 9) % 10], "read", "news", 30))
    return found


def cut(
    data: Dataset,
    protocol: str,
    *names: str,
    links: Links = NO_LINKS,
    declared: Settings | None = None,
    **options: Any,
) -> Split:
    plan = Plan(protocol=protocol, scenarios=names or ("shop",), **options)  # type: ignore[arg-type]
    return split(data, links, declared or world(), plan, NOW)


def told(data: Dataset) -> set[tuple[str, str]]:
    """The pairs (user, target) of the events."""
    targets = [
        (data.users if on_person else data.items).ids[row]
        for row, on_person in zip(data.target, data.on_person, strict=True)
    ]
    return {(data.users.ids[user], name) for user, name in zip(data.user, targets, strict=True)}


def wanted(part: Split, name: str = "shop") -> set[tuple[str, str]]:
    """The pairs that are to be found."""
    matrix: sp.coo_matrix = part.relevant[name].tocoo()
    users = part.train.users.ids
    people = name == "social"
    ids = users if people else part.train.items.ids
    return {(users[part.users[u]], ids[i]) for u, i in zip(matrix.row, matrix.col, strict=True)}


def names(part: Split) -> list[str]:
    return [part.train.users.ids[row] for row in part.users]


def given_of(data: Dataset, chosen: Sequence[int]) -> Dataset:
    return data.take(np.array(chosen))


class TestAll:
    @pytest.mark.parametrize("protocol", PROTOCOLS)
    def test_nothing_that_is_to_be_found_is_learned_from(self, protocol: str) -> None:
        data = dataset(rows(), ITEMS)
        given = given_of(data, range(0, len(data), 7)) if protocol == "given" else None
        part = cut(data, protocol, given=given, share=0.5)
        assert wanted(part)
        assert not wanted(part) & told(part.train)

    @pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name != "time"])
    def test_whole_pairs_are_held_out(self, protocol: str) -> None:
        """Of a pair either all events are learned from, or none."""
        data = dataset(rows(), ITEMS)
        given = given_of(data, range(0, len(data), 7)) if protocol == "given" else None
        part = cut(data, protocol, given=given)
        assert not told(part.held) & told(part.train)
        everything = pairs_of(data)
        kept = told(part.train)
        for pair in np.unique(everything):
            events = data.take(everything == pair)
            (one,) = told(events)
            left = part.train.take(
                (part.train.user == events.user[0]) & (part.train.target == events.target[0])
            )
            assert len(left) == (len(events) if one in kept else 0)

    @pytest.mark.parametrize("protocol", ["random", "leave-one-out", "time", "cold-items"])
    def test_only_users_under_test_are_asked(self, protocol: str) -> None:
        part = cut(dataset(rows(), ITEMS), protocol, tested={"u3", "u4", "nobody"}, share=0.5)
        assert names(part) == ["u3", "u4"]

    @pytest.mark.parametrize("protocol", ["random", "leave-one-out"])
    def test_what_others_did_stays_when_few_are_tested(self, protocol: str) -> None:
        data = dataset(rows(), ITEMS)
        part = cut(data, protocol, tested={"u3"})
        others = data.user != data.users.row("u3")
        assert int((part.train.user != data.users.row("u3")).sum()) == int(others.sum())

    def test_a_success_is_what_the_scenario_says(self) -> None:
        """Held-out events that are no success are neither learned from nor to be found."""
        data = dataset([*rows(), ("u0", "i9", "return", "shop", 0.1)], ITEMS)
        part = cut(data, "leave-one-out", declared=world(shop={"positive": ["buy"]}))
        assert ("u0", "i9") in told(part.held)
        assert "u0" not in names(part)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"protocol": "random", "tested": {"nobody"}}, "no user has a success held out"),
            ({"protocol": "random", "share": 0.01}, "no user has a success held out"),
            ({"protocol": "given"}, "without a file of events"),
            ({"protocol": "random", "scenarios": ()}, "no scenario to measure"),
            ({"protocol": "cold-users", "scenarios": ("shop", "news")}, "measures one scenario"),
        ],
    )
    def test_what_cannot_be_measured_is_said(self, options: dict[str, Any], message: str) -> None:
        plan = Plan(**({"scenarios": ("shop",)} | options))
        with pytest.raises(DataError, match=message):
            split(dataset(rows(), ITEMS), NO_LINKS, world(), plan, NOW)

    def test_a_file_for_another_protocol_is_refused(self) -> None:
        data = dataset(rows(), ITEMS)
        with pytest.raises(DataError, match="no other takes one"):
            cut(data, "random", given=data)

    def test_an_empty_dataset_is_said(self) -> None:
        data = dataset([], ITEMS, ["u0"])
        for protocol in ("random", "leave-one-out", "time", "cold-items", "cold-users"):
            with pytest.raises(DataError, match=r"nothing to measure|timestamp"):
                cut(data, protocol)


class TestRandom:
    def test_a_share_of_the_pairs_of_each_user(self) -> None:
        """Eight pairs in the shop, of which one is also in the news and stays: 40 % of 7 are 3."""
        part = cut(dataset(rows(), ITEMS), "random", share=0.4)
        counts = part.relevant["shop"].getnnz(axis=1)
        assert names(part) == [f"u{n}" for n in range(20)]
        assert counts.tolist() == [3] * 20

    def test_another_seed_draws_others(self) -> None:
        data = dataset(rows(), ITEMS)
        assert wanted(cut(data, "random", seed=1)) == wanted(cut(data, "random", seed=1))
        assert wanted(cut(data, "random", seed=1)) != wanted(cut(data, "random", seed=2))

    def test_scenarios_that_are_not_measured_lose_nothing(self) -> None:
        data = dataset(rows(), ITEMS)
        part = cut(data, "random", share=0.5)
        news = data.scenarios.index("news")
        assert (part.train.scenario == news).sum() == (data.scenario == news).sum()


class TestLeaveOneOut:
    def test_the_last_pair_by_time(self) -> None:
        """The first item bought was viewed last: it is the last pair."""
        part = cut(dataset(rows(), ITEMS), "leave-one-out")
        assert wanted(part) == {(f"u{n}", ITEMS[n % 10]) for n in range(20)}

    def test_the_last_to_arrive_where_there_is_no_time(self) -> None:
        events = [("a", "i1", "buy", "shop", None), ("a", "i0", "buy", "shop", None)]
        assert wanted(cut(dataset(events, ITEMS), "leave-one-out")) == {("a", "i0")}

    def test_who_has_one_pair_keeps_it(self) -> None:
        events: list[Row] = [("a", "i1", "buy", "shop", 1)] * 2 + [("b", "i1", "buy", "shop", 3)]
        events.append(("b", "i2", "buy", "shop", 2))
        part = cut(dataset(events, ITEMS), "leave-one-out")
        assert wanted(part) == {("b", "i2")}
        assert ("a", "i1") in told(part.train)


class TestTime:
    EVENTS: Sequence[Row] = [
        *[("a", f"i{n}", "buy", "shop", 20 - n) for n in range(8)],
        ("a", "i8", "buy", "shop", 2),
        ("a", "i0", "buy", "shop", 1),
        ("b", "i1", "buy", "shop", 1.5),
    ]

    def test_what_is_later_is_held_out_for_those_who_were_there(self) -> None:
        """i0 was bought before and b is new: what is to be found is i8, at the moment before."""
        part = cut(dataset(self.EVENTS, ITEMS), "time", share=0.25)
        assert wanted(part) == {("a", "i8")}
        assert NOW - 13 * DAY <= part.now < NOW - 2 * DAY
        assert part.train.timestamp.max() <= part.now < part.held.timestamp.min()

    def test_a_known_target_is_to_be_found_where_it_may_be_shown_again(self) -> None:
        again = world(shop={"seen": "include"})
        part = cut(dataset(self.EVENTS, ITEMS), "time", share=0.25, declared=again)
        assert wanted(part) == {("a", "i8"), ("a", "i0")}

    def test_so_is_one_whose_action_does_not_make_it_seen(self) -> None:
        some = world(shop={"seen_actions": ["return"]})
        part = cut(dataset(self.EVENTS, ITEMS), "time", share=0.25, declared=some)
        assert wanted(part) == {("a", "i8"), ("a", "i0")}

    def test_later_events_of_other_scenarios_are_not_learned_from(self) -> None:
        data = dataset([*self.EVENTS, ("a", "i9", "read", "news", 0.5)], ITEMS)
        part = cut(data, "time", share=0.3)
        assert wanted(part) == {("a", "i8")}
        assert ("a", "i9") not in told(part.train) | told(part.held)

    def test_events_without_a_time_cannot_be_split_by_it(self) -> None:
        events = [(user, target, action, name, None) for user, target, action, name, _ in rows()]
        with pytest.raises(DataError, match="timestamp"):
            cut(dataset(events, ITEMS), "time")


class TestColdItems:
    def test_the_cold_ones_are_ranked_among_themselves(self) -> None:
        data = dataset(rows(), ITEMS)
        part = cut(data, "cold-items", share=0.3)
        cold = {name for _, name in told(part.held)}
        assert len(cold) == 3
        assert {ITEMS[row] for row in np.flatnonzero(part.ranked["shop"])} == cold
        assert not cold & {name for _, name in told(part.train)}

    def test_all_cold_ones_when_few_are_tested(self) -> None:
        """Or the ranking would know which of them the users under test chose."""
        few: list[Row] = [("new", name, "buy", "shop", 1) for name in ("i0", "i1", "i2", "i3")]
        part = cut(dataset([*rows(), *few], ITEMS), "cold-items", share=0.5, tested={"new"})
        assert part.ranked["shop"].sum() == 5 > len(wanted(part))
        assert {user for user, _ in wanted(part)} == {"new"}

    def test_people_are_not_items(self) -> None:
        """A scenario of people has nothing to find, however many people there are."""
        data = dataset([*rows(30), ("u0", "u1", "follow", "social", 1)], ITEMS)
        part = cut(data, "cold-items", "shop", "social", share=0.3)
        assert not part.relevant["social"].nnz
        assert part.ranked["social"].shape == (30,)
        assert ("u0", "u1") in told(part.train)


class TestColdUsers:
    def test_their_events_of_one_scenario_are_held_out(self) -> None:
        data = dataset(rows(), ITEMS)
        part = cut(data, "cold-users", "news", share=0.2)
        assert len(names(part)) == 4
        cold = np.isin(part.train.user, part.users)
        news = data.scenarios.index("news")
        assert not (part.train.scenario[cold] == news).any()
        assert (part.train.scenario[~cold] == news).any()

    def test_they_have_history_elsewhere(self) -> None:
        data = dataset([*rows(), ("new", "i1", "read", "news", 1)], ITEMS)
        part = cut(data, "cold-users", "news", share=0.9)
        assert "new" not in names(part)
        assert np.isin(part.users, part.train.user).all()

    def test_what_they_did_with_those_targets_elsewhere_goes_too(self) -> None:
        data = dataset(rows(), ITEMS)
        part = cut(data, "cold-users", "news", share=0.9)
        user = names(part)[0]
        both = ITEMS[(int(user[1:]) + 2) % 10]
        assert (user, both) in wanted(part, "news")
        assert (user, both) not in told(part.train)


class TestFewUsers:
    def test_rare_targets_are_neither_ranked_nor_learned_from(self) -> None:
        """Counted in users, not in events, before the split."""
        rare: list[Row] = [("u0", "i10", "buy", "shop", 1)] * 3 + [("u1", "i10", "buy", "shop", 1)]
        data = dataset([*rows(), *rare], [*ITEMS, "i10", "i11"])
        part = cut(data, "random", share=0.5, min_users=3)
        assert part.ranked["shop"].tolist() == [True] * 10 + [False, False]
        assert "i10" not in {name for _, name in told(part.train) | told(part.held)}
        assert cut(data, "random", share=0.5, min_users=2).ranked["shop"].sum() == 11
        assert not cut(data, "random", share=0.5).ranked

    def test_rare_targets_of_a_file_are_not_to_be_found(self) -> None:
        data = dataset([*rows(), ("u0", "i10", "buy", "shop", 1)], [*ITEMS, "i10"])
        given = given_of(data, [0, len(data) - 1])
        assert wanted(cut(data, "given", given=given)) == {("u0", "i0"), ("u0", "i10")}
        assert wanted(cut(data, "given", given=given, min_users=2)) == {("u0", "i0")}


class TestFriends:
    LINKS = [
        *[(f"u{n}", "friend", f"u{n + 1}") for n in range(12)],
        *[(f"u{n + 1}", "friend", f"u{n}") for n in range(6)],
        *[(f"u{n}", "follows", f"u{n + 3}") for n in range(6)],
        ("u0", "blocks", "u9"),
        ("u0", "friend", "u0"),
        ("u0", "likes", "tea"),
    ]

    @pytest.fixture
    def data(self) -> Dataset:
        met: list[Row] = [(f"u{n}", f"u{n + 2}", "follow", "social", n) for n in range(10)]
        met += [(f"u{n}", f"u{n + 1}", "follow", "social", n) for n in range(5)]
        return dataset([*rows(), *met], ITEMS)

    @staticmethod
    def linked(part: Split) -> set[tuple[str, str]]:
        links = part.links
        return {
            (links.names.ids[s], links.names.ids[o])
            for s, p, o in zip(links.subject, links.predicate, links.object, strict=True)
            if links.predicates[p] in ("friend", "follows")
        }

    @pytest.mark.parametrize("protocol", ["random", "leave-one-out", "time", "given"])
    def test_who_is_to_be_found_is_no_friend_in_either_direction(
        self, data: Dataset, protocol: str
    ) -> None:
        given = given_of(data, [len(data) - 1, len(data) - 9]) if protocol == "given" else None
        links = Links.of(self.LINKS)
        part = cut(data, protocol, "social", links=links, given=given, share=0.4)
        found = wanted(part, "social")
        assert found
        assert not self.linked(part) & (found | {(b, a) for a, b in found})

    def test_a_share_of_the_pairs_is_held_out_whole(self, data: Dataset) -> None:
        """A friendship told once or twice is to be found by both; a follow by who follows."""
        no_events = replace(data).take(~data.on_person)
        part = cut(no_events, "random", "social", links=Links.of(self.LINKS), share=0.5)
        left, found = self.linked(part), wanted(part, "social")
        for subject, predicate, target in self.LINKS:
            if predicate not in ("friend", "follows") or subject == target:
                continue
            held = (subject, target) in found
            assert held != ((subject, target) in left)
            if predicate == "friend":
                assert held == ((target, subject) in found)
        assert ("u0", "u0") not in found

    def test_other_relations_stay(self, data: Dataset) -> None:
        part = cut(data, "random", "social", links=Links.of(self.LINKS), share=0.9)
        left = {part.links.predicates[code] for code in part.links.predicate}
        assert left >= {"blocks", "likes"}

    def test_friendships_stay_where_no_people_are_recommended(self, data: Dataset) -> None:
        part = cut(data, "random", "shop", links=Links.of(self.LINKS), share=0.9)
        assert len(part.links) == len(self.LINKS)


class TestGiven:
    @pytest.fixture
    def data(self) -> Dataset:
        return dataset([*rows(), ("u0", "u1", "follow", "social", 1)], ITEMS)

    @staticmethod
    def file(path: Path, *lines: str, header: str = "user_id,item_id,action,scenario") -> Path:
        path.write_text("\n".join([header, *lines]) + "\n", "utf-8")
        return path

    def test_known_pairs_are_forgotten_and_new_ones_found(
        self, data: Dataset, tmp_path: Path
    ) -> None:
        path = self.file(
            tmp_path / "g.csv", "u0,i0,buy,shop", "u0,i9,buy,", "u0,u1,follow,social",
            "u0,teapot,buy,shop", "nobody,i1,buy,shop",
        )  # fmt: skip
        given = read_given(path, data, world())
        part = cut(data, "given", "shop", "social", given=given)
        assert wanted(part) == {("u0", "i0"), ("u0", "i9")}
        assert wanted(part, "social") == {("u0", "u1")}
        assert not told(part.train) & {("u0", "i0"), ("u0", "i9"), ("u0", "u1")}
        assert ("u0", "i1") in told(part.train)

    @pytest.mark.parametrize(
        ("header", "line", "said"),
        [
            ("user_id,item_id,action", "u0,teapot,buy", "none of its 1 events"),
            ("user_id,item_id,action", ",i1,buy", "row 1, column user_id"),
            ("user_id,item_id", "u0,i1", "a column of that name"),
            ("user_id,item_id,action,colour", "u0,i1,buy,red", "an unknown column"),
            ("user_id,item_id,action,timestamp", "u0,i1,buy,soon", "a time as ISO 8601"),
        ],
    )
    def test_a_wrong_file_is_said(
        self, data: Dataset, tmp_path: Path, header: str, line: str, said: str
    ) -> None:
        path = self.file(tmp_path / "g.csv", line, header=header)
        with pytest.raises(DataError, match=said) as caught:
            read_given(path, data, world())
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize("name", ["none.csv", "g.txt", ""])
    def test_a_file_that_is_none_is_said(self, data: Dataset, tmp_path: Path, name: str) -> None:
        (tmp_path / "g.txt").write_text("user_id\n")
        with pytest.raises(DataError, match="expected a file"):
            read_given(tmp_path / name, data, world())


class TestContexts:
    """Tags are asked for with what they were given to."""

    TAGS = ("i8", "i9")
    DECLARED = {"tags": {"target": "tag"}, "shop": {}}

    def data(self) -> Dataset:
        """Each of ten users buys i0 to i4, and gives both tags to each; later things come later."""
        bought = [(f"u{u}", f"i{n}", "buy", "shop", 9.0 - n) for u in range(10) for n in range(5)]
        given = [
            (user, tag, "tag", None, when) for user, _, _, _, when in bought for tag in self.TAGS
        ]
        about = [None] * len(bought) + [item for _, item, *_ in bought for _ in self.TAGS]
        return dataset([*bought, *given], ITEMS, about=about, tags=self.TAGS)

    def part(self, protocol: str, *names: str, **options: Any) -> Split:
        declared = settings(**self.DECLARED)
        return cut(self.data(), protocol, *(names or ("tags",)), declared=declared, **options)

    @pytest.mark.parametrize(
        ("protocol", "posts"), [("random", 1), ("leave-one-out", 1), ("time", 1)]
    )
    def test_posts_are_held_out_whole_and_asked_for_each(self, protocol: str, posts: int) -> None:
        """Of five posts of each user one: at random, or the last. Both tags are to be found."""
        part = self.part(protocol)
        assert len(part.questions) == 10 * posts
        assert (part.questions.contexts >= 0).all()
        assert (part.relevant["tags"].getnnz(axis=1) == 2).all()
        left = part.train.take(part.train.on_tag)
        assert (part.questions.rows(left.user, left.context) < 0).all()
        assert len(left) == 10 * 4 * 2
        if protocol != "random":
            assert set(part.questions.contexts.tolist()) == {4}

    def test_what_was_given_to_other_things_is_to_be_found_again(self) -> None:
        """Everybody has given both tags in training; in a scenario of items they would be seen."""
        part = self.part("random")
        assert part.relevant["tags"].nnz == 20

    def test_items_and_tags_are_asked_for_apart(self) -> None:
        """Ten users bought something, without a context, and tagged something: a share of 0.2 is
        two of their ten pairs."""  # fmt: skip
        part = self.part("random", "tags", "shop")
        about = part.questions.contexts >= 0
        assert (part.relevant["shop"].getnnz(axis=1)[about] == 0).all()
        assert (part.relevant["tags"].getnnz(axis=1)[~about] == 0).all()
        pairs = part.relevant["shop"].nnz + part.relevant["tags"].nnz / 2
        assert pairs == 20

    def test_cold_tags_are_ranked_among_themselves(self) -> None:
        """One of two tags is cold: every event on it is held out, and asked for by what it was
        given to."""  # fmt: skip
        part = self.part("cold-items", share=0.5)
        ((cold,),) = {tuple(np.flatnonzero(mask).tolist()) for mask in part.ranked.values()}
        assert part.train.items.ids[cold] in self.TAGS
        assert len(part.questions) == 50
        assert set(part.relevant["tags"].indices.tolist()) == {cold}

    def test_what_was_shown_is_asked_for_once_whatever_it_was_about(self) -> None:
        """The last fifth of the time has one post of each user, with both tags."""
        part = self.part("impressions", by="latest")
        assert part.questions.users.tolist() == list(range(10))
        assert set(part.questions.contexts.tolist()) == {-1}
        assert (part.relevant["tags"].getnnz(axis=1) == 2).all()
        assert set(part.held.context.tolist()) == {-1}

    def test_a_file_says_what_was_asked_about(self, tmp_path: Path) -> None:
        """What is known of the same posts is not learned from."""
        path = tmp_path / "given.csv"
        path.write_text("user_id,item_id,action,context\nu1,i8,tag,i3\nu2,i9,tag,i4\n")
        data, declared = self.data(), settings(**self.DECLARED)
        given = read_given(path, data, declared)
        part = cut(data, "given", "tags", declared=declared, given=given)
        assert part.questions.contexts.tolist() == [3, 4]
        assert part.relevant["tags"].indices.tolist() == [8, 9]
        assert len(data) - len(part.train) == 2 * 2


class TestImpressions:
    def asked(self, count: int) -> Dataset:
        """a and b with eight events each, in two requests of four, the second a day ago."""
        events = [
            (user, f"i{n + 4 * request}", "buy" if n == 1 else "view", "shop", 20.0 - 19 * request)
            for user in [f"u{number}" for number in range(count)]
            for request in range(2)
            for n in range(4)
        ]
        return dataset(
            events, ITEMS, requests=[2 * (n // 8) + n // 4 % 2 for n in range(len(events))]
        )

    def test_the_latest_where_enough_users_acted_before(self) -> None:
        """With 50 users the second request of each is held out; with 49 a random one."""
        for count, by in ((50, "latest"), (49, "random")):
            data = self.asked(count)
            part = cut(data, "impressions", share=0.5)
            assert part.plan.by == by
            assert len(part.held) == 4 * count
            assert set(np.bincount(part.held.user)) == {4}
            requests = {
                (int(u), int(r)) for u, r in zip(part.held.user, part.held.request, strict=True)
            }
            assert len(requests) == count  # of nobody half a request
        assert set(part.held.timestamp) == {NOW - 20 * DAY, NOW - DAY}

    def test_everybody_who_was_shown_something_is_tested(self) -> None:
        """Also who had no success there."""
        data = self.asked(3)
        events = data.take(~((data.user == 0) & (data.action == data.actions.index("buy"))))
        declared = world(shop={"positive": ["buy"]})
        part = cut(events, "impressions", share=0.5, by="latest", declared=declared)
        assert names(part) == ["u0", "u1", "u2"]
        assert wanted(part) == {("u1", "i5"), ("u2", "i5")}

    def test_a_request_that_began_before_is_not_tested_and_not_learned_from(self) -> None:
        """A purchase two days after the view belongs to a list that was half known."""
        data = self.asked(3)
        late = replace(data, timestamp=np.where(data.target == 3, NOW - DAY, data.timestamp))
        part = cut(late, "impressions", share=0.7, by="latest")
        assert len(part.held) == 12
        assert not {name for _, name in told(part.held) | told(part.train)} & {"i3"}

    def test_nobody_is_tested_by_time_who_was_not_there_before(self) -> None:
        data = self.asked(3)
        new = data.take(~((data.user == 1) & (data.timestamp < NOW - 10 * DAY)))
        part = cut(new, "impressions", share=0.7, by="latest")
        assert names(part) == ["u0", "u2"]

    def test_without_requests_a_random_share_of_the_pairs(self) -> None:
        data = replace(self.asked(3), request=np.zeros(0, np.int64))
        part = cut(data, "impressions", share=0.25, by="random")
        assert np.bincount(part.held.user).tolist() == [2, 2, 2]
        assert not told(part.held) & told(part.train)

    def test_what_was_shown_again_in_another_request_is_not_learned_from(self) -> None:
        """i0 stands in both requests: whichever is drawn, the other loses it."""
        data = self.asked(1)
        again = replace(data, target=np.where(data.target == 7, 0, data.target))
        part = cut(again, "impressions", share=0.5, by="random")
        assert len(part.held) == 4
        assert ("u0", "i0") in told(part.held)
        assert len(part.train) == 3
        assert not told(part.held) & told(part.train)

    def test_nothing_to_hold_out_is_said(self) -> None:
        with pytest.raises(DataError, match="no user has anything held out"):
            cut(self.asked(3), "impressions", tested={"nobody"})
        undated = replace(self.asked(3), timestamp=np.full(24, np.nan))
        assert cut(undated, "impressions", share=0.5).plan.by == "random"
        with pytest.raises(DataError, match=r"latest events; it needs .* timestamp"):
            cut(undated, "impressions", by="latest")
