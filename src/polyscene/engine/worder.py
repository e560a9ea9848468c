"""Reasons in the words of a language model, where they say what the evidence says."""

from __future__ import annotations

from dataclasses import replace
from unicodedata import normalize

from pydantic import Field

from polyscene.engine.answer import Answer, Recommendation
from polyscene.errors import PolysceneError
from polyscene.explain.wording import unfounded
from polyscene.llm import Form, Request, load_prompt
from polyscene.llm.guard import as_data
from polyscene.workspace import Workspace

__all__ = ["Reworded", "wants_words", "worded", "wording_request"]

_LANGUAGES = {"en": "English", "zh": "中文"}


class Reworded(Form):
    """What a model answers."""

    text: str = Field(min_length=1, max_length=300)


def worded(answer: Answer, workspace: Workspace) -> Answer:
    """The answer with its reasons reworded, those that can be and come in time; marked as such.

    Args:
        answer: The answer; its template reasons are all that may be said.
        workspace: Whose language model is asked; its scenario must declare `wording = "model"`.
    """
    settings, soon = workspace.settings, workspace.soon
    spec = settings.scenario(answer.scenario)
    if soon is None or not wants_words(answer, workspace):
        return answer
    requests = {
        place: request
        for place, item in enumerate(answer.items)
        if (request := wording_request(item, answer.language, spec.tone, answer.user_id))
    }
    if not requests:
        return answer
    try:
        outcomes = soon.ask(
            "wording", load_prompt("wording"), [*requests.values()], settings.llm.wording_budget_s
        )
    except PolysceneError:
        return answer
    items = list(answer.items)
    for place, outcome in zip(requests, outcomes, strict=True):
        if outcome.answer is not None:
            items[place] = replace(items[place], reason=outcome.answer.text.strip(), worded=True)
    return replace(answer, items=items)


def wants_words(answer: Answer, workspace: Workspace) -> bool:
    """Whether an answer has reasons that its scenario wants reworded."""
    settings = workspace.settings
    return (
        settings.llm.provider != "none"
        and settings.scenario(answer.scenario).wording == "model"
        and any(item.reason for item in answer.items)
    )


def wording_request(
    item: Recommendation, language: str, tone: str, user: str | None
) -> Request[Reworded] | None:
    """The question to a model; None where the reason has a part that it may not see.

    Args:
        item: What is recommended, with its template reason.
        language: The language of the reason.
        tone: How it should be said.
        user: For whom; the answer is erased with them.
    """
    data = {"reason": item.reason, "title": item.title}
    seen = as_data(item.reason, load_prompt("wording").data["reason"])
    if not item.reason or seen != " ".join(normalize("NFKC", item.reason).split()):
        return None
    return Request(
        data,
        Reworded,
        words={"language": _LANGUAGES.get(language, language), "tone": tone},
        check=lambda answer: unfounded(answer.text, item.reason, item.title, language),
        subject=user,
    )
