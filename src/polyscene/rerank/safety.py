"""The safety screen: what a scenario never shows, whatever its score."""

from __future__ import annotations

import re

from polyscene.data.schema import Item, User
from polyscene.expressions import Kind
from polyscene.represent.attributes import read_as, sorted_out
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
        self._blocked = _Words(safety.blocked_terms, safety.blocked_tags)
        self._held = _Words(safety.hold_terms, safety.hold_tags)

    def withheld(self, target: Item | User) -> str | None:
        """Why a target is withheld, in a few words; None when it may be shown."""
        return self._for_good(target) or self.on_hold(target)

    def on_hold(self, target: Item | User) -> str | None:
        """Why a target waits for approval; None where it does not, or is withheld for good."""
        found = self._held.found(target)
        if found is None or _approved(target) or self._for_good(target):
            return None
        return f"on hold for {found}"

    def _for_good(self, target: Item | User) -> str | None:
        for field in self._require:
            if isinstance(target, Item) and not str(getattr(target, field) or "").strip():
                return f"no {field}"
        found = self._blocked.found(target)
        return None if found is None else f"blocked {found}"


class _Words:
    """Terms and tags that are looked for in targets."""

    def __init__(self, terms: list[str], tags: list[str]) -> None:
        self._tags = {tag.strip().casefold() for tag in tags}
        self._terms = _pattern(terms)

    def found(self, target: Item | User) -> str | None:
        """The first that a target has, such as: tag 'adult'; None for none."""
        for tag in target.tags:
            if tag.casefold() in self._tags:
                return f"tag {tag!r}"
        if self._terms is not None:
            title = target.title if isinstance(target, Item) else target.attributes.get("name", "")
            text = "\n".join((str(title), target.description, *target.tags))
            match = self._terms.search(text)
            if match is not None:
                return f"term {match.group(0)!r}"
        return None


def _approved(target: Item | User) -> bool:
    numbers, texts = sorted_out({"approved": target.attributes.get("approved", False)})
    return bool(read_as(Kind.TRUTH, numbers.get("approved"), texts.get("approved")) == 1)


def _pattern(terms: list[str]) -> re.Pattern[str] | None:
    """Matches any of the terms: as whole words, or anywhere where words are not spaced."""
    options = []
    for term in terms:
        spaced = r"\s+".join(re.escape(word) for word in term.split())
        if spaced:  # a blank term would match everything
            options.append(spaced if _CJK.search(term) else rf"(?<!\w){spaced}(?!\w)")
    return re.compile("|".join(options), re.IGNORECASE) if options else None
