from __future__ import annotations

from typing import Any

import pytest

from polyscene.explain.reasons import Before, Evidence, Support, sentence, shared_tags
from polyscene.text.template import template

BOUGHT = {"en": "bought", "zh": "购买了"}


def support(title: str = "Blue kettle", **verbs: str) -> Support:
    return Support("i1", title, "purchase", verbs or BOUGHT, 0.8)


def evidence(**fields: Any) -> Evidence:
    base: dict[str, Any] = {"sources": {}, "support": (), "tags": (), "stated": False}
    return Evidence(**{**base, **fields})


def english(**fields: Any) -> str:
    return sentence(evidence(**fields), template("generic", "en"), "en")


def chinese(**fields: Any) -> str:
    return sentence(evidence(**fields), template("generic", "zh"), "zh")


def test_the_nearest_history_item_comes_first_then_shared_tags() -> None:
    fields = {"support": [support(), support("Other")], "tags": ["tea", "steel"]}
    assert english(**fields) == "You bought “Blue kettle”; shared: tea, steel"
    assert chinese(**fields) == "你购买了《Blue kettle》；共同点：tea、steel"


def test_a_history_item_without_a_title_is_passed_over() -> None:
    assert english(support=[support(""), support("Second")]) == "You bought “Second”"
    assert english(support=[support("")], stated=True) == "Matches what you say you like"


def test_what_was_done_about_contexts_comes_in_its_order() -> None:
    """Before stated interests, after the history; what has no title is passed over."""
    about = [Before("a", "Björk", own=False), Before("b", "", own=True), Before("c", "Low", True)]
    tags = {language: template("tags", language) for language in ("en", "zh")}
    found = evidence(about=about, stated=True)
    assert sentence(found, tags["en"], "en") == "Others gave it to “Björk”; you gave it to “Low”"
    assert sentence(found, tags["zh"], "zh") == (
        "其他人给《Björk》用过这个标签；你给《Low》用过这个标签"
    )
    assert english(about=about[:1]) == "Others chose it about “Björk”"
    assert chinese(about=about[2:]) == "你在《Low》下选过它"
    assert english(about=about, support=[support()]) == "You bought “Blue kettle”"
    assert english(about=about[1:2], stated=True) == "Matches what you say you like"


def test_a_verb_that_lacks_the_language_is_said_in_english() -> None:
    assert chinese(support=[support(en="bought")]) == "你bought《Blue kettle》"


def test_without_history_the_stated_interests_are_the_ground() -> None:
    assert english(stated=True, sources={"semantic-soft": 0.4}) == "Matches what you say you like"
    assert chinese(stated=True) == "符合你填写的兴趣"


@pytest.mark.parametrize(
    ("sources", "reason"),
    [
        ({"trending": 0.5}, "Popular here now"),
        ({"fresh": 0.5}, "New here"),
        ({"trending": 0.5, "fresh": 0.9}, "Popular here now"),
        ({"fresh": -1e-9}, "Also available here"),
        ({"semantic-mean": -0.2}, "Also available here"),
        ({}, "Also available here"),
    ],
)
def test_else_the_source_is_the_ground_and_none_is_invented(
    sources: dict[str, float], reason: str
) -> None:
    """Popular only if it trends, new only if it has a date."""
    assert english(sources=sources) == reason


def test_no_more_than_three_tags_are_told() -> None:
    assert english(sources={"fresh": 1.0}, tags=list("abcde")) == "New here; shared: a, b, c"


def test_domains_have_their_own_words() -> None:
    found = evidence(sources={"trending": 1.0})
    assert sentence(found, template("shop", "en"), "en") == "Popular with shoppers now"
    assert sentence(found, template("travel", "zh"), "zh") == "近期热订"


def test_shared_tags_stand_in_the_order_and_case_of_the_target() -> None:
    assert shared_tags(["Tea", "maps", "茶"], ["MAPS"], ["茶", "tea"]) == ["Tea", "maps", "茶"]
    assert shared_tags(["Tea"], ["tea time"], []) == []
    assert shared_tags([], ["tea"]) == []
