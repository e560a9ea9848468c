"""A scenario: a declared place where something is recommended."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from polyscene.settings.validate import Config

__all__ = ["Action", "Duplicates", "Safety", "Scenario", "TargetKind", "UserVectors"]

TargetKind = Literal["item", "content", "activity", "person"]
"""What a scenario recommends."""
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Action(Config):
    """What one kind of action says about a user's interest.

    The strength of an event is `weight` times a function of its value:

        ignore   weight
        linear   weight · clip((value - center) / scale, -1, 1)
        log      weight · log(1 + max(value, 0))

    A negative strength is a dislike.
    """

    weight: float = 1.0
    """Strength of one event; negative for actions that say no."""
    value: Literal["ignore", "linear", "log"] = "ignore"
    """How the event's value changes the strength."""
    center: float = 0.0
    """The neutral value of `linear`, such as 3 for ratings from 1 to 5."""
    scale: float = Field(default=1.0, gt=0)
    """The distance from `center` that counts as one full `weight`."""


class UserVectors(Config):
    """How a user becomes vectors in a scenario. What a user lacks counts as nothing."""

    tags: float = Field(default=1.0, ge=0)
    """Weight of the mean of the vectors of the user's interest tags."""
    description: float = Field(default=1.0, ge=0)
    """Weight of the vector of the user's own description."""
    behaviour: float = Field(default=1.0, ge=0)
    """Weight of the mean of the vectors of what the user acted on."""
    recent: int = Field(default=500, ge=1, le=10_000)
    """How many of the latest distinct targets of the history are used."""


class Safety(Config):
    """What is never shown in a scenario, whatever its score."""

    blocked_terms: list[str] = []
    """A target whose title, description or tags contain one of these (whole words, any case;
    Chinese anywhere in the text) is withheld."""
    blocked_tags: list[str] = []
    """A target with one of these tags is withheld."""
    require: list[Literal["title", "description", "provider", "language", "image"]] = []
    """A target that lacks one of these fields is withheld."""


class Duplicates(Config):
    """Which targets count as the same, so that only the best placed of them is shown."""

    threshold: float = Field(default=0.98, gt=0, le=1)
    """Cosine of two targets' text vectors from which on they are near-identical; 1 turns the
    comparison off (equal titles and descriptions are still removed)."""


class Scenario(Config):
    """A place where something is recommended, and by which rules."""

    preset: str | None = None
    """The domain preset that the unset keys come from."""
    target: TargetKind = "item"
    """The kind of what is recommended."""
    reads: Literal["all"] | list[str] = "all"
    """The other scenarios whose events are part of the history here: names, [] to be isolated,
    or "all" that are not private. Events without a scenario are read everywhere."""
    private: bool = False
    """Whether "all" in other scenarios leaves this one's events out."""
    tasks: list[str] = []
    """The responses to predict: actions, or values such as a rating."""
    actions: dict[str, Action] = {}
    """What each action says; a plain number is short for {weight = number}."""
    other_actions: float = 0.5
    """Weight of an action that `actions` does not name."""
    verbs: dict[str, dict[str, str]] = {}
    """The verb of an action per language, for the text of a history: bought, liked, 购买了."""
    half_life_days: float = Field(default=90.0, gt=0)
    """After how many days an event counts half."""
    trend_half_life_days: float = Field(default=14.0, gt=0)
    """The same for what is trending."""
    seen: Literal["exclude", "include"] = "exclude"
    """Whether targets that the user has already acted on are left out."""
    seen_actions: list[str] = []
    """The actions that make a target seen; empty means every action."""
    languages: list[str] = []
    """If not empty, only targets in these languages (or with none stated) are shown."""
    sources: dict[str, Weight] = {"semantic-soft": 1.0}
    """The sources of candidates and their weights in the fused score."""
    reward: dict[str, Any] = {"type": "constant"}
    """The reward f(u,i): a `type` and its options."""
    users: UserVectors = UserVectors()
    """How a user becomes vectors."""
    safety: Safety = Safety()
    """What is never shown."""
    duplicates: Duplicates = Duplicates()
    """Which targets count as the same."""

    @field_validator("actions", mode="before")
    @classmethod
    def _number_is_weight(cls, actions: Any) -> Any:
        if not isinstance(actions, dict):
            return actions
        return {
            name: {"weight": action} if isinstance(action, int | float) else action
            for name, action in actions.items()
        }
