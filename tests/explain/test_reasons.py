from __future__ import annotations

from typing import Any

import pytest

from polyscene.explain.reasons import (
    Before,
    Evidence,
    Ground,
    Kind,
    Support,
    Way,
    sentence,
    shared_tags,
)
from polyscene.text.template import template

BOUGHT = {"en": "bought", "zh": "购买了"}


def support(title: str = "Blue kettle", **verbs: str) -> Support:
    return Support("i1", title, "purchase", verbs or BOUGHT, 0.8)


def way(kind: str, via: str = "", name: str | None = None, title: str = "Blue kettle") -> Way:
    return Way(support(title), kind, via, via if name is None else name)


def evidence(*kinds: Kind, **fields: Any) -> Evidence:
    """Evidence with grounds of these kinds, the first of the source that gave most."""
    grounds = [Ground(kind, "a", 1.0 - place / 10) for place, kind in enumerate(kinds)]
    return Evidence(sources={"a": 1.0}, grounds=grounds, **fields)


def english(*kinds: Kind, **fields: Any) -> str:
    return sentence(evidence(*kinds, **fields), template("generic", "en"), "en")


def chinese(*kinds: Kind, **fields: Any) -> str:
    return sentence(evidence(*kinds, **fields), template("generic", "zh"), "zh")


def test_the_nearest_history_item_comes_first_then_shared_tags() -> None:
    fields = {"support": [support(), support("Other")], "tags": ["tea", "steel"]}
    assert english("history", **fields) == "You bought “Blue kettle”; shared: tea, steel"
    assert chinese("history", **fields) == "你购买了《Blue kettle》；共同点：tea、steel"


def test_of_a_person_the_history_is_said_to_lead_to_them() -> None:
    """Not that they did the same, which it does not say; other grounds read as of things."""
    said = evidence("history", support=[support()], tags=["tea"])
    assert sentence(said, template("social", "en"), "en", of_person=True) == (
        "You bought “Blue kettle”, which brings you near to this person; shared: tea"
    )
    assert sentence(said, template("social", "zh"), "zh", of_person=True) == (
        "你购买了「Blue kettle」，因此与对方兴趣相近；共同点：tea"
    )
    friends = evidence("friends")
    assert sentence(friends, template("generic", "en"), "en", of_person=True) == (
        "In the circles of people you know"
    )


def test_a_history_item_without_a_title_is_passed_over() -> None:
    assert english("history", support=[support(""), support("Second")]) == "You bought “Second”"
    fields = {"support": [support("")], "stated": True}
    assert english("history", "stated", **fields) == "Matches what you say you like"


def test_what_was_done_about_contexts_comes_in_its_order() -> None:
    """What has no title is passed over."""
    about = [Before("a", "Björk", own=False), Before("b", "", own=True), Before("c", "Low", True)]
    tags = {language: template("tags", language) for language in ("en", "zh")}
    found = evidence("about", about=about)
    assert sentence(found, tags["en"], "en") == "Others gave it to “Björk”; you gave it to “Low”"
    assert sentence(found, tags["zh"], "zh") == (
        "其他人给《Björk》用过这个标签；你给《Low》用过这个标签"
    )
    assert english("about", about=about[:1]) == "Others chose it about “Björk”"
    assert chinese("about", about=about[2:]) == "你在《Low》下选过它"
    said = english("about", "stated", about=about[1:2], stated=True)
    assert said == "Matches what you say you like"


def test_a_verb_that_lacks_the_language_is_said_in_english() -> None:
    assert chinese("history", support=[support(en="bought")]) == "你bought《Blue kettle》"


def test_stated_interests_are_a_ground() -> None:
    assert english("stated", stated=True) == "Matches what you say you like"
    assert chinese("stated", stated=True) == "符合你填写的兴趣"


@pytest.mark.parametrize(
    ("kinds", "reason"),
    [
        (["history", "trending"], "You bought “Blue kettle”"),
        (["trending", "history"], "Popular here now"),
        (["fresh", "trending"], "New here"),
        (["stated", "history"], "Matches what you say you like"),
        (["friends", "way", "history"], "Known to 3 of your friends"),
        (["way", "friends"], "You bought “Blue kettle”, and both drew the same people"),
        ([], "Also available here"),
    ],
)
def test_the_ground_that_gave_most_is_said(kinds: list[Kind], reason: str) -> None:
    """Whatever its kind; without any ground nothing is invented, whatever else is known."""
    found = evidence(*kinds, support=[support()], stated=True, way=way("people"), friends=3)
    assert sentence(found, template("generic", "en"), "en") == reason


@pytest.mark.parametrize(
    ("told", "said_en", "said_zh"),
    [
        (way("tag", "jazz"), ", and both have the tag “jazz”", "，两者都有标签“jazz”"),
        (way("people"), ", and both drew the same people", "，两者吸引了相同的人"),
        (
            way("author", "p-7", "Le Guin"),
            ", and both have to do with “Le Guin” (author)",
            "，两者都与“Le Guin”有关（author）",
        ),
        (
            way("people", "Tom Hanks"),
            ", and both have to do with “Tom Hanks” (people)",
            "，两者都与“Tom Hanks”有关（people）",
        ),
        (
            way("sequel of", "i1", ""),
            ", which is linked with this (sequel of)",
            "，两者有关联（sequel of）",
        ),
    ],
)
def test_a_way_names_the_history_item_and_what_stands_between(
    told: Way, said_en: str, said_zh: str
) -> None:
    assert english("way", way=told) == "You bought “Blue kettle”" + said_en
    assert chinese("way", way=told) == "你购买了《Blue kettle》" + said_zh


def test_a_way_from_something_without_a_title_is_passed_over() -> None:
    assert english("way", "trending", way=way("tag", "jazz", title="")) == "Popular here now"


def test_the_tag_of_a_way_is_not_said_twice() -> None:
    """Where another ground is said, it is a shared tag like the others."""
    fields: dict[str, Any] = {"tags": ["Jazz", "blues"], "way": way("tag", "jazz")}
    assert english("way", **fields).endswith("the tag “jazz”; shared: blues")
    assert english("trending", **fields) == "Popular here now; shared: Jazz, blues"


def test_friends_are_a_number_or_a_circle() -> None:
    assert english("friends", friends=2) == "Known to 2 of your friends"
    assert chinese("friends", friends=2) == "你有2位好友接触过"
    assert english("friends") == "In the circles of people you know"
    assert chinese("friends") == "在你好友的圈子里"


def test_no_more_than_three_tags_are_told() -> None:
    assert english("fresh", tags=list("abcde")) == "New here; shared: a, b, c"


def test_domains_have_their_own_words() -> None:
    found = evidence("trending")
    assert sentence(found, template("shop", "en"), "en") == "Popular with shoppers now"
    assert sentence(found, template("travel", "zh"), "zh") == "近期热订"
    found = evidence("way", way=way("tag", "tea"))
    assert (
        sentence(found, template("shop", "zh"), "zh")
        == "你购买了「Blue kettle」，两者都有标签“tea”"
    )


def test_shared_tags_stand_in_the_order_and_case_of_the_target() -> None:
    assert shared_tags(["Tea", "maps", "茶"], ["MAPS"], ["茶", "tea"]) == ["Tea", "maps", "茶"]
    assert shared_tags(["Tea"], ["tea time"], []) == []
    assert shared_tags([], ["tea"]) == []
