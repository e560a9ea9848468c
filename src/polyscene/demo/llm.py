"""What a local language model adds to the demonstration: tags, interests, and reasons, checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from polyscene.engine import Answer
from polyscene.engine.worder import wording_request
from polyscene.enrichment.choice import Offer, choose
from polyscene.enrichment.items import item_text
from polyscene.enrichment.users import Reader, chosen_words, profile, read_user
from polyscene.enrichment.vocabulary import catalogue_words
from polyscene.llm import LanguageModel, load_prompt, open_chat
from polyscene.llm.base import ChatModel
from polyscene.represent.whiten import normalise
from polyscene.settings import LlmSettings
from polyscene.workspace import Workspace

__all__ = ["Said", "Told", "interested", "opened", "reworded", "tagged"]

_TONE = "warm and short"
_OFFERED, _CHOSEN = 8, 3
"""Words that the model chooses among, and chooses at most."""
_AROUND = 200
"""Other targets that tell what texts have in common."""


@dataclass(frozen=True, slots=True)
class Told:
    """A target or a person, and the words that the model chose for it."""

    name: str
    words: Sequence[str]
    """Best first; none where it gave no answer."""
    beside: str
    """What there is to compare with: the tags of the target, or the sentence on the person."""


@dataclass(frozen=True, slots=True)
class Said:
    """A reason, and what the model made of it."""

    reason: str
    text: str
    """What it said; "" where it gave no answer."""
    why: str
    """Why that is not shown to a user; "" where it is."""


def opened(model: str) -> tuple[ChatModel, LlmSettings]:
    """The local model; its file is read at the first question.

    Args:
        model: The path of a GGUF file, or package:NAME.

    Raises:
        SettingsError: When there is no such file.
    """
    settings = LlmSettings(provider="local", model=model)
    return open_chat(settings, Path()), settings


def tagged(
    workspace: Workspace, model: LanguageModel, answers: Sequence[Answer], count: int
) -> Iterator[Told]:
    """The first targets of some answers, in tags that the model chose by their texts alone.

    Args:
        workspace: Where the targets are.
        model: The model.
        answers: The answers.
        count: How many targets, at most.
    """
    store, encoder = workspace.store, workspace.encoder
    first = dict.fromkeys(answer.items[0].item_id for answer in answers if answer.items)
    items = [item for item in store.items(list(first)) if item.tags and item.description][:count]
    words = catalogue_words([item.tags for item in store.items()], 3, 500)
    if not items or len(words) < _OFFERED:
        return
    around = list(islice(store.items(), _AROUND))  # what texts here have in common says nothing
    vectors = encoder.encode([item_text(item) for item in (*items, *around)])
    named, own = encoder.encode(words), vectors[: len(items)] - vectors.mean(axis=0)
    near = np.argsort(-(own @ normalise(named - named.mean(axis=0)).T), axis=1, kind="stable")
    job = model.job("demo")
    for item, order in zip(items, near[:, :_OFFERED], strict=True):
        offered = [words[place] for place in order.tolist()]
        (chosen,) = choose(job, [Offer(item.title, item.description, {"tags": offered})], _CHOSEN)
        yield Told(item.title, (chosen or {}).get("tags", ()), ", ".join(item.tags))


def interested(
    workspace: Workspace, model: LanguageModel, scenario: str, users: Sequence[str]
) -> Iterator[Told]:
    """What some people are interested in, by what they did and in the model's choice of words.

    Args:
        workspace: Where they are.
        model: The model.
        scenario: Whose history and weights.
        users: Their ids.
    """
    reader, job = Reader(workspace, scenario), model.job("demo")
    for name in users:
        user = workspace.store.user(name)
        liked = read_user(workspace, reader, name, workspace.store.history(name))
        if user is None or not liked.words:
            continue
        (words,) = chosen_words(workspace.settings.enrich, job, [liked])
        text = " ".join(profile(workspace, scenario, user, words or ()))
        yield Told(user.attributes.get("name", name), words or (), text)


def reworded(model: LanguageModel, answers: Sequence[Answer], count: int) -> Iterator[Said]:
    """The reasons of the first target of some answers, in the model's words.

    Args:
        model: The model.
        answers: The answers.
        count: How many reasons, at most.
    """
    job, prompt = model.job("demo"), load_prompt("wording")
    for answer in [one for one in answers if one.items and one.items[0].reason][:count]:
        item = answer.items[0]
        request = wording_request(item, answer.language, _TONE, answer.user_id)
        if request is None:
            continue
        (outcome,) = job.ask(prompt, [replace(request, check=lambda _: None)])
        if outcome.answer is None:
            yield Said(item.reason, "", outcome.why)
            continue
        yield Said(item.reason, outcome.answer.text, request.check(outcome.answer) or "")
