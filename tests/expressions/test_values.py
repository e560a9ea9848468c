"""What expressions come to, on the small table."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expressions.tables import SIZE, WORDS, Table, holds, numbers
from polyscene.expressions import Kind, Reference, compile_expression

NAN = math.nan


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("2 + 3 * 4 - 6 / 3", [12.0] * 4),
        ("-price + +1", [0, NAN, -2, 1]),
        ("price ** 2", [1, NAN, 9, 0]),
        ("price ** -1", [1, NAN, 1 / 3, math.inf]),
        ("0.5*similarity", [0.25, 0.5, 0, 0.125]),
        ("item.price", [1, NAN, 3, 0]),
        ('item["old-name"] - 7', [0, 1, 2, 3]),
        ("log1p(price)", [math.log(2), NAN, math.log(4), 0]),
        ("log(price)", [0, NAN, math.log(3), -math.inf]),
        ("exp(abs(-1)) / exp(1)", [1.0] * 4),
        ("sqrt(price)", [1, NAN, math.sqrt(3), 0]),
        ("sqrt(0 - price)", [NAN, NAN, NAN, 0]),
        ("min(price, 2, cost)", [1, NAN, 2, NAN]),
        ("max(price, 2)", [2, NAN, 3, 2]),
        ("clip(price, 0.5, 2)", [1, NAN, 2, 0.5]),
        ("days_since(published_at)", [10, NAN, 1, 0]),
        ("shared(tags, user.tags)", [1, 0, 0, 1]),
        ("price if has(price) else 5", [1, 5, 3, 0]),
        ("2 if provider == 'own' else 1", [2, 1, 1, 2]),
        ("user.age", [17.0] * 4),
        ("nothing * 2", [NAN] * 4),
        ("2 / price", [2, NAN, 2 / 3, math.inf]),
        ("(price\n  + 1)", [2, NAN, 4, 1]),
    ],
)
def test_numbers(text: str, values: list[float]) -> None:
    """A missing argument makes the result missing, and no division is an error."""
    assert numbers(text) == pytest.approx(values, nan_ok=True)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("'adult' in tags", [1, 0, 0, 0]),
        ("'adult' not in tags", [0, 1, 1, 1]),
        ("tags has 'adult'", [1, 0, 0, 0]),
        ("tags  has('adult') and not tags has 'maps'", [1, 0, 0, 0]),
        ("has(price) and item.tags has 'tea' or 'x has y' == \"x has y\"", [1, 1, 1, 1]),
        ("item.tags has ('tea' if has(price) else 'green')", [1, 0, 0, 1]),
        ("(user.tags)has'tea'", [1, 1, 1, 1]),
        ("item.has == 'tea' or price > 1", [0, 0, 1, 0]),
        ("provider == 'OWN'", [1, 0, 0, 1]),
        ("provider in ['own', 'other']", [1, 0, 0, 1]),
        ("provider not in ('own',)", [0, 0, 1, 0]),
        ("price in [1, 3.0]", [1, 0, 1, 0]),
        ("price > 1", [0, 0, 1, 0]),
        ("0 < price <= 3", [1, 0, 1, 0]),
        ("3 >= price > 1", [0, 0, 1, 0]),
        ("price == cost", [1, 0, 0, 0]),
        ("price != cost", [0, 0, 1, 0]),
        ("city == user.city", [1, 0, 0, 1]),
        ("city != user.city", [0, 1, 0, 0]),
        ("available", [1, 1, 0, 0]),
        ("not available", [0, 0, 1, 0]),
        ("available == True", [1, 1, 0, 0]),
        ("available != False", [1, 1, 0, 0]),
        ("price > 1 and 'maps' in tags", [0, 0, 1, 0]),
        ("price > 1 or 'tea' in tags", [1, 0, 1, 1]),
        ("has(price) and has(provider)", [1, 0, 1, 1]),
        ("has(nothing)", [0, 0, 0, 0]),
        ("has(user.age)", [1, 1, 1, 1]),
        ("user.age < 18 and 'adult' in tags", [1, 0, 0, 0]),
        ("user.age >= 18 or price > 1", [0, 0, 1, 0]),
        ("(provider if price < 2 else 'none') == 'none'", [0, 1, 1, 0]),
        ("True", [1, 1, 1, 1]),
    ],
)
def test_truths(text: str, values: list[int]) -> None:
    """Texts are compared in any case, attributes as what they are compared with."""
    assert holds(text) == [bool(value) for value in values]


def test_what_is_missing_is_neither_true_nor_false() -> None:
    """Target 1 has no provider: it is not 'own', not other than 'own', and not not so either."""
    assert holds("provider == 'own'") == [True, False, False, True]
    assert holds("provider != 'own'") == [False, False, True, False]
    assert holds("not (provider == 'own')") == [False, False, True, False]
    assert holds("provider == 'own' or not (provider == 'own')") == [True, False, True, True]


def test_unknown_gives_way_to_what_decides() -> None:
    """Unknown and false is false, unknown or true is true; the price of target 1 is unknown."""
    assert holds("not (price > 1 and similarity < 0)") == [True] * 4
    assert holds("price > 1 or similarity >= 0") == [True] * 4


def test_what_the_user_decides_alone_is_not_computed_for_targets() -> None:
    """The user is 17: with `age > 18 and ...` no column of the targets is read."""
    table = Table()
    found = compile_expression("user.age > 18 and 'adult' in tags", WORDS, Kind.TRUTH)
    assert not found.holds(table, SIZE).any()
    assert table.asked == [Reference("user", "age")]


def test_an_expression_says_what_it_uses() -> None:
    found = compile_expression("price * similarity if has(x) else user.age", WORDS, Kind.NUMBER)
    assert found.references == {
        (Reference("item", "price"), Kind.NUMBER),
        (Reference("", "similarity"), Kind.NUMBER),
        (Reference("item", "x"), None),
        (Reference("user", "age"), Kind.NUMBER),
    }
    assert found.uses("user")
    assert found.uses("", "similarity")
    assert not found.uses("", "price")


@st.composite
def sums(draw: st.DrawFn, depth: int = 3) -> str:
    """Arithmetic that Python itself can check: numbers, + - * and parentheses, min and max."""
    if depth == 0 or draw(st.booleans()):
        return str(draw(st.integers(-9, 9)))
    left, right = draw(sums(depth - 1)), draw(sums(depth - 1))
    form = draw(st.sampled_from(["({} + {})", "({} - {})", "({} * {})", "min({}, {})",
                                 "({} if 1 < 2 else {})"]))  # fmt: skip
    return form.format(left, right)


@given(sums())
def test_arithmetic_is_that_of_python(text: str) -> None:
    """With precedence, signs and parentheses as in Python; the text is of this test's making."""
    assert numbers(text)[0] == eval(text)
