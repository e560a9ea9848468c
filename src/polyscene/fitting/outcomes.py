"""What happened, question by question: the pairs that tasks are learned from and judged by.

An example is a pair of a question and a target. Where the log knows what was shown, the pairs of
the held-out events are all there is: the probability of a task is that among what was shown.
Otherwise targets are drawn from all that may be shown, and the probability is that among all of
these, within the span of what was held out. Half are drawn from the 300 best candidates, half from
the others; each stands for as many as its chance says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyscene.component import Vectors
from polyscene.data.dataset import Dataset, IdMap, IntArray
from polyscene.data.questions import Questions
from polyscene.fitting.asking import Asker, Asking, together
from polyscene.fitting.holdout import in_scenario
from polyscene.fitting.weights import DEPTH
from polyscene.ranking.activity import happened
from polyscene.ranking.fuse import min_max
from polyscene.settings import Scenario, Settings, Task
from polyscene.sources import Source

__all__ = ["ENTRANCE", "HeldOut", "Outcome", "knows_shown", "outcomes", "some_of"]

ENTRANCE = 0.95
"""Share of the pairs of user and target that an action is part of, if it tells what was shown."""
_DRAWN = 40
"""Targets drawn from the best candidates of a question, and as many from all others."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question with what happened with m targets."""

    asking: Asking
    said: Mapping[str, Vectors]
    """The score of every target by source, each of shape (targets,)."""
    rows: IntArray
    """Rows of the targets, shape (m,)."""
    labels: npt.NDArray[np.float32]
    """0 or 1, or a value; NaN where a value is not known. Shape (tasks, m)."""
    weights: npt.NDArray[np.float64]
    """How many targets each stands for, shape (m,)."""
    user: int
    """Row of the user."""
    positions: npt.NDArray[np.float64]
    """At which place each was shown, from 1; NaN where that is not known, or what was shown is not;
    shape (m,)."""
    lists: IntArray
    """A number for the list that each stood in, else for the question; other questions have others.
    Shape (m,)."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What was held out in a scenario, and who answers what is asked about it."""

    data: Dataset
    """The held-out events and lists, which number the ids."""
    asker: Asker
    """What builds the questions from what is left."""
    sources: Mapping[str, Source]
    """The sources to ask, fitted to what is left."""
    targets: IdMap
    """Rows of the targets of the space."""
    ids: Sequence[str]
    """The ids that events and lists number."""
    settings: Settings
    scenario: str
    now: float
    """Time of the questions, seconds since 1970-01-01 UTC."""

    @property
    def spec(self) -> Scenario:
        """The declaration of the scenario."""
        return self.settings.scenario(self.scenario)

    def asked(self, questions: Questions) -> Iterator[tuple[int, Asking, dict[str, Vectors]]]:
        """Each question by its number, as it is asked, with the score of every target by source."""
        size, users, items = together(len(self.targets)), self.data.users.ids, self.data.items.ids
        for start in range(0, len(questions), size):
            some = questions.take(np.arange(start, min(start + size, len(questions))))
            names = [users[user] for user in some.users.tolist()]
            about = [None if row < 0 else items[row] for row in some.contexts.tolist()]
            askings = self.asker.users(names, self.scenario, DEPTH, self.now, contexts=about)
            queries = [asking.query for asking in askings]
            scores = {name: source.scores(queries) for name, source in self.sources.items()}
            for number, asking in enumerate(askings):
                yield start + number, asking, {name: own[number] for name, own in scores.items()}


def knows_shown(data: Dataset, settings: Settings, scenario: str) -> bool:
    """Whether the log of a scenario knows what was shown.

    It does where `negatives` says so; with "auto", where an action that is itself no task is part
    of at least 95 % of the pairs of user and target: something that everything else begins with,
    such as an impression or a view.
    """
    spec = settings.scenario(scenario)
    if spec.negatives in ("shown", "sampled"):
        return spec.negatives == "shown"
    here = data.take(in_scenario(data, scenario) & data.aimed(spec.target) & (data.target >= 0))
    if not len(here):
        return False
    width = int(here.target.max()) + 1
    pairs, place = np.unique(here.user * width + here.target, return_inverse=True)
    tasks = {task.action for task in spec.to_predict if task.plain}
    for code, action in enumerate(here.actions):
        if action not in tasks:
            having = len(np.unique(place[here.action == code]))
            if having >= ENTRANCE * len(pairs):
                return True
    return False


def outcomes(
    held: HeldOut, *, shown: bool, most: int, everything: bool = False, seed: int = 0
) -> Iterator[Outcome]:
    """What happened in a scenario among held-out events. O(questions · (scores + targets)).

    Args:
        held: What was held out.
        shown: Whether the held-out pairs are all there is; see `knows_shown`.
        most: Questions, at most.
        everything: Whether, where negatives would be drawn, every target is taken instead.
        seed: Of what is drawn.
    """
    spec, data, rng = held.spec, held.data, np.random.default_rng(seed)
    here = in_scenario(data, held.scenario) & data.aimed(spec.target) & (data.target >= 0)
    data = data.take(here)
    rows = held.targets.rows(held.ids)[data.target]
    data, rows = data.take(rows >= 0), rows[rows >= 0]
    if not len(data):
        return
    questions = some_of(Questions.of(data.user, data.context), most, seed)
    place = questions.rows(data.user, data.context)
    for number, asking, said in held.asked(questions):
        own = place == number
        pairs, labels = _labels(data.take(own), rows[own], spec.to_predict)
        positions = _positions(data.take(own), rows[own], pairs)
        kept = asking.query.allowed[pairs]
        pairs, labels, positions = pairs[kept], labels[:, kept], positions[kept]
        weights = np.ones(len(pairs))
        if not shown:
            more, weight = _drawn(asking, said, pairs, rng, everything)
            known = [np.full(len(more), np.nan if t.of_value else 0.0) for t in spec.to_predict]
            labels = np.concatenate([labels, np.stack(known).astype(np.float32)], axis=1)
            pairs, weights = np.append(pairs, more), np.append(weights, weight)
            positions = np.full(len(pairs), np.nan)  # known of successes only, it would tell
        user, one_list = int(questions.users[number]), np.full(len(pairs), number, np.int64)
        yield Outcome(asking, said, pairs, labels, weights, user, positions, one_list)


def some_of(questions: Questions, most: int, seed: int) -> Questions:
    """At most so many of the questions, drawn at random, in their order."""
    if len(questions) <= most:
        return questions
    rng = np.random.default_rng(seed)
    return questions.take(np.sort(rng.choice(len(questions), most, replace=False)))


def _labels(
    held: Dataset, rows: IntArray, tasks: Sequence[Task]
) -> tuple[IntArray, npt.NDArray[np.float32]]:
    """The distinct targets of some events, and what happened with each; shape (tasks, m)."""
    found, place = np.unique(rows, return_inverse=True)
    labels = np.zeros((len(tasks), len(found)), np.float32)
    for number, task in enumerate(tasks):
        on = happened(held, task)
        count = np.bincount(place[on], minlength=len(found))
        if task.of_value:
            total = np.bincount(place[on], weights=held.value[on], minlength=len(found))
            labels[number] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        else:
            labels[number] = count > 0
    return found, labels


def _positions(held: Dataset, rows: IntArray, pairs: IntArray) -> npt.NDArray[np.float64]:
    """The foremost place at which each target stood, NaN where none is known; shape (m,)."""
    found = np.full(len(pairs), np.nan)
    if len(held.position):
        np.fmin.at(found, np.searchsorted(pairs, rows), held.position)
    return found


def _drawn(
    asking: Asking,
    said: Mapping[str, Vectors],
    pairs: IntArray,
    rng: np.random.Generator,
    everything: bool,
) -> tuple[IntArray, npt.NDArray[np.float64]]:
    """Targets with which nothing happened, and how many each stands for."""
    free = asking.query.allowed.copy()
    free[pairs] = False
    rows = np.flatnonzero(free)
    if everything or len(rows) <= 2 * _DRAWN:
        return rows, np.ones(len(rows))
    total = np.zeros(len(rows), np.float32)
    for scores in said.values():
        own = scores[rows]
        if (told := np.isfinite(own)).any():
            total[told] += min_max(own[told])
    split = max(len(rows) - DEPTH, len(rows) // 2)
    order = np.argpartition(total, split)
    found, weights = [], []
    for stratum in (order[:split], order[split:]):
        count = min(_DRAWN, len(stratum))
        found.append(rows[rng.choice(stratum, count, replace=False)])
        weights.append(np.full(count, len(stratum) / count))
    return np.concatenate(found), np.concatenate(weights)
