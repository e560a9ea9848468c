"""The safety screen: what a scenario never shows, whatever its score."""

from __future__ import annotations

import re

from polyscene.data.schema import Item, User
from polyscene.settings import Safety

__all__ = ["Screen"]

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")


class Screen:
    """Judges targets by the safety settings of a scenario.

    Args:
        safety: The settings.
    """

    def __init__(self, safety: Safety) -> None:
        self._require = safety.require
        self._tags = {tag.strip().casefold() for tag in safety.blocked_tags}
        self._terms = _pattern(safety.blocked_terms)

    def withheld(self, target: Item | User) -> str | None:
        """Why a target is withheld, in a few words; None when it may be shown."""
        for field in self._require:
            if isinstance(target, Item) and not str(getattr(target, field) or "").strip():
                return f"no {field}"
        for tag in target.tags:
            if tag.casefold() in self._tags:
                return f"blocked tag {tag!r}"
        if self._terms is not None:
            title = target.title if isinstance(target, Item) else target.attributes.get("name", "")
            text = "\n".join((str(title), target.description, *target.tags))
            match = self._terms.search(text)
            if match is not None:
                return f"blocked term {match.group(0)!r}"
        return None


def _pattern(terms: list[str]) -> re.Pattern[str] | None:
    """Matches any of the terms: as whole words, or anywhere where words are not spaced."""
    options = []
    for term in terms:
        spaced = r"\s+".join(re.escape(word) for word in term.split())
        if spaced:  # a blank term would match everything
            options.append(spaced if _CJK.search(term) else rf"(?<!\w){spaced}(?!\w)")
    return re.compile("|".join(options), re.IGNORECASE) if options else None
