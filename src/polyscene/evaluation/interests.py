"""Whether noted interests make lists better, for users who are known by one to five targets.

Some users are taken out of what is learned from. Each is then asked for as if only their first k
targets were known, with interests noted from these, and what they came to later is to be found.
Weight and fade of the interests are chosen on one half of the users and judged on the other; see
`polyscene.enrichment.noted`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import Dataset, IntArray, Mask
from polyscene.data.questions import Questions
from polyscene.engine.recommender import Recommender
from polyscene.enrichment.noted import LENGTHS, NotedGate
from polyscene.enrichment.users import Reader, chosen_words
from polyscene.errors import DataError
from polyscene.fitting.holdout import in_scenario, successes, unseen
from polyscene.fitting.model import Model
from polyscene.fitting.past import DatasetPast
from polyscene.fitting.run import fit_to, on_rows
from polyscene.llm import Job
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.metrics.bands import Band, band_of
from polyscene.metrics.ranking import ndcg
from polyscene.represent.deeds import DeedsOfAll
from polyscene.settings import TargetKind
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace

__all__ = ["USERS", "measure_interests"]

OPTIONS = ((0.25, 1.0), (0.25, 2.0), (0.5, 1.0), (0.5, 2.0), (1.0, 1.0), (1.0, 2.0))
"""Weights and fades that are tried."""
USERS = 200
"""Users that are taken out when nobody says how many."""
DEPTH = 10
"""Places that NDCG looks at."""
_MOST = 1 / 3
"""The share of the users who are taken out, at most."""
_OPEN = Band(least=1, most=1_000_000, users=1, before=0.0, after=0.0, low=1.0, high=1.0)

Floats = npt.NDArray[np.float64]


def measure_interests(
    workspace: Workspace,
    scenario: str,
    users: int = USERS,
    seed: int = 0,
    now: float | None = None,
    progress: Progress = NO_PROGRESS,
) -> NotedGate:
    """Fit without some users, and recommend to them with and without noted interests.

    With a language model it chooses the words, as `enrich_users` does. Nothing is written but what
    it answers.

    Args:
        workspace: The workspace.
        scenario: Whose lists.
        users: How many users are taken out; a third of all at most.
        seed: Of the draw.
        now: The time of the questions, seconds since 1970-01-01 UTC; the clock when omitted.
        progress: Where steps report.

    Raises:
        DataError: When the scenario recommends no items, or nobody came to enough there.
        SettingsError: When the scenario is unknown.
    """
    settings, store = workspace.settings, workspace.store
    kind = settings.scenario(scenario).target
    if kind in ("person", "tag"):
        raise DataError(f"{scenario} recommends no items, so interests in items say nothing there")
    data, moment = store.dataset(), time.time() if now is None else now
    tested = _drawn(data, scenario, kind, users, seed)
    model = fit_to(
        workspace, data.take(~np.isin(data.user, tested)), store.links(), progress, moment
    )
    job = None
    if workspace.has_language_model:
        job = workspace.language_model.job("measure interests")
    trials = [
        _Trial.of(workspace, model, data, tested, scenario, most, moment, job, progress)
        for _, most in LENGTHS
    ]
    with progress.task("interests", len(trials), "lengths") as task:
        for trial in trials:
            trial.measure(workspace, model)
            task.advance()
    first = np.random.default_rng(seed).permutation(len(data.users)) % 2 == 0
    bands = []
    for (least, most), trial in zip(LENGTHS, trials, strict=True):
        before = trial.scores[0.0]
        after = before.copy()
        for fold in (first, ~first):
            mine = fold[trial.questions.users]
            after[mine] = trial.scores[_weight(_best(trials, ~fold), trial.k)][mine]
        sizes = [trial.k] * len(before)
        bands.append(band_of(least, most, sizes, before.tolist(), after.tolist()))
    weight, fade = _best(trials, first | ~first)
    chat = "" if job is None else workspace.language_model.chat.id
    return NotedGate(model=chat, weight=weight, fade=fade, bands=tuple(bands))


@dataclass(frozen=True, slots=True)
class _Trial:
    """Users who are known by their first k targets."""

    scenario: str
    k: int
    kept: Dataset
    """What is known of them."""
    questions: Questions
    """Those who came to something later; q of them."""
    relevant: Sequence[IntArray]
    """Rows of what each came to."""
    words: Mapping[str, Sequence[str]]
    """Their noted interests."""
    now: float
    scores: dict[float, Floats] = field(default_factory=dict)
    """NDCG of each, shape (q,), by the weight of noted interests at k targets; see `measure`."""

    @classmethod
    def of(
        cls,
        workspace: Workspace,
        model: Model,
        data: Dataset,
        tested: IntArray,
        scenario: str,
        k: int,
        now: float,
        job: Job | None,
        progress: Progress,
    ) -> _Trial:
        settings = workspace.settings
        kept, later = _first(data, tested, scenario, settings.scenario(scenario).target, k)
        rest, held = data.take(kept), data.take(later)
        questions = Questions.of(np.intersect1d(held.user, rest.user))
        right = successes(held, np.ones(len(held), np.bool_), settings, questions)[scenario]
        right = unseen(right, rest, settings, scenario, questions)
        able = right.getnnz(axis=1) > 0
        questions, right = questions.take(able), right[able]
        if not len(questions):
            raise DataError(f"nobody came to more than {k} targets in {scenario}")
        rest = on_rows(rest, model.items.targets.ids)
        reader, deeds = Reader(workspace, scenario), DeedsOfAll(rest)
        liked = [
            reader.read(data.users.ids[row], deeds[row], k, model.items.targets, now)
            for row in questions.users.tolist()
        ]
        liked = [one for one in liked if one.words]
        chosen = chosen_words(settings.enrich, job, liked, progress=progress)
        words = {
            one.user: own or [word for word, _ in one.words[: settings.enrich.n]]
            for one, own in zip(liked, chosen, strict=True)
        }
        rows = model.items.targets.ids.rows(data.items.ids)
        relevant = [rows[right[place].indices] for place in range(len(questions))]
        return cls(scenario, k, rest, questions, relevant, words, now)

    def measure(self, workspace: Workspace, model: Model) -> None:
        """Ask for all users with each weight that they may have."""
        weights = {0.0, *(_weight(option, self.k) for option in OPTIONS)}
        noted = {name: {self.scenario: words} for name, words in self.words.items()}
        store, settings = workspace.store, workspace.settings
        past = DatasetPast(self.kept, store.links(), store.users, noted)
        names = [self.kept.users.ids[row] for row in self.questions.users.tolist()]
        for weight in sorted(weights):
            gate = NotedGate(model="", weight=weight, fade=0.0, bands=(_OPEN,))
            recommender = Recommender(
                settings, model, workspace.encoder, Verbaliser(settings), past,
                noted={self.scenario: gate},
            )  # fmt: skip
            hits = np.zeros((len(names), DEPTH), np.bool_)
            answers = recommender.answers(
                names, self.scenario, DEPTH, self.now, reasons=False, seed=0
            )
            for place, answer in enumerate(answers):
                rows = model.items.targets.ids.rows(item.item_id for item in answer.items)
                hits[place, : len(rows)] = np.isin(rows, self.relevant[place])
            counts = np.array([len(own) for own in self.relevant])
            self.scores[weight] = ndcg(hits, counts, DEPTH)


Option = tuple[float, float]


def _weight(option: Option, k: int) -> float:
    """What a weight and a fade come to at k targets."""
    weight, fade = option
    return float(weight / k**fade)


def _best(trials: Sequence[_Trial], users: Mask) -> Option:
    """The option of the greatest mean gain over all lengths for some users, shape (users,)."""

    def gain(option: Option) -> float:
        parts = []
        for trial in trials:
            own = users[trial.questions.users]
            change = trial.scores[_weight(option, trial.k)] - trial.scores[0.0]
            parts.append(float(change[own].mean()) if own.any() else 0.0)
        return sum(parts)

    return max(OPTIONS, key=gain)


def _drawn(data: Dataset, scenario: str, kind: TargetKind, users: int, seed: int) -> IntArray:
    """Rows of the users that are taken out: some of those with at least two targets there."""
    here = in_scenario(data, scenario) & data.aimed(kind) & (data.target >= 0)
    pairs = np.unique(np.stack([data.user[here], data.target[here]]), axis=1)
    able = np.flatnonzero(np.bincount(pairs[0], minlength=len(data.users)) >= 2)
    count = min(users, int(len(able) * _MOST))
    if not count:
        raise DataError(f"nobody came to more than one target in {scenario}")
    return np.sort(np.random.default_rng(seed).choice(able, count, replace=False))


def _first(
    data: Dataset, tested: IntArray, scenario: str, kind: TargetKind, k: int
) -> tuple[IntArray, IntArray]:
    """Events of the users with their first k targets, and those with targets that came later."""
    here = in_scenario(data, scenario) & data.aimed(kind) & (data.target >= 0)
    kept: list[IntArray] = []
    later: list[IntArray] = []
    times = np.nan_to_num(data.timestamp, nan=-np.inf)
    for user in tested.tolist():
        own = np.flatnonzero(here & (data.user == user))
        own = own[np.argsort(times[own], kind="stable")]
        _, first, entry = np.unique(data.target[own], return_index=True, return_inverse=True)
        place = np.argsort(np.argsort(first))[entry]  # 0 for events on what was come to first
        until = first[np.argsort(first)[k]] if len(first) > k else len(own)
        kept.append(own[:until])
        later.append(own[until:][place[until:] >= k])
    return np.sort(np.concatenate(kept)), np.sort(np.concatenate(later))
