from __future__ import annotations

import json

import numpy as np
import pytest

from polyscene.data.schema import Item, User
from polyscene.engine import Engine
from polyscene.errors import (
    DataError,
    NotFittedError,
    NotFoundError,
    SettingsError,
    WorkspaceError,
)
from tiny_world import DAY, EVENTS, ITEMS, NOW, SCENARIOS, USERS, Maker, act, ids, reopen


def test_equal_questions_have_equal_answers(world: Engine) -> None:
    """Also after the model is read anew; only the request id differs."""
    again = reopen(world.workspace.path)
    with again:
        for user in ("ann", "wei", None):
            for scenario in SCENARIOS:
                first = world.recommend(user, scenario, 10, now=NOW)
                assert first.rows() == world.recommend(user, scenario, 10, now=NOW).rows()
                assert first.rows() == again.recommend(user, scenario, 10, now=NOW).rows()
                assert first.request_id != again.recommend(user, scenario, now=NOW).request_id


def test_two_fits_of_the_same_data_answer_alike(make: Maker) -> None:
    first, second = make(), make()
    for user in ("ann", "bo", None):
        for scenario in SCENARIOS:
            one, two = (e.recommend(user, scenario, 20, now=NOW).rows() for e in (first, second))
            assert one == two


def test_an_answer_is_plain_values(world: Engine) -> None:
    answer = world.recommend("ann", "shop", 3, now=NOW)
    data = json.loads(json.dumps(answer.to_dict(), allow_nan=False))
    assert data["user_id"] == "ann"
    assert data["model"] == world.model.config.version
    assert [item["rank"] for item in data["items"]] == [1, 2, 3]
    assert list(answer.rows()[0]) == [
        "user_id", "scenario", "rank", "item_id", "score", "sources", "reason", "context",
        "propensity",
    ]  # fmt: skip


class TestReasons:
    @pytest.mark.parametrize("user", ["ann", "bo", "cy", "di", "wei", "nil", "stranger"])
    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_they_name_only_what_the_user_really_did(
        self, world: Engine, user: str, scenario: str
    ) -> None:
        """Each history item is in a readable event of the user; stated only if they state it."""
        readable = world.workspace.settings.readable(scenario)
        done = {
            event.item_id
            for event in EVENTS
            if event.user_id == user and event.scenario in readable
        }
        titles = {item.item_id: item.title for item in ITEMS}
        states = {u.user_id for u in USERS if u.tags or u.description}
        for item in world.recommend(user, scenario, 50, now=NOW).items:
            named = [support.item_id for support in item.evidence.support]
            assert set(named) <= done
            assert all(titles[s.item_id] == s.title for s in item.evidence.support)
            assert item.item_id not in named
            if item.evidence.stated:
                assert user in states
            for title in titles.values():
                if f"“{title}”" in item.reason or f"「{title}」" in item.reason:
                    assert title in {titles.get(name) for name in done}

    def test_shared_tags_are_tags_of_the_target_and_of_the_user_or_their_history(
        self, world: Engine
    ) -> None:
        tags = {item.item_id: set(item.tags) for item in ITEMS}
        own = {user.user_id: set(user.tags) for user in USERS}
        for user in ("ann", "bo", "di", "wei"):
            for item in world.recommend(user, "shop", 50, now=NOW).items:
                known = own[user].union(*(tags[s.item_id] for s in item.evidence.support))
                assert set(item.evidence.tags) <= tags[item.item_id] & known

    def test_the_verb_is_that_of_the_scenario_in_which_it_happened(self, world: Engine) -> None:
        """di read of the marathon in the news: that is what the road's reason says."""
        answer = world.recommend("di", "travel", 5, now=NOW)
        verbs = {s.item_id: s.verbs["en"] for item in answer.items for s in item.evidence.support}
        assert verbs.get("news-2", "read") == "read"
        assert verbs["run-2"] == "put in the cart"

    def test_a_popular_target_is_not_said_to_match_stated_interests(self, make: Maker) -> None:
        """ann states tea, but this scenario only counts what trends."""
        engine = make({"shop": {"preset": "shop", "sources": {"trending": 1.0}}})
        for item in engine.recommend("ann", "shop", 50, now=NOW).items:
            assert not item.evidence.stated
            assert not item.reason.startswith("Matches")

    def test_the_nearest_history_item_is_named_first(self, world: Engine) -> None:
        for item in world.recommend("ann", "shop", 50, now=NOW).items:
            near = [support.similarity for support in item.evidence.support]
            assert near == sorted(near, reverse=True)
            assert all(value > 0 for value in near)


class TestReward:
    def test_a_field_changes_the_order(self, make: Maker) -> None:
        """Two teas fit a tea lover about alike: the dear one comes first if price is the reward."""
        items = [
            Item(item_id="cheap", title="Green tea leaves", price=1),
            Item(item_id="dear", title="Green tea powder", price=50),
            Item(item_id="free", title="Green tea", price=0),
        ]
        by_fit = make({"shop": {"preset": "shop"}}, items=items, events=[])
        by_price = make(
            {"shop": {"preset": "shop", "reward": {"type": "field", "field": "price"}}},
            items=items, events=[],
        )  # fmt: skip
        assert ids(by_fit.recommend("ann", "shop", 3, now=NOW))[0] == "free"
        answer = by_price.recommend("ann", "shop", 3, now=NOW)
        assert ids(answer) == ["dear", "cheap", "free"]
        sims = {item.item_id: item.sources["semantic-soft"] for item in answer.items}
        for item, price in zip(answer.items, (50, 1, 0), strict=True):
            assert item.score == pytest.approx(price * sims[item.item_id], rel=1e-5)

    def test_recency_prefers_what_is_new(self, world: Engine) -> None:
        """Two articles on tea, one 300 days old: the preset's half-life of 7 days decides."""
        found = ids(world.recommend("ann", "news", 3, now=NOW))
        assert found.index("news-1") < found.index("news-3")

    def test_the_moment_of_the_question_counts(self, make: Maker) -> None:
        """Asked 400 days later the new article is as old as everything: only the floor is left."""
        engine = make()
        now, later = (
            engine.recommend("ann", "news", 1, now=NOW + days * DAY).items[0].score
            for days in (0, 400)
        )
        assert later < now

    def test_a_wrong_reward_names_its_setting(self, make: Maker) -> None:
        """A fit fails before its work, an answer where the reward was changed after the fit."""
        wrong = {"shop": {"preset": "shop", "reward": {"type": "prize"}}}
        said = r"scenarios\.shop\.reward: unknown reward 'prize'"
        with pytest.raises(SettingsError, match=said):
            make(wrong)
        fitted = make()
        with (
            reopen(fitted.workspace.path, SCENARIOS | wrong) as engine,
            pytest.raises(SettingsError, match=said),
        ):
            engine.recommend("ann", "shop", now=NOW)

    def test_an_expression_orders_as_the_table_of_the_same_reward(self, make: Maker) -> None:
        """similarity · log(1 + price) and sim · f with f = log(1 + price): the same list."""
        items = [
            Item(item_id=f"t{number}", title=f"Green tea {word}", price=price)
            for number, (word, price) in enumerate(
                [("leaves", 1), ("powder", 50), ("cup", 3), ("kettle", 9), ("", 4)]
            )
        ]
        table = {"type": "field", "field": "price", "transform": "log"}
        sources = {"semantic-soft": 1.0, "semantic-mean": 0.3}
        for used in ({"semantic-soft": 1.0}, sources):
            lists = []
            for reward in (table, "similarity * log1p(price)"):
                scenario = {"preset": "shop", "reward": reward, "sources": used}
                engine = make({"shop": scenario}, items=items, events=[])
                lists.append(ids(engine.recommend("ann", "shop", 5, now=NOW)))
            assert lists[0] == lists[1]
            assert len(lists[0]) == 5

    def test_an_expression_sees_targets_the_user_and_the_trend(self, make: Maker) -> None:
        """Among teas as near as each other, the ones of the user's city, then the popular one."""
        items = [
            Item(item_id="riga", title="Tea one", city="Riga"),
            Item(item_id="far", title="Tea two", city="Lisbon"),
            Item(item_id="far, popular", title="Tea three", city="Lisbon"),
        ]
        users = [User(user_id="ann", tags=["tea"], city="riga"), User(user_id="bo")]
        reward = "(1 if city == user.city else 0) + 0.1*popularity + 0*similarity"
        engine = make(
            {"shop": {"preset": "shop", "reward": reward}},
            items=items, users=users, events=[act("bo", "far, popular")],
        )  # fmt: skip
        answer = engine.recommend("ann", "shop", 3, now=NOW)
        assert ids(answer) == ["riga", "far, popular", "far"]
        assert [item.score for item in answer.items] == pytest.approx([1, 0.1, 0])

    def test_values_that_are_missing_or_infinite_stand_last(self, make: Maker) -> None:
        """log(0) is -inf, a missing price is missing, 1/0 inf: behind, with the lowest score."""
        items = [
            Item(item_id="dear", title="Green tea", price=9, weight=1),
            Item(item_id="cheap", title="Green tea leaves", price=2, weight=1),
            Item(item_id="free", title="Green tea powder", price=0, weight=1),
            Item(item_id="no price", title="Green tea cup", weight=1),
            Item(item_id="endless", title="Green tea kettle", price=9, weight=0),
        ]
        reward = "log(price) / weight - 5"
        engine = make({"shop": {"preset": "shop", "reward": reward}}, items=items, events=[])
        answer = engine.recommend("ann", "shop", 5, now=NOW)
        assert ids(answer)[:2] == ["dear", "cheap"]
        assert set(ids(answer)[2:]) == {"free", "no price", "endless"}
        scores = [item.score for item in answer.items]
        assert scores == pytest.approx([np.log(9) - 5] + [np.log(2) - 5] * 4)
        json.dumps(answer.to_dict(), allow_nan=False)

    def test_with_values_below_zero_what_fills_up_stands_behind(self, make: Maker) -> None:
        """Only semantic-multi speaks here, and only of near targets: the rest fills the list up."""
        engine = make({"shop": {"preset": "shop", "reward": "similarity - 5"}})
        scores = [item.score for item in engine.recommend("ann", "shop", 50, now=NOW).items]
        assert scores == sorted(scores, reverse=True)
        assert len(scores) > 5

    def test_an_action_that_a_reward_names_is_a_task_from_the_next_fit_on(
        self, make: Maker
    ) -> None:
        """As if it stood in tasks; a model of before says that it does not know it."""
        engine = make({"shop": {"preset": "shop", "reward": "similarity + purchase"}})
        scenario = {"preset": "shop", "reward": "similarity + 2*favourite"}
        with reopen(engine.workspace.path, {"shop": scenario}) as own:
            with pytest.raises(SettingsError) as caught:
                own.recommend("ann", "shop", 3, now=NOW)
            assert str(caught.value) == (
                "scenarios.shop.reward: the task 'favourite' is not predicted by this model "
                "(predicted: click, purchase); run: polyscene fit, or leave it out of the "
                "expression: similarity + 2*favourite"
            )
            own.fit(now=NOW)
            assert own.model.tasks is not None
            assert [*own.model.tasks.declared["shop"]] == ["click", "purchase", "favourite"]
            assert own.recommend("ann", "shop", 3, now=NOW).items

    def test_a_task_that_was_declared_after_the_fit_is_named(self, make: Maker) -> None:
        engine = make()
        wrong = SCENARIOS | {"shop": {"preset": "shop", "reward": "purchase"}}
        with (
            reopen(engine.workspace.path, wrong) as own,
            pytest.raises(SettingsError, match="the task 'purchase' is not predicted"),
        ):
            own.recommend("ann", "shop", 3, now=NOW)

    def test_a_task_of_which_nothing_is_known_is_the_similarity(self, make: Maker) -> None:
        """Nine purchases teach no probability: the list is as without a reward."""
        plain = make({"shop": {"preset": "shop"}})
        expected = ids(plain.recommend("ann", "shop", 5, now=NOW))
        engine = make({"shop": {"preset": "shop", "reward": "purchase"}})
        assert ids(engine.recommend("ann", "shop", 5, now=NOW)) == expected


class TestLive:
    def test_an_event_changes_the_next_answer(self, make: Maker) -> None:
        """nil buys a map: maps come first, the reason says so, and the map itself is gone."""
        engine = make()
        before = ids(engine.recommend("nil", "shop", 3, now=NOW))
        assert engine.record(act("nil", "map-1", days=0)) is True
        answer = engine.recommend("nil", "shop", 2, now=NOW)
        assert ids(answer) != before[:2]
        assert set(ids(answer)) == {"map-2", "map-3"}
        assert "Old map of the Baltic" in answer.items[0].reason

    def test_a_user_is_made_by_their_first_event(self, make: Maker) -> None:
        engine = make()
        engine.record(act("brand new", "run-1", days=0))
        answer = engine.recommend("brand new", "shop", 1, now=NOW)
        assert ids(answer) == ["run-2"]
        assert answer.notes == []

    def test_sources_that_look_at_nobody_are_no_reason_to_say_that_nothing_is_known(
        self, make: Maker
    ) -> None:
        """Trending alone is what was asked for; beside a source with nothing to say it is noted."""
        shop = SCENARIOS["shop"]
        asked = make({"shop": shop | {"sources": {"trending": 1.0}}})
        assert asked.recommend("bo", "shop", 2).notes == []
        silent = make({"shop": shop | {"sources": {"semantic-mean": 1.0, "trending": 0.1}}})
        (_, note) = silent.recommend("nobody", "shop", 2).notes
        assert note.startswith("nothing is known of the user's interests")

    def test_the_same_event_id_counts_once(self, make: Maker) -> None:
        engine = make()
        assert engine.record(act("nil", "map-1", event_id="e1")) is True
        assert engine.record(act("nil", "tea-1", event_id="e1")) is False
        assert engine.workspace.store.counts().events == len(EVENTS) + 1

    def test_an_event_on_an_unknown_target_is_refused(self, make: Maker) -> None:
        engine = make()
        with pytest.raises(DataError, match=r"unknown .* 'no such'"):
            engine.record(act("nil", "no such"))
        assert engine.workspace.store.counts().events == len(EVENTS)

    def test_a_dislike_pushes_its_like_down(self, make: Maker) -> None:
        """di likes tea and running; after a dislike of running shoes, running falls behind tea."""
        engine = make()
        before = ids(engine.recommend("di", "shop", 50, now=NOW))
        engine.record(act("di", "zh-3", "dislike", days=0))
        engine.record(act("di", "run-1", "dislike", days=0))
        after = ids(engine.recommend("di", "shop", 50, now=NOW))
        assert after.index("run-2") > before.index("run-2")
        assert "run-1" not in after


class TestSimilar:
    def test_the_nearest_come_first_without_the_item(self, world: Engine) -> None:
        answer = world.similar("map-1", "shop", 3)
        assert "map-1" not in ids(answer)
        assert set(ids(answer)[:2]) == {"map-2", "map-3"}
        assert answer.items[0].reason == "shared: maps, paper"
        scores = [item.score for item in answer.items]
        assert scores == sorted(scores, reverse=True)

    def test_an_item_of_one_scenario_leads_to_those_of_another(self, world: Engine) -> None:
        assert ids(world.similar("tea-1", "travel", 1)) == ["trip-1"]

    def test_an_unknown_item_or_user_is_an_error(self, world: Engine) -> None:
        with pytest.raises(NotFoundError, match="unknown item 'no such'"):
            world.similar("no such", "shop")
        with pytest.raises(NotFoundError, match="unknown user 'no such'"):
            world.similar("no such", "social")

    def test_an_item_without_text_has_a_note_instead(self, make: Maker) -> None:
        engine = make(items=[*ITEMS, Item(item_id="empty")])
        answer = engine.similar("empty", "shop")
        assert ids(answer) == []
        assert answer.notes == ["'empty' has no text to compare"]


class TestTexts:
    def test_of_an_item(self, world: Engine) -> None:
        assert world.texts(item="tea-1") == ["Green tea from Hangzhou", "tea, green"]

    def test_of_a_user_with_the_verbs_and_the_history_of_a_scenario(self, world: Engine) -> None:
        """health is private: read there, but not in the shop."""
        assert world.texts(user="ann", scenario="shop") == [
            "Interested in tea",
            "bought Green tea from Hangzhou; looked at Black tea from Assam",
        ]
        assert world.texts(user="ann", scenario="health")[1] == "read Insulin at home"

    def test_they_need_no_model(self, make: Maker) -> None:
        engine = make(fit=False)
        assert engine.texts(item="tea-1")
        assert engine.texts(user="bo")[0] == "I collect old maps."

    def test_unknown_records_are_errors(self, world: Engine) -> None:
        with pytest.raises(NotFoundError, match="unknown item 'x'"):
            world.texts(item="x")
        with pytest.raises(NotFoundError, match="unknown user 'x'"):
            world.texts(user="x")
        with pytest.raises(SettingsError, match="unknown scenario 'shoop'"):
            world.texts(user="ann", scenario="shoop")


class TestErrors:
    def test_no_model(self, make: Maker) -> None:
        engine = make(fit=False)
        with pytest.raises(NotFittedError, match="make one with: polyscene fit"):
            engine.recommend("ann", "shop")

    def test_an_unknown_scenario(self, world: Engine) -> None:
        with pytest.raises(SettingsError, match="unknown scenario 'shoop'; did you mean 'shop'"):
            world.recommend("ann", "shoop")

    def test_no_workspace(self, tmp_path: object) -> None:
        with pytest.raises(WorkspaceError, match="create a workspace"):
            Engine.open(f"{tmp_path}/nowhere")

    def test_nothing_to_recommend(self, make: Maker) -> None:
        with pytest.raises(DataError, match="polyscene ingest --items FILE"):
            make(items=[], users=[], events=[])

    def test_a_scenario_with_an_unknown_source(self, make: Maker) -> None:
        with pytest.raises(SettingsError, match="did you mean 'semantic-mean'"):
            make({"shop": {"preset": "shop", "sources": {"semantic-maen": 1.0}}})

    def test_wrong_options_of_a_source(self, make: Maker) -> None:
        with pytest.raises(SettingsError, match=r"sources\.semantic-soft\.powr: unknown key"):
            make(sources={"semantic-soft": {"powr": 2}})


def test_several_sources_are_fused(make: Maker) -> None:
    """With trending beside it, each result tells what each source gave; the sum is the score."""
    engine = make({"shop": {"preset": "shop", "sources": {"semantic-soft": 1.0, "trending": 0.5}}})
    answer = engine.recommend("ann", "shop", 10, now=NOW)
    used = {name for item in answer.items for name in item.sources}
    assert used >= {"semantic-soft", "trending"}
    first = answer.items[0]
    assert first.score == pytest.approx(sum(first.sources.values()), rel=1e-5)


def test_a_scenario_without_sources_falls_back_to_trend_and_news(make: Maker) -> None:
    engine = make({"shop": {"preset": "shop", "sources": {}}})
    assert len(engine.recommend("ann", "shop", 5, now=NOW).items) == 5


def test_many_users_in_turn(world: Engine) -> None:
    answers = list(world.recommend_many(["ann", "stranger"], "shop", 2, now=NOW))
    assert [answer.user_id for answer in answers] == ["ann", "stranger"]
    assert answers[0].rows() == world.recommend("ann", "shop", 2, now=NOW).rows()


def test_users_can_state_their_interests_without_an_event_ever(make: Maker) -> None:
    engine = make(users=[User(user_id="x", tags=["茶"])], events=[])
    assert ids(engine.recommend("x", "shop", 2, now=NOW)) in (["zh-1", "zh-2"], ["zh-2", "zh-1"])


@pytest.mark.parametrize("n", [0, -1])
def test_lists_without_length(world: Engine, n: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        world.recommend("ann", "shop", n)
    with pytest.raises(ValueError, match="at least 1"):
        world.similar("tea-1", "shop", n)


def test_one_target_as_a_string_is_not_a_list_of_letters(world: Engine) -> None:
    with pytest.raises(ValueError, match="list of texts"):
        world.recommend("ann", "shop", targets="map-1")
