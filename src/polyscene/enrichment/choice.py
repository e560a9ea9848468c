"""What a language model chooses among offered words, and what that is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, create_model

from polyscene.enrichment.tagger import chance, logistic
from polyscene.llm import Form, Job, Request, load_prompt
from polyscene.logs import NO_PROGRESS, Progress

__all__ = ["Offer", "Worth", "choose", "worth_of"]

Floats = npt.NDArray[np.float64]

SURE = 1.64
"""Standard errors by which choices must help before they count."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An item, and the words that a model may choose for it."""

    title: str
    description: str
    words: Mapping[str, Sequence[str]]
    """By facet, best first by the encoder. Of "tags" several may be chosen, of others one."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What a model's choice says beside the other signals.

    chance = logistic( base · log-odds without it + chosen · [the model chose it] + intercept )
    """

    base: float = 1.0
    chosen: float = 0.0
    intercept: float = 0.0
    gain: float = 0.0
    """Fall of the log loss a pair on held-out trial items."""
    error: float = 0.0
    """Its standard error."""

    @property
    def helps(self) -> bool:
        """Whether the choice is worth asking for."""
        return self.chosen > 0 and self.gain > SURE * self.error

    def __call__(self, before: Floats, picked: npt.NDArray[np.bool_]) -> Floats:
        """Chances with the choice, from those without it; both of one shape."""
        odds = np.log(before) - np.log1p(-before)
        weights = np.array([self.base, self.chosen, self.intercept])
        return chance(np.stack([odds, picked.astype(np.float64)], axis=-1), weights)


def choose(
    job: Job,
    offers: Sequence[Offer],
    n: int,
    *,
    again: bool = False,
    progress: Progress = NO_PROGRESS,
) -> list[dict[str, list[str]] | None]:
    """The words that a model chooses for each item, by facet; None where it gave no answer.

    Args:
        job: Asks the model.
        offers: The items.
        n: Tags that it may choose, at most.
        again: Also ask what it could not answer before.
        progress: Told of the questions that are really asked.
    """
    prompt = load_prompt("tags")
    requests = []
    for offer in offers:
        data = {facet: ", ".join(words) for facet, words in offer.words.items()}
        data |= {"title": offer.title, "description": offer.description}
        facets = {"n": str(n), "facets": ", ".join(f'"{facet}"' for facet in offer.words)}
        requests.append(Request(data, _form(offer.words, n), facets))
    outcomes = job.ask(prompt, requests, again=again, progress=progress)
    return [None if one.answer is None else _plain(one.answer) for one in outcomes]


def worth_of(before: Floats, picked: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> Worth:
    """What choices are worth, by trial items whose words are known.

    The gain is that of each half of the items with weights fitted on the other half.

    Args:
        before: Chances without the choice, shape (items, words).
        picked: What the model chose, same shape.
        truth: What is right, same shape.
    """
    odds = np.log(before) - np.log1p(-before)
    both = np.stack([odds, picked.astype(np.float64)], axis=-1)
    half = np.arange(len(before)) % 2 == 0
    if half.sum() < 2 or (~half).sum() < 2:
        return Worth()
    gains = np.zeros(len(before))
    for held in (half, ~half):
        losses = []
        for signals in (both[..., :1], both):
            weights = logistic(_flat(signals[~held]), truth[~held].ravel().astype(np.float64))
            losses.append(_loss(chance(signals[held], weights), truth[held]))
        gains[held] = losses[0] - losses[1]
    base, chosen, intercept = logistic(_flat(both), truth.ravel().astype(np.float64))
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    return Worth(float(base), float(chosen), float(intercept), float(gains.mean()), float(error))


def _flat(signals: Floats) -> Floats:
    return signals.reshape(-1, signals.shape[-1])


def _loss(p: Floats, truth: npt.NDArray[np.bool_]) -> Floats:
    """Mean log loss a row."""
    return np.asarray(-np.log(np.where(truth, p, 1 - p)).mean(axis=1))


def _form(words: Mapping[str, Sequence[str]], n: int) -> type[Form]:
    fields: dict[str, Any] = {}
    for facet, offered in words.items():
        one: Any = Literal[tuple(offered)]
        several = (list[one], Field(min_length=1, max_length=n))
        fields[facet] = several if facet == "tags" else (one, ...)
    return create_model("Choice", __base__=Form, **fields)


def _plain(answer: Form) -> dict[str, list[str]]:
    found = answer.model_dump()
    return {
        facet: list(dict.fromkeys(chosen)) if isinstance(chosen, list) else [chosen]
        for facet, chosen in found.items()
    }
