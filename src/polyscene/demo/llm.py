"""What a local language model adds to the demonstration: reasons in its words, checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polyscene.engine import Answer
from polyscene.engine.worder import wording_request
from polyscene.llm import LanguageModel, load_prompt, open_chat
from polyscene.llm.base import ChatModel
from polyscene.settings import LlmSettings
from polyscene.storage import Store

__all__ = ["Said", "opened", "reworded"]

_TONE = "warm and short"


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


def reworded(
    store: Store, chat: ChatModel, settings: LlmSettings, answers: Sequence[Answer], count: int
) -> Iterator[Said]:
    """The reasons of the first target of some answers, in the model's words.

    Args:
        store: Where answers of the model are kept.
        chat: The model; closed at the end.
        settings: Its settings.
        answers: The answers.
        count: How many reasons, at most.
    """
    with LanguageModel(chat, store, settings) as model:
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
