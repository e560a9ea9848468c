"""Rules of a scenario: what is never shown, what comes forward or back, and what stands where."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from polyscene.expressions import Expression
from polyscene.settings.validate import Config, expression_error
from polyscene.settings.vocabulary import condition, grouping

__all__ = ["Rule", "RuleKind", "check_pins"]

RuleKind = Literal["exclude", "boost", "bury", "pin", "quota", "max"]
"""What a rule does."""
_COMPANIONS: dict[RuleKind, tuple[str, ...]] = {
    "exclude": (),
    "boost": ("factor",),
    "bury": ("factor",),
    "pin": ("position",),
    "quota": ("min", "top"),
    "max": ("per",),
}
"""The kinds of rules, and the other keys that each has."""


class Rule(Config):
    """One rule: one of exclude, boost, bury, pin, quota and max, with what belongs to it."""

    exclude: str | None = None
    """A condition; targets of which it is true are never shown."""
    boost: str | None = None
    """A condition; targets of which it is true come forward, by `factor` above 1."""
    bury: str | None = None
    """A condition; targets of which it is true go back, by `factor` below 1."""
    factor: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """What the value of a target is multiplied by; one below 0 is divided."""
    pin: str | None = None
    """Id of a target that stands at `position`."""
    position: int | None = Field(default=None, ge=1, le=1000)
    """The place of a pinned target, from 1."""
    quota: str | None = None
    """A condition; at least `min` targets of which it is true stand among the first `top`."""
    min: int | None = Field(default=None, ge=1)
    """How many targets of a quota there are, at least."""
    top: int | None = Field(default=None, ge=1, le=1000)
    """Among how many first places; in proportion in a shorter list, rounded down."""
    max: int | None = Field(default=None, ge=1)
    """How many targets in a list may have the same value of the field `per`."""
    per: str | None = None
    """A field or attribute; of a list such as tags, each value counts."""

    @field_validator("exclude", "boost", "bury", "quota")
    @classmethod
    def _condition(cls, text: str | None) -> str | None:
        if text is not None:
            with expression_error():
                condition(text)
        return text

    @field_validator("per")
    @classmethod
    def _field(cls, name: str | None) -> str | None:
        return None if name is None else grouping(name)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        kinds = [kind for kind in _COMPANIONS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(f"a rule has one of {', '.join(_COMPANIONS)}")
        kind = kinds[0]
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        wanted = {kind, *_COMPANIONS[kind]}
        for name in sorted(wanted - given):
            raise ValueError(f"a rule with {kind} needs {name}")
        for name in sorted(given - wanted):
            raise ValueError(f"{name} says nothing in a rule with {kind}")
        factor = self.factor or 0.0
        if kind == "boost" and factor <= 1:
            raise ValueError("the factor of a boost is above 1; to go back, use bury")
        if kind == "bury" and factor >= 1:
            raise ValueError("the factor of a bury is below 1; to come forward, use boost")
        if kind == "quota" and (self.min or 0) > (self.top or 0):
            raise ValueError("min is larger than top")
        return self

    @property
    def kind(self) -> RuleKind:
        """What it does."""
        return next(kind for kind in _COMPANIONS if getattr(self, kind) is not None)

    @property
    def condition(self) -> Expression | None:
        """The condition, None in a rule that has none."""
        text = self.exclude or self.boost or self.bury or self.quota
        return None if text is None else condition(text)


def check_pins(rules: list[Rule]) -> list[Rule]:
    """The same rules.

    Raises:
        ValueError: When two pins have one place, or one target two.
    """
    pins = [(rule.pin, rule.position) for rule in rules if rule.pin is not None]
    for place, word in ((0, "target"), (1, "position")):
        values = [pin[place] for pin in pins]
        for value in values:
            if values.count(value) > 1:
                raise ValueError(f"two pins have the {word} {value!r}")
    return rules
