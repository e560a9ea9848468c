"""Names in declarations that mean nothing: they are not wrong, since attributes are open."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from polyscene.engine.engine import Engine
from polyscene.errors import did_you_mean
from polyscene.expressions import Reference
from polyscene.settings import Scenario
from polyscene.settings.vocabulary import ITEM_FIELDS, USER_FIELDS, as_name

__all__ = ["unknown_names"]


def unknown_names(
    engine: Engine, scenarios: Collection[str] | None = None
) -> Iterator[tuple[str, str]]:
    """The scenario of each name that no target or user has, and what to say of it.

    Users are only read where a name of theirs may be unknown.

    Args:
        engine: The engine, with a model.
        scenarios: Which scenarios are looked at; None for all.
    """
    declared, of_users = engine.workspace.settings.scenarios, None
    for scenario in declared if scenarios is None else scenarios:
        spec = declared[scenario]
        for reference, where in sorted(_used(spec).items()):
            if reference.owner == "user" and reference.name not in USER_FIELDS:
                if of_users is None:
                    of_users = _user_attributes(engine)
                if reference.name not in of_users:
                    yield scenario, _unknown("user", reference.name, of_users) + where
            if reference.owner == "item" and reference.name not in ITEM_FIELDS:
                names = {*ITEM_FIELDS, *engine.model.space(scenario).targets.attributes()}
                if reference.name not in names:
                    computed = (*spec.sources, *spec.tasks, "similarity", "popularity", "age_days")
                    names |= {as_name(name) for name in computed}
                    yield scenario, _unknown("target", reference.name, names) + where


def _used(spec: Scenario) -> dict[Reference, str]:
    """The names in a declaration, each with where it stands first."""
    found: dict[Reference, str] = {Reference("item", name): "" for name in spec.groupings}
    for expression in reversed(spec.expressions):
        for reference, _ in expression.references:
            found[reference] = expression.places.get(reference, "")
    return found


def _user_attributes(engine: Engine) -> set[str]:
    users = engine.workspace.store.users()
    return {*USER_FIELDS, *(name for user in users for name in user.attributes)}


def _unknown(owner: str, name: str, known: set[str]) -> str:
    return f"no {owner} has the attribute {name!r}; {did_you_mean(name, known)}"
