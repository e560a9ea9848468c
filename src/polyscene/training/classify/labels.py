"""Answers of people about pairs, as training data of classifiers.

They are kept in `labels.jsonl` of the workspace, one JSON object a line. They are no events:
nothing but the training of classifiers reads them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from polyscene.data.dataset import Dataset, IntArray
from polyscene.errors import DataError
from polyscene.fitting.labels import LABELS, read_answers
from polyscene.training.classify.examples import FOLDS, Examples
from polyscene.workspace import Workspace

__all__ = ["LABELS", "answered", "labelled"]


def answered(workspace: Workspace, path: Path) -> int:
    """Take in a file of answers; lines without an answer are passed over.

    Args:
        workspace: The workspace; the answers are added to its `labels.jsonl`.
        path: A file as `write_asks` writes it.

    Returns:
        How many answers were taken in.

    Raises:
        DataError: When a line is wrong; nothing is taken in then.
        SettingsError: When a scenario is not declared.
    """
    found = [one for one in read_answers(path) if one.get("answer") is not None]
    store = workspace.store
    for place, one in enumerate(found, start=1):
        where = f"{path}, answer {place}"
        spec = workspace.settings.scenario(str(one.get("scenario")))
        if one.get("task") not in spec.tasks:
            raise DataError(f"{where}: got task {one.get('task')!r}; expected one of "
                            f"{', '.join(spec.tasks)}")  # fmt: skip
        if not isinstance(one["answer"], bool):
            raise DataError(f"{where}: got {one['answer']!r}; an answer is true, false or null")
        if store.item(str(one.get("item_id"))) is None:
            raise DataError(f"{where}: unknown item {one.get('item_id')!r}")
    with (workspace.path / LABELS).open("a", encoding="utf-8") as file:
        for one in found:
            kept = {key: one[key] for key in ("user_id", "item_id", "scenario", "task", "answer")}
            file.write(json.dumps(kept, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return len(found)


def labelled(workspace: Workspace, data: Dataset, like: Examples, seed: int) -> Examples:
    """The answers of a workspace as examples, never held out; the last of a pair counts.

    Args:
        workspace: The workspace.
        data: The events, whose rows are used; what they do not know is left out.
        like: Examples of the same tasks and scenarios.
        seed: Of the folds.
    """
    path = workspace.path / LABELS
    names = [task.name for task in like.tasks]
    last: dict[tuple[int, int, int], dict[int, bool]] = {}
    for one in read_answers(path) if path.exists() else ():
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
