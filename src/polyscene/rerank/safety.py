"""The safety screen: what a scenario never shows, whatever its score."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

from polyscene.data.schema import Item, User
from polyscene.expressions import Kind
from polyscene.represent.attributes import read_as, sorted_out
from polyscene.rerank.profanity import Verdict, verdicts
from polyscene.settings import Safety
from polyscene.storage import Review

__all__ = ["Screen", "digest"]

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")

_QUOTED = 60
"""Characters of a sentence that are quoted."""


class Screen:
    """Judges targets by the safety settings of a scenario.

    Args:
        safety: The settings.
        decisions: What people decided in that scenario, by target.
    """

    def __init__(self, safety: Safety, decisions: Mapping[str, Review] | None = None) -> None:
        self._decisions = decisions or {}
        self._require = safety.require
        self._blocked = _Words(safety.blocked_terms, safety.blocked_tags)
        self._held = _Words(safety.hold_terms, safety.hold_tags)
        self._profanity = safety.profanity
        self._threshold = safety.profanity_threshold
        self._ignored = {word.strip().casefold() for word in safety.profanity_ignore}

    def prepare(self, targets: Sequence[Item | User]) -> None:
        """Judge the wording of many targets at once, which is far cheaper than one by one.

        Raises:
            MissingExtraError: As `withheld` raises it.
        """
        if self._profanity != "off":
            verdicts([_text(target) for target in targets], [t.language for t in targets])

    def withheld(self, target: Item | User) -> str | None:
        """Why a target is withheld, in a few words; None when it may be shown.

        Raises:
            MissingExtraError: When profanity is looked for and the extra `safety` is not installed.
        """
        return self.for_good(target) or self._by_decision(target) or self.on_hold(target)

    def on_hold(self, target: Item | User) -> str | None:
        """Why a target waits for a decision; None where it does not, or is withheld for good."""
        found = self._held.found(target)
        if found is None and self._profanity == "hold":
            found = self._profane(target)
        if found is None or _approved(target) or self.for_good(target):
            return None
        decision = self._decisions.get(_id(target))
        if decision is None:
            return f"on hold for {found}"
        if decision.decision == "approve" and decision.digest != digest(target):
            return f"on hold for {found}; its text has changed since it was approved"
        return None

    def for_good(self, target: Item | User) -> str | None:
        """Why no approval lets a target be shown; None where nothing of it forbids that."""
        for field in self._require:
            if isinstance(target, Item) and not str(getattr(target, field) or "").strip():
                return f"no {field}"
        found = self._blocked.found(target)
        if found is None and self._profanity == "block":
            found = self._profane(target)
        return None if found is None else f"blocked {found}"

    def _profane(self, target: Item | User) -> str | None:
        """What is profane in a target, such as: profane word '傻逼'; None for nothing."""
        [verdict] = verdicts([_text(target)], [target.language])
        for word in verdict.words:
            if word.casefold() not in self._ignored:
                return f"profane word {word!r}"
        return _offence(verdict) if verdict.score >= self._threshold else None

    def _by_decision(self, target: Item | User) -> str | None:
        decision = self._decisions.get(_id(target))
        if decision is None or decision.decision != "block":
            return None
        return f"blocked by {decision.decided_by}"


def digest(target: Item | User) -> str:
    """A short text that changes with what the screen reads of a target."""
    return hashlib.sha256(json.dumps([_text(target), target.tags]).encode()).hexdigest()[:16]


def _id(target: Item | User) -> str:
    return target.item_id if isinstance(target, Item) else target.user_id


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
            match = self._terms.search(_text(target))
            if match is not None:
                return f"term {match.group(0)!r}"
        return None


def _text(target: Item | User) -> str:
    title = target.title if isinstance(target, Item) else target.attributes.get("name", "")
    return "\n".join((str(title), target.description, *target.tags))


def _offence(verdict: Verdict) -> str:
    said = (
        verdict.sentence if len(verdict.sentence) <= _QUOTED else verdict.sentence[:_QUOTED] + "…"
    )
    return f"wording {said!r} (profane with {verdict.score:.2f})"


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
