"""Quality of the semantic sources, and what whitening does: `python benchmarks/semantic.py`.

Protocol, for each set: a fifth of the events of each user under test is held out at random (seed
0), the rest is ingested and fitted through the engine, and NDCG@10 over the held-out positives is
averaged over the users who have one; all targets are ranked but those of the training events.

    movielens-small   rating >= 4 is positive; all users are under test; free tags are dropped
    lastfm-2k         artists with >= 3 listeners; every second user is under test, and the tags
                      that these users gave are dropped
    douban-cn         rating >= 4 is positive; all users are under test

Every row of a set runs on the same split with the same cached vectors. Prints a table and one line
of JSON a row.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyscene.data.importers import get_importer
from polyscene.data.schema import Event, Item
from polyscene.encoders import open_encoder
from polyscene.engine import Engine
from polyscene.metrics.ranking import hit_matrix, ndcg
from polyscene.settings import parse_settings
from polyscene.workspace import Workspace

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
RAW = {"enabled": False}
CENTRED = {"shrinkage": 1e6}
VARIANTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("popularity", "trending", {}),
    ("semantic-mean, vectors as encoded (the seed method)", "semantic-mean", RAW),
    ("semantic-mean, centred only", "semantic-mean", CENTRED),
    ("semantic-mean, whitened (default)", "semantic-mean", {}),
    ("semantic-multi, vectors as encoded", "semantic-multi", RAW),
    ("semantic-multi, whitened (default)", "semantic-multi", {}),
    ("semantic-soft, vectors as encoded", "semantic-soft", RAW),
    ("semantic-soft, whitened (default)", "semantic-soft", {}),
)


@dataclass
class Split:
    items: list[Item]
    train: list[Event]
    test: dict[str, set[str]]
    preset: str
    liked: float


def movielens() -> Split:
    folder = DATA / "movielens-small"
    with (folder / "ratings.csv").open() as file:
        users = {row["userId"] for row in csv.DictReader(file)}
    items, events = read("movielens", folder, exclude_tags_of=users)
    return split(items, events, "video", liked=4.0)


def lastfm() -> Split:
    folder = DATA / "lastfm-2k"
    _, events = read("lastfm", folder)
    users = sorted({event.user_id for event in events}, key=int)
    tested = set(users[::2])
    items, events = read("lastfm", folder, exclude_tags_of=tested)
    listeners = Counter(event.item_id for event in events)
    kept = {name for name, count in listeners.items() if count >= 3}
    items = [item for item in items if item.item_id in kept]
    events = [event for event in events if event.item_id in kept]
    return split(items, events, "music", tested=tested)


def douban() -> Split:
    recipe = Path(__file__).parent.parent / "examples" / "douban_cn.py"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(recipe), str(DATA / "douban-cn"), folder]
        subprocess.run(command, check=True, capture_output=True)
        items = [Item.model_validate(row) for row in rows(Path(folder) / "items.csv")]
        events = [Event.model_validate(row) for row in rows(Path(folder) / "events.csv")]
    return split(items, events, "video", liked=4.0)


def read(name: str, folder: Path, **options: Any) -> tuple[list[Item], list[Event]]:
    """Items and valid events of a set."""
    items: list[Item] = []
    events: list[Event] = []
    for part in get_importer(name, **options).read(folder):
        for batch in part.batches:
            for _, row in batch.rows:
                if part.kind == "items":
                    items.append(Item.model_validate(row))
                elif part.kind == "events" and str(row.get("timestamp", 0)).isdigit():
                    events.append(Event.model_validate(row))
    return items, events


def rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield {name: value for name, value in row.items() if value}


def split(
    items: list[Item],
    events: list[Event],
    preset: str,
    liked: float = 0.0,
    tested: set[str] | None = None,
) -> Split:
    """A fifth of the events of each tested user held out."""
    rng = random.Random(0)
    by_user: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_user[event.user_id].append(event)
    train: list[Event] = []
    test: dict[str, set[str]] = {}
    for user, own in by_user.items():
        held = 0 if tested is not None and user not in tested else round(len(own) / 5)
        rng.shuffle(own)
        train += own[held:]
        right = {event.item_id for event in own[:held] if event.value >= liked}
        if right:
            test[user] = right
    return Split(items, train, test, preset, liked)


def measure(path: Path, data: Split, source: str, whitening: dict[str, Any]) -> float:
    scenario = {
        "preset": data.preset, "sources": {source: 1.0}, "seen_actions": [],
        "half_life_days": 36500.0, "trend_half_life_days": 36500.0,
    }  # fmt: skip
    settings = parse_settings({"whitening": whitening, "scenarios": {"here": scenario}})
    encoder = open_encoder(settings.encoders, path / "cache")
    with Engine(Workspace(path, settings, encoder)) as engine:
        engine.fit()
        lists = [
            [item.item_id for item in engine.recommend(user, "here", 10).items]
            for user in data.test
        ]
    return float(ndcg(*hit_matrix(lists, list(data.test.values()), 10), 10).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", default=["movielens", "lastfm", "douban"])
    chosen = parser.parse_args().sets
    if not DATA.is_dir():
        sys.exit(f"skipped: no data sets in {DATA}")
    sets = {"movielens": movielens, "lastfm": lastfm, "douban": douban}
    for name in chosen:
        data = sets[name]()
        print(f"{name}: {len(data.items)} items, {len(data.train)} training events, "
              f"{len(data.test)} users under test", flush=True)  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            with (
                Workspace(path, parse_settings({})) as workspace,
                workspace.store.write() as writer,
            ):
                writer.put_items(data.items)
                writer.add_events(data.train)
            for label, source, whitening in VARIANTS:
                value = measure(path, data, source, whitening)
                print(f"  {label:52} {value:.4f}", flush=True)
                print(json.dumps({"set": name, "row": label, "ndcg@10": round(value, 4)}))


if __name__ == "__main__":
    main()
