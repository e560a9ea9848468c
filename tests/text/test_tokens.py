from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from polyscene.text.tokens import count_tokens, cut, is_chinese


def test_a_word_and_a_chinese_character_count_one_each() -> None:
    assert count_tokens("") == 0
    assert count_tokens("  a warm  cup ") == 3
    assert count_tokens("手冲咖啡") == 4
    assert count_tokens("一杯 latte 拿铁") == 5
    assert count_tokens("コーヒー 커피") == 6


def test_a_text_is_cut_after_the_budget_with_an_ellipsis() -> None:
    assert cut("one two three", 2) == "one two…"
    assert cut("手冲咖啡", 2) == "手冲…"


def test_a_text_within_the_budget_is_left_alone() -> None:
    assert cut("one two three", 3) == "one two three"
    assert cut("one two ", 2) == "one two "
    assert cut("", 5) == ""


def test_no_budget_leaves_no_text() -> None:
    assert cut("one", 0) == ""
    assert cut("one", -1) == ""


@given(text=st.text(), budget=st.integers(0, 20))
def test_what_is_cut_fits_and_is_a_beginning(text: str, budget: int) -> None:
    """Never more tokens than the budget and the ellipsis; without that a prefix of the text."""
    short = cut(text, budget)
    assert count_tokens(short.removesuffix("…")) <= budget
    assert text.startswith(short.removesuffix("…")) or short == text
    if count_tokens(text) <= budget and budget:
        assert short == text


def test_chinese_is_a_third_of_the_letters() -> None:
    assert is_chinese("手冲咖啡")
    assert is_chinese("Python 编程入门课")
    assert not is_chinese("Learn to write 汉字 in a month")
    assert not is_chinese("")
    assert not is_chinese("!? ...")
