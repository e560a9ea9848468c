"""What is tried beside the answers rests on what the answers rest on."""

from __future__ import annotations

from pathlib import Path

import tiny_world
from polyscene.enrichment.noted import NotedGate, write_gates
from polyscene.metrics.bands import Band
from polyscene.server.answering import Answering
from polyscene.server.question import Question
from polyscene.settings import parse_settings
from polyscene.storage import Note, put_notes

from .conftest import Server

SHOP = {"preset": "shop", "sources": {"semantic-mean": 1.0}}


def noting(path: Path) -> None:
    """cy, who bought one thing for running, is noted to be interested in maps; that counts."""
    with tiny_world.reopen(path, {"shop": SHOP}) as engine:
        store = engine.workspace.store
        put_notes(store, [Note("user", "cy", "tags", ["maps"], [1.0], "encoder", "3", 0.0, "shop")])
        band = Band(least=1, most=1, users=100, before=0.1, after=0.2, low=0.05, high=0.15)
        gate = NotedGate(model="", weight=5.0, fade=0.0, bands=(band,))
        write_gates(engine.workspace, engine.model.config.version, {"shop": gate})


def listed(answering: Answering, reward: str | None = None) -> list[tuple[str, float]]:
    question = Question("shop", 6, "cy")
    if reward is None:
        answer = answering.recommend(question)
    else:
        answer = answering.preview(question, reward)
    return [(item.item_id, round(item.score, 5)) for item in answer.items]


def maps(answering: Answering) -> int:
    """How many of the first four are maps."""
    return sum(name.startswith("map") for name, _ in listed(answering)[:4])


def test_a_preview_counts_noted_interests_as_the_list_beside_it(serve: Server) -> None:
    """With the same reward it is the same list; and that is another one than without notes."""
    told = SHOP | {"reward": "similarity"}
    plain = serve(scenarios={"shop": told}, pages={}).service.answering
    noted = serve(noting, scenarios={"shop": told}, pages={}).service.answering
    assert listed(noted, "similarity") == listed(noted)
    assert listed(noted) != listed(plain)
    assert maps(noted) > maps(plain)


def test_other_settings_count_noted_interests_too(serve: Server) -> None:
    answering = serve(noting, scenarios={"shop": SHOP}, pages={}).service.answering
    told = SHOP | {"reward": "similarity"}
    answering.settle(parse_settings({"scenarios": {"shop": told}}))
    assert listed(answering) == listed(answering, "similarity")
    assert maps(answering) == 3
