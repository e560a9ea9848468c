"""Whether a reason in other words says nothing but what was given.

Titles and numbers must be those that were given, and every other word must stand in the reason or
be one that states nothing by itself. That refuses too much rather than too little; what is refused
is said as the template says it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

__all__ = ["unfounded"]

_LONGER = 60
"""Characters that it may be longer than the reason."""
_KEPT = 0.5
"""The share of the reason's telling words that must stay."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_QUOTED = re.compile(r"“([^”]*)”|\"([^\"]*)\"|「([^」]*)」|《([^》]*)》|『([^』]*)』|‘([^’]*)’")
_MARK = re.compile(r"[“”\"「」《》『』]")
_WORD = re.compile(r"[㐀-鿿]|[^\W\d_㐀-鿿]+(?:'[^\W\d_㐀-鿿]+)*")
"""A word, or a Chinese character."""
_MARKUP = re.compile(
    r"[<>{}\[\]|*#`\\@=~^]|https?:|www\.|://|\.(com|net|org|cn|io)\b", re.IGNORECASE
)
_CHINESE = re.compile(r"[㐀-鿿]")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PLAIN_EN = _words(
    "a an the this that these those it its it's you your you're you've we our us they their "
    "them i as if because since for from with after before here here's there more another also "
    "and or but so given based on something some in at to of by into about over out up how why "
    "when while is are was were be been being has have had having do does did can could may "
    "might will would should think thought try take maybe perhaps similar related matching "
    "match matches suit suits fit fits recommended recommend suggestion suggested suggest close "
    "too which what who where look looks worth next go goes well along alongside just then both "
    "again let come comes back same way kind around right near share shares sharing earlier "
    "already"
)
"""English words that state nothing by themselves."""
_PLAIN_ZH = frozenset(
    "的了和与及或在是这那也都会能可以就还为因所而且又再让把被对于跟向从到里中上下更多些点儿吧呢啊哦呀吗"
    "你您我们它其他她给此故推荐适合可能也许应该觉得想来试款部篇首门条本个种类似相关近同样有带之前曾经过着"
    "既然刚正值得瞧瞧一"
)
"""Chinese characters of which the same holds."""


def unfounded(text: str, reason: str, title: str, language: str) -> str | None:
    """What a text says that was not given; None where it says nothing else. O(characters).

    Args:
        text: The reason in other words.
        reason: The reason as the template says it.
        title: The title of what is recommended, which may be named.
        language: The language that it should be in: "en" or "zh"; of others none is let through.
    """
    said, reason, title = _folded(text), _folded(reason), _folded(title)
    if not said or "\n" in said or len(said) > len(reason) + _LONGER:
        return "it is empty, has several lines, or is too long"
    if _MARKUP.search(said):
        return "it has marks that no reason has"
    titles = _titles(reason)
    if not {*_titles(said)} <= {*titles, title, ""}:
        return "it names a title that was not given"
    if any(said.count(one) < reason.count(one) for one in titles):
        return "it leaves out a title"
    if _MARK.search(_QUOTED.sub("", said)) and not _MARK.search(_QUOTED.sub("", reason)):
        return "it leaves a quotation mark open"
    own, told = _without(said, [*titles, title]), _without(reason, titles)
    if not {*_NUMBER.findall(own)} <= {*_NUMBER.findall(told)}:
        return "it has a number that was not given"
    words, known = _WORD.findall(own), {*_WORD.findall(told)}
    chinese = any(_CHINESE.match(word) for word in words)
    if chinese != language.startswith("zh"):
        return "it is in another language"
    plain = _PLAIN_ZH if chinese else _PLAIN_EN
    if not {*words} <= known | plain:
        return "it has words that were not given"
    telling = known - plain
    if len(telling & {*words}) < _KEPT * len(telling):
        return "it leaves out too much"
    return None


def _titles(text: str) -> list[str]:
    """What stands in quotation marks."""
    return ["".join(match) for match in _QUOTED.findall(text)]


def _without(text: str, titles: Sequence[str]) -> str:
    for title in sorted(titles, key=len, reverse=True):
        if title:
            text = text.replace(title, " ")
    return text


def _folded(text: str) -> str:
    """Upper and lower case and compatible forms made one, as texts that a model sees are."""
    return unicodedata.normalize("NFKC", text).replace("’", "'").casefold().strip()
