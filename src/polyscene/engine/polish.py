"""What a language model does to an answer that is ready: its order, the words of its reasons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from polyscene.engine.answer import Answer
from polyscene.engine.listing import Gate, Told, reordered
from polyscene.engine.worder import worded
from polyscene.llm.gates import GateFile
from polyscene.workspace import Workspace

__all__ = ["gates_of", "polished", "wants_order", "write_gates"]

_GATES = GateFile("reranking.json", Gate)


def polished(answer: Answer, told: Callable[[], Told], workspace: Workspace) -> Answer:
    """The answer after what its scenario wants of the language model, each within its time.

    Args:
        answer: The answer.
        told: What the model may know of the user; only called where it is asked.
        workspace: Whose model is asked.
    """
    if wants_order(answer, workspace) and (soon := workspace.soon) is not None:
        spec, known = workspace.settings.scenario(answer.scenario), told()
        gate = gates_of(workspace.models, answer.model).get(answer.scenario)
        budget = workspace.settings.llm.rerank_budget_s
        if gate is not None and gate.opens(soon.model.chat.id, spec, known.size):
            answer = reordered(
                answer,
                known,
                lambda prompt, requests: soon.ask("rerank", prompt, requests, budget),
                gate.method,
                gate.depth,
            )
    return worded(answer, workspace)


def wants_order(answer: Answer, workspace: Workspace) -> bool:
    """Whether a scenario declares an order by the model, and a gain was ever measured there."""
    settings = workspace.settings
    if settings.llm.provider == "none" or settings.scenario(answer.scenario).rerank == "off":
        return False
    gate = gates_of(workspace.models, answer.model).get(answer.scenario)
    return gate is not None and any(band.gains for band in gate.bands)


def gates_of(models: Path, version: str) -> dict[str, Gate]:
    """What was measured of the orders of language models, by scenario; stored with a model."""
    return _GATES.of(models, version)


def write_gates(models: Path, version: str, gates: dict[str, Gate]) -> None:
    """Store what was measured with a model."""
    _GATES.write(models, version, gates)
