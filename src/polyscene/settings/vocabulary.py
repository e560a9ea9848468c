"""The names that the expressions of a scenario may use."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from polyscene.errors import did_you_mean
from polyscene.expressions import Expression, Kind, Vocabulary, compile_expression

__all__ = ["ITEM_FIELDS", "USER_FIELDS", "as_name", "condition", "formula", "grouping"]

ITEM_FIELDS = {
    "item_id": Kind.TEXT,
    "kind": Kind.TEXT,
    "title": Kind.TEXT,
    "description": Kind.PROSE,
    "tags": Kind.TEXTS,
    "language": Kind.TEXT,
    "published_at": Kind.TIME,
    "available": Kind.TRUTH,
    "image": Kind.PROSE,
    "audio": Kind.PROSE,
    "provider": Kind.TEXT,
    "scenarios": Kind.TEXTS,
}
"""The fields of a target; all others are attributes."""
USER_FIELDS = {
    "user_id": Kind.TEXT,
    "tags": Kind.TEXTS,
    "description": Kind.TEXT,
    "language": Kind.TEXT,
}
"""The fields of a user; all others are attributes."""
_ALWAYS = {"age_days": Kind.NUMBER}
"""What is computed of every target."""
_REWARD_ONLY = ("similarity", "popularity")


def as_name(name: str) -> str:
    """A source or task as it is written in an expression: user_knn for user-knn."""
    return name.replace("-", "_")


def formula(text: str, sources: Iterable[str], tasks: Iterable[str]) -> Expression:
    """The expression of a reward.

    Args:
        text: Its text.
        sources: The sources of the scenario.
        tasks: The responses that may be predicted there.

    Raises:
        SettingsError: When it is none; the message points at the place.
    """
    parts, responses = {as_name(name) for name in sources}, {as_name(name) for name in tasks}
    computed = {*_REWARD_ONLY, *_ALWAYS}
    twice = (parts & responses) | (computed & (parts | responses))
    names = dict.fromkeys((*_REWARD_ONLY, *parts, *responses), Kind.NUMBER)
    words = Vocabulary(
        names={name: kind for name, kind in (names | _ALWAYS).items() if name not in twice},
        item=ITEM_FIELDS,
        user=USER_FIELDS,
        absent=dict.fromkeys(twice, "has two meanings here: rename the task, or write item.NAME"),
    )
    return compile_expression(text, words, Kind.NUMBER)


@lru_cache(maxsize=1024)
def condition(text: str) -> Expression:
    """The condition of a rule: over fields of targets and users, and age_days.

    Those asked for last are kept: the filter of a request is read at several places.

    Raises:
        SettingsError: When it is none; the message points at the place.
    """
    return compile_expression(text, _CONDITION, Kind.TRUTH)


def grouping(name: str) -> str:
    """The name of a field or attribute by whose values targets can be grouped.

    Raises:
        ValueError: When it is a field that has no such values.
    """
    fitting = [field for field, kind in ITEM_FIELDS.items() if kind in (Kind.TEXT, Kind.TEXTS)]
    if not name.strip() or (name in ITEM_FIELDS and name not in fitting):
        hint = did_you_mean(name, fitting)
        raise ValueError(f"targets are not grouped by {name!r}; {hint}, or an attribute")
    return name


_CONDITION = Vocabulary(
    names=_ALWAYS,
    item=ITEM_FIELDS,
    user=USER_FIELDS,
    absent=dict.fromkeys(_REWARD_ONLY, "is known to a reward only"),
)
