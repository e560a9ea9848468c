from __future__ import annotations

from polyscene.data.schema import Item
from polyscene.engine.checkup import examine
from polyscene.engine.names import unknown_names
from tiny_world import EVENTS, ITEMS, NOW, Maker, act, ids, reopen


def test_events_in_a_scenario_that_is_not_declared_are_noted(make: Maker) -> None:
    engine = make(events=[*EVENTS, act("cy", "tea-1", scenario="shops")])
    notes = [finding.text for finding in examine(engine) if finding.status == "note"]
    assert any("name the scenario 'shops'" in text and "'shop'?" in text for text in notes)


def test_a_healthy_workspace_has_no_failure_and_its_numbers_are_right(make: Maker) -> None:
    findings = {finding.subject: finding for finding in examine(make())}
    assert not [finding for finding in findings.values() if finding.status == "fail"]
    assert f"{len(ITEMS)} items" in findings["store"].text
    assert "recall@100 1.000" in findings["index of items"].text
    assert findings["scenario news"].text.startswith("3 targets of kind content")


def test_equal_titles_alone_do_not_make_two_things_one(make: Maker) -> None:
    """Two songs called Home by different artists are both shown; a true copy is not."""
    songs = [
        Item(item_id="s1", title="Home", tags=["tea"], artist="A"),
        Item(item_id="s2", title="Home", tags=["tea"], artist="B"),
        Item(item_id="s3", title="home ", tags=["tea"], artist="B"),
    ]
    duplicates = {"duplicates": {"threshold": 1.0}}
    engine = make({"shop": {"preset": "shop", **duplicates}}, items=[*ITEMS, *songs])
    found = ids(engine.recommend("ann", "shop", 50, now=NOW))
    assert "s1" in found
    assert len({"s2", "s3"} & set(found)) == 1


def test_names_that_mean_nothing_are_noted(make: Maker) -> None:
    """Attributes are an open set: a name that nothing has is noted with a near one and where it
    stands, not refused."""
    reward = "simlarity + item.hours + (1 if user.nam in user.tags else 0)"
    items = [*ITEMS, Item(item_id="trip-9", kind="activity", title="Hike", hours=3)]
    engine = make({"travel": {"preset": "travel", "reward": reward}}, items=items)
    notes = [f.text for f in examine(engine) if f.subject == "scenario travel"]
    assert notes[1:] == [
        "no target has the attribute 'simlarity'; did you mean 'similarity'? (column 1)\n"
        f"    {reward}\n    ^^^^^^^^^",
        "no user has the attribute 'nam'; did you mean 'name'? (column 32)\n"
        f"    {reward}\n    {' ' * 31}^^^^^^^^",
    ]


def test_a_task_that_is_misspelt_is_told_from_the_tasks(make: Maker) -> None:
    """In one scenario only, where that is asked; of groupings there is no place to point at."""
    shop = {"preset": "shop", "tasks": {"buy-it": "purchase"}, "rules": [{"max": 1, "per": "plce"}]}
    engine = make({"shop": shop | {"reward": "similarity + by_it"}, "travel": {"preset": "travel"}})
    found = [*unknown_names(engine, ["shop"])]
    assert [text.partition(" (column")[0] for _, text in found] == [
        "no target has the attribute 'by_it'; did you mean 'buy_it'?",
        "no target has the attribute 'plce'; did you mean 'place'?",
    ]
    assert [*unknown_names(engine, ["travel"])] == []


def test_a_task_whose_action_nothing_knows_is_noted(make: Maker) -> None:
    """An action of the preset may be yet to come; any other that no event has is misspelt."""
    shop = {"preset": "shop", "tasks": {"buy": "purchse", "spend": "value of purchase"}}
    engine = make({"shop": shop | {"reward": "similarity - dislike"}})
    notes = [f.text for f in examine(engine) if f.status == "note" and "waits" in f.text]
    assert notes == [
        "the task 'buy' waits for the action 'purchse', which no event has; did you mean "
        "'purchase'?"
    ]


def test_a_rule_knows_no_tasks(make: Maker) -> None:
    """They are not said to be meant there, whatever is alike; an attribute may have the name."""
    rules = [
        {"bury": "buy > 0.5", "factor": 0.5},
        {"exclude": "purchse > 0"},
        {"max": 1, "per": "buy"},
    ]
    shop = {"preset": "shop", "tasks": {"buy": "click", "purchase": "purchase"}, "rules": rules}
    said = [text for _, text in unknown_names(make({"shop": shop}))]
    assert said[0].startswith(
        "no target has the attribute 'buy', and as a task or source a reward alone knows it (column"
    )
    assert said[1].startswith("no target has the attribute 'purchse'; allowed: age_days")
    assert "purchase" not in said[1].partition("allowed")[2]


def test_an_attribute_without_a_number_is_noted_where_one_is_needed(make: Maker) -> None:
    """In an expression as in a table; where texts are asked for, it is right."""
    shop = {"preset": "shop", "reward": "log1p(colour)", "rules": [{"exclude": "colour == 'red'"}]}
    table = {"preset": "travel", "reward": {"type": "field", "field": "pric"}}
    items = [*ITEMS, Item(item_id="cup", title="Cup", colour="red", price=3.0)]
    said = [*unknown_names(make({"shop": shop, "travel": table}, items=items))]
    assert said[0] == (
        "shop", "no target has a number as 'colour' (column 7)\n    log1p(colour)\n          ^^^^^^"
    )  # fmt: skip
    assert said[1] == ("travel", "no target has the attribute 'pric'; did you mean 'price'?")
    assert len(said) == 2


def test_a_reward_that_cannot_be_computed_is_a_failure(make: Maker) -> None:
    engine = make()
    wrong = {"shop": {"preset": "shop", "reward": "purchase"}}
    with reopen(engine.workspace.path, wrong) as own:
        failures = [finding.text for finding in examine(own) if finding.status == "fail"]
    assert any("the task 'purchase' is not predicted" in text for text in failures)
    fits = [text for text in failures if text.endswith("run: polyscene fit")]
    assert len(fits) == 1  # though every part that needs the model fails by it


def test_unknown_sources_and_rankings_are_told_as_a_fit_tells_them(make: Maker) -> None:
    """With what may have been meant, not only that a fit is due."""
    engine = make()
    wrong = {"shop": {"preset": "shop", "sources": {"kernal": "auto"}}}
    with reopen(engine.workspace.path, wrong, ranking={"type": "fussed"}) as own:
        failures = [(f.subject, f.text) for f in examine(own) if f.status == "fail"]
    assert failures[:2] == [
        ("sources", "scenarios.shop.sources: unknown source 'kernal'; did you mean 'kernel'?"),
        ("ranking", "ranking: unknown ranking 'fussed'; did you mean 'fused'?"),
    ]


def test_a_task_that_a_reward_names_and_nobody_did_is_noted(make: Maker) -> None:
    shop = {"preset": "shop", "tasks": ["hug"], "reward": "similarity + hug"}
    said = [f.text for f in examine(make({"shop": shop})) if f.subject == "scenario shop"]
    assert said[1:] == [
        "its reward names hug, which this model does not predict: too few successes or failures "
        "were held out; the similarity stands in its place, or 0 for an action that says no",
        "the task 'hug' waits for the action 'hug', which no event has; allowed: cart, click, "
        "dislike, favourite, follow, hide, purchase, rate, read, return, view",
    ]
