from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planes import DAY, NOW
from polyscene.component import build
from polyscene.data.schema import Item
from polyscene.errors import SettingsError
from polyscene.ranking.reward import Reward
from polyscene.represent.targets import Targets

TARGETS = Targets()
TARGETS.put(
    [
        Item(item_id="new", price=9, published_at=NOW),
        Item(item_id="week", price=0, published_at=NOW - 7 * DAY),
        Item(item_id="fortnight", price=-4, published_at=NOW - 14 * DAY),
        Item(item_id="undated"),
        Item(item_id="coming", price="free", published_at=NOW + 30 * DAY),
    ]
)


def worth(name: str, **options: Any) -> list[float]:
    reward = build(Reward, name, options)
    return [round(x, 6) for x in reward(TARGETS, np.arange(5), NOW).tolist()]


def test_constant_is_the_same_for_all() -> None:
    assert worth("constant") == [1] * 5
    assert worth("constant", value=2.5) == [2.5] * 5


def test_field_is_the_value_or_the_default_where_there_is_none() -> None:
    """9, 0, then a negative, a missing and a textual price, which count as the default."""
    assert worth("field", field="price") == [9, 0, 0, 0, 0]
    assert worth("field", field="price", default=3) == [9, 0, 3, 3, 3]


def test_field_log_is_log_of_one_plus_the_value() -> None:
    """log 10 = 2.302585 and log 4 = 1.386294 for the default 3."""
    assert worth("field", field="price", transform="log", default=3) == [
        2.302585, 0, 1.386294, 1.386294, 1.386294,
    ]  # fmt: skip


def test_recency_halves_above_the_floor() -> None:
    """floor 0.2, half-life 7 days: 1, 0.2 + 0.8/2, 0.2 + 0.8/4; no date 0.2; to come 1."""
    assert worth("recency", half_life_days=7, floor=0.2) == [1, 0.6, 0.4, 0.2, 1]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("constnat", {}, "unknown reward 'constnat'; did you mean 'constant'?"),
        ("constant", {"value": 0}, "reward.constant.value: got 0"),
        ("field", {}, "reward.field.field: required, but missing"),
        ("field", {"feild": "price"}, "unknown key; did you mean 'field'?"),
        ("recency", {"floor": 2}, "reward.recency.floor: got 2"),
    ],
)
def test_wrong_options_are_settings_errors(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        build(Reward, name, options)
    assert message in str(caught.value)
