"""The words of a language model in the demonstration."""

from __future__ import annotations

import json
from pathlib import Path

from polyscene.demo.llm import reworded
from polyscene.engine import Answer, Engine
from polyscene.settings import LlmSettings
from polyscene.testing.fake_llm import ScriptedModel
from tiny_world import NOW, make


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
    found = list(reworded(engine.workspace.store, chat, settings, answers, 3))
    assert [one.reason for one in found] == reasons
    assert (found[0].text, found[0].why) == (f"So: {reasons[0]}", "")
    assert found[1].text == "The best of all."
    assert "title" in found[1].why
    assert found[2].text == ""
    assert found[2].why
    assert chat.closed
