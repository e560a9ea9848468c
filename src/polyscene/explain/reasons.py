"""Reasons: why a target was recommended, from what really produced it.

A reason is made of grounds that the sources gave with the candidate (history items that support it,
what was done about contexts, a way that leads to it, friends, the stated interests, or the source
itself), the one of the source that contributed most first, of a pin where that alone put the target
there, of a draw, of tags that the target shares with the user or with that history, and of the
interest of the other side; it never adds anything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from polyscene.text.template import Template

__all__ = [
    "FROM_MODEL",
    "FROM_TEXT",
    "TAG",
    "Before",
    "Evidence",
    "Ground",
    "Kind",
    "Support",
    "Way",
    "sentence",
    "shared_tags",
]

TAG = "tag"
"""The kind of a way over a tag."""
FROM_MODEL, FROM_TEXT = "llm:", "text:"
"""How a predicate begins that was found in a text, by a language model or without one."""
_PEOPLE = "people"
"""The kind of a way over people who acted on both."""
_SHOWN_TAGS = 3

Kind = Literal["way", "friends", "history", "about", "stated", "trending", "fresh"]
"""What a ground is."""


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
class Way:
    """What connects one history item with the target."""

    start: Support
    """The history item."""
    kind: str
    """What stands between: "tag", "people" for users who acted on both, or a predicate."""
    via: str
    """The tag, or what both are related to by the predicate; "" for people."""
    name: str
    """What to call `via`: its title where it is an item; "" where it is one of the two items, or
    somebody."""


@dataclass(frozen=True, slots=True)
class Ground:
    """One thing that a recommendation rests on."""

    kind: Kind
    source: str
    """The source that gave it."""
    part: float
    """What that source contributed to the score, above 0."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a recommendation rests on."""

    sources: Mapping[str, float]
    """What each source contributed to the score."""
    support: Sequence[Support] = ()
    """The history items behind it, nearest first."""
    tags: Sequence[str] = ()
    """Tags of the target that the user states, or that the supporting items carry."""
    stated: bool = False
    """Whether the user's stated interests contributed."""
    about: Sequence[Before] = ()
    """What was done about contexts before, what told most first."""
    rules: Sequence[str] = ()
    """What rules did: "pinned", "boosted by CONDITION", "quota CONDITION" and so on."""
    pinned: bool = False
    """Whether a pin alone put it there."""
    explored: bool = False
    """Whether it was drawn in place of the one that would have stood there."""
    mutual: bool = False
    """Whether the person stands higher by what they would say of the one who asks."""
    way: Way | None = None
    """What connects it with the history."""
    friends: int | None = None
    """How many of the user's friends acted on it; None where none did, where it cannot be counted,
    or where a number would tell who they are."""
    grounds: Sequence[Ground] = ()
    """All that it rests on, by what their sources contributed, most first."""


def shared_tags(target: Sequence[str], *others: Sequence[str]) -> list[str]:
    """The tags of a target that also stand in one of the other lists, in the target's order."""
    if not target:
        return []
    known = set[str]().union(*(_folded(tuple(tags)) for tags in others))
    folded = _folded(tuple(target))
    return [tag for tag, plain in zip(target, folded, strict=True) if plain in known]


@lru_cache(maxsize=10_000)
def _folded(tags: tuple[str, ...]) -> tuple[str, ...]:
    """Tags as they are compared; those of popular targets are asked for again and again."""
    return tuple(tag.casefold() for tag in tags)


def sentence(evidence: Evidence, wording: Template, language: str, of_person: bool = False) -> str:
    """The reason in one line: the first ground that can be said, then the shared tags.

    What was drawn says so first, and who would be interested too says so last.

    Args:
        evidence: What the recommendation rests on.
        wording: The template of the scenario's domain in the user's language.
        language: That language, for the verbs.
        of_person: Whether a person is recommended.
    """
    said = _said(evidence, wording, language, of_person)
    if evidence.mutual:
        said += _joint(wording) + wording.mutual
    return _capital(wording.explored + _joint(wording) + said if evidence.explored else said)


def _said(evidence: Evidence, wording: Template, language: str, of_person: bool) -> str:
    if evidence.pinned:
        return wording.pinned + _tags(evidence, None, wording)
    for ground in evidence.grounds:
        said = _ground(ground, evidence, wording, language)
        if said and of_person and ground.kind == "history":
            said = wording.nearby.format(because=said)
        if said:
            way = evidence.way if ground.kind == "way" else None
            return said + _tags(evidence, way, wording)
    return wording.other + _tags(evidence, None, wording)


def _joint(wording: Template) -> str:
    return "；" if wording.separator == "。" else "; "


def _ground(ground: Ground, evidence: Evidence, wording: Template, language: str) -> str:
    """What is said of a ground; "" where it cannot be said."""
    if ground.kind == "way":
        return _way(evidence.way, wording, language)
    if ground.kind == "friends":
        if evidence.friends is None:
            return wording.circle
        return wording.friends.format(count=evidence.friends)
    if ground.kind == "history":
        titled = (support for support in evidence.support if support.title)
        return next((_because(support, wording, language) for support in titled), "")
    if ground.kind == "about":
        return _joint(wording).join(
            (wording.own if before.own else wording.others).format(title=before.title)
            for before in evidence.about
            if before.title
        )
    said: str = getattr(wording, ground.kind)
    return said


def _way(way: Way | None, wording: Template, language: str) -> str:
    if way is None or not way.start.title:
        return ""
    because = _because(way.start, wording, language)
    if way.kind == _PEOPLE and not way.via:
        return wording.same_people.format(because=because)
    if way.kind == TAG:
        return wording.same_tag.format(because=because, tag=way.name)
    template = wording.related if way.name else wording.linked
    predicate = way.kind.removeprefix(FROM_MODEL).removeprefix(FROM_TEXT)
    return template.format(because=because, predicate=predicate, name=way.name)


def _because(support: Support, wording: Template, language: str) -> str:
    verb = support.verbs.get(language) or support.verbs.get("en", "")
    return wording.because.format(verb=verb, title=support.title)


def _tags(evidence: Evidence, way: Way | None, wording: Template) -> str:
    """The shared tags but for one that the ground has named."""
    named = way.via.casefold() if way is not None and way.kind == TAG else None
    tags = [tag for tag in evidence.tags if tag.casefold() != named]
    if not tags:
        return ""
    return _joint(wording) + wording.more.format(tags=wording.listing.join(tags[:_SHOWN_TAGS]))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
