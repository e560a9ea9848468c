"""The rules of a scenario, applied to ranked candidates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planes import DAY, NOW, history, settings, space
from polyscene.component import Candidates
from polyscene.data.schema import Item, User
from polyscene.rerank.rerank import Asked, Reranker
from polyscene.rerank.rules import Exclusions
from polyscene.settings import Rule

RECORDS = [
    Item(item_id="a", title="A", provider="own", tags=["tea"], price=5),
    Item(item_id="b", title="B", provider="acme", tags=["tea", "adult"],
         published_at=NOW - 9 * DAY),
    Item(item_id="c", title="C", provider="Own", tags=["maps"], price=1),
    Item(item_id="d", title="D", tags=["maps"], published_at=NOW - DAY),
    Item(item_id="e", title="E", provider="acme", tags=["tea"], price=9),
    Item(item_id="f", title="F", provider="zeta", tags=["maps", "tea"]),
]  # fmt: skip
IDS = [record.item_id for record in RECORDS]
SPACE = space(np.eye(6).tolist(), RECORDS)
USER = User(user_id="u", age=16)


def asked(n: int, pins: dict[int, int]) -> Asked:
    return Asked(SPACE, USER, NOW, n, pins, history(SPACE), SPACE.targets)


def listed(
    rules: list[dict[str, Any]],
    n: int = 6,
    scores: list[float] | None = None,
    pins: dict[int, int] | None = None,
) -> Candidates:
    """The list under these rules, of candidates a to f with falling scores."""
    spec = settings(here={"rules": rules, "duplicates": {"threshold": 1.0}}).scenario("here")
    values = np.array(scores or [6, 5, 4, 3, 2, 1], np.float32)
    reranker = Reranker(spec)
    found = reranker.pins(SPACE.targets.ids, np.ones(6, np.bool_), n) if pins is None else pins
    pool = Candidates(np.arange(len(values)), values, {"kernel": values})
    return reranker(pool, asked(n, found))


def ids(found: Candidates) -> str:
    return "".join(IDS[row] for row in found.rows)


def excluded(*conditions: str) -> list[str]:
    """What is excluded for everybody, then what is for a user of 16."""
    exclusions = Exclusions([Rule(exclude=condition) for condition in conditions])
    rows = np.arange(6)
    fixed = exclusions.fixed(SPACE.targets)
    varying = exclusions.varying(SPACE.targets, rows, USER, NOW)
    return ["".join(np.array(IDS)[mask].tolist()) for mask in (fixed, varying)]


def test_exclusions_that_depend_on_the_user_or_the_time_are_kept_apart() -> None:
    """Both kinds are joined with or; b is 9 days old, d one day, the others have no date."""
    assert excluded() == ["", ""]
    assert excluded("'adult' in tags", "provider == 'own'") == ["abc", ""]
    assert excluded("user.age < 18 and 'adult' in tags") == ["", "b"]
    assert excluded("age_days > 7") == ["", "b"]
    assert excluded("days_since(published_at) < 7", "price > 8") == ["e", "d"]


def test_without_rules_the_list_is_as_ranked() -> None:
    found = listed([])
    assert ids(found) == "abcdef"
    assert found.marks == {}


def test_a_boost_multiplies_and_a_bury_does_too() -> None:
    """maps: c 4·1.5 = 6, d 3·1.5, f 1·1.5; acme: b 5·0.5 = 2.5, e 1. a stays before c at 6."""
    found = listed(
        [
            {"boost": "'maps' in tags", "factor": 1.5},
            {"bury": "provider == 'acme'", "factor": 0.5},
        ]
    )
    assert ids(found) == "acdbfe"
    assert found.scores.tolist() == [6, 6, 4.5, 2.5, 1.5, 1]
    assert found.marks == {
        1: ("buried by provider == 'acme'",),
        2: ("boosted by 'maps' in tags",),
        3: ("boosted by 'maps' in tags",),
        4: ("buried by provider == 'acme'",),
        5: ("boosted by 'maps' in tags",),
    }
    assert found.parts["kernel"].tolist() == [6, 4, 3, 5, 1, 2]


def test_a_value_below_zero_is_divided_so_that_a_boost_still_helps() -> None:
    """c -4/2 = -2 comes before a at -3; buried b goes from -3.5 to -7."""
    rules = [{"boost": "item_id == 'c'", "factor": 2}, {"bury": "item_id == 'b'", "factor": 0.5}]
    found = listed(rules, scores=[-3, -3.5, -4])
    assert ids(found) == "cab"
    assert found.scores.tolist() == [-2, -3, -7]


def test_no_factor_is_too_large() -> None:
    """1e20 · 1e300 and -1e20 / 1e-300 are cut, and order as before."""
    rules = [{"boost": "item_id == 'a'", "factor": 1e300}, {"bury": "True", "factor": 1e-300}]
    found = listed(rules, scores=[1e20, 1, -1e20])
    assert ids(found) == "abc"
    assert np.isfinite(found.scores).all()


def test_a_pin_stands_at_its_position() -> None:
    """f, not among the first three by itself, and a, which is."""
    found = listed([{"pin": "f", "position": 2}, {"pin": "a", "position": 3}], n=3)
    assert ids(found) == "bfa"
    assert found.marks == {5: ("pinned", "by the pin alone"), 0: ("pinned",)}


def test_pins_outside_the_list_or_unknown_say_nothing() -> None:
    assert (
        ids(listed([{"pin": "f", "position": 4}, {"pin": "nobody", "position": 1}], n=3)) == "abc"
    )


def test_a_quota_holds_in_the_first_places() -> None:
    """Two of zeta or acme in the first three; e is there for it, b by itself."""
    rule = {"quota": "provider in ['zeta', 'acme']", "min": 2, "top": 3}
    found = listed([rule], n=4)
    assert ids(found) == "abec"
    quota = "quota provider in ['zeta', 'acme']"
    assert found.marks == {4: (quota,), 2: (f"put back by {quota}",)}


def test_a_quota_in_a_shorter_list_is_in_proportion() -> None:
    """Two in six are one in three, and none in two."""
    rule = {"quota": "provider == 'zeta' or provider == 'acme'", "min": 2, "top": 6}
    assert ids(listed([rule | {"quota": "provider == 'zeta'"}], n=3)) == "abf"
    assert ids(listed([rule | {"quota": "provider == 'zeta'"}], n=2)) == "ab"


def test_at_most_so_many_of_a_value() -> None:
    """own and Own are one provider, d has none; of tags each counts."""
    assert ids(listed([{"max": 1, "per": "provider"}])) == "abdf"
    assert ids(listed([{"max": 1, "per": "tags"}])) == "ac"
    assert ids(listed([{"max": 1, "per": "nothing"}])) == "abcdef"


def test_rules_together() -> None:
    """Pinned e fills acme's place and a that of own, so that of the maps d comes last, not c."""
    rules = [
        {"pin": "e", "position": 1},
        {"max": 1, "per": "provider"},
        {"quota": "'maps' in tags", "min": 1, "top": 3},
        {"boost": "item_id == 'a'", "factor": 10},
    ]
    assert ids(listed(rules, n=3)) == "ead"


def needs(rules: list[dict[str, Any]], rows: str, outside: str, n: int = 3) -> tuple[bool, bool]:
    """Whether a list lacks something, and whether targets outside could help."""
    reranker = Reranker(settings(here={"rules": rules}).scenario("here"))
    shown = Candidates(np.array([IDS.index(i) for i in rows], np.int64), np.ones(len(rows)))
    others = np.array([IDS.index(i) for i in outside], np.int64)
    return reranker.lacks(shown, n, asked(n, {})), reranker.helped(shown, n, others, asked(n, {}))


def test_a_list_is_looked_for_wider_only_where_that_could_help() -> None:
    """A short list is helped by any other target that no maximum closes; a quota by a member."""
    quota = [{"quota": "provider == 'zeta'", "min": 1, "top": 3}]
    assert needs([], "abc", "def") == (False, False)
    assert needs([], "ab", "cd") == (True, True)
    assert needs([], "ab", "") == (True, False)
    assert needs([{"max": 1, "per": "provider"}], "ab", "e") == (True, False)
    assert needs([{"max": 1, "per": "provider"}], "ab", "ef") == (True, True)
    assert needs(quota, "abc", "de") == (True, False)
    assert needs(quota, "abc", "df") == (True, True)
    assert needs([*quota, {"max": 1, "per": "tags"}], "abc", "f") == (True, False)
    assert needs(quota, "abf", "") == (False, False)


_CONDITIONS = st.sampled_from(
    ["'tea' in tags", "provider == 'own'", "provider == 'acme'", "price > 2", "has(provider)"]
)
_RULES = st.one_of(
    st.builds(lambda c, f: {"boost": c, "factor": f}, _CONDITIONS, st.floats(1.1, 5)),
    st.builds(lambda c, f: {"bury": c, "factor": f}, _CONDITIONS, st.floats(0.1, 0.9)),
    st.builds(lambda c, m: {"quota": c, "min": m, "top": 4}, _CONDITIONS, st.integers(1, 4)),
)


@given(
    st.lists(_RULES, max_size=4),
    st.sampled_from([None, ("e", 2), ("a", 5)]),
    st.sampled_from([None, 1, 2]),
    st.lists(st.floats(-5, 5, width=32), min_size=6, max_size=6),
    st.integers(1, 6),
)
def test_whatever_the_rules_the_list_keeps_its_promises(
    rules: list[dict[str, Any]],
    pin: tuple[str, int] | None,
    most: int | None,
    scores: list[float],
    n: int,
) -> None:
    """No target is invented or repeated, the pin lands, the maximum holds, scores are finite."""
    rules = [*rules]
    rules += [] if pin is None else [{"pin": pin[0], "position": pin[1]}]
    rules += [] if most is None else [{"max": most, "per": "provider"}]
    found = listed(rules, n, sorted(scores, reverse=True))
    rows = found.rows.tolist()
    assert len(rows) == len(set(rows)) <= n
    assert set(rows) <= set(range(6))
    assert np.isfinite(found.scores).all()
    if pin is not None and pin[1] <= len(rows):
        assert IDS[rows[pin[1] - 1]] == pin[0]
    providers = [(RECORDS[row].provider or str(row)).casefold() for row in rows]
    for provider in providers:
        assert most is None or providers.count(provider) <= most
    if most is None:
        assert len(rows) == n


@pytest.mark.parametrize("n", [1, 3, 6])
def test_an_empty_pool_is_an_empty_list(n: int) -> None:
    none = Candidates(np.zeros(0, np.int64), np.zeros(0, np.float32))
    spec = settings(here={"rules": [{"max": 1, "per": "tags"}]}).scenario("here")
    assert len(Reranker(spec)(none, asked(n, {}))) == 0
