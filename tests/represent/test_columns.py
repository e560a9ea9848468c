"""Fields and attributes as expressions read them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planes import DAY, NOW
from polyscene.data.schema import Item, User
from polyscene.expressions import Kind, Reference
from polyscene.represent.attributes import read_as, sorted_out
from polyscene.represent.columns import Columns
from polyscene.represent.targets import Targets

ITEMS = [
    Item(item_id="a", title="Tea", tags=["x", "y"], provider="own", published_at=NOW - DAY,
         price=2, size="M", colours=["red", "blue"], sold="true", plot="p" * 300, image="a.png"),
    Item(item_id="b", language="en", available=False, price="free", size=42, since="2026-01-02"),
]  # fmt: skip
USER = User(user_id="u", tags=["x"], language="en", age=30, city="Riga")


def columns() -> Columns:
    targets = Targets()
    targets.put(ITEMS)
    return Columns(targets, np.arange(2), USER, NOW, {"similarity": np.array([0.5, 1.0])})


def read(owner: str, name: str, kind: Kind) -> list[Any]:
    found = columns().read(Reference(owner, name), kind)
    assert found.shape == (() if owner == "user" else (2,))
    return [None if value != value else value for value in np.atleast_1d(found).tolist()]


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("item_id", Kind.TEXT, ["a", "b"]),
        ("title", Kind.TEXT, ["Tea", None]),
        ("provider", Kind.TEXT, ["own", None]),
        ("tags", Kind.TEXTS, [("x", "y"), ()]),
        ("available", Kind.TRUTH, [1.0, 0.0]),
        ("published_at", Kind.TIME, [NOW - DAY, None]),
        ("price", Kind.NUMBER, [2.0, None]),
        ("price", Kind.TEXT, ["2", "free"]),
        ("size", Kind.TEXT, ["M", "42"]),
        ("size", Kind.TEXTS, [("M",), ("42",)]),
        ("colours", Kind.TEXTS, [("red", "blue"), None]),
        ("colours", Kind.TEXT, [None, None]),
        ("sold", Kind.TRUTH, [1.0, None]),
        ("since", Kind.TIME, [None, 1767312000.0]),
        ("plot", Kind.TEXT, [None, None]),
        ("nothing", Kind.NUMBER, [None, None]),
    ],
)
def test_targets(name: str, kind: Kind, values: list[Any]) -> None:
    """A field is as declared; an attribute is read as the kind asked for, else missing."""
    assert read("item", name, kind) == values


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("user_id", Kind.TEXT, "u"),
        ("tags", Kind.TEXTS, ("x",)),
        ("description", Kind.TEXT, None),
        ("age", Kind.NUMBER, 30.0),
        ("age", Kind.TEXT, "30"),
        ("city", Kind.TEXTS, ("Riga",)),
        ("city", Kind.NUMBER, None),
        ("attributes", Kind.TEXT, None),
    ],
)
def test_the_user(name: str, kind: Kind, value: Any) -> None:
    assert read("user", name, kind) == [value]


def test_what_is_there() -> None:
    """has() knows prose and pictures too, and nothing of Python's own attributes."""

    def there(name: str, owner: str = "item") -> list[bool]:
        return np.atleast_1d(columns().has(Reference(owner, name))).tolist()

    assert there("title") == [True, False]
    assert there("tags") == [True, False]
    assert there("published_at") == [True, False]
    assert there("available") == [True, True]
    assert there("price") == [True, True]
    assert there("plot") == [True, False]
    assert there("image") == [True, False]
    assert there("description") == [False, False]
    assert there("nothing") == [False, False]
    assert there("similarity", "") == [True, True]
    assert [there(name, "user") for name in ("tags", "description", "age", "model_dump")] == [
        [True], [False], [True], [False],
    ]  # fmt: skip


def test_what_is_computed() -> None:
    assert columns().read(Reference("", "similarity"), Kind.NUMBER).tolist() == [0.5, 1.0]
    ages = columns().read(Reference("", "age_days"), Kind.NUMBER)
    np.testing.assert_allclose(ages, [1, math.nan])


def test_words_of_a_field() -> None:
    """The values by which targets are grouped: one, several or none."""
    assert columns().words("provider") == [("own",), ()]
    assert columns().words("tags") == [("x", "y"), ()]
    assert columns().words("colours") == [("red", "blue"), ()]
    assert columns().words("price") == [("2",), ("free",)]


def test_attributes_survive_the_disk(tmp_path: Path) -> None:
    made = columns().targets
    made.save(tmp_path)
    loaded = Targets.load(tmp_path)
    assert (loaded.numbers, loaded.texts) == (made.numbers, made.texts)
    assert made.attributes() >= {"price", "size", "colours", "plot"}


def test_an_attribute_is_a_number_or_texts() -> None:
    numbers, texts = sorted_out({"a": 1, "b": True, "c": "x", "d": ["x", "y"], "e": 10**400})
    assert numbers == {"a": 1.0, "b": 1.0}
    assert texts == {"c": ("x",), "d": ("x", "y")}
    assert read_as(Kind.TEXT, 0.5, None) == "0.5"
    assert math.isnan(read_as(Kind.TIME, 1e300, None))
