"""People by the interest of both sides, through the engine."""

from __future__ import annotations

import json

import pytest

from market import Market
from polyscene.engine import Answer, Engine
from polyscene.errors import SettingsError
from polyscene.evaluation.protocols import Plan
from polyscene.evaluation.run import evaluate
from polyscene.evaluation.systems import ENGINE
from polyscene.rerank.mutual import MUTUAL
from polyscene.server.dashboard.charts import steps
from polyscene.settings import parse_settings
from tiny_world import NOW, Maker, ids


@pytest.mark.parametrize("seed", [0, 1])
def test_where_some_are_liked_by_all_both_sides_make_more_matches(make: Maker, seed: int) -> None:
    """Stars fill the lists of everybody and like none of them back."""
    market = Market.drawn(seed)
    one = market.matches(market.engine(make))
    both = market.matches(market.engine(make, reciprocity=0.5))
    assert both > 1.3 * one


def asked(engine: Engine, user: str = "ann", n: int = 10) -> Answer:
    return engine.recommend(user, "social", n, now=NOW)


class TestOfAnAnswer:
    """In a market, where people differ in what they say."""

    @pytest.fixture
    def market(self) -> Market:
        return Market.drawn(0)

    def test_what_is_given_back_is_the_others_own_score(self, make: Maker, market: Market) -> None:
        """Of whom they would be shown, the user's score by that of their best."""
        engine = market.engine(make, reciprocity=0.5)
        plain = market.engine(make)
        seen = 0
        for item in asked(engine, "p0").items:
            own = plain.recommend(item.item_id, "social", 200, now=NOW).items
            score = next((one.score for one in own if one.item_id == "p0"), None)
            assert item.waterfall is not None
            if score is not None:  # else they follow the user already
                assert item.waterfall.back == pytest.approx(score / own[0].score, rel=1e-4)
                seen += 1
        assert seen >= 5

    def test_the_reason_says_so_only_where_it_did(self, make: Maker, market: Market) -> None:
        """Who is told to be interested stands higher than by the user's side alone."""
        engine, plain = market.engine(make, reciprocity=0.5), market.engine(make)
        told = 0
        for user in ("p0", "p21", "p42", "p63"):
            places = {one.item_id: one.rank for one in asked(plain, user, 200).items}
            for item in asked(engine, user).items:
                fall = item.waterfall
                assert fall is not None
                assert item.evidence.mutual == (MUTUAL in item.evidence.rules)
                assert item.reason.endswith("may be interested in you too") == item.evidence.mutual
                assert fall.value_place == places[item.item_id]
                assert fall.both_place == item.rank
                if item.evidence.mutual:
                    told += 1
                    assert item.rank < places[item.item_id]
                    assert (fall.back or 0) > 0
        assert told > 8

    def test_without_their_interest_they_stand_lower(self, make: Maker, market: Market) -> None:
        """Faithful: as if they knew nobody, whoever was lifted is lifted no more."""
        found = asked(market.engine(make, reciprocity=0.5), "p0")
        lifted = [one for one in found.items if one.evidence.mutual]
        assert lifted
        for item in lifted[:3]:
            silent = market.without(item.item_id).engine(make, reciprocity=0.5)
            other = {one.item_id: one for one in asked(silent, "p0", 200).items}
            assert not other[item.item_id].evidence.mutual

    def test_many_at_once_have_the_same_lists(self, make: Maker, market: Market) -> None:
        engine = market.engine(make, reciprocity=0.5)
        users = ["p0", "p1", "star0", "p50"]
        for answer in engine.recommend_many(users, "social", 10, now=NOW):
            assert ids(answer) == ids(asked(engine, answer.user_id or ""))

    def test_rules_come_after(self, make: Maker, market: Market) -> None:
        """A boost weighs the scores of both sides; what both sides did is told beside it."""
        rules = [{"boost": "item_id == 'p9'", "factor": 50.0}, {"pin": "p8", "position": 2}]
        found = asked(market.engine(make, reciprocity=0.5, rules=rules), "p0")
        assert ids(found)[:2] == ["p9", "p8"]
        assert any(one.evidence.mutual for one in found.items[2:])

    def test_in_chinese(self, make: Maker, market: Market) -> None:
        engine = market.engine(make, reciprocity=0.5, language="zh")
        told = [one.reason for one in asked(engine, "p0").items if one.evidence.mutual]
        assert told
        assert all(reason.endswith("；也可能对你感兴趣") for reason in told)

    def test_the_answer_is_ready_for_json(self, make: Maker, market: Market) -> None:
        found = asked(market.engine(make, reciprocity=0.5), "p0").to_dict()
        assert {"back", "both_place"} <= json.loads(json.dumps(found))["items"][0][
            "waterfall"
        ].keys()


def test_an_evaluation_measures_the_lists_of_both_sides(make: Maker) -> None:
    market, plan = Market.drawn(0), Plan("random", ("social",))
    found = [
        evaluate(market.engine(make, **more).workspace, plan, (10,), ablation=False)
        for more in ({}, {"reciprocity": 0.5})
    ]
    one, both = (report.scenarios[0].systems[ENGINE].metrics["ndcg@10"].mean for report in found)
    assert one != both


def test_the_dashboard_shows_what_they_say(make: Maker) -> None:
    for item in asked(Market.drawn(0).engine(make, reciprocity=0.5), "p0").items:
        [step] = [one for one in steps(item) if one.label == "In return"]
        assert item.waterfall is not None
        assert (step.value, step.place) == (item.waterfall.back, item.waterfall.both_place)


def test_of_whom_nothing_is_known_says_nothing(make: Maker) -> None:
    """Neither named as interested nor put last: they count as the others do on average."""
    market = Market.drawn(0)
    engine = market.without("p3").engine(make, reciprocity=0.5)
    [found] = [one for one in asked(engine, "p0", 200).items if one.item_id == "p3"]
    assert found.waterfall is not None
    assert found.waterfall.back is None
    assert not found.evidence.mutual
    known = [one.waterfall.both_place for one in asked(engine, "p0", 200).items if one.waterfall]
    assert (found.waterfall.both_place or 0) < max(place or 0 for place in known)


@pytest.mark.parametrize("user", [None, "stranger", "nil"])
def test_of_somebody_unknown_nobody_says_anything(make: Maker, user: str | None) -> None:
    lists = [
        ids(make({"social": {"preset": "social", **more}}).recommend(user, "social", 5, now=NOW))
        for more in ({}, {"reciprocity": 0.5})
    ]
    assert lists[0] == lists[1]


def test_blocks_stay(make: Maker) -> None:
    """Whom one side has blocked is in neither list, whatever both would say."""
    market = Market.drawn(0)
    engine = market.engine(make, reciprocity=1.0, blocks=[("p1", "p0"), ("p0", "p2")])
    found = ids(asked(engine, "p0", 200))
    assert not {"p1", "p2"} & {*found}
    assert "p0" not in ids(asked(engine, "p1", 200)) + ids(asked(engine, "p2", 200))


def test_whoever_follows_the_user_already_is_interested(make: Maker) -> None:
    """Though the user is in no list of theirs."""
    market = Market.drawn(0)
    follower = next(
        name for row, name in enumerate(market.names) if market.known[row, 0] and row < 20
    )
    engine = market.engine(make, reciprocity=0.5)
    assert "p0" not in ids(asked(engine, follower, 200))
    [found] = [one for one in asked(engine, "p0", 200).items if one.item_id == follower] or [None]
    if found is not None:
        assert found.waterfall is not None
        assert (found.waterfall.back or 0) > 0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.5, "scenarios.social.reciprocity: got 1.5; Input should be less than or equal to 1"),
        (-0.1, "greater than or equal to 0"),
        ("much", "valid number"),
        (float("nan"), "scenarios.social.reciprocity"),
    ],
)
def test_what_is_no_weight_is_told(value: object, said: str) -> None:
    with pytest.raises(SettingsError) as told:
        parse_settings({"scenarios": {"social": {"preset": "social", "reciprocity": value}}})
    assert said in str(told.value)


@pytest.mark.parametrize("scenario", [{"preset": "shop"}, {}, {"target": "tag"}])
def test_items_say_nothing_of_who_asks(scenario: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=r"reciprocity: got 0\.5; only people"):
        parse_settings({"scenarios": {"shop": {**scenario, "reciprocity": 0.5}}})
    parse_settings({"scenarios": {"shop": {**scenario, "reciprocity": 0}}})
