"""What may be said in other words, and what may not."""

from __future__ import annotations

import pytest

from polyscene.explain.wording import unfounded
from polyscene.testing.injections import injections

REASON = "Because you bought “Green tea from Hangzhou”; shared: tea"
ZH = "因为你购买了「龙井绿茶」；共同点：茶"
FRIENDS = "Known to 3 of your friends"


@pytest.mark.parametrize(
    ("text", "reason", "language"),
    [
        (REASON, REASON, "en"),
        ("You bought “Green tea from Hangzhou”, and this is tea too.", REASON, "en"),
        (
            "So it might suit you: shared tea, as you bought “Green tea from Hangzhou”.",
            REASON,
            "en",
        ),
        ("Since you bought “Green tea from Hangzhou”, here is something with tea.", REASON, "en"),
        ("Known to 3 of your friends, so it could suit you.", FRIENDS, "en"),
        ("你购买了「龙井绿茶」，所以推荐这款茶给你。", ZH, "zh"),
        (ZH, ZH, "zh"),
    ],
)
def test_the_same_in_other_words_may_be_said(text: str, reason: str, language: str) -> None:
    assert unfounded(text, reason, "Kettle", language) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("You bought “Green tea from Hangzhou”, like 300 others.", "number"),
        ("You bought “Green tea from Hangzhou” and “Black tea”.", "title"),
        ("You bought green tea.", "leaves out"),
        ("You bought “Green tea from Hangzhou; shared: tea", "mark open"),
        ("You bought Green tea from Hangzhou”; shared: tea", "mark open"),
        ("You loved “Green tea from Hangzhou”.", "words"),
        ("You bought “Green tea from Hangzhou”, the best tea.", "words"),
        ("You bought “Green tea from Hangzhou” twice.", "words"),
        ("You did not buy “Green tea from Hangzhou”: never.", "words"),
        ("You bought “Green tea from Hangzhou”, as Marie Curie did.", "words"),
        ("Spielberg knows you bought “Green tea from Hangzhou”.", "words"),
        ("You bought “Green tea from Hangzhou”. чай", "words"),
        ("你购买了“Green tea from Hangzhou”", "language"),
        ("“Green tea from Hangzhou” and this", "too much"),
        ("You bought “Green tea from Hangzhou”: https://x.example", "marks"),
        ("You bought “Green tea from Hangzhou”\nand more", "lines"),
        ("You bought “Green tea from Hangzhou” " + "and this is tea too " * 5, "too long"),
        ("", "empty"),
    ],
)
def test_what_was_not_given_may_not_be_said(text: str, says: str) -> None:
    assert says in (unfounded(text, REASON, "Kettle", "en") or "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("你购买了「龙井绿茶」，这是最好的茶", "words"),
        ("你喜欢「龙井绿茶」", "words"),
        ("李安也购买了「龙井绿茶」", "words"),
        ("你购买了「龙井绿茶」，立减5元", "number"),
        ("You bought this", "leaves out"),
        ("你购买了「普洱」", "title"),
    ],
)
def test_the_same_holds_in_chinese(text: str, says: str) -> None:
    assert says in (unfounded(text, ZH, "茶壶", "zh") or "")


def test_no_order_of_others_passes_as_a_reason() -> None:
    for one in injections():
        for reason in (REASON, ZH, FRIENDS):
            assert unfounded(one.text, reason, "Tea", one.language) is not None
            assert unfounded(f"{reason} {one.text}", reason, "Tea", one.language) is not None
