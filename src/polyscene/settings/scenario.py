"""A scenario: a declared place where something is recommended."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from polyscene.expressions import Expression
from polyscene.settings.attend import Attend
from polyscene.settings.diversity import TEXT, Diversity, Exposure
from polyscene.settings.explore import Explore
from polyscene.settings.rules import Rule, check_pins
from polyscene.settings.tasks import Task, task_table
from polyscene.settings.validate import Config, expression_error
from polyscene.settings.vocabulary import as_name, formula

__all__ = ["Action", "Duplicates", "Safety", "Scenario", "TargetKind", "UserVectors"]

TargetKind = Literal["item", "content", "activity", "person", "tag"]
"""What a scenario recommends."""
_POSITIVE = re.compile(r"\s*([^<>=\s]+)\s*(?:>=\s*(-?\d+(?:\.\d+)?)\s*)?")


def _weight(value: Any) -> Any:
    """One message for both kinds of weight, where a union would have two."""
    if value != "auto" and not (isinstance(value, int | float) and 0 <= value < math.inf):
        raise ValueError('a weight is a number of at least 0, or "auto"')
    return value


Weight = Annotated[float | Literal["auto"], BeforeValidator(_weight)]


def _readable(value: Any) -> Any:
    """One message for both forms of `reads`."""
    if value != "all" and not isinstance(value, list):
        raise ValueError('a list of scenarios is needed, such as ["news"], or "all"')
    return value


def _reward(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise ValueError("a reward is a table with a type, or an expression as text")
    return value


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
    recent: int = Field(default=5000, ge=1, le=100_000)
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
    hold_terms: list[str] = []
    """A target that contains one of these is on hold: withheld until its attribute `approved` is
    true."""
    hold_tags: list[str] = []
    """The same of a target with one of these tags."""
    profanity: Literal["off", "hold", "block"] = "off"
    """What becomes of a target whose title, description or tags are profane: nothing, on hold until
    its attribute `approved` is true, or withheld. Needs the extra `safety`."""
    profanity_threshold: float = Field(default=0.9, gt=0, le=1)
    """How probable it must be that an English sentence is offensive."""
    profanity_ignore: list[str] = []
    """Words of the lists of other languages that count as harmless."""


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
    reads: Annotated[Literal["all"] | list[str], BeforeValidator(_readable)] = "all"
    """The other scenarios whose events are part of the history here: names, [] to be isolated,
    or "all" that are not private. Events without a scenario are read everywhere."""
    private: bool = False
    """Whether "all" in other scenarios leaves this one's events out."""
    tasks: Annotated[dict[str, str], BeforeValidator(task_table)] = {}
    """The responses to predict, by name: an action, "rate>=4" for one with at least a value, or
    "value of rate". A list of actions names each after itself. An action that the reward names is
    one of them, listed or not."""
    negatives: Literal["auto", "logged", "shown", "sampled"] = "auto"
    """What a task is told from: the rows of answered lists, other targets that were shown, or
    targets drawn from all that may be; "auto" takes the first that the log knows."""
    actions: dict[str, Action] = {}
    """What each action says; a plain number is short for {weight = number}."""
    other_actions: float = 0.5
    """Weight of an action that `actions` does not name."""
    positive: list[str] = []
    """What counts as a success where options are chosen and quality is measured: actions, with a
    least value where that matters, such as ["like", "rate>=4"]; empty means every event of positive
    strength."""
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
    sources: dict[str, Weight] = {
        "kernel": "auto",
        "rp3beta": "auto",
        "factor": "auto",
        "user-knn": "auto",
        "social": "auto",
        "semantic-mean": "auto",
        "trending": "auto",
    }
    """The sources of candidates and their weights in the fused score; "auto" to choose the weight
    by validation at each fit. A source of weight 0 fills up lists that are too short."""
    reward: Annotated[dict[str, Any] | str, BeforeValidator(_reward)] = {"type": "constant"}
    """What orders the candidates. A table, a `type` and its options, is the reward f(u,i), and
    sim·f orders; a text is an expression whose value itself orders."""
    attend: Attend = Attend()
    """Until when, and how far away, targets with a time and a place are shown."""
    rules: list[Rule] = []
    """What is excluded, comes forward or back, is pinned, has a quota or a maximum."""
    diversity: Diversity = Diversity()
    """How varied a list is."""
    exposure: Exposure = Exposure()
    """What share of the places every provider gets, at least."""
    explore: Explore = Explore()
    """Which places of a list are drawn."""
    reciprocity: float = Field(default=0.0, ge=0, le=1)
    """Of people how much it counts what they would say of the one who asks: 0 not at all, 1
    alone."""
    users: UserVectors = UserVectors()
    """How a user becomes vectors."""
    safety: Safety = Safety()
    """What is never shown."""
    duplicates: Duplicates = Duplicates()
    """Which targets count as the same."""
    rerank: Literal["off", "listwise", "pairwise"] = "off"
    """Whether a language model puts the first places in order, where `polyscene rerank` has
    measured a gain, and how it is asked."""
    rerank_depth: int = Field(default=10, ge=2, le=20)
    """How many places it puts in order."""
    wording: Literal["template", "model"] = "template"
    """Who words the reasons: templates, or the language model where it says the same in time."""
    tone: str = Field(default="plain and friendly", min_length=1, max_length=200)
    """How a language model should word them."""

    @field_validator("tasks")
    @classmethod
    def _tasks(cls, tasks: dict[str, str]) -> dict[str, str]:
        for name, text in tasks.items():
            Task.of(name, text)
        return tasks

    @field_validator("positive")
    @classmethod
    def _conditions(cls, positive: list[str]) -> list[str]:
        for text in positive:
            if not _POSITIVE.fullmatch(text):
                raise ValueError(f"{text!r} is neither an action nor like 'rate>=4'")
        return positive

    @field_validator("reciprocity")
    @classmethod
    def _of_people(cls, reciprocity: float, info: ValidationInfo) -> float:
        target = info.data.get("target", "person")
        if reciprocity and target != "person":
            raise ValueError(
                f"only people can say something of the one who asks, and the target here is "
                f'"{target}"; leave it out, or set target = "person"'
            )
        return reciprocity

    @field_validator("rules")
    @classmethod
    def _pins(cls, rules: list[Rule]) -> list[Rule]:
        return check_pins(rules)

    @field_validator("reward")
    @classmethod
    def _formula(cls, reward: Any, info: ValidationInfo) -> Any:
        if isinstance(reward, str) and info.data.keys() >= {"sources", "tasks", "actions"}:
            with expression_error():
                responses = {*info.data["tasks"], *info.data["actions"]}
                formula(reward, info.data["sources"], responses)
        return reward

    @model_validator(mode="after")
    def _named_tasks(self) -> Self:
        """The same, with the actions that the reward names among the tasks."""
        if (reward := self.formula) is not None:
            told = {as_name(name) for name in self.tasks}
            named = [name for name in self.actions if reward.uses("", as_name(name))]
            self.tasks.update({name: name for name in named if as_name(name) not in told})
        return self

    @property
    def to_predict(self) -> list[Task]:
        """The declared tasks, and what else the reward names."""
        return [Task.of(name, text) for name, text in self.tasks.items()]

    @property
    def formula(self) -> Expression | None:
        """The expression that the reward is, None where it is a table."""
        if not isinstance(self.reward, str):
            return None
        return formula(self.reward, self.sources, self.responses)

    @property
    def expressions(self) -> list[Expression]:
        """Every expression in the declaration."""
        found = [self.formula, *(rule.condition for rule in self.rules)]
        return [expression for expression in found if expression is not None]

    @property
    def groupings(self) -> list[str]:
        """The fields and attributes by whose values targets are told apart."""
        used = [rule.per for rule in self.rules if rule.per is not None]
        used += [self.diversity.by] if self.diversity.strength else []
        used += [self.exposure.by] if self.exposure.floor else []
        return [name for name in used if name != TEXT]

    @property
    def responses(self) -> frozenset[str]:
        """What may be predicted here: the tasks, and any action with a meaning."""
        return frozenset({*self.tasks, *self.actions})

    @property
    def of_items(self) -> bool:
        """Whether it recommends items, content or activities: what is learned from together."""
        return self.target not in ("person", "tag")

    @property
    def successes(self) -> dict[str, float]:
        """`positive` as the least value that counts, by action; empty when nothing is declared."""
        found = (_POSITIVE.fullmatch(text) for text in self.positive)
        return {m[1]: float(m[2]) if m[2] else -math.inf for m in found if m}

    @field_validator("actions", mode="before")
    @classmethod
    def _number_is_weight(cls, actions: Any) -> Any:
        if not isinstance(actions, dict):
            return actions
        return {
            name: {"weight": action} if isinstance(action, int | float) else action
            for name, action in actions.items()
        }
