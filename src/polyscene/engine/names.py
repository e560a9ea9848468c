"""Names in declarations that mean nothing: they are not wrong, since attributes are open."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache

from polyscene.engine.engine import Engine
from polyscene.errors import did_you_mean
from polyscene.expressions import Kind, Reference
from polyscene.represent.targets import Targets
from polyscene.settings import Scenario
from polyscene.settings.vocabulary import ITEM_FIELDS, USER_FIELDS, as_name, condition
from polyscene.storage.store import Store

__all__ = ["unknown_in", "unknown_in_filter", "unknown_names", "user_attributes"]


def unknown_names(
    engine: Engine, scenarios: Collection[str] | None = None
) -> Iterator[tuple[str, str]]:
    """The scenario of each name that no target or user has, and what to say of it.

    Users are only read where a name of theirs may be unknown.

    Args:
        engine: The engine, with a model.
        scenarios: Which scenarios are looked at; None for all.
    """
    declared = engine.workspace.settings.scenarios
    of_users = cache(lambda: user_attributes(engine.workspace.store))
    for scenario in declared if scenarios is None else scenarios:
        targets = engine.model.space(scenario).targets
        for text in unknown_in(declared[scenario], targets, of_users):
            yield scenario, text


def unknown_in(spec: Scenario, targets: Targets, of_users: Callable[[], set[str]]) -> Iterator[str]:
    """What to say of each name in a declaration that no target or user has.

    Args:
        spec: The declaration.
        targets: The targets of its space.
        of_users: Gives the fields and attributes of all users; called where one is named.
    """
    names: set[str] | None = None
    for reference, use in sorted(_used(spec).items()):
        name = reference.name
        if reference.owner == "user" and name not in USER_FIELDS and name not in of_users():
            yield _unknown("user", name, of_users()) + use.where
        if reference.owner == "item" and name not in ITEM_FIELDS:
            names = names or {*ITEM_FIELDS, *targets.attributes()}
            if name not in names:
                yield _no_attribute(name, names, _computed(spec), use.in_reward) + use.where
            elif use.as_number and not any(name in held for held in targets.numbers):
                yield f"no target has a number as {name!r}" + use.where


def unknown_in_filter(text: str, targets: Targets) -> list[str]:
    """What to say of each attribute in a filter that no target has.

    All names are only gathered where one is unknown: a filter is asked in a request.

    Args:
        text: The filter, a condition.
        targets: The targets that it is asked of.
    """
    attributes = {
        reference.name: where
        for reference, where in sorted(condition(text).places.items())
        if reference.owner == "item" and reference.name not in ITEM_FIELDS
    }
    for texts, numbers in zip(targets.texts, targets.numbers, strict=True):
        if not attributes:
            return []
        for name in [name for name in attributes if name in texts or name in numbers]:
            del attributes[name]
    names = {*ITEM_FIELDS, *targets.attributes(), "age_days"}
    return [f"filter: {_unknown('target', name, names)}{at}" for name, at in attributes.items()]


@dataclass(frozen=True, slots=True)
class _Use:
    """How a declaration uses a name."""

    where: str = ""
    """Where it stands first, as the end of a message."""
    in_reward: bool = False
    """Whether that is the reward, which knows more names than a rule."""
    as_number: bool = False
    """Whether a number is needed there."""


def _used(spec: Scenario) -> dict[Reference, _Use]:
    """The names in a declaration, the reward first."""
    found = {Reference("item", name): _Use() for name in spec.groupings}
    formula = spec.formula
    for expression in reversed(spec.expressions):
        in_reward = formula is not None and expression.text == formula.text
        for reference, _ in expression.references:
            where = expression.places.get(reference, "")
            as_number = (reference, Kind.NUMBER) in expression.references
            found[reference] = _Use(where, in_reward, as_number)
    if not isinstance(spec.reward, str) and "field" in spec.reward:
        found[Reference("item", str(spec.reward["field"]))] = _Use(as_number=True)
    return found


def _computed(spec: Scenario) -> set[str]:
    """What a reward knows of a target besides its fields and attributes."""
    return {as_name(name) for name in (*spec.sources, *spec.tasks, "similarity", "popularity")}


def _no_attribute(name: str, names: set[str], computed: set[str], in_reward: bool) -> str:
    if not in_reward and name in computed:
        return (
            f"no target has the attribute {name!r}, and as a task or source a reward alone knows it"
        )
    return _unknown("target", name, names | {"age_days"} | (computed if in_reward else set()))


def user_attributes(store: Store) -> set[str]:
    """The fields of users and the attributes that one has; reads all users."""
    return {*USER_FIELDS, *(name for user in store.users() for name in user.attributes)}


def _unknown(owner: str, name: str, known: set[str]) -> str:
    return f"no {owner} has the attribute {name!r}; {did_you_mean(name, known)}"
