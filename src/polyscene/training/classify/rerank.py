"""An answer of the engine in the order of a classifier."""

from __future__ import annotations

from dataclasses import replace

from polyscene.engine.answer import Answer
from polyscene.engine.listing import movable, with_order
from polyscene.training.classify.classifier import Classifier
from polyscene.workspace import Workspace

__all__ = ["by_classifier"]


def by_classifier(
    workspace: Workspace, answer: Answer, name: str, n: int, task: str | None = None
) -> Answer:
    """The first n of an answer after a classifier has put it in order; scores stay as they are.

    What was pinned or drawn keeps its place. A classifier of the form `transformer` reads the texts
    of user and item together, as a cross-encoder does.

    Args:
        workspace: The workspace of the answer.
        answer: An answer about a user, better longer than n.
        name: Name of the classifier.
        n: Length of the list.
        task: By the chance or value of which task; the first of the scenario when omitted.

    Raises:
        NotFoundError: When there is no such classifier, task or user, or it was not trained for the
            scenario.
        SettingsError: When the workspace has another encoder than it was trained with.
    """
    free = movable(answer, len(answer.items))
    ids = [answer.items[place].item_id for place in free]
    classifier = Classifier.load(workspace, name)
    best = classifier.rerank(workspace, str(answer.user_id), ids, answer.scenario, task)
    found = with_order(answer, free, [ids.index(item) for item, _ in best])
    return replace(found, items=found.items[:n])
