"""A token count that needs no model: words, and single characters of scripts without spaces."""

from __future__ import annotations

import re
from itertools import pairwise

__all__ = ["count_tokens", "cut", "is_chinese", "words"]

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_CJK}]|[^\s{_CJK}]+")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_LETTER = re.compile(r"\w")


def count_tokens(text: str) -> int:
    """How many tokens a text has: each word, and each CJK character, counts one."""
    return sum(1 for _ in _TOKEN.finditer(text))


def words(text: str) -> list[str]:
    """The tokens of a text, each with the spaces after it; some of them joined are a text."""
    starts = [match.start() for match in _TOKEN.finditer(text)]
    return [text[start:end] for start, end in pairwise([*starts, len(text)])]


def cut(text: str, budget: int) -> str:
    """The beginning of a text that fits in `budget` tokens, ended by … when something is lost."""
    if budget <= 0:
        return ""
    for number, match in enumerate(_TOKEN.finditer(text), start=1):
        if number == budget:
            end = match.end()
            return text if not text[end:].strip() else f"{text[:end]}…"
    return text


def is_chinese(text: str) -> bool:
    """Whether at least a third of the letters of a text are Han characters."""
    letters = len(_LETTER.findall(text))
    return letters > 0 and 3 * len(_HAN.findall(text)) >= letters
