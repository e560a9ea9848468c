"""What is no expression: each answers with a settings error that points at the place."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expressions.tables import SIZE, WORDS, Table, holds
from polyscene.errors import SettingsError
from polyscene.expressions import Kind, compile_expression

INJECTIONS = [
    "__import__('os')",
    "__import__('os').system('id')",
    "().__class__.__bases__[0].__subclasses__()",
    "item.__class__",
    "user.__dict__",
    'item["__class__"]',
    "price.real",
    "tags[0]",
    "'{0.__class__}'.format(price)",
    "f'{price}'",
    "[x for x in tags]",
    "{x for x in tags}",
    "{x: 1 for x in tags}",
    "sum(x for x in tags)",
    "(lambda: 1)()",
    "lambda x: x",
    "(x := 1)",
    "eval('1')",
    "exec('1')",
    "open('/etc/passwd')",
    "getattr(item, 'price')",
    "globals()",
    "print(1)",
    "log.__self__",
    "item.price()",
    "min(*tags)",
    "log(x=1)",
    "max(**user)",
    "9 ** 9 ** 9 ** 9",
    "9 ** 99",
    "2 ** price",
    "price ** (1 + 1)",
    "'a' * 1000000000",
    "'a' + 'b'",
    "1 << 100000",
    "7 // 2",
    "7 % 2",
    "~1",
    "1 @ 2",
    "price & 1",
    "price is None",
    "None",
    "...",
    "b'x'",
    "3j",
    "1e999",
    "9" * 400,
    "import os",
    "price; price",
    "price = 1",
    "del price",
    "await price",
    "yield",
    "{}",
    "{1, 2}",
    "[1, 2]",
    "tags[1:2]",
    "price # comment",
    "ｐｒｉｃｅ",
    "𝓮𝓿𝓪𝓵('1')",
    "item.ｐrice",
    "price\u202e",
    "\ud800",
    "price\0",
    "'unterminated",
    "price +",
    "",
    "   ",
    "_price",
    "if",
]


@pytest.mark.parametrize("kind", [Kind.NUMBER, Kind.TRUTH])
@pytest.mark.parametrize("text", INJECTIONS)
def test_nothing_but_the_language_passes(text: str, kind: Kind) -> None:
    """Whether a number or a truth is wanted: no name of Python, no call, no construct beyond."""
    with pytest.raises(SettingsError):
        _ = compile_expression(text, WORDS, kind).holds(Table(), SIZE)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 250 + "1" + ")" * 250,
        "-" * 900 + "1",
        "+".join("1" * 400),
        "not " * 200 + "True",
        "log(" * 80 + "1" + ")" * 80,
        "1 if True else " * 60 + "1",
        "a." * 400 + "b",
        "[" * 150 + "]" * 150,
        "1" + " + 1" * 300,
        "x" * 1001,
        "'" + "x" * 100_000 + "'",
    ],
)
def test_what_is_too_long_or_too_deep_is_refused_at_once(text: str) -> None:
    start = time.perf_counter()
    for kind in (Kind.NUMBER, Kind.TRUTH):
        with pytest.raises(SettingsError):
            compile_expression(text, WORDS, kind)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("start", "around", "count"),
    [
        ("True", "({} == True)", 50),
        ("1", "(1 if 0 < {} < 9 else 2)", 28),
        ("1", "({} if True else 2)", 50),
        ("1", "({0} + {0})", 6),
        ("True", "(not {} == True)", 28),
    ],
)
def test_nesting_costs_no_more_than_its_length(start: str, around: str, count: int) -> None:
    """Each part is compiled and computed once, so that no short text runs for long."""
    text = start
    for _ in range(count):
        text = around.format(text)
    began = time.perf_counter()
    try:
        compile_expression(text, WORDS, Kind.NUMBER).numbers(Table(), SIZE)
    except SettingsError:
        compile_expression(text, WORDS, Kind.TRUTH).holds(Table(), SIZE)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "0.2*click + lgo(price)",
            "unknown function 'lgo'; did you mean 'log'? (column 13)\n"
            "    0.2*click + lgo(price)\n"
            "                ^^^",
        ),
        (
            "2 * provider",
            "a number is needed here, but 'provider' is a text (column 5)\n"
            "    2 * provider\n"
            "        ^^^^^^^^",
        ),
        (
            "价格 * tags",
            "a number is needed here, but 'tags' is a list of texts (column 6)\n"
            "    价格 * tags\n"
            "           ^^^^",
        ),
        (
            "usr.age + 1",
            "only item and user have fields; did you mean 'user'? (column 1)\n"
            "    usr.age + 1\n"
            "    ^^^^^^^",
        ),
        (
            "1 + popularity",
            "'popularity' is known to rewards only (column 5)\n"
            "    1 + popularity\n"
            "        ^^^^^^^^^^",
        ),
        (
            "price ** 9",
            "an exponent is a number from -8 to 8, written out (column 10)\n"
            "    price ** 9\n"
            "             ^",
        ),
        (
            "clip(price, 1)",
            "clip takes 3 values, got 2 (column 1)\n"
            "    clip(price, 1)\n"
            "    ^^^^^^^^^^^^^^",
        ),
        (
            "price + 2*log(3 - 4)",
            "'log(3 - 4)' has no value, whatever the target (column 11)\n"
            "    price + 2*log(3 - 4)\n"
            "              ^^^^^^^^^^",
        ),
        (
            "1 if has(price) else price / (1 - 1)",
            "a division by 0 has no value (column 22)\n"
            "    1 if has(price) else price / (1 - 1)\n"
            "                         ^^^^^^^^^^^^^^^",
        ),
        (
            "log + 1",
            "'log' is a function; write log(...) (column 1)\n"
            "    log + 1\n"
            "    ^^^",
        ),
    ],
)  # fmt: skip
def test_an_error_points_at_the_place(text: str, message: str) -> None:
    """With the column, and marks under the part; Chinese letters are two columns wide."""
    with pytest.raises(SettingsError) as caught:
        compile_expression(text, WORDS, Kind.NUMBER)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("provider = 'own'", "compare with =="),
        ("provider > 3", "a number is needed here, but 'provider' is a text"),
        ("tags == 'adult'", "ask a list with `in`"),
        ("published_at > 3", "but 'published_at' is a time"),
        ("'a' in provider", "a list of texts is needed here, but 'provider' is a text"),
        ("price in [1, 'a']", "texts alone or numbers alone"),
        ("price in []", "texts alone or numbers alone"),
        ("price", ""),
        ("price + 1", "true or false is needed here"),
        ("'own'", "true or false is needed here, but \"'own'\" is a text"),
        ("1 < price == 3", "join comparisons with `and`"),
        ("1 == price == 3", "join comparisons with `and`"),
        ("user", "which field? Write user.NAME"),
        ("x.y.z", 'a field is written NAME, item.NAME, user.NAME, or item["NAME"]'),
        ("a comprehension", "invalid syntax"),
        ("[t for t in tags]", "a comprehension is not part of the language; allowed are numbers"),
        ("price > 1 / 0", "a division by 0 has no value"),
        ("0 < sqrt(0 - 1)", "'sqrt(0 - 1)' has no value"),
        ("price < exp(1000)", "'exp(1000)' has no value"),
        ("price < (exp(999) if True else 1)", "'exp(999)' has no value"),
        ("price %2 == 0", "% is not part of the language"),
        ("tags if True else tags", "chooses between numbers or between texts"),
    ],
)
def test_an_error_says_what_was_allowed(text: str, words: str) -> None:
    """An attribute alone may be a truth; all others fail with a reason."""
    if not words:
        assert holds(text) == [True, False, True, False]
        return
    with pytest.raises(SettingsError) as caught:
        compile_expression(text, WORDS, Kind.TRUTH)
    assert words in str(caught.value)


def test_a_long_expression_is_shown_around_the_place() -> None:
    with pytest.raises(SettingsError) as caught:
        compile_expression("price + " * 60 + "lgo(1) + 1" + " + price" * 20, WORDS, Kind.NUMBER)
    shown = str(caught.value).splitlines()
    assert "(column 481)" in shown[0] or "too deep" in shown[0]
    assert all(len(line) <= 124 for line in shown[1:])


_PARTS = st.sampled_from(
    ["price", "tags", "user.age", "provider", "item", "'x'", "1", "2.5", "(", ")", "[", "]", ",",
     " + ", " * ", " ** ", " in ", " not ", " and ", " or ", " if ", " else ", " < ", " == ", "log",
     "has", " has ", "min", "shared", ".", "-", "lambda", ":", "{", "}", "__class__", "\n", "价格"]
)  # fmt: skip


@given(st.lists(_PARTS, max_size=14).map("".join) | st.text(max_size=30))
def test_any_text_is_an_expression_or_a_settings_error(text: str) -> None:
    """And an expression has one value a target, of the kind that was asked for."""
    for kind in (Kind.NUMBER, Kind.TRUTH):
        try:
            found = compile_expression(text, WORDS, kind)
        except SettingsError:
            continue
        values = found.numbers if kind is Kind.NUMBER else found.holds
        assert values(Table(), SIZE).shape == (SIZE,)


@pytest.mark.parametrize(
    ("text", "says", "column"),
    [
        ("price +", "it ends where a value is missing", 8),
        ("price * (", "it ends where a value is missing", 10),
        ("price if", "it ends where a value is missing", 9),
        ("price > 3 && price < 9", "write and", 12),
        ("price > 3 || price < 9", "write or", 12),
        ("price > 3 & price < 9", "write and", 9),
        ("!price", "write not", 1),
        ("price ^ 2", "a power is written **", 1),
        ("price = 3", "compare with ==", 7),
        ("tags contains 'adult'", "write tags has 'TEXT'", 6),
        ("tags has not 'adult'", "write 'TEXT' not in tags", 1),
        ("tags not has 'adult'", "write 'TEXT' in tags", 10),
        ("tags has", "it ends where a value is missing", 9),
        ("tags has 'a' has 'b'", "join comparisons with `and`", 1),
        ("'ab' in tags or provider has 'own'", "a list of texts is needed here", 17),
        ("'is' in tags and price is True", "is is not part of the language", 24),
        ("price > 3 AND price < 9", "write and", 11),
        ("price > 3 OR price < 9", "write or", 11),
        ("provider == “own”", "write 'TEXT'", 13),
        ("log1p（price）", "write (", 6),
        ("price > 3 ? 1 : 0", "write X if CONDITION else Y", 11),
        ("log(price, 2)", "log takes 1 value, got 2", 1),
    ],
)
def test_what_may_have_been_meant_is_said(text: str, says: str, column: int) -> None:
    """Signs of other languages, an end too early, a value too many; the mark stands below it."""
    with pytest.raises(SettingsError) as error:
        compile_expression(text, WORDS, Kind.NUMBER)
    message, shown, mark = str(error.value).split("\n")
    assert says in message
    assert message.endswith(f"(column {column})")
    assert shown == f"    {text}"
    assert mark.index("^") == 4 + column - 1
