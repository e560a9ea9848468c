"""The words of a language model in the demonstration."""

from __future__ import annotations

import json
from pathlib import Path

from polyscene.data.schema import Item
from polyscene.demo.llm import interested, reworded, tagged
from polyscene.engine import Answer, Engine
from polyscene.llm import LanguageModel
from polyscene.settings import LlmSettings
from polyscene.testing.fake_llm import ScriptedModel
from tiny_world import NOW, act, make


def test_what_a_model_said_is_shown_with_whether_it_may_be(tmp_path: Path) -> None:
    with make(tmp_path / "w") as engine:
        answers = [engine.recommend(user, "shop", 1, now=NOW) for user in ("ann", "bo", "cy")]
        _check(engine, answers)


def _check(engine: Engine, answers: list[Answer]) -> None:
    reasons = [answer.items[0].reason for answer in answers]
    chat = ScriptedModel(
        json.dumps({"text": f"So: {reasons[0]}"}),
        json.dumps({"text": "The best of all."}),
        always="no",
    )
    settings = LlmSettings(provider="openai", model="m")
    with LanguageModel(chat, engine.workspace.store, settings) as model:
        found = list(reworded(model, answers, 3))
    assert [one.reason for one in found] == reasons
    assert (found[0].text, found[0].why) == (f"So: {reasons[0]}", "")
    assert found[1].text == "The best of all."
    assert "title" in found[1].why
    assert found[2].text == ""
    assert found[2].why


def test_tags_and_interests_are_chosen_among_words_of_the_catalogue(tmp_path: Path) -> None:
    """The fake chooses the first word that it is offered."""
    items = [
        Item(item_id=f"i{n}", title=f"Thing {n}", description=f"About word{n % 9}.",
             tags=[f"word{n % 9}", "tea"])
        for n in range(40)
    ]  # fmt: skip
    events = [act("ann", "i3"), act("ann", "i12")]
    with make(tmp_path / "w", {"shop": {"preset": "shop"}}, items=items, events=events) as engine:
        answers = [engine.recommend("ann", "shop", 1, now=NOW)]
        settings = LlmSettings(provider="openai", model="m")
        with LanguageModel(ScriptedModel(), engine.workspace.store, settings) as model:
            (told,) = tagged(engine.workspace, model, answers, 3)
            (ann,) = interested(engine.workspace, model, "shop", ["ann", "nobody", "nil"])
    title = answers[0].items[0].title
    number = int(title.split()[1])
    assert (told.name, list(told.words)) == (title, [f"word{number % 9}"])
    assert told.beside == f"word{number % 9}, tea"
    assert (ann.name, list(ann.words)) == ("Ann", ["word3"])
    assert "word3" in ann.beside
