"""Rules of a scenario in answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tiny_world
from polyscene.data.schema import Item, User
from polyscene.engine import Answer, Engine
from polyscene.engine.checkup import examine
from tiny_world import ITEMS, NOW, Maker, act, ids, reopen

GOODS = [item.item_id for item in ITEMS if item.kind == "item"]


def shop(*rules: dict[str, Any], **spec: Any) -> dict[str, dict[str, Any]]:
    return {"shop": {"preset": "shop", "rules": list(rules), **spec}}


def asked(
    engine: Engine, *rules: dict[str, Any], n: int = 5, user: str = "ann", **spec: Any
) -> Answer:
    """The answer under these rules, over what another engine has fitted."""
    with reopen(engine.workspace.path, shop(*rules, **spec)) as own:
        return own.recommend(user, "shop", n, now=NOW)


def marks(answer: Answer) -> dict[str, list[str]]:
    return {item.item_id: list(item.evidence.rules) for item in answer.items if item.evidence.rules}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A shop with providers; what is asked of it reads it only."""
    items = [
        item.model_copy(update={"provider": "own" if item.item_id[-1] in "13" else "acme"})
        for item in ITEMS
    ]
    with tiny_world.make(tmp_path_factory.mktemp("shelf"), shop(), items=items) as engine:
        yield engine


def test_what_is_excluded_never_comes(shelf: Engine) -> None:
    """Not to fill a long list up, not as a neighbour, and not by a pin."""
    rules = [{"exclude": "'tea' in tags"}, {"pin": "tea-3", "position": 1}]
    teas = {item.item_id for item in ITEMS if "tea" in item.tags}
    for user in ("ann", "nil", "nobody"):
        found = ids(asked(shelf, *rules, n=50, user=user))
        assert teas.isdisjoint(found)
        assert len(found) > 3
    with reopen(shelf.workspace.path, shop(*rules)) as engine:
        assert teas.isdisjoint(ids(engine.similar("tea-1", "shop", 50)))


def test_an_exclusion_may_look_at_the_user(make: Maker) -> None:
    users = [User(user_id="young", tags=["tea"], age=12), User(user_id="old", tags=["tea"], age=40)]
    rule = {"exclude": "user.age < 18 and 'black' in tags"}
    engine = make(shop(rule), users=users, events=[])
    assert "tea-2" in ids(engine.recommend("old", "shop", 50, now=NOW))
    assert "tea-2" not in ids(engine.recommend("young", "shop", 50, now=NOW))
    many = {a.user_id: ids(a) for a in engine.recommend_many(["young", "old"], "shop", 50, now=NOW)}
    assert ("tea-2" in many["old"], "tea-2" in many["young"]) == (True, False)


def test_boosts_and_buries_are_named_as_evidence(shelf: Engine) -> None:
    """The best tea is acme's; a boost of own ones brings another first and says so."""
    plain = asked(shelf)
    best = plain.items[0]
    rule = {"bury": f"item_id == '{best.item_id}'", "factor": 0.1}
    answer = asked(shelf, rule)
    assert ids(answer)[0] == ids(plain)[1]
    assert asked(shelf, rule, n=50).items[-1].score <= best.score
    boosted = asked(shelf, {"boost": "provider == 'own'", "factor": 3})
    said = {mark for own in marks(boosted).values() for mark in own}
    assert said == {"boosted by provider == 'own'"}
    own = [item for item in boosted.items if item.evidence.rules]
    parts = {item.item_id: item.sources for item in asked(shelf, n=50).items}
    for item in own:
        assert item.score == pytest.approx(3 * sum(parts[item.item_id].values()), rel=1e-4)


def test_a_pin_alone_says_so_in_the_sentence(shelf: Engine) -> None:
    """run-1 has nothing to do with tea: featured; a tea that fits keeps its own reason."""
    fitting = ids(asked(shelf))[1]
    rules = [{"pin": "run-1", "position": 1}, {"pin": fitting, "position": 3}]
    answer = asked(shelf, *rules, n=3)
    assert ids(answer)[0] == "run-1"
    assert ids(answer)[2] == fitting
    assert answer.items[0].reason.startswith("Featured here")
    assert answer.items[0].evidence.pinned
    assert "Featured" not in answer.items[2].reason
    assert not answer.items[2].evidence.pinned
    assert marks(answer) == {"run-1": ["pinned", "by the pin alone"], fitting: ["pinned"]}


def test_a_pin_reads_in_the_language_of_the_user(shelf: Engine) -> None:
    answer = asked(shelf, {"pin": "run-1", "position": 2}, user="wei")
    assert answer.items[1].reason.startswith("置顶推荐")


def test_a_pin_shows_nothing_that_may_not_be_shown(make: Maker) -> None:
    """Seen by the user, withheld by safety, not available, of another kind, or not there at all."""
    items = [*ITEMS, Item(item_id="gone", title="Old tea", available=False)]
    pins = ["tea-1", "tea-2", "gone", "news-1", "nothing"]
    rules = [{"pin": name, "position": place} for place, name in enumerate(pins, start=1)]
    safety = {"blocked_tags": ["black"]}
    engine = make(shop(*rules, safety=safety), items=items)
    found = ids(engine.recommend("ann", "shop", 50, now=NOW))
    assert set(pins).isdisjoint(found)
    assert len(found) == len(GOODS) - 2
    assert ids(engine.recommend("bo", "shop", 50, now=NOW))[0] == "tea-1"


def test_somebody_who_is_blocked_is_not_shown_by_a_pin(make: Maker) -> None:
    social = {"preset": "social", "rules": [{"pin": "bo", "position": 1}]}
    engine = make({"social": social}, events=[act("ann", "bo", "block", "social")])
    assert "bo" not in ids(engine.recommend("ann", "social", 10, now=NOW))
    assert ids(engine.recommend("cy", "social", 10, now=NOW))[0] == "bo"


def test_only_given_targets_are_pinned(shelf: Engine) -> None:
    with reopen(shelf.workspace.path, shop({"pin": "run-1", "position": 1})) as engine:
        answer = engine.recommend("ann", "shop", 5, targets=["tea-3", "map-1"], now=NOW)
    assert ids(answer) == ["tea-3", "map-1"]


def test_a_quota_is_met_though_no_source_names_its_members(make: Maker) -> None:
    """400 teas stand before the three runs; sources return 300, and are asked for more."""
    teas = [Item(item_id=f"t{number}", title=f"Green tea {number}") for number in range(400)]
    runs = [Item(item_id=f"r{n}", title=f"Running shoes {n}", provider="own") for n in range(3)]
    duplicates = {"threshold": 1.0}
    rule = {"quota": "provider == 'own'", "min": 2, "top": 5}
    engine = make(
        shop(rule, duplicates=duplicates), items=[*teas, *runs], events=[],
        whitening={"enabled": False},
    )  # fmt: skip
    found = ids(engine.recommend("ann", "shop", 10, now=NOW))
    assert [name[0] for name in found] == list("tttrrttttt")
    impossible = {"quota": "provider == 'other'", "min": 2, "top": 5}
    with reopen(
        engine.workspace.path, shop(impossible, duplicates=duplicates),
        whitening={"enabled": False},
    ) as other:  # fmt: skip
        assert len(ids(other.recommend("ann", "shop", 10, now=NOW))) == 10


def test_a_maximum_may_leave_a_list_short_and_says_so(shelf: Engine) -> None:
    answer = asked(shelf, {"max": 1, "per": "provider"}, n=5)
    assert len(answer.items) == 2
    assert answer.notes == ["rules and duplicates leave 2 of 5 places filled"]


def test_the_doctor_names_pins_and_names_that_say_nothing(shelf: Engine) -> None:
    rules = [
        {"pin": "tea-9", "position": 1},
        {"pin": "news-1", "position": 2},
        {"pin": "map-1", "position": 3},
        {"exclude": "'black' in tags or brnd == 'x'"},
        {"max": 1, "per": "providr"},
    ]
    with reopen(shelf.workspace.path, shop(*rules)) as engine:
        said = [f.text for f in examine(engine) if f.subject == "scenario shop"]
    assert said == [
        f"{len(GOODS) - 1} targets of kind item; 1 excluded by its rules",
        "no target has the attribute 'brnd'; allowed: " + said[1].partition("allowed: ")[2],
        "no target has the attribute 'providr'; did you mean 'provider'?",
        "the pinned target 'tea-9' does not exist",
        "the pinned target 'news-1' may not be shown here: by kind, language, safety, availability "
        "or a rule",
    ]


_CONDITIONS = ["'tea' in tags", "provider == 'own'", "'maps' in tags", "has(language)"]
_EXCLUDES = st.sampled_from(_CONDITIONS).map(lambda text: {"exclude": text})
_BOOSTS = st.sampled_from(_CONDITIONS).map(lambda text: {"boost": text, "factor": 2.0})
_QUOTAS = st.sampled_from(_CONDITIONS).map(lambda text: {"quota": text, "min": 2, "top": 4})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.one_of(_EXCLUDES, _BOOSTS, _QUOTAS), max_size=3),
    st.sampled_from(["map-3", "tea-4", "run-1", None]),
    st.sampled_from(["ann", "bo", "nil", "nobody"]),
    st.integers(1, 8),
)
def test_answers_keep_what_rules_promise(
    shelf: Engine, rules: list[dict[str, Any]], pin: str | None, user: str, n: int
) -> None:
    """What is excluded is absent, the rest is real and comes once, and a pin that may is there."""
    pins = [] if pin is None else [{"pin": pin, "position": min(2, n)}]
    answer = asked(shelf, *rules, *pins, n=n, user=user)
    found = ids(answer)
    assert len(found) == len(set(found)) <= n
    assert set(found) <= set(GOODS)
    records = {item.item_id: item for item in shelf.workspace.store.items(GOODS)}
    tests = {
        "'tea' in tags": lambda item: "tea" in item.tags,
        "provider == 'own'": lambda item: item.provider == "own",
        "'maps' in tags": lambda item: "maps" in item.tags,
        "has(language)": lambda item: item.language is not None,
    }
    banned = [tests[rule["exclude"]] for rule in rules if "exclude" in rule]
    assert not any(test(records[name]) for test in banned for name in found)
    if pin is not None and not any(test(records[pin]) for test in banned) and len(found) == n:
        seen = pin in ids(asked(shelf, n=50, user=user))
        assert not seen or found[min(2, n) - 1] == pin
