"""The first places of a list in the order of a language model.

Listwise, the model puts all of them in order at once. Pairwise, it compares each with each, and the
number of comparisons won orders them; of equals the one that stood higher comes first. An answer
that is late, or not of the form, leaves the list as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from string import ascii_uppercase
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, create_model

from polyscene.engine.answer import Answer
from polyscene.errors import PolysceneError
from polyscene.llm import Form, Outcome, Prompt, Request, as_data, load_prompt
from polyscene.metrics.bands import Band
from polyscene.settings import Scenario

__all__ = [
    "BANDS",
    "NOTHING_TOLD",
    "Band",
    "Gate",
    "Method",
    "Told",
    "movable",
    "prompt_of",
    "ranked_by",
    "reordered",
    "with_order",
]

Method = Literal["listwise", "pairwise"]
BANDS = ((1, 5), (6, 20), (21, 1_000_000))
"""Lengths of histories that are measured apart: short ones gain most."""
Ask = Callable[[Prompt, Sequence[Request[Any]]], Sequence[Outcome[Any]]]
"""Asks a language model."""

_LIKED = 10
"""Titles of the history that the model is told, at most."""
_CAP = 90
"""Characters of a title."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a model is told of a user."""

    liked: Sequence[str]
    """Titles of what they liked, latest first."""
    size: int
    """How many targets are in their history."""


NOTHING_TOLD = Told((), 0)
"""Of somebody of whom nothing is known, or is to be told."""


class Gate(BaseModel):
    """What was measured of one model in one scenario; it is asked only where that was a gain."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    prompt: int
    """Version of the prompt."""
    method: Method
    depth: int
    bands: tuple[Band, ...]
    asked: int
    """Lists that were given to the model."""
    answered: int
    """Those that came back in order."""
    seconds: float
    """Median time of a list."""
    cost: float
    """Of 1,000 lists, in the currency of the prices, nothing being remembered."""
    tokens: float
    """Of one list, in and out."""

    def opens(self, model: str, spec: Scenario, size: int) -> bool:
        """Whether a model is asked about a user with so many targets in their history."""
        same = (model, spec.rerank, spec.rerank_depth) == (self.model, self.method, self.depth)
        if not same or self.prompt != prompt_of(self.method).version:
            return False
        return any(band.gains for band in self.bands if band.holds(size))


def prompt_of(method: Method) -> Prompt:
    """The prompt of a method."""
    return load_prompt("rank-list" if method == "listwise" else "rank-pair")


def ranked_by(
    ask: Ask, method: Method, told: Told, titles: Sequence[str], user: str | None
) -> list[int] | None:
    """The places of the titles from 0, best first, as a model orders them; None where it does not.

    Args:
        ask: Asks the model.
        method: "listwise" asks once, "pairwise" k(k-1)/2 times for k titles.
        told: What it is told of the user.
        titles: The candidates as they stand, at most 20.
        user: Who it is about; what the model says is erased with them.
    """
    liked = " | ".join(filter(None, map(_short, told.liked[:_LIKED])))
    prompt = prompt_of(method)
    if method == "listwise":
        letters = ascii_uppercase[: len(titles)]
        listed = [f"{letter}: {_short(one)}" for letter, one in zip(letters, titles, strict=True)]
        data = {"liked": liked, "candidates": " | ".join(listed)}
        asked: Request[Any] = Request(data, _order(letters), check=_incomplete, subject=user)
        (outcome,) = ask(prompt, [asked])
        if outcome.answer is None:
            return None
        return [letters.index(letter) for letter in outcome.answer.order]
    pairs = list(combinations(range(len(titles)), 2))
    turned = [(j, i) if (i + j) % 2 else (i, j) for i, j in pairs]  # no place is always first
    requests: list[Request[Any]] = [
        Request(
            {"liked": liked, "A": _short(titles[a]), "B": _short(titles[b])}, _Better, subject=user
        )
        for a, b in turned
    ]
    wins = np.zeros(len(titles), np.int64)
    for (a, b), outcome in zip(turned, ask(prompt, requests), strict=True):
        if outcome.answer is None:
            return None
        wins[a if outcome.answer.better == "A" else b] += 1
    order: list[int] = np.argsort(-wins, kind="stable").tolist()
    return order


def reordered(answer: Answer, told: Told, ask: Ask, method: Method, depth: int) -> Answer:
    """The answer with its first places in a model's order; scores stay with their targets.

    What was pinned or drawn keeps its place, and what stands below `depth`.

    Args:
        answer: The answer.
        told: What the model is told of the user.
        ask: Asks the model.
        method: How it is asked.
        depth: How many places.
    """
    free = movable(answer, depth)
    titles = [answer.items[place].title for place in free]
    if len(free) < 2 or not told.liked or not all(titles):
        return answer
    try:
        order = ranked_by(ask, method, told, titles, answer.user_id)
    except PolysceneError:
        order = None
    return answer if order is None else with_order(answer, free, order)


def movable(answer: Answer, depth: int) -> list[int]:
    """The places of the first `depth` whose targets were neither pinned nor drawn, from 0."""
    first = list(enumerate(answer.items))[:depth]
    return [p for p, one in first if not (one.evidence.pinned or one.evidence.explored)]


def with_order(answer: Answer, free: Sequence[int], order: Sequence[int]) -> Answer:
    """The answer with some of its targets in another order; scores stay with their targets.

    Args:
        answer: The answer.
        free: The places that change, from 0.
        order: Which of them, by its number in `free`, comes to the first, the second, ...
    """
    items = list(answer.items)
    for place, chosen in zip(free, order, strict=True):
        moved = answer.items[free[chosen]]
        items[place] = replace(moved, rank=place + 1, rank_before=moved.rank)
    return replace(answer, items=items)


class _Better(Form):
    better: Literal["A", "B"]


def _order(letters: str) -> type[Form]:
    names = tuple(letters)
    listed = list[Literal[names]]  # type: ignore[valid-type]
    size = Field(min_length=len(letters), max_length=len(letters))
    fields: dict[str, Any] = {"order": (listed, size)}
    found: type[Form] = create_model("Order", __base__=Form, **fields)
    return found


def _incomplete(answer: Any) -> str | None:
    return None if len(set(answer.order)) == len(answer.order) else "a letter stands there twice"


def _short(title: str) -> str:
    """A title as it stands among others: none reaches into its neighbours, or tells to obey."""
    return as_data(title.replace("|", "/"), _CAP)
