"""The peers of `benchmarks/peers.py`: for each its search space and its fit.

The first value of each option is a sound default: the first trial has these. All libraries are
imported where they are used, so one peer does not wait for the imports of another.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from peers_data import Array, Data, Scores

Params = dict[str, Any]
Space = dict[str, list[Any]]

DEPTH = 20  # items of a list
EASE_ITEMS = 12_000  # the inverse is dense: the most liked ones, on larger catalogues
SOFTMAX_ITEMS = 15_000  # SASRec samples negatives on larger catalogues
BATCH = 16
THREADS = os.cpu_count() or 1


@dataclass(frozen=True)
class Peer:
    """A recommender: `space` of options, `fit` to scores.

    `stages` yields a growing fit for a validation of each stage. `seconds` bounds the CPU time of
    tuning. `cold` tells that items without rows are scored.
    """

    library: str
    space: Callable[[Data], Space]
    fit: Callable[[Data, Params, int], Scores]
    stages: Callable[[Data, Params, int], Iterator[tuple[Params, Scores]]] | None = None
    seconds: float = np.inf
    cold: bool = False
    timestamps: bool = False

    def obstacle(self, data: Data) -> str | None:
        """Why it can't run on a split."""
        if self.timestamps and not data.meta.timestamps:
            return "the split has no timestamps"
        if self.cold and not any(text.strip() for text in data.texts):
            return "the items have no text"
        if not self.cold and not data.known[data.rankable].any():
            return "no candidate has a positive row to learn from"
        return None


def known_only(data: Data, scores: Array) -> Array:
    """No score for items without a positive row, of which a model only has its initial values."""
    scores[:, ~data.known] = np.nan
    return scores


def popularity(data: Data, params: Params, seed: int) -> Scores:
    return lambda users: np.tile(data.popularity.astype(np.float32), (len(users), 1))


def als_space(data: Data) -> Space:
    return {
        "weights": data.kinds,
        "factors": [128, 32, 64, 96, 192, 256],
        "regularization": [30.0, 3.0, 10.0, 60.0, 100.0],
        "alpha": [8.0, 1.0, 2.0, 4.0, 16.0, 40.0],
        "iterations": [15, 30],
    }


def als(data: Data, params: Params, seed: int) -> Scores:
    from implicit.cpu.als import AlternatingLeastSquares

    options = dict(params)
    matrix = data.matrix(options.pop("weights"))
    model = AlternatingLeastSquares(**options, random_state=seed)
    model.fit(matrix, show_progress=False)
    return lambda users: known_only(data, model.user_factors[users] @ model.item_factors.T)


def bpr_space(data: Data) -> Space:
    return {
        "factors": [128, 16, 32, 64, 256],
        "learning_rate": [0.005, 0.0025, 0.01, 0.02, 0.05],
        "regularization": [0.02, 0.003, 0.01, 0.05],
        "iterations": [200, 100, 400],
    }


def bpr(data: Data, params: Params, seed: int) -> Scores:
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    # One thread: with more, the order of the updates and so the result changes between runs.
    model = BayesianPersonalizedRanking(**params, random_state=seed, num_threads=1)
    model.fit(data.matrix("ones"), show_progress=False)
    return lambda users: known_only(data, model.user_factors[users] @ model.item_factors.T)


def bm25_space(data: Data) -> Space:
    return {
        "weights": data.kinds,
        "K": [200, 50, 100, 350, 500],
        "K1": [0.2, 0.05, 0.1, 0.4, 0.8, 1.2],
        "B": [0.5, 0.1, 0.25, 0.75, 1.0],
    }


def bm25(data: Data, params: Params, seed: int) -> Scores:
    from implicit.nearest_neighbours import BM25Recommender

    matrix = data.matrix(params["weights"])
    model = BM25Recommender(params["K"], params["K1"], params["B"])
    model.fit(matrix, show_progress=False)
    return lambda users: known_only(data, (matrix[users] @ model.similarity).toarray())


def ease_space(data: Data) -> Space:
    return {
        "weights": data.kinds,
        "regularization": [
            250.0, 10.0, 30.0, 60.0, 100.0, 150.0, 400.0, 600.0, 1000.0, 1500.0, 2000.0, 3000.0,
        ],
    }  # fmt: skip


def ease(data: Data, params: Params, seed: int) -> Scores:
    from rectools.models import EASEModel

    matrix = data.matrix(params["weights"])
    matrix = sp.csr_matrix(matrix[:, : min(EASE_ITEMS, matrix.shape[1])])
    dataset = interactions(matrix)
    model = EASEModel(params["regularization"])
    with threadpool_limits(THREADS, "blas"):
        model.fit(dataset)
    columns = dataset.item_id_map.external_ids
    matrix = sp.csr_matrix(matrix[:, columns])

    def scores(users: Array) -> Array:
        out = np.full((len(users), len(data.items)), np.nan, np.float32)
        out[:, columns] = matrix[users] @ model.weight
        return known_only(data, out)

    return scores


def interactions(matrix: sp.csr_matrix, times: Array | None = None) -> Any:
    """A data set of RecTools; `times` in the order of the entries."""
    from rectools import Columns
    from rectools.dataset import Dataset

    cells = matrix.tocoo()
    when = np.zeros(cells.nnz) if times is None else times
    frame = pd.DataFrame({
        Columns.User: cells.row,
        Columns.Item: cells.col,
        Columns.Weight: cells.data,
        Columns.Datetime: pd.to_datetime(when.astype(np.int64), unit="s"),
    })  # fmt: skip
    return Dataset.construct(frame)


def sasrec_space(data: Data) -> Space:
    return {
        "rows": ["ones", *data.kinds[2:]],
        "n_factors": [64, 128],
        "n_blocks": [1, 2],
        "session_max_len": [50, 100],
        "dropout_rate": [0.2, 0.5],
        "lr": [0.0005, 0.00025, 0.001],
    }


def sasrec_stages(data: Data, params: Params, seed: int) -> Iterator[tuple[Params, Scores]]:
    """A validation after about every 20 updates, or after each epoch."""
    model, dataset, epochs = sasrec_model(data, params, seed), sequences(data, params), 0
    step = max(1, 20 * BATCH // max(1, int(data.active.sum())))
    while True:
        model.fit_partial(dataset, step, step)
        epochs += step
        yield {**params, "epochs": epochs}, sasrec_scores(data, model, dataset)


def sasrec(data: Data, params: Params, seed: int) -> Scores:
    epochs = params["epochs"]
    model, dataset = sasrec_model(data, params, seed), sequences(data, params)
    model.fit_partial(dataset, epochs, epochs)
    return sasrec_scores(data, model, dataset)


def sequences(data: Data, params: Params) -> Any:
    rows = data.rows[data.rows["good"]] if params["rows"] == "ones" else data.rows
    ones = np.ones(len(rows), np.float32)
    cells = sp.coo_matrix((ones, (rows["user"], rows["item"])), shape=data.seen.shape)
    return interactions(cells, rows["time"].rank(method="first").to_numpy())


def sasrec_model(data: Data, params: Params, seed: int) -> Any:
    import torch
    from rectools.models import SASRecModel

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)  # its import has set it
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # on layers this small more gain little, on a busy machine they lose
    loss = {"loss": "softmax"}
    if data.known.sum() > SOFTMAX_ITEMS:
        loss = {"loss": "sampled_softmax", "n_negatives": 64}
    options = {name: own for name, own in params.items() if name not in ("rows", "epochs")}
    return SASRecModel(**options, **loss, n_heads=1, batch_size=BATCH, recommend_torch_device="cpu")


def sasrec_scores(data: Data, model: Any, dataset: Any) -> Scores:
    able = np.flatnonzero(data.rankable & data.known)
    passed = data.seen.getnnz(axis=1) - data.matrix("ones").getnnz(axis=1)

    def scores(users: Array) -> Array:
        out = np.full((len(users), len(data.items)), np.nan, np.float32)
        found = model.recommend(
            users[data.active[users]],
            dataset,
            k=int(min(len(able), DEPTH + passed[users].max())),
            filter_viewed=True,
            items_to_recommend=able,
            add_rank_col=False,
            on_unsupported_targets="ignore",
        )
        rows = pd.Index(users).get_indexer(found["user_id"])
        out[rows, found["item_id"]] = found["score"]
        return out

    return scores


def lenskit_knn_space(data: Data) -> Space:
    return {
        "rows": ["ones", *data.kinds[2:]],
        "max_nbrs": [100, 20, 50, 200, 350, 500],
        "save_nbrs": [None, 100, 500],
        "min_sim": [1e-6, 0.01, 0.05, 0.1],
    }


def lenskit_knn(data: Data, params: Params, seed: int) -> Scores:
    from lenskit.knn import ItemKNNScorer

    options = {name: value for name, value in params.items() if name != "rows"}
    scorer = ItemKNNScorer(feedback="implicit", **options)
    return lenskit_scores(data, scorer, data.matrix(params["rows"]), seed)


def lenskit_als_space(data: Data) -> Space:
    return {
        "weights": data.kinds,
        "embedding_size": [128, 32, 64, 96, 192, 256],
        "regularization": [30.0, 3.0, 10.0, 60.0, 100.0],
        "weight": [8.0, 1.0, 2.0, 4.0, 16.0, 40.0],
        "epochs": [10, 20],
    }


def lenskit_als(data: Data, params: Params, seed: int) -> Scores:
    from lenskit.als import ImplicitMFScorer

    options = {name: value for name, value in params.items() if name != "weights"}
    scorer = ImplicitMFScorer(use_ratings=params["weights"] != "ones", **options)
    return lenskit_scores(data, scorer, data.matrix(params["weights"]), seed)


def lenskit_scores(data: Data, scorer: Any, matrix: sp.csr_matrix, seed: int) -> Scores:
    import lenskit
    from lenskit.data import ItemList, from_interactions_df
    from lenskit.pipeline import topn_pipeline
    from lenskit.training import TrainingOptions

    cells = matrix.tocoo()
    frame = pd.DataFrame({"user_id": cells.row, "item_id": cells.col, "rating": cells.data})
    pipeline = topn_pipeline(scorer)
    pipeline.train(from_interactions_df(frame), TrainingOptions(rng=seed))
    able = np.flatnonzero(data.rankable & data.known)
    items = ItemList(item_ids=able)

    def scores(users: Array) -> Array:
        out = np.full((len(users), len(data.items)), np.nan, np.float32)
        for row in np.flatnonzero(data.active[users]):
            out[row, able] = lenskit.score(pipeline, int(users[row]), items).scores()
        return out

    return scores


def tfidf_space(data: Data) -> Space:
    return {
        "weights": data.kinds[:2],
        "text": [("word", 1, 1), ("word", 1, 2), ("char_wb", 2, 4), ("char", 1, 2)],
        "sublinear_tf": [True, False],
        "min_df": [2, 1, 5],
        "max_df": [0.5, 0.1, 1.0],
    }


def tfidf(data: Data, params: Params, seed: int) -> Scores:
    from sklearn.feature_extraction.text import TfidfVectorizer

    options = dict(params)
    kind, (analyzer, low, high) = options.pop("weights"), options.pop("text")
    encoder = TfidfVectorizer(
        analyzer=analyzer, ngram_range=(low, high), max_features=200_000, dtype=np.float32,
        **options,
    )  # fmt: skip
    vectors = sp.csr_matrix(encoder.fit_transform(data.texts))
    people = sp.csr_matrix(data.matrix(kind) @ vectors)
    return lambda users: (people[users] @ vectors.T).toarray()


def library(name: str) -> str:
    return f"{name} {version(name)}"


def peers() -> dict[str, Peer]:
    implicit, rectools, lenskit = library("pm-implicit"), library("RecTools"), library("lenskit")
    return {
        "popularity": Peer("none", lambda data: {}, popularity),
        "als": Peer(implicit, als_space, als),
        "bpr": Peer(implicit, bpr_space, bpr),
        "bm25": Peer(implicit, bm25_space, bm25),
        "ease": Peer(rectools, ease_space, ease),
        "sasrec": Peer(
            rectools, sasrec_space, sasrec, sasrec_stages, seconds=150.0, timestamps=True
        ),
        "lenskit-itemknn": Peer(lenskit, lenskit_knn_space, lenskit_knn),
        "lenskit-als": Peer(lenskit, lenskit_als_space, lenskit_als),
        "tfidf": Peer(library("scikit-learn"), tfidf_space, tfidf, cold=True),
    }
