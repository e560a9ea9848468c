"""Profane wording in texts, found offline: a model for English, word lists for other languages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from polyscene.extras import require

__all__ = ["Verdict", "verdicts"]

_KEPT = 200_000
"""Verdicts kept in memory: the scenarios of a workspace judge the same texts."""
_PURPOSE = "safety.profanity"
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s*|\n+")
_LATIN = re.compile(r"[A-Za-z]")
_LISTS = {
    "ar": "arabic", "cs": "czech", "da": "danish", "de": "german", "eo": "esperanto",
    "es": "spanish", "fa": "persian", "fi": "finnish", "fr": "french", "hi": "hindi",
    "hu": "hungarian", "it": "italian", "ja": "japanese", "ko": "korean", "nb": "norwegian",
    "nl": "dutch", "no": "norwegian", "pl": "polish", "pt": "portuguese", "ru": "russian",
    "sv": "swedish", "th": "thai", "tr": "turkish", "zh": "chinese",
}  # fmt: skip
"""The word lists, by language code."""
_SCRIPTS = {
    "ja": re.compile(r"[\u3040-\u30ff]"),
    "ko": re.compile(r"[\uac00-\ud7af]"),
    "zh": re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]"),
    "ru": re.compile(r"[\u0400-\u04ff]"),
    "ar": re.compile(r"[\u0600-\u06ff]"),
    "hi": re.compile(r"[\u0900-\u097f]"),
    "th": re.compile(r"[\u0e00-\u0e7f]"),
}
"""What a text is taken for where its language is not stated; the first that occurs."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in a text."""

    score: float = 0.0
    """The highest probability, of any of its sentences, that its English is offensive; 0 to 1."""
    sentence: str = ""
    """That sentence."""
    words: tuple[str, ...] = ()
    """The words that the list of its language names."""


_known: dict[bytes, Verdict] = {}


def verdicts(texts: Sequence[str], languages: Sequence[str | None]) -> list[Verdict]:
    """The verdict on each text; a text that was judged before is not judged again.

    English, and Latin letters where no language is stated, are scored sentence by sentence with
    alt-profanity-check, a linear model over words; other languages are compared with the word lists
    of glin-profanity. Many texts at once are far cheaper than one by one: the model takes about
    5 ms for a call and 15 µs for a sentence, a list about 2 ms for a text.

    Args:
        texts: The texts.
        languages: The language of each as a BCP 47 code; None where it is not known.

    Raises:
        MissingExtraError: When the extra `safety` is not installed.
    """
    codes = [_code(text, language) for text, language in zip(texts, languages, strict=True)]
    keys = [_key(text, code) for text, code in zip(texts, codes, strict=True)]
    new = {
        key: (text, code)
        for key, text, code in zip(keys, texts, codes, strict=True)
        if key not in _known
    }
    found = _judged(list(new.values()))
    answers = {key: _known[key] for key in keys if key not in new}
    answers.update(zip(new, found, strict=True))
    if len(_known) + len(new) > _KEPT:
        _known.clear()
    _known.update(answers)
    return [answers[key] for key in keys]


def _judged(texts: Sequence[tuple[str, str | None]]) -> list[Verdict]:
    sentences: list[str] = []
    owners: list[int] = []
    for owner, (text, code) in enumerate(texts):
        if code in (None, "en"):
            parts = [part.strip() for part in _SENTENCE.split(text) if _LATIN.search(part)]
            sentences += parts
            owners += [owner] * len(parts)
    worst: dict[int, tuple[float, str]] = {}
    for owner, sentence, score in zip(owners, sentences, _scores(sentences), strict=True):
        if score > worst.get(owner, (0.0, ""))[0]:
            worst[owner] = score, sentence
    return [
        Verdict(*worst.get(owner, (0.0, "")), words=_listed(text, code))
        for owner, (text, code) in enumerate(texts)
    ]


def _scores(sentences: Sequence[str]) -> Iterable[float]:
    if not sentences:
        return ()
    model = require("profanity_check", "safety", _PURPOSE)
    return [float(score) for score in model.predict_prob(sentences)]


def _listed(text: str, code: str | None) -> tuple[str, ...]:
    if code not in _LISTS:
        return ()
    return tuple(_filter(_LISTS[code]).check_profanity(text)["profane_words"])


@lru_cache(maxsize=len(_LISTS))
def _filter(language: str) -> Any:
    return require("glin_profanity", "safety", _PURPOSE).Filter({"languages": [language]})


def _code(text: str, language: str | None) -> str | None:
    """The primary code of the stated language, otherwise what the script tells."""
    if language:
        return re.split("[-_]", language.casefold())[0]
    return next((code for code, letters in _SCRIPTS.items() if letters.search(text)), None)


def _key(text: str, code: str | None) -> bytes:
    return blake2b(f"{code}\n{text}".encode("utf-8", "replace"), digest_size=16).digest()
