"""Words for items, against real labels: `python benchmarks/enrich.py [--model FILE.gguf]`.

Films of movielens-small: their genres from their overviews alone, learned from the other films.
Artists of lastfm-2k: users are split in two halves; the text is the name with the five tags that
most users of the first half gave, to be found are further tags that at least two users of the
second half gave. Of both, 1,000 random ones are held out, or half of those there are. With a model,
its worth is found out on `--asked` of the learned items and it is asked about `--asked` of the
held-out ones.

Prints precision@3 and recall@5 of each signal alone and of all together: means over items, and the
paired difference of all together to each, with 95 % intervals by drawing items.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from polyscene.encoders import open_encoder
from polyscene.enrichment.choice import Offer, choose, worth_of
from polyscene.enrichment.tagger import SIGNALS, Tagger
from polyscene.llm import LanguageModel, open_chat
from polyscene.metrics.compare import interval, paired
from polyscene.settings import LlmSettings
from polyscene.storage import Store

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
HELD = 1000
OFFERED = 8
WORDS = 300


def films(data: Path) -> tuple[list[str], list[str], list[set[str]], list[set[str]]]:
    """Titles, texts, words to find, words that the text shows."""
    frame = pl.read_csv(
        data / "movielens-small/items_with_overview.derived.csv", infer_schema_length=0
    )
    frame = frame.filter(
        (pl.col("overview").fill_null("") != "") & (pl.col("genres") != "(no genres listed)")
    )
    genres = [set(text.split("|")) for text in frame["genres"]]
    return [""] * len(frame), frame["overview"].to_list(), genres, [set()] * len(frame)


def artists(data: Path) -> tuple[list[str], list[str], list[set[str]], list[set[str]]]:
    folder = data / "lastfm-2k"
    names, tags = _pairs(folder / "artists.dat", "utf-8"), _pairs(folder / "tags.dat", "latin-1")
    frame = pl.read_csv(
        folder / "user_taggedartists.derived.tsv", separator="\t", infer_schema_length=0
    )
    users = sorted(set(frame["userID"]))
    first = set(random.Random(0).sample(users, len(users) // 2))
    told: dict[str, Counter[str]] = defaultdict(Counter)
    wanted: dict[str, Counter[str]] = defaultdict(Counter)
    for user, artist, tag in frame.select("userID", "artistID", "tagID").iter_rows():
        if tag in tags and artist in names:
            (told if user in first else wanted)[artist][tags[tag]] += 1
    titles, texts, find, shown = [], [], [], []
    for artist in sorted(wanted, key=int):
        top = [tag for tag, _ in sorted(told[artist].items(), key=lambda p: (-p[1], p[0]))[:5]]
        rest = {tag for tag, many in wanted[artist].items() if many >= 2} - set(top)
        if top and rest:
            titles.append(names[artist])
            texts.append(f"{names[artist]}. {', '.join(top)}")
            find.append(rest)
            shown.append(set(top))
    return titles, texts, find, shown


def _pairs(path: Path, encoding: str) -> dict[str, str]:
    lines = path.read_text(encoding, "replace").splitlines()[1:]
    cells = [line.split("\t") for line in lines]
    return {row[0]: row[1].strip() for row in cells if len(row) > 1}


def measure(name: str, loaded: Any, model: LanguageModel | None, asked: int, cache: Path) -> None:
    titles, texts, find, shown = loaded
    count = Counter(word for own in find for word in own)
    words = sorted(word for word, many in count.most_common(WORDS) if many >= 3)
    column = {word: place for place, word in enumerate(words)}
    truth = np.zeros((len(texts), len(words)), np.bool_)
    hidden = np.zeros_like(truth)
    for row, (own, seen) in enumerate(zip(find, shown, strict=True)):
        truth[row, [column[word] for word in own if word in column]] = True
        hidden[row, [column[word] for word in seen if word in column]] = True
    usable = np.flatnonzero(truth.any(axis=1))
    order = np.random.default_rng(0).permutation(usable)
    held = min(HELD, len(order) // 2)
    test, learn = order[:held], order[held:]
    trial, learn = (learn[:asked], learn[asked:]) if model else (learn[:0], learn)
    encoder = open_encoder([{"type": "bundled"}], cache)
    vectors, named = encoder.encode(texts), encoder.encode(words)
    start = time.perf_counter()
    tagger = Tagger(
        [texts[row] for row in learn], vectors[learn], sp.csr_matrix(truth[learn], dtype=float),
        named, vectors.mean(axis=0),
    )  # fmt: skip
    print(f"\n{name}: {len(words)} words, {len(learn):,} learned from, {len(test)} held out")
    print(f"fitted in {time.perf_counter() - start:.0f} s; weights {tagger.weights.round(2)}")
    signals = tagger.signals([texts[row] for row in test], vectors[test])
    joint = tagger.scores([texts[row] for row in test], vectors[test])
    systems = {signal: signals[:, :, place] for place, signal in enumerate(SIGNALS)}
    systems["joint, no model"] = joint
    show("all held out", systems, truth[test], hidden[test])
    if model is None:
        return

    def scored(rows: np.ndarray) -> np.ndarray:
        found = tagger.scores([texts[row] for row in rows], vectors[rows])
        return np.where(hidden[rows], 1e-6, np.clip(found, 1e-6, 1 - 1e-6))

    def picked(rows: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        best = np.argsort(-scores, axis=1, kind="stable")[:, :OFFERED]
        offers = [
            Offer(titles[row], texts[row], {"tags": [words[place] for place in own]})
            for row, own in zip(rows, best, strict=True)
        ]
        chosen = np.zeros(scores.shape, np.bool_)
        for row, answer in enumerate(choose(model.job(name), offers, 3)):
            for word in (answer or {}).get("tags", ()):
                chosen[row, column[word]] = True
        return chosen, best

    start = time.perf_counter()
    before = scored(trial)
    chosen, best = picked(trial, before)
    take = [np.take_along_axis(part, best, axis=1) for part in (before, chosen, truth[trial])]
    worth = worth_of(*take)
    print(f"the model's choice: {worth}, helps: {worth.helps}")
    print(f"right among its choices on trial: {truth[trial][chosen].mean():.3f}", end="; ")
    top = np.zeros_like(chosen)
    np.put_along_axis(top, best[:, :3], True, axis=1)
    print(f"among the first three offered: {truth[trial][top].mean():.3f}")
    some = test[:asked]
    before = scored(some)
    chosen, _ = picked(some, before)
    systems = {signal: part[:asked] for signal, part in systems.items()}
    systems["model alone"] = chosen + before * 1e-3
    systems["joint, with model"] = worth(before, chosen)
    show(f"{len(some)} that the model was asked about", systems, truth[some], hidden[some])
    print(f"{(time.perf_counter() - start) / (2 * asked):.1f} s a question")


def show(title: str, systems: dict[str, np.ndarray], truth: np.ndarray, hidden: np.ndarray) -> None:
    """Each system, and by how much the last one, the joint, differs from it; items are drawn."""
    found = {}
    for name, scores in systems.items():
        order = np.argsort(-np.where(hidden, -np.inf, scores), axis=1, kind="stable")
        hits = np.take_along_axis(truth, order, axis=1)
        recall = hits[:, :5].sum(axis=1) / truth.sum(axis=1)
        found[name] = hits[:, :3].mean(axis=1), recall
    joint = found[list(systems)[-1]]
    print(
        f"{title}\n| signal | precision@3 | joint is | recall@5 | joint is |\n|---|---|---|---|---|"
    )
    for name, values in found.items():
        cells = []
        for own, best in zip(values, joint, strict=True):
            sure, change = interval(own), paired(best, own)
            cells.append(f"{sure.mean:.3f} ({sure.low:.3f} to {sure.high:.3f})")
            ends = f"{change.difference:+.3f} ({change.low:+.3f} to {change.high:+.3f})"
            cells.append("" if own is best else ends)
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--model", help="a GGUF file or package:NAME")
    parser.add_argument("--asked", type=int, default=100)
    parser.add_argument("--work", type=Path, help="kept between runs: vectors and answers")
    parser.add_argument("--set", choices=("films", "artists"), action="append")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = given.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        with Store.open(f"sqlite:///{work / 'store.db'}") as store:
            model = None
            if given.model:
                settings = LlmSettings(
                    provider="local", model=given.model, threads=1, context_tokens=1024,
                    timeout_s=300,
                )  # fmt: skip
                model = LanguageModel(open_chat(settings, Path()), store, settings)
            for name, load in (("films", films), ("artists", artists)):
                if not given.set or name in given.set:
                    measure(name, load(given.data), model, given.asked, work)
            if model is not None:
                model.close()


if __name__ == "__main__":
    main()
