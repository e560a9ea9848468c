from __future__ import annotations

import sys
from typing import Any

import pytest

from polyscene.data.schema import Item, User
from polyscene.errors import MissingExtraError
from polyscene.rerank.safety import Screen
from polyscene.settings import Safety, parse_settings


def withheld(target: Item | User, **safety: Any) -> str | None:
    return Screen(Safety.model_validate(safety)).withheld(target)


def titled(title: str) -> Item:
    return Item(item_id="x", title=title)


@pytest.mark.parametrize(
    ("term", "title"),
    [
        ("fake degree", "Fake Degree in a week"),
        ("fake degree", "get a FAKE   degree now"),
        ("fake degree", "a (fake\ndegree)"),
        ("pro-ana", "Pro-Ana tips"),
        ("c++", "Cheat in C++!"),
        ("代考", "专业代考服务"),
        ("代考", "Exam代考service"),
        ("根治", "一周根治失眠"),
    ],
)
def test_a_term_is_found_whatever_its_case_and_spacing(term: str, title: str) -> None:
    """Whole words in scripts with spaces, anywhere in Chinese."""
    assert withheld(titled(title), blocked_terms=[term]) is not None


@pytest.mark.parametrize(
    ("term", "title"),
    [
        ("ass", "Classic Bass Guitar"),
        ("cure", "A secure manicure"),
        ("fake degree", "fake, by some degree"),
        ("c++", "Learn C"),
        ("代考", "现代 考古"),
        ("", "Anything at all"),
        ("  ", "Anything at all"),
    ],
)
def test_parts_of_other_words_and_blank_terms_match_nothing(term: str, title: str) -> None:
    assert withheld(titled(title), blocked_terms=[term]) is None


def test_description_and_tags_are_read_too() -> None:
    item = Item(item_id="x", title="Tea", description="A miracle cure.", tags=["miracle cure"])
    assert withheld(item, blocked_terms=["miracle cure"]) == "blocked term 'miracle cure'"
    assert withheld(Item(item_id="x", tags=["Miracle Cure"]), blocked_terms=["miracle cure"])


def test_blocked_tags_are_whole_tags_in_any_case() -> None:
    assert withheld(Item(item_id="x", tags=["Adult"]), blocked_tags=[" adult "]) is not None
    assert withheld(Item(item_id="x", tags=["adult education"]), blocked_tags=["adult"]) is None


@pytest.mark.parametrize("field", ["title", "description", "provider", "language", "image"])
def test_a_target_without_a_required_field_is_withheld(field: str) -> None:
    """Missing or blank is withheld, with the field named."""
    whole = {
        "title": "T", "description": "D", "provider": "P", "language": "en", "image": "x.png",
    }  # fmt: skip
    assert withheld(Item(item_id="x", **whole), require=[field]) is None
    lacking = {name: value for name, value in whole.items() if name != field}
    assert withheld(Item(item_id="x", **lacking), require=[field]) == f"no {field}"
    if field != "language":
        assert withheld(Item(item_id="x", **lacking, **{field: " "}), require=[field]) is not None


def test_people_are_screened_by_name_words_and_tags_but_need_no_fields() -> None:
    assert withheld(User(user_id="u"), require=["title", "provider"]) is None
    assert withheld(User(user_id="u", name="Essay Mill"), blocked_terms=["essay mill"])
    assert withheld(User(user_id="u", description="代写论文"), blocked_terms=["代写"])
    assert withheld(User(user_id="u", tags=["gambling"]), blocked_tags=["gambling"])


def test_without_settings_everything_is_shown() -> None:
    assert withheld(titled("miracle cure")) is None


@pytest.mark.parametrize(
    ("preset", "title"),
    [
        ("health", "Miracle cure for everything"),
        ("health", "祖传秘方包治百病"),
        ("education", "We write your essay"),
        ("education", "考试答案合集"),
        ("shop", "高仿手表"),
    ],
)
def test_presets_withhold_what_their_domain_must_not_show(preset: str, title: str) -> None:
    """The same words pass where nothing forbids them."""
    settings = parse_settings({"scenarios": {n: {"preset": n} for n in (preset, "news")}})
    item = Item(item_id="x", title=title, description="A text.", provider="Somebody")
    assert Screen(settings.scenario(preset).safety).withheld(item) is not None
    assert Screen(settings.scenario("news").safety).withheld(item) is None


def test_what_is_held_waits_for_approval() -> None:
    """A held term or tag, until `approved` is true, in any form that files have."""
    tea = {"item_id": "x", "title": "Detox tea", "tags": ["Diet"]}
    for safety in ({"hold_terms": ["detox"]}, {"hold_tags": ["diet"]}):
        screen = Screen(Safety.model_validate(safety))
        assert str(screen.withheld(Item(**tea))).startswith("on hold for t")
        for no in (False, "false", 0, "yes?"):
            assert screen.on_hold(Item(**tea, approved=no)) is not None
        for yes in (True, "true", "True", 1):
            assert screen.withheld(Item(**tea, approved=yes)) is None
            assert screen.on_hold(Item(**tea, approved=yes)) is None


def test_what_is_blocked_cannot_be_approved_and_does_not_wait() -> None:
    screen = Screen(Safety(blocked_terms=["cure"], hold_terms=["detox"]))
    item = Item(item_id="x", title="Detox cure", approved=True)
    assert screen.withheld(item) == "blocked term 'cure'"
    assert screen.on_hold(Item(item_id="x", title="Detox cure")) is None


PROFANE = [
    Item(item_id="en", title="A day out", description="We had tea. Shut up, you stupid bitch."),
    Item(item_id="zh", title="你是傻逼"),
    Item(item_id="fr", title="Quel connard", language="fr-CA"),
    User(user_id="u", name="fucking idiot"),
]
HARMLESS = [
    Item(item_id="en", title="Scunthorpe walking club", description="Cocktail recipes. Bass."),
    Item(item_id="zh", title="体操运动员的一天"),
    Item(item_id="eo", title="Saluton", language="tlh"),
    Item(item_id="none"),
]


@pytest.mark.parametrize("target", PROFANE, ids=lambda t: t.language)
def test_profane_wording_is_held_or_blocked_as_declared(target: Item | User) -> None:
    """One sentence, word or name is enough; approval helps only what was held."""
    assert withheld(target) is None
    assert str(withheld(target, profanity="hold")).startswith("on hold for ")
    assert str(withheld(target, profanity="block")).startswith("blocked ")
    approved = type(target).model_validate({**target.model_dump(), "approved": True})
    assert withheld(approved, profanity="hold") is None
    assert withheld(approved, profanity="block") is not None


@pytest.mark.parametrize("target", HARMLESS, ids=lambda t: t.item_id)
def test_harmless_wording_passes(target: Item) -> None:
    """Parts of words say nothing, and a language without a list is not judged."""
    assert withheld(target, profanity="block") is None


def test_what_profanity_says_names_the_evidence() -> None:
    english, chinese, *_ = PROFANE
    why = str(withheld(english, profanity="hold"))
    assert "'Shut up, you stupid bitch.'" in why
    assert withheld(chinese, profanity="block") == "blocked profane word '傻逼'"


def test_the_threshold_and_harmless_words_are_settings() -> None:
    doubtful = titled("Dick Tracy")
    assert withheld(doubtful, profanity="hold") is None
    assert withheld(doubtful, profanity="hold", profanity_threshold=0.5) is not None
    assert withheld(titled("你是傻逼"), profanity="hold", profanity_ignore=["傻逼"]) is None


def test_many_targets_are_judged_like_one_by_one() -> None:
    screen = Screen(Safety(profanity="block"))
    targets = [titled(f"{word} {number}") for number in range(20) for word in ("Tea", "fuck")]
    screen.prepare(targets)
    found = [screen.withheld(target) is not None for target in targets]
    assert found == [False, True] * 20


def test_without_the_extra_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "profanity_check", None)
    with pytest.raises(MissingExtraError, match=r'pip install "polyscene\[safety\]"'):
        withheld(titled("Not judged before"), profanity="hold")
    assert withheld(titled("Not judged before")) is None
