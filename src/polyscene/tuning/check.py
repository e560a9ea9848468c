"""Whether other settings are better on events that nothing was chosen by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import IntArray
from polyscene.evaluation.context import context_of
from polyscene.evaluation.measures import hits_of
from polyscene.evaluation.protocols import Split
from polyscene.evaluation.systems import ENGINE, Bench
from polyscene.fitting.run import fit_to
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.metrics.compare import Comparison, paired
from polyscene.metrics.ranking import ndcg
from polyscene.workspace import Workspace

__all__ = ["compared", "engine_values"]

_AT = 10


def compared(
    first: Workspace, second: Workspace, part: Split, progress: Progress = NO_PROGRESS
) -> dict[str, Comparison]:
    """By scenario, NDCG@10 of the engine of the second workspace less that of the first.

    Each is fitted to what the split left, and asked the same questions.

    Args:
        first: A workspace.
        second: The same with other settings, or another encoder.
        part: The split.
        progress: Where long steps report.
    """
    own, new = (engine_values(one, part, progress) for one in (first, second))
    return {
        name: paired(new[name][0], values, users=users) for name, (values, users) in own.items()
    }


def engine_values(
    own: Workspace, part: Split, progress: Progress = NO_PROGRESS
) -> dict[str, tuple[npt.NDArray[np.float64], IntArray]]:
    """By scenario NDCG@10 of the engine's list, and the user, of every question.

    Args:
        own: The workspace, which is fitted to what the split left; nothing is written.
        part: The split.
        progress: Where long steps report.
    """
    found = {}
    model = fit_to(own, part.train, part.links, progress, part.now)
    bench = Bench(own, model, part)
    for name in part.plan.scenarios:
        context = context_of(own, model, part, name)
        asked = context.questions
        if not len(asked):
            continue
        weights = bench.systems(name, ablation=False)[ENGINE]
        with progress.task(f"ask in {name}", len(asked), "lists") as task:
            lists = bench.lists(asked, name, weights, _AT, task)
        counts = np.asarray(context.relevant.getnnz(axis=1), np.int64)
        found[name] = ndcg(hits_of(lists, context.relevant), counts, _AT), asked.users
    return found
