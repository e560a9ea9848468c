"""What interests in words add for users with 1 to 5 events: `python benchmarks/interests.py`.

Films of movielens-small, ratings of 4 and more in order of time. A user is known by the first k
films; all other films are ranked by the cosine of u = history + w · words: the mean vector of these
films, and that of the three genres of highest score (see `polyscene.enrichment.users`). Prints
NDCG@10 on the films that the user liked later, and its paired difference to w = 0 with the standard
error.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import polars as pl

from polyscene.encoders import open_encoder

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
WEIGHTS = (0.0, 0.25, 0.5, 1.0)


def unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(norms > 0, norms, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    folder = parser.parse_args().data / "movielens-small"
    films = pl.read_csv(folder / "items_with_overview.derived.csv", infer_schema_length=0)
    ratings = pl.read_csv(folder / "ratings.csv", ignore_errors=True).drop_nulls()
    ratings = ratings.filter(pl.col("rating") >= 4).sort("timestamp")
    row = {int(name): place for place, name in enumerate(films["movieId"])}
    texts = [
        f"{title}. {overview or ''}"
        for title, overview in zip(films["title"], films["overview"], strict=True)
    ]
    genres = [[] if text.startswith("(") else text.split("|") for text in films["genres"]]
    count = Counter(genre for own in genres for genre in own)
    words = sorted(count)
    with tempfile.TemporaryDirectory() as cache:
        encoder = open_encoder([{"type": "bundled"}], Path(cache))
        raw, named = encoder.encode(texts), encoder.encode(words)
    vectors = unit(raw - raw.mean(axis=0))
    name_of = dict(zip(words, unit(named - named.mean(axis=0)), strict=True))
    liked: dict[int, list[int]] = defaultdict(list)
    for user, film in ratings.select("userId", "movieId").iter_rows():
        if film in row:
            liked[user].append(row[film])
    gains = 1 / np.log2(np.arange(10) + 2)
    print("| events | users | " + " | ".join(f"w = {w:g}" for w in WEIGHTS) + " |")
    for k in (1, 2, 3, 5):
        found: dict[float, list[float]] = {w: [] for w in WEIGHTS}
        for films_of in liked.values():
            if len(films_of) < k + 5:
                continue
            history, later = films_of[:k], set(films_of[k:])
            share = Counter(genre for film in history for genre in genres[film])
            rare = {genre: np.log((1 + len(texts)) / (1 + count[genre])) for genre in share}
            best = sorted(share, key=lambda genre: (-share[genre] * rare[genre], genre))[:3]
            told = unit(sum((name_of[genre] for genre in best), np.zeros(vectors.shape[1])))
            own = unit(vectors[history].sum(axis=0))
            ideal = gains[: min(10, len(later))].sum()
            for w in WEIGHTS:
                scores = vectors @ (own + w * told)
                scores[history] = -np.inf
                top = np.argsort(-scores, kind="stable")[:10]
                found[w].append(sum(gains[np.isin(top, list(later))]) / ideal)
        base = np.array(found[0.0])
        cells = []
        for w in WEIGHTS:
            change = np.array(found[w]) - base
            error = change.std(ddof=1) / np.sqrt(len(change))
            cells.append(f"{np.mean(found[w]):.4f} ({change.mean():+.4f} ± {error:.4f})")
        print(f"| {k} | {len(base)} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
