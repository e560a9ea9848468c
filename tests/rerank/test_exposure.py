"""A floor under each provider's share of the places."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from planes import NOW
from polyscene.data.schema import Item, User
from polyscene.represent.columns import Columns
from polyscene.represent.targets import Targets
from polyscene.rerank.exposure import exposure_floors
from polyscene.rerank.select import ByValue, select
from polyscene.settings import Exposure


def columns(providers: str, tags: list[list[str]] | None = None) -> Columns:
    """Targets with these providers, a letter each; a blank for none."""
    targets = Targets()
    targets.put(
        [
            Item(item_id=f"i{number}", provider=letter.strip() or None,
                 tags=[] if tags is None else tags[number])
            for number, letter in enumerate(providers)
        ]
    )  # fmt: skip
    return Columns(targets, np.arange(len(providers)), User(user_id="u"), NOW)


def shown(providers: str, floor: float, n: int, parts: str = "candidates") -> str:
    """The providers of the list, where the candidates stand by value."""
    table = columns(providers)
    declared = Exposure.model_validate({"floor": floor, "parts": parts})
    floors = exposure_floors(declared, table, n)
    values = np.arange(len(providers), 0, -1).astype(np.float64)
    found = select(ByValue(values), len(providers), n, floors=floors)
    return "".join(providers[choice.position] for choice in found)


def test_a_share_of_a_half_is_every_second_place() -> None:
    """a and b have half of the candidates each: with floor 1 each has ⌊k/2⌋ of the first k."""
    assert shown("aaaabbbb", 1.0, 8) == "abababab"


def test_half_the_floor_is_half_the_share() -> None:
    """b has half of the candidates; a quarter of the places: one in four, the last of them."""
    assert shown("aaaabbbb", 0.5, 4) == "aaab"
    assert shown("aaaabbbb", 0.0, 4) == "aaaa"


def test_small_providers_round_down() -> None:
    """c is one of eight: no place in seven, the eighth."""
    assert shown("aaaaaaac", 1.0, 7) == "aaaaaaa"
    assert shown("aaaaaaaac", 1.0, 9) == "aaaaaaaac"


def test_equal_parts_whatever_a_provider_has() -> None:
    """b is one of eight, and one of three providers: a third of the places, as far as it goes."""
    for n in (3, 6):
        first = Counter(shown("aaaaaabbcc", 1.0, n, "equal"))
        assert first == {"a": n // 3, "b": n // 3, "c": n // 3}
    assert Counter(shown("aaaaaabcc", 1.0, 6, "equal")) == {"a": 3, "b": 1, "c": 2}
    assert shown("aaaaaabbcc", 0.0, 6, "equal") == "aaaaaa"


def test_equal_parts_are_of_those_who_have_candidates() -> None:
    """Two of the eight are nobody's: a and b have a half each."""
    floors = exposure_floors(Exposure(floor=1.0, parts="equal"), columns("aaab    "), 4)
    assert [list(floor.steps) for floor in floors] == [[(2, 1), (4, 2)], [(2, 1)]]


def test_candidates_without_a_provider_have_their_part() -> None:
    """b is a quarter of the candidates, not half of those with a provider."""
    floors = exposure_floors(Exposure(floor=1.0), columns("aabb    "), 4)
    assert [list(floor.steps) for floor in floors] == [[(4, 1)], [(4, 1)]]
    assert [floor.why for floor in floors] == ["exposure of provider a", "exposure of provider b"]


def test_each_of_several_values_counts() -> None:
    """Tags: x three times, y once, of four: x has three of four places, y one."""
    table = columns("aaa", [["x"], ["x", "y"], ["x"]])
    floors = exposure_floors(Exposure(by="tags", floor=1.0), table, 4)
    assert [list(floor.steps) for floor in floors] == [[(2, 1), (3, 2), (4, 3)], [(4, 1)]]


@given(st.text("abcd", min_size=1, max_size=30), st.floats(0, 1), st.integers(1, 30))
def test_every_provider_has_its_share_of_every_prefix(providers: str, floor: float, n: int) -> None:
    """⌊floor · p · k⌋ of the first k places, for all providers together, whatever their number."""
    found, parts = shown(providers, floor, n), Counter(providers)
    assert len(found) == min(n, len(providers))
    for k in range(1, len(found) + 1):
        first = Counter(found[:k])
        for provider, count in parts.items():
            assert first[provider] >= int(floor * count / len(providers) * k - 1e-6)
