"""Reasons: why a target was recommended, from what really produced it.

A reason is made of evidence that the sources returned with the candidate (the history items that
support it, or the source itself), of a pin where that alone put the target there, and of tags that
the target shares with the user or with that history; it never adds anything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polyscene.text.template import Template

__all__ = ["Before", "Evidence", "Support", "sentence", "shared_tags"]

_SHOWN_TAGS = 3


@dataclass(frozen=True, slots=True)
class Support:
    """One history item that led to a target."""

    item_id: str
    title: str
    action: str
    verbs: Mapping[str, str]
    """The verb of the action per language."""
    similarity: float
    """Cosine between the two items' vectors."""


@dataclass(frozen=True, slots=True)
class Before:
    """What was done about a context before, and led to a target."""

    item_id: str
    title: str
    """Id and title of the context."""
    own: bool
    """Whether the user did it; else others."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a recommendation rests on."""

    sources: Mapping[str, float]
    """What each source contributed to the score."""
    support: Sequence[Support]
    """The history items behind it, nearest first."""
    tags: Sequence[str]
    """Tags of the target that the user states, or that the supporting items carry."""
    stated: bool
    """Whether the user's stated interests contributed."""
    about: Sequence[Before] = ()
    """What was done about contexts before, what told most first."""
    rules: Sequence[str] = ()
    """What rules did: "pinned", "boosted by CONDITION", "quota CONDITION" and so on."""
    pinned: bool = False
    """Whether a pin alone put it there."""


def shared_tags(target: Sequence[str], *others: Sequence[str]) -> list[str]:
    """The tags of a target that also stand in one of the other lists, in the target's order."""
    known = {tag.casefold() for tags in others for tag in tags}
    return [tag for tag in target if tag.casefold() in known]


def sentence(evidence: Evidence, wording: Template, language: str) -> str:
    """The reason in one line: the ground, then the shared tags.

    Args:
        evidence: What the recommendation rests on.
        wording: The template of the scenario's domain in the user's language.
        language: That language, for the verbs.
    """
    return _capital(_ground(evidence, wording, language) + _tags(evidence, wording))


def _joint(wording: Template) -> str:
    return "；" if wording.separator == "。" else "; "


def _ground(evidence: Evidence, wording: Template, language: str) -> str:
    if evidence.pinned:
        return wording.pinned
    for support in evidence.support:
        if support.title:
            verb = support.verbs.get(language) or support.verbs.get("en", "")
            return wording.because.format(verb=verb, title=support.title)
    if told := [before for before in evidence.about if before.title]:
        return _joint(wording).join(
            (wording.own if before.own else wording.others).format(title=before.title)
            for before in told
        )
    if evidence.stated:
        return wording.stated
    if evidence.sources.get("trending", 0) > 0:
        return wording.trending
    return wording.fresh if evidence.sources.get("fresh", 0) > 0 else wording.other


def _tags(evidence: Evidence, wording: Template) -> str:
    if not evidence.tags:
        return ""
    tags = wording.listing.join(evidence.tags[:_SHOWN_TAGS])
    return _joint(wording) + wording.more.format(tags=tags)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
