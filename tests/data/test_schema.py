from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from polyscene.data.schema import Event, Item, Relation, User, parse_timestamp

CHINESE = "用户-一"


@pytest.mark.parametrize(
    ("given_id", "kept"), [("a", "a"), (CHINESE, CHINESE), (7, "7"), ("x" * 256, "x" * 256)]
)
def test_an_id_is_any_text_up_to_256_characters_or_a_whole_number(
    given_id: object, kept: str
) -> None:
    assert User.model_validate({"user_id": given_id}).user_id == kept


@pytest.mark.parametrize("bad", ["", "x" * 257, 1.0, True, None, ["a"], "a\0b", "a\udce9"])
def test_other_ids_are_refused(bad: object) -> None:
    with pytest.raises(ValidationError):
        User.model_validate({"user_id": bad})


@pytest.mark.parametrize(
    "moment",
    [
        1_700_000_000,
        "1700000000",
        1_700_000_000_000,  # milliseconds
        1_700_000_000_000_000,  # microseconds
        "2023-11-14T22:13:20",
        "2023-11-14T22:13:20Z",
        "2023-11-15T06:13:20+08:00",
        datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        datetime(2023, 11, 14, 22, 13, 20),
    ],
)
def test_every_way_to_write_a_moment_gives_the_same_seconds(moment: object) -> None:
    assert parse_timestamp(moment) == 1_700_000_000


@pytest.mark.parametrize("bad", ["yesterday", "", float("nan"), float("inf"), True, [], 1e30])
def test_what_is_not_a_time_is_refused(bad: object) -> None:
    with pytest.raises(ValidationError):
        Event.model_validate({"user_id": "u", "item_id": "i", "action": "view", "timestamp": bad})


def test_tags_come_as_a_list_or_separated_by_bars_without_blanks_and_repeats() -> None:
    assert Item(item_id="i", tags=" a|b || a").tags == ["a", "b"]  # type: ignore[arg-type]
    assert Item(item_id="i", tags=["b", "", "a", "b"]).tags == ["b", "a"]


def test_unknown_fields_of_items_and_users_are_attributes_and_empty_ones_are_dropped() -> None:
    known = {"item_id": "i", "price": "3.50", "year": "1999", "zip": "007"}
    odd = {"colour": "", "size": None, "made": datetime(2020, 1, 2)}
    item = Item.model_validate(known | odd)
    assert item.attributes == {
        "price": 3.5,
        "year": 1999,
        "zip": "007",
        "made": "2020-01-02T00:00:00",
    }


@pytest.mark.parametrize("bad", [float("nan"), {"a": 1}, [["a"]], "a\0", "\udce9", ["\udce9"]])
def test_an_attribute_that_no_store_could_hold_is_refused_by_name(bad: object) -> None:
    with pytest.raises(ValidationError, match="colour: "):
        Item.model_validate({"item_id": "i", "colour": bad})


def test_the_name_of_an_attribute_must_be_text_too() -> None:
    with pytest.raises(ValidationError):
        Item.model_validate({"item_id": "i", "a\0b": "x"})


@pytest.mark.parametrize(
    ("model", "record"),
    [
        (Event, {"user_id": "u", "item_id": "i", "action": "view"}),
        (Relation, {"subject": "a", "predicate": "likes", "object": "b"}),
    ],
)
def test_events_and_relations_have_no_other_fields(
    model: type[Event] | type[Relation], record: dict[str, Any]
) -> None:
    model.model_validate(record)
    with pytest.raises(ValidationError):
        model.model_validate({**record, "colour": "red"})


def test_actions_are_lower_case_words() -> None:
    assert Event(user_id="u", item_id="i", action=" Purchase ").action == "purchase"


@given(st.floats(-6e10, 1e11, allow_nan=False))
def test_seconds_pass_through_unchanged(seconds: float) -> None:
    assert parse_timestamp(seconds) == seconds


@pytest.mark.parametrize("bad", [[{"a": 1}], [["a"]], [None, {}], {"a": "b"}, 3])
def test_tags_that_are_no_texts_are_refused(bad: object) -> None:
    with pytest.raises(ValidationError):
        Item.model_validate({"item_id": "i", "tags": bad})
