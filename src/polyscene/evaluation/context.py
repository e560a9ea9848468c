"""What the lists of a scenario are judged by, as a split leaves it."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from polyscene.data.dataset import Dataset, FloatArray, IntArray
from polyscene.evaluation.measures import Context, action_matrices
from polyscene.evaluation.protocols import Split
from polyscene.fitting.holdout import succeeded
from polyscene.fitting.model import Model
from polyscene.fitting.shown import shown
from polyscene.settings import TargetKind
from polyscene.workspace import Workspace

__all__ = ["acted_pairs", "activity", "context_of"]


def context_of(workspace: Workspace, model: Model, part: Split, scenario: str) -> Context:
    """What lists are judged by; what the scenario may not show is not to be found either."""
    spec = workspace.settings.scenario(scenario)
    train, on_person = part.train, spec.target == "person"
    pairs = acted_pairs(train, spec.target)
    ids, space = (train.users if on_person else train.items).ids, model.space(scenario)
    rows = space.targets.ids.rows(ids)
    known = np.maximum(rows, 0)
    visible = shown(model, scenario, spec)[known] & (rows >= 0)
    ranked = part.ranked.get(scenario, np.ones(len(ids), np.bool_)) & visible
    relevant = sp.csr_matrix(part.relevant[scenario].multiply(ranked[None]))
    relevant.eliminate_zeros()
    able = relevant.getnnz(axis=1) > 0
    questions, relevant = part.questions.take(able), sp.csr_matrix(relevant[able])
    right = part.held.take(succeeded(part.held, workspace.settings, scenario))
    return Context(
        questions=questions,
        relevant=relevant,
        popularity=np.bincount(pairs[1], minlength=len(ids)),
        activity=activity(train, spec.target)[questions.users],
        published_at=np.where(rows >= 0, space.published_at[known], np.nan),
        first_event=_first_events(train, spec.target, len(ids)),
        now=part.now,
        vectors=space.vectors[known],
        ranked=ranked,
        actions=action_matrices(right, questions, relevant),
    )


def activity(train: Dataset, kind: TargetKind) -> IntArray:
    """How many targets each user acted on, shape (users,)."""
    return np.bincount(acted_pairs(train, kind)[0], minlength=len(train.users))


def acted_pairs(train: Dataset, kind: TargetKind) -> IntArray:
    """The distinct pairs of user and target, shape (2, pairs)."""
    used = train.aimed(kind) & (train.target >= 0)
    pairs: IntArray = np.unique(np.stack([train.user[used], train.target[used]]), axis=1)
    return pairs


def _first_events(train: Dataset, kind: TargetKind, size: int) -> FloatArray:
    """When somebody first acted on each target, NaN where that is unknown. Shape (size,)."""
    dated = train.aimed(kind) & (train.target >= 0) & ~np.isnan(train.timestamp)
    first = np.full(size, np.inf)
    np.minimum.at(first, train.target[dated], train.timestamp[dated])
    return np.where(np.isinf(first), np.nan, first)
