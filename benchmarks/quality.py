"""Quality beside peers, all on one split: `python benchmarks/quality.py`.

For each task: the set is loaded into a workspace, split by a protocol of `polyscene evaluate`, and
written for the peers with the first of the validation splits that the fit itself makes. Peers run
in an environment of their own (`--peers-python`, see peers.py) and are tuned on that validation
data; their lists are measured here with the same code as those of the engine. Settings are the
defaults of the preset, but for `positive` and half-lives of 100 years where nothing is dated.

    movielens-random     like >= 4, random 80/20
    movielens-time       like >= 4, the last fifth of time
    lastfm-random        listens, random 80/20, artists with >= 3 listeners; every second user is
                         under test, whose tags are dropped from the texts
    amazon-cold-users    office, for users with history in arts only, items with >= 5 users
    amazon-given         the held-out last items of the set, over the domain of each
    movielens-cold, lastfm-cold   a fifth of the items without events, ranked among themselves
    douban-random        like >= 4, random 80/20
    lastfm-people        friends, a fifth of the pairs held out, beside predictors of links in place
                         of the peers (people.py)

Free tags of MovieLens are dropped. Prints a table and one line of JSON a system.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

import people
import semantic
from polyscene.component import Training
from polyscene.data.dataset import Dataset
from polyscene.data.importers import get_importer
from polyscene.data.schema import Event, Item, Relation, User
from polyscene.encoders import open_encoder
from polyscene.evaluation.protocols import Plan, Protocol, Split, split
from polyscene.evaluation.run import evaluate
from polyscene.fitting.holdout import validations
from polyscene.metrics.ranking import hit_matrix, ndcg
from polyscene.settings import Settings, parse_settings
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace

LONG = 36500.0
K = 10


@dataclass
class Task:
    """A workspace's records, and what is measured on them."""

    items: list[Item]
    events: list[Event]
    scenarios: dict[str, dict[str, Any]]
    plan: Callable[[Dataset], Plan]
    values: str
    liked: float | None = None
    relations: list[Relation] | None = None
    users: list[User] | None = None
    measure: Callable[[Workspace, Plan, str, bool], None] | None = None
    """What measures it, where that is not `evaluate`."""


def movielens(protocol: Protocol) -> Task:
    folder = semantic.DATA / "movielens-small"
    with (folder / "ratings.csv").open() as file:
        users = {row["userId"] for row in csv.DictReader(file)}
    items, events = semantic.read("movielens", folder, exclude_tags_of=users)
    scenario = {"preset": "video", "positive": ["rate>=4"]}
    return Task(
        items, events, {"video": scenario}, lambda _: Plan(protocol, ("video",)), "rating", 4.0
    )


def lastfm(protocol: Protocol) -> Task:
    folder = semantic.DATA / "lastfm-2k"
    _, events = semantic.read("lastfm", folder)
    users = sorted({event.user_id for event in events}, key=int)
    tested = frozenset(users[::2])
    items, events = semantic.read("lastfm", folder, exclude_tags_of=tested)
    friends = [
        Relation(subject=row[0], predicate="friend", object=row[1])
        for row in csv.reader((folder / "user_friends.dat").open(), delimiter="\t")
        if row[0].isdigit()
    ]
    scenario = {"preset": "music"}
    plan = Plan(protocol, ("music",), tested=tested, min_users=3)
    return Task(items, events, {"music": scenario}, lambda _: plan, "count", relations=friends)


def lastfm_people() -> Task:
    """Everything of the set, with the scenarios that a workspace for it would have."""
    models: dict[str, type[BaseModel]] = {
        "items": Item, "users": User, "events": Event, "relations": Relation,
    }  # fmt: skip
    kinds: dict[str, list[Any]] = {kind: [] for kind in models}
    for part in get_importer("lastfm").read(semantic.DATA / "lastfm-2k"):
        read = models[part.kind].model_validate
        kinds[part.kind] += [read(row) for batch in part.batches for _, row in batch.rows]
    scenarios = {name: {"preset": name} for name in ("music", "social")}
    return Task(
        kinds["items"], kinds["events"], scenarios, lambda _: Plan("random", ("social",)), "count",
        relations=kinds["relations"], users=kinds["users"], measure=people.measure,
    )  # fmt: skip


def douban() -> Task:
    with tempfile.TemporaryDirectory() as folder:
        recipe(folder, "douban_cn.py", "douban-cn")
        items, events = files(folder)
    scenario = {"preset": "video", "positive": ["rate>=4"]}
    return Task(
        items, events, {"video": scenario}, lambda _: Plan("random", ("video",)), "rating", 4.0
    )


def amazon(cold: bool) -> Task:
    with tempfile.TemporaryDirectory() as folder:
        recipe(folder, "amazon_art_office.py", "amazon-art-office")
        items, events = files(folder)
    scenarios = {name: {"preset": "shop"} for name in ("arts", "office")}
    if cold:
        plan = Plan("cold-users", ("office",), min_users=5)
        return Task(items, events, scenarios, lambda _: plan, "none")

    def given(data: Dataset) -> Plan:
        return Plan("given", ("arts", "office"), given=amazon_targets(data))

    return Task(items, events, scenarios, given, "none")


def amazon_targets(data: Dataset) -> Dataset:
    """The rows of role "target" over the ids of a dataset."""
    path = semantic.DATA / "amazon-art-office" / "interactions.derived.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["role"] == "target"]
    user = data.users.rows(row["user"] for row in rows)
    target = data.items.rows(row["item"] for row in rows)
    names = ("arts", "office")
    count = len(rows)
    return Dataset(
        users=data.users, items=data.items, is_tag=data.is_tag, user=user, target=target,
        on_person=np.zeros(count, np.bool_), action=np.zeros(count, np.int32),
        scenario=np.array([names.index(row["domain"]) for row in rows], np.int32),
        timestamp=np.full(count, np.nan), value=np.ones(count), context=np.full(count, -1),
        actions=("purchase",), scenarios=names,
    ).take((user >= 0) & (target >= 0))  # fmt: skip


def recipe(folder: str, script: str, name: str) -> None:
    path = Path(__file__).parent.parent / "examples" / script
    command = [sys.executable, str(path), str(semantic.DATA / name), folder]
    subprocess.run(command, check=True, capture_output=True)


def files(folder: str) -> tuple[list[Item], list[Event]]:
    items = [Item.model_validate(row) for row in semantic.rows(Path(folder) / "items.csv")]
    return items, [Event.model_validate(row) for row in semantic.rows(Path(folder) / "events.csv")]


TASKS: dict[str, Callable[[], Task]] = {
    "movielens-random": lambda: movielens("random"),
    "movielens-time": lambda: movielens("time"),
    "lastfm-random": lambda: lastfm("random"),
    "douban-random": douban,
    "amazon-cold-users": lambda: amazon(cold=True),
    "amazon-given": lambda: amazon(cold=False),
    "movielens-cold": lambda: movielens("cold-items"),
    "lastfm-cold": lambda: lastfm("cold-items"),
    "lastfm-people": lastfm_people,
}


def open_workspace(path: Path, cache: Path, task: Task) -> Workspace:
    dated = any(event.timestamp is not None for event in task.events)
    ages = {} if dated else {"half_life_days": LONG, "trend_half_life_days": LONG}
    scenarios = {name: ages | scenario for name, scenario in task.scenarios.items()}
    settings = parse_settings({"scenarios": scenarios})
    workspace = Workspace(path, settings, open_encoder(settings.encoders, cache))
    with workspace.store.write() as writer:
        writer.put_items(task.items)
        writer.put_users(task.users or [])
        writer.add_events(task.events)
        if task.relations:
            writer.put_relations(task.relations)
    return workspace


def write_split(
    folder: Path, scenario: str, part: Split, settings: Settings, task: Task, texts: dict[str, str]
) -> None:
    """The files that peers.py reads."""
    data = part.train
    matching = settings.validation.model_copy(
        update={"split": {"time": "latest", "given": "last", "cold-users": "cold-users"}.get(
            part.plan.protocol, "random")}
    )  # fmt: skip
    own = settings.model_copy(update={"validation": matching})
    dim = np.zeros((len(data.items), 1), np.float32)
    trial = validations(Training(data, own, dim, part.now, links=part.links))[0]
    left = set(pairs_of_rows(trial.training.data))
    held = np.array([pair not in left for pair in pairs_of_rows(data)])
    on_trial = np.isin(data.user, trial.users)
    folder.mkdir(parents=True, exist_ok=True)
    write_events(folder / "train.csv", data.take(~held))
    write_events(folder / "valid.csv", data.take(held & on_trial))
    write_events(folder / "later.csv", data.take(held & ~on_trial))
    relevant = part.relevant[scenario]
    with (folder / "test.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "item"])
        for place, target in zip(*relevant.nonzero(), strict=True):
            writer.writerow([data.users.ids[part.users[place]], data.items.ids[target]])
    with (folder / "items.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["item", "text"])
        writer.writerows((name, texts.get(name, "")) for name in data.items.ids)
    ranked = part.ranked.get(scenario, np.ones(len(data.items), np.bool_))
    shown = {
        item.item_id for item in task.items if not item.scenarios or scenario in item.scenarios
    }
    candidates = [name for row, name in enumerate(data.items.ids) if ranked[row] and name in shown]
    meta = {
        "name": folder.name, "liked": task.liked, "values": task.values, "candidates": candidates,
        "timestamps": bool((~np.isnan(data.timestamp)).all()), "k": K,
    }  # fmt: skip
    (folder / "meta.json").write_text(json.dumps(meta), "utf-8")


def pairs_of_rows(data: Dataset) -> list[tuple[int, int]]:
    return list(zip(data.user.tolist(), data.target.tolist(), strict=True))


def write_events(path: Path, data: Dataset) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "item", "value", "timestamp"])
        for user, target, value, when in zip(
            data.user.tolist(), data.target.tolist(), data.value.tolist(), data.timestamp.tolist(),
            strict=True,
        ):  # fmt: skip
            moment = "" if np.isnan(when) else int(when)
            writer.writerow([data.users.ids[user], data.items.ids[target], value, moment])


def measured_lists(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    """NDCG@10 of each peer by user, in the order of the users' ids."""
    right: dict[str, set[str]] = {}
    with (folder / "test.csv").open() as file:
        for row in csv.DictReader(file):
            right.setdefault(row["user"], set()).add(row["item"])
    users = sorted(right)
    found = {}
    for path in sorted((folder / "peers").glob("*.csv")):
        lists: dict[str, list[str]] = {user: [] for user in users}
        with path.open() as file:
            for row in csv.DictReader(file):
                if int(row["rank"]) <= K:
                    lists[row["user"]].append(row["item"])
        hits, counts = hit_matrix([lists[u] for u in users], [right[u] for u in users], K)
        found[path.stem] = ndcg(hits, counts, K)
    return found


def run(name: str, options: argparse.Namespace) -> None:
    task = TASKS[name]()
    with tempfile.TemporaryDirectory() as folder:
        workspace = open_workspace(Path(folder), options.out / "cache", task)
        with workspace:
            store, settings = workspace.store, workspace.settings
            plan = task.plan(store.dataset())
            if task.measure is not None:
                print(name, flush=True)
                task.measure(workspace, plan, name, options.ablation)
                return
            start = time.perf_counter()
            report = evaluate(workspace, plan, (K, 20), ablation=options.ablation)
            seconds = time.perf_counter() - start
            (options.out / f"{name}.json").write_text(report.to_json(), "utf-8")
            print(f"{name}: fit {report.fit_seconds} s, all {seconds:.0f} s", flush=True)
            for found in report.scenarios:
                print(f"  {found.scenario}: {found.users} users, {found.relevant} pairs, "
                      f"{found.targets} targets; {found.fusion}")  # fmt: skip
                for system, one in found.systems.items():
                    row(name, found.scenario, system, one.metrics[f"ndcg@{K}"].mean)
            if options.peers_python:
                part = split(store.dataset(), store.links(), settings, plan, time.time())
                verbaliser = Verbaliser(settings)
                texts = {i.item_id: " ".join(verbaliser.item(i)) for i in task.items}
                for scenario in plan.scenarios:
                    where = options.out / f"{name}-{scenario}"
                    write_split(where, scenario, part, settings, task, texts)
                    command = [options.peers_python, str(Path(__file__).parent / "peers.py"),
                               str(where), "--budget", str(options.budget)]  # fmt: skip
                    if options.peers:
                        command += ["--peers", *options.peers]
                    run_peers(where, command)
                    for peer, values in measured_lists(where).items():
                        row(name, scenario, peer, float(np.nanmean(values)))


def run_peers(folder: Path, command: list[str]) -> None:
    """Run the peers, but not again with the same code, budget and split: it takes long."""
    inputs = [*sorted(folder.glob("*.*")), *sorted(Path(__file__).parent.glob("peers*"))]
    content = [hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs]
    mark, done = folder / "peers" / "done", "\n".join([*command[3:], *content])
    if mark.exists() and mark.read_text("utf-8") == done:
        return
    subprocess.run(command, check=True)
    mark.write_text(done, "utf-8")


def row(name: str, scenario: str, system: str, value: float) -> None:
    print(f"    {system:28} {value:.4f}", flush=True)
    print(json.dumps({"task": name, "scenario": scenario, "system": system,
                      "ndcg@10": round(value, 4)}), flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--out", type=Path, default=Path("build/quality"))
    parser.add_argument("--peers-python", help="The interpreter of the peers' environment.")
    parser.add_argument("--peers", nargs="*", help="Only these.")
    parser.add_argument("--budget", type=int, default=8)
    parser.add_argument("--ablation", action="store_true")
    options = parser.parse_args()
    if not semantic.DATA.is_dir():
        sys.exit(f"skipped: no data sets in {semantic.DATA}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.tasks:
        run(name, options)


if __name__ == "__main__":
    main()
