"""What variety costs and brings: `python benchmarks/rerank.py`.

On movielens-small and lastfm-2k, split at random 80/20 as in quality.py: one model is fitted to
what is left, its weights chosen on one validation split, and asked for lists of 10 with each method
of `diversity` and `exposure` at rising strengths. For each:

    ndcg      NDCG@10 of what was held out
    text      1 - mean cosine of the vectors of the pairs of a list
    tags      the same of the sets of tags (genres, on MovieLens)
    calib     KL divergence of the tags of a list from those of the user's history
    cover     share of the targets that somebody is shown
    gini      inequality of how often targets are shown
    tail      share of the exposure, 1 / log2(rank + 1), that goes to the least frequent tags, which
              are half of all taggings together

Encoded texts are kept below --out, so that a second run is quicker. Prints a table and a line of
JSON a row.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

import quality
import semantic
from polyscene.engine.recommender import Recommender
from polyscene.evaluation.measures import hits_of
from polyscene.evaluation.protocols import Split, split
from polyscene.fitting.model import Model
from polyscene.fitting.past import DatasetPast
from polyscene.fitting.run import fit_to, on_rows
from polyscene.metrics import catalogue
from polyscene.metrics.ranking import ndcg
from polyscene.rerank.diversity import mix
from polyscene.settings import Settings, parse_settings
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace

K = 10
COLUMNS = ("ndcg", "text", "tags", "calib", "cover", "gini", "tail")
TASKS = {
    "movielens-small": (lambda: quality.movielens("random"), "video"),
    "lastfm-2k": (lambda: quality.lastfm("random"), "music"),
}
STRENGTHS = (0.1, 0.3, 0.5, 0.7)
WISHES: dict[str, dict[str, Any]] = {
    "none": {},
    **{f"mmr, text, {s}": {"diversity": {"strength": s}} for s in STRENGTHS},
    **{f"mmr, tags, {s}": {"diversity": {"by": "tags", "strength": s}} for s in STRENGTHS},
    **{f"dpp, text, {s}": {"diversity": {"method": "dpp", "strength": s}} for s in STRENGTHS},
    **{
        f"calibrated, tags, {s}": {
            "diversity": {"method": "calibrated", "by": "tags", "strength": s}
        }
        for s in STRENGTHS
    },
    **{f"exposure, tags, {f}": {"exposure": {"by": "tags", "floor": f}} for f in (0.5, 1.0)},
}  # fmt: skip


class Judge:
    """What the lists of one split are measured by."""

    def __init__(
        self, model: Model, part: Split, scenario: str, users: npt.NDArray[np.int64]
    ) -> None:
        space, train = model.space(scenario), part.train
        self.users, self.vectors = users, space.vectors
        self.rows = space.targets.ids.rows(train.items.ids)
        self.relevant = part.relevant[scenario][np.searchsorted(part.users, users)]
        self.words = [tuple(map(str.casefold, tags)) for tags in space.targets.tags]
        on_items = ~train.on_person & (train.target >= 0)
        self.wanted = []
        for user in users:
            past = np.unique(train.target[on_items & (train.user == user)])
            words = [self.words[row] for row in self.rows[past]]
            self.wanted.append(mix(words, np.ones(len(words))))
        self.sets = table(self.words)
        counts = np.asarray(self.sets.sum(axis=0)).ravel()
        order = np.argsort(counts, kind="stable")
        self.tail = np.zeros(len(counts))
        self.tail[order[np.cumsum(counts[order]) <= counts.sum() / 2]] = 1.0

    def measured(self, lists: npt.NDArray[np.int64]) -> dict[str, float]:
        """The numbers of lists of training items, -1 past the last."""
        hits = hits_of(lists, self.relevant)
        shown = np.where(lists >= 0, self.rows[lists], -1)
        pairs = zip(shown, self.wanted, strict=True)
        return {
            "ndcg": float(np.nanmean(ndcg(hits, self.relevant.getnnz(axis=1), K))),
            "text": float(np.nanmean(catalogue.intra_list_diversity(shown, self.vectors))),
            "tags": float(np.nanmean([self._unlike(own) for own in shown])),
            "calib": float(np.nanmean([self._divergence(own, wanted) for own, wanted in pairs])),
            "cover": catalogue.coverage(shown, len(self.words)),
            "gini": catalogue.gini(shown, len(self.words)),
            "tail": self._tail_share(shown),
        }

    def _unlike(self, rows: npt.NDArray[np.int64]) -> float:
        """1 - mean cosine of the tag sets of the pairs of a list."""
        sets = self.sets[rows[rows >= 0]]
        sizes = np.asarray(sets.sum(axis=1)).ravel()
        unit = sp.diags(1 / np.sqrt(sizes[sizes > 0])) @ sets[sizes > 0]
        m = unit.shape[0]
        if m < 2:
            return float("nan")
        return float(1 - (np.square(np.asarray(unit.sum(axis=0))).sum() - m) / (m * (m - 1)))

    def _divergence(self, rows: npt.NDArray[np.int64], wanted: dict[str, float]) -> float:
        """KL divergence of the tags of a list from a mix, with a hundredth of the mix in it."""
        listed = mix([self.words[row] for row in rows[rows >= 0]], np.ones((rows >= 0).sum()))
        if not wanted:
            return float("nan")
        return sum(
            p * np.log(p / (0.99 * listed.get(word, 0.0) + 0.01 * p)) for word, p in wanted.items()
        )

    def _tail_share(self, shown: npt.NDArray[np.int64]) -> float:
        """The share of the exposure of tags that goes to the tail."""
        seen = shown >= 0
        weights = np.broadcast_to(1 / np.log2(np.arange(2, shown.shape[1] + 2)), shown.shape)
        exposure = self.sets[shown[seen]].T @ weights[seen]
        return float(exposure @ self.tail / exposure.sum())


def table(words: list[tuple[str, ...]]) -> sp.csr_matrix:
    """Which target has which words: ones, shape (targets, words)."""
    codes: dict[str, int] = {}
    columns = [codes.setdefault(word, len(codes)) for own in words for word in own]
    starts = np.concatenate([[0], np.cumsum([len(own) for own in words])])
    return sp.csr_matrix((np.ones(len(columns)), columns, starts), (len(words), len(codes)))


def with_wish(settings: Settings, scenario: str, wish: dict[str, Any]) -> Settings:
    declared = settings.model_dump(exclude_unset=True)
    declared["scenarios"][scenario] |= wish
    return parse_settings(declared)


def run(name: str, options: argparse.Namespace) -> None:
    make, scenario = TASKS[name]
    task = make()
    with (
        tempfile.TemporaryDirectory() as folder,
        quality.open_workspace(Path(folder), options.out / "cache", task) as workspace,
    ):
        start = time.perf_counter()
        plan = task.plan(workspace.store.dataset())
        settings = random_trials(workspace.settings)
        part = split(
            workspace.store.dataset(), workspace.store.links(), settings, plan, time.time()
        )
        own = Workspace(workspace.path, settings, workspace.encoder)
        with own:
            model = fit_to(own, part.train, part.links, now=part.now)
        rng = np.random.default_rng(0)
        count = min(options.users, len(part.users))
        users = np.sort(rng.choice(part.users, count, replace=False))
        judge = Judge(model, part, scenario, users)
        data = on_rows(part.train, model.items.targets.ids)
        past = DatasetPast(data, part.links, workspace.store.users)
        print(f"{name}: {count} users, fit {time.perf_counter() - start:.0f} s", flush=True)
        print(f"{'':22}" + "".join(f"{column:>8}" for column in COLUMNS), flush=True)
        for wish, keys in WISHES.items():
            wished = with_wish(settings, scenario, keys)
            recommender = Recommender(wished, model, workspace.encoder, Verbaliser(wished), past)
            lists = asked(recommender, part, scenario, users)
            found = judge.measured(lists)
            print(f"{wish:22}" + "".join(f"{found[c]:8.4f}" for c in COLUMNS), flush=True)
            rounded = {column: round(value, 4) for column, value in found.items()}
            print(json.dumps({"set": name, "wish": wish} | rounded), flush=True)
        print(f"{name}: all {time.perf_counter() - start:.0f} s", flush=True)


def asked(
    recommender: Recommender, part: Split, scenario: str, users: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The lists of some users, of the targets that are ranked. Shape (users, K)."""
    ids, ranked = part.train.items, part.ranked.get(scenario)
    targets = None if ranked is None else [ids.ids[row] for row in np.flatnonzero(ranked)]
    names = [part.train.users.ids[row] for row in users]
    answers = recommender.answers(names, scenario, K, part.now, targets, reasons=False)
    lists = np.full((len(users), K), -1, np.int64)
    for place, answer in enumerate(answers):
        found = ids.rows(item.item_id for item in answer.items)
        lists[place, : len(found)] = found
    return lists


def random_trials(settings: Settings) -> Settings:
    """The settings with what a fit holds out drawn as the split is, once."""
    validation = settings.validation.model_copy(update={"split": "random", "folds": 1})
    return settings.model_copy(update={"validation": validation})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(TASKS))
    parser.add_argument("--out", type=Path, default=Path("build/rerank"))
    parser.add_argument("--users", type=int, default=300, help="Users that are asked, at most.")
    options = parser.parse_args()
    if not semantic.DATA.is_dir():
        sys.exit(f"skipped: no data sets in {semantic.DATA}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.sets:
        run(name, options)


if __name__ == "__main__":
    main()
