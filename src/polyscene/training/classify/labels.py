"""Answers of people about pairs as training data of classifiers."""

from __future__ import annotations

import numpy as np

from polyscene.data.dataset import Dataset, IntArray
from polyscene.fitting.labels import answers_of
from polyscene.training.classify.examples import FOLDS, Examples
from polyscene.workspace import Workspace

__all__ = ["labelled"]


def labelled(workspace: Workspace, data: Dataset, like: Examples, seed: int) -> Examples:
    """The answers of a workspace as examples, never held out; the last of a pair counts.

    Args:
        workspace: The workspace.
        data: The events, whose rows are used; what they do not know is left out.
        like: Examples of the same tasks and scenarios.
        seed: Of the folds.
    """
    names = [task.name for task in like.tasks]
    last: dict[tuple[int, int, int], dict[int, bool]] = {}
    for one in answers_of(workspace.path):
        if "tag" in one:
            continue
        user, item = data.users.row(one["user_id"]), data.items.row(one["item_id"])
        if min(user, item) >= 0 and one["scenario"] in like.scenarios and one["task"] in names:
            key = user, item, like.scenarios.index(one["scenario"])
            last.setdefault(key, {})[names.index(one["task"])] = one["answer"]
    columns: IntArray = np.array(list(last), np.int64).reshape(-1, 3)
    labels = np.full((len(names), len(last)), np.nan, np.float32)
    for place, answers in enumerate(last.values()):
        for task, answer in answers.items():
            labels[task, place] = answer
    fold = np.random.default_rng(seed).integers(0, FOLDS, len(last))
    user, item, scenario = columns.T
    return Examples(user, item, scenario, fold, labels, like.tasks, like.scenarios)
