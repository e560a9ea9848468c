"""The metrics of one system's lists, and their parts by user, target and action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.component import Vectors
from polyscene.data.dataset import Dataset, IntArray
from polyscene.data.questions import Questions
from polyscene.metrics import catalogue, ranking
from polyscene.metrics.compare import Interval, interval
from polyscene.represent.strength import SECONDS_A_DAY

__all__ = [
    "ACTIVITY",
    "Context",
    "Measured",
    "Slice",
    "action_matrices",
    "bins",
    "hits_of",
    "measured",
    "slices",
]

ACTIVITY = (0, 1, 5, 20, 100)
"""Lower bounds of how much a user has done in training, or of how many acted on a target."""
_AGES = (0, 7, 30, 365, 1825)
"""Lower bounds of the age of a target, in days: a week, a month, a year, five years."""


@dataclass(frozen=True, slots=True)
class Context:
    """What lists of a scenario are judged by."""

    questions: Questions
    """The users with something to find, and what is asked about; q of them."""
    relevant: sp.csr_matrix
    """What is to be found, shape (q, targets)."""
    popularity: npt.NDArray[np.int64]
    """Users who acted on each target in training, shape (targets,)."""
    activity: npt.NDArray[np.int64]
    """Targets that the user of each question acted on in training, shape (q,)."""
    published_at: npt.NDArray[np.float64]
    """When each target appeared, NaN where unknown, shape (targets,)."""
    first_event: npt.NDArray[np.float64]
    """When somebody first acted on each target in training, NaN where unknown, shape (targets,)."""
    now: float
    """The time of the questions, seconds since 1970-01-01 UTC."""
    vectors: Vectors
    """Unit vectors of the targets, shape (targets, dim)."""
    ranked: npt.NDArray[np.bool_]
    """Which targets are ranked, shape (targets,)."""
    actions: Sequence[tuple[str, sp.csr_matrix]]
    """What is to be found by the action that makes it a success."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The metrics of a system. Those at k are named like "ndcg@10".

    With protocol impressions they are those of `polyscene.evaluation.ordering`.
    """

    weights: dict[str, float]
    """Its sources with their weights."""
    metrics: dict[str, Interval]
    """Means over questions with their confidence intervals, for which users are drawn."""
    catalogue: dict[str, float]
    """Numbers of all lists together, at the first k, over the targets that are ranked: coverage,
    gini. Of impressions: calibration_error, calibration_ratio, base_log_loss."""
    curve: list[tuple[float, float]]
    """Mean (recall, precision) at each list length from 1 on. Of impressions a reliability diagram:
    (probability, share of positives) in bins of equally many, from low to high probability."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Recall of a part of what is to be found, at the first k."""

    kind: str
    """By what the part is taken: "user activity", "target popularity", "target age in days" or,
    where no target says when it appeared, "days since the first event", and "action"."""
    part: str
    """Which part, such as "5-19"."""
    pairs: int
    """Pairs to find in it."""
    recall: dict[str, float]
    """The share of them that each system finds."""


def hits_of(lists: IntArray, relevant: sp.csr_matrix) -> npt.NDArray[np.bool_]:
    """Whether each listed target is relevant. Shape of the lists."""
    users = np.arange(len(lists))[:, None]
    found = np.asarray(relevant[users, np.maximum(lists, 0)].todense()) > 0
    return np.asarray(found & (lists >= 0))


def measured(
    lists: IntArray,
    weights: dict[str, float],
    context: Context,
    popular: IntArray,
    k: Sequence[int],
) -> tuple[Measured, npt.NDArray[np.float64]]:
    """The metrics of the lists of a system, and its NDCG at the first k by question.

    Args:
        lists: Rows of targets, -1 past the last, shape (q, depth).
        weights: The weights of its sources.
        context: What they are judged by.
        popular: What popularity alone would show, same shape.
        k: List lengths, the main one first.
    """
    hits = hits_of(lists, context.relevant)
    counts = np.asarray(context.relevant.getnnz(axis=1), np.int64)
    values: dict[str, npt.NDArray[np.float64]] = {}
    for length in k:
        for name, metric in (
            ("ndcg", ranking.ndcg),
            ("recall", ranking.recall),
            ("precision", ranking.precision),
            ("hit_rate", ranking.hit_rate),
            ("mrr", ranking.reciprocal_rank),
            ("map", ranking.average_precision),
        ):
            values[f"{name}@{length}"] = metric(hits, counts, length)
    first = k[0]
    shown = lists[:, :first]
    values[f"novelty@{first}"] = catalogue.novelty(shown, context.popularity)
    values[f"diversity@{first}"] = catalogue.intra_list_diversity(shown, context.vectors)
    values[f"serendipity@{first}"] = catalogue.serendipity(
        hits[:, :first], shown, popular[:, :first]
    )
    place = np.append(np.cumsum(context.ranked) - 1, -1)  # the last is that of -1
    shown, size = place[shown], int(context.ranked.sum())
    curve = [
        (
            float(np.nanmean(ranking.recall(hits, counts, length))),
            float(np.nanmean(ranking.precision(hits, counts, length))),
        )
        for length in range(1, lists.shape[1] + 1)
    ]
    found = Measured(
        weights={name: weight for name, weight in weights.items() if weight > 0},
        metrics={
            name: interval(own, users=context.questions.users) for name, own in values.items()
        },
        catalogue={
            f"coverage@{first}": catalogue.coverage(shown, size),
            f"gini@{first}": catalogue.gini(shown, size),
        },
        curve=curve,
    )
    return found, values[f"ndcg@{first}"]


def slices(lists: dict[str, IntArray], context: Context, k: int) -> list[Slice]:
    """Recall by user activity, target popularity, target age and action.

    Args:
        lists: Lists by system.
        context: What they are judged by.
        k: How many ranks are looked at.
    """
    pairs = context.relevant.tocoo()
    found = {
        name: _listed(own[:, :k], pairs.row, pairs.col, context.relevant.shape[1])
        for name, own in lists.items()
    }
    parts = [
        *bins("user activity", context.activity[pairs.row], ACTIVITY),
        *bins("target popularity", context.popularity[pairs.col], ACTIVITY),
    ]
    for kind, since in (
        ("target age in days", context.published_at),
        ("days since the first event", context.first_event),
    ):
        ages = (context.now - since[pairs.col]) / SECONDS_A_DAY
        if not np.isnan(ages).all():
            # what appears after the question is new; without a date it is of no age
            ages = np.where(np.isnan(ages), -1.0, np.maximum(ages, 0.0))
            parts += bins(kind, ages, _AGES)
            break
    parts += [
        ("action", action, np.asarray(of_action[pairs.row, pairs.col]).ravel() > 0)
        for action, of_action in context.actions
    ]
    return [
        Slice(
            kind, part, int(mask.sum()), {name: float(f[mask].mean()) for name, f in found.items()}
        )
        for kind, part, mask in parts
        if mask.any()
    ]


def action_matrices(
    right: Dataset, questions: Questions, relevant: sp.csr_matrix
) -> list[tuple[str, sp.csr_matrix]]:
    """What is to be found by action, shape of `relevant`; empty where there is one action only.

    Args:
        right: The held-out events that count as a success.
        questions: Who is asked for, and about what; q of them.
        relevant: What is to be found, shape (q, targets).
    """
    found, rows = [], questions.rows(right.user, right.context)
    for code, action in enumerate(right.actions):
        own = (right.action == code) & (rows >= 0)
        cells = rows[own], right.target[own]
        ones = np.ones(int(own.sum()), np.float32)
        matrix = relevant.multiply(sp.csr_matrix((ones, cells), shape=relevant.shape)).tocsr()
        if matrix.nnz:
            found.append((action, matrix))
    return found if len(found) > 1 else []


def bins(
    kind: str, values: npt.NDArray[Any], bounds: Sequence[int]
) -> list[tuple[str, str, npt.NDArray[np.bool_]]]:
    """Parts of some values, each a kind, a name such as "5-19", and a mask of their shape.

    Args:
        kind: By what the parts are taken.
        values: The values, not below the first bound.
        bounds: The lower bound of each part.
    """
    ends = [*bounds[1:], None]
    found = []
    for low, end in zip(bounds, ends, strict=True):
        if end is None:
            found.append((kind, f"{low}+", values >= low))
        else:
            name = str(low) if end == low + 1 else f"{low}-{end - 1}"
            found.append((kind, name, (values >= low) & (values < end)))
    return found


def _listed(
    lists: IntArray, users: IntArray, targets: IntArray, size: int
) -> npt.NDArray[np.bool_]:
    """Whether each pair stands in the list of its question."""
    rows, _ = np.nonzero(lists >= 0)
    shown = rows * size + lists[lists >= 0]
    return np.isin(users.astype(np.int64) * size + targets, shown)
