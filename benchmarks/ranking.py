"""What predicted tasks are worth: `python benchmarks/ranking.py [PART ...]`.

    demo         the sample world, simulated anew from each of several seeds and pooled
    movielens    movielens-small with two tasks, rated and liked (a rating of 4 or more)
    art-office   amazon-art-office, two scenarios, a third of the users
    gates        both beside the network: three sources, one split, a ninth of the users
    sparse       the same with 90 % of the purchases in office left out: with arts and alone
    revenue      the sample world's shop: expected revenue of lists by the weight of purchases
    position     a simulated log whose users look at the front: with places and without
    lists        the same log without views: told from the lists, or from targets that are drawn
    impressions  movielens-small: the order of what was rated, by similarity and by tasks

Every model is fitted to the same examples and judged on a fifth of each user's pairs, held out at
random. ece is the calibration error in ten bins of equally many pairs, floor what labels drawn from
the predictions themselves would give, saved the share of the log loss of the rate that is saved.
Needs `pip install "polyscene[ranking,train]"`. Encoded texts are kept below --out, so that a second
run is quicker.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import quality
import semantic
from polyscene.component import build
from polyscene.data.dataset import Dataset
from polyscene.data.lists import NO_LISTS
from polyscene.data.schema import Event, Item, User
from polyscene.demo import simulate as world_of
from polyscene.demo.run import SCENARIOS, sample_now
from polyscene.demo.world import load_world
from polyscene.encoders import open_encoder
from polyscene.engine import Engine
from polyscene.evaluation.measures import hits_of
from polyscene.evaluation.ordering import halves, ordering
from polyscene.evaluation.predictions import Pairs, predicted_pairs
from polyscene.evaluation.protocols import Plan, Split, split
from polyscene.evaluation.systems import Bench
from polyscene.fitting import learn as learning
from polyscene.fitting.asking import Asker
from polyscene.fitting.logged import Basis, happenings
from polyscene.fitting.model import Model
from polyscene.fitting.outcomes import HeldOut
from polyscene.fitting.past import DatasetPast
from polyscene.fitting.run import fit_to, on_rows
from polyscene.fitting.tasks import TaskExamples
from polyscene.logs import NO_PROGRESS
from polyscene.metrics import probability
from polyscene.metrics.chance import chance_error
from polyscene.metrics.compare import paired
from polyscene.metrics.ranking import ndcg
from polyscene.ranking import TaskModel
from polyscene.ranking.examples import Examples
from polyscene.ranking.predictor import Predictor
from polyscene.settings import Settings, parse_settings
from polyscene.workspace import Workspace

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "fused": ("fused", {}),
    "gbdt, joint": ("gbdt", {}),
    "gbdt, separate": ("gbdt", {"separate": True}),
    "gates, joint": ("gates", {}),
    "gates, separate": ("gates", {"separate": True}),
    "auto": ("auto", {}),
}
ONE = ("fused", "gbdt, joint", "gates, joint", "auto")
"""What is measured where there is one scenario."""
COLUMNS = ("pairs", "rate", "loss", "ece", "floor", "saved", "auc", "gauc")
WORLDS: list[int] = []
"""Seeds of the simulated worlds."""
QUICK = {"kernel": "auto", "semantic-mean": "auto", "trending": "auto"}
LONG = {"half_life_days": 1e6, "trend_half_life_days": 1e6}

Floats = npt.NDArray[np.float64]


class Kept(TaskExamples):
    """Keeps the examples of the last fit."""

    last: Examples

    def predictor(self, training: Any, fusions: Any) -> Any:
        """As it was, but what it learns from is kept."""
        if self._parts:
            Kept.last = self.examples(fusions)
        return super().predictor(training, fusions)


def fit_tasks(predictor: Predictor, variant: str) -> None:
    """Fit a model to the examples of the last fit, in the place of the one there is."""
    kind, options = VARIANTS[variant]
    predictor.model = build(TaskModel, kind, options)
    predictor.model.fit(Kept.last)


@dataclass
class World:
    """What is loaded into a workspace."""

    items: list[Item]
    events: list[Event]
    users: list[User]
    settings: Settings


def opened(folder: Path, out: Path, world: World) -> Workspace:
    cache = open_encoder(world.settings.encoders, out / "cache")
    workspace = Workspace(folder, world.settings, cache)
    with workspace.store.write() as writer:
        writer.put_items(world.items)
        writer.put_users(world.users)
        writer.add_events(world.events)
    return workspace


def fitted(own: Workspace, part: Split) -> Model:
    """A model of the training part, and its examples in `Kept.last`."""
    start = time.perf_counter()
    model = fit_to(own, part.train, part.links, now=part.now)
    print(f"  fitted in {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return model


def judged(own: Workspace, model: Model, part: Split, scenario: str) -> Pairs | None:
    past = DatasetPast(on_rows(part.train, model.items.targets.ids), part.links, own.store.users)
    asker = Asker(own.settings, model, own.encoder, past)
    weights = model.fusions[scenario].weights
    return predicted_pairs(
        model, asker, own.settings, scenario, part.train, part.held, part.now, weights
    )


def by_variant(
    own: Workspace, model: Model, part: Split, names: tuple[str, ...] = ()
) -> Iterator[tuple[str, str, Pairs]]:
    """Variant, scenario and pairs; each variant learns from the same examples."""
    assert model.tasks is not None
    for name in [name for name in names or VARIANTS if name in VARIANTS]:
        start = time.perf_counter()
        fit_tasks(model.tasks, name)
        print(f"  {name}: {time.perf_counter() - start:.1f} s", file=sys.stderr)
        for scenario in model.tasks.declared:
            pairs = judged(own, model, part, scenario)
            if pairs is not None:
                yield name, scenario, pairs


def measures(pairs: Pairs, row: int) -> dict[str, float] | None:
    """The numbers of one task; None where it has too few of one kind."""
    known = ~np.isnan(pairs.labels[row]) & np.isfinite(pairs.chances[row])
    truth, chance = pairs.labels[row][known].astype(np.int64), pairs.chances[row][known]
    if min(truth.sum(), len(truth) - truth.sum()) < 10:
        return None
    rng = np.random.default_rng(0)
    drawn = [
        probability.calibration_error(chance, rng.random(len(chance)) < chance, 10, "mass")
        for _ in range(5 if len(chance) > 1e5 else 20)
    ]
    return {
        "pairs": len(truth),
        "rate": float(truth.mean()),
        "loss": probability.log_loss(chance, truth),
        "ece": probability.calibration_error(chance, truth, 10, "mass"),
        "floor": float(np.mean(drawn)),
        "saved": 1
        - probability.log_loss(chance, truth)
        / probability.log_loss(np.full(len(truth), truth.mean()), truth),
        "auc": probability.auc(chance, truth),
        "gauc": probability.grouped_auc(chance, truth, pairs.groups[known]),
    }


def show(part: str, scenario: str, task: str, variant: str, found: Mapping[str, Any]) -> None:
    """One row of the table, and a line of JSON on the error stream."""
    numbers = " | ".join(
        f"{value:,}" if isinstance(value, int) else f"{value:.3g}" for value in found.values()
    )
    print(f"| {part} | {scenario} | {task} | {variant} | {numbers} |", flush=True)
    row = {"part": part, "scenario": scenario, "task": task, "variant": variant, **found}
    print(json.dumps(row), file=sys.stderr)


def tables(part: str, settings: Settings, found: Mapping[tuple[str, str], list[Pairs]]) -> None:
    """Pools what was found of each scenario and variant, and shows it."""
    print(f"| part | scenario | task | model | {' | '.join(COLUMNS)} |")
    for (scenario, variant), parts in sorted(found.items()):
        starts = np.cumsum([0, *(int(one.groups.max()) + 1 for one in parts[:-1])])
        pooled = Pairs(
            shown=parts[0].shown,
            labels=np.concatenate([one.labels for one in parts], axis=1),
            chances=np.concatenate([one.chances for one in parts], axis=1),
            fused=np.concatenate([one.fused for one in parts]),
            groups=np.concatenate(
                [one.groups + start for one, start in zip(parts, starts, strict=True)]
            ),
        )
        for row, task in enumerate(settings.scenario(scenario).to_predict):
            if not task.of_value and (numbers := measures(pooled, row)):
                show(part, scenario, task.name, variant, numbers)


def demo(out: Path) -> None:
    found: dict[tuple[str, str], list[Pairs]] = {}
    settings = parse_settings({"scenarios": {name: {"preset": name} for name in SCENARIOS}})
    for seed in WORLDS:
        with (
            tempfile.TemporaryDirectory() as folder,
            sampled(Path(folder), out, seed, "fused") as own,  # others are fitted afterwards
        ):
            plan = Plan("random", tuple(settings.scenarios))
            part = split(own.store.dataset(), own.store.links(), settings, plan, sample_now())
            model = fitted(own, part)
            for variant, scenario, pairs in by_variant(own, model, part):
                found.setdefault((scenario, variant), []).append(pairs)
    tables("demo", settings, found)


def sampled(folder: Path, out: Path, seed: int, ranking: str = "auto") -> Workspace:
    """The sample world, simulated from a seed."""
    world = load_world()
    events, _ = world_of.simulate(world, seed)
    scenarios = {name: {"preset": name} for name in SCENARIOS}
    return opened(
        folder,
        out,
        World(
            [Item.model_validate(item) for item in world.items],
            [Event.model_validate(event) for event in events],
            [User.model_validate(user) for user in world.users],
            parse_settings({"scenarios": scenarios, "ranking": ranking}),
        ),
    )


def movielens_world(tasks: dict[str, str], **more: Any) -> World:
    task = quality.movielens("random")
    video = task.scenarios["video"] | {"tasks": tasks} | more
    return World(task.items, task.events, [], parse_settings({"scenarios": {"video": video}}))


def movielens(out: Path) -> None:
    world = movielens_world({"rated": "rate", "liked": "rate>=4"})
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder), out, world) as own:
        plan = Plan("random", ("video",))
        part = split(own.store.dataset(), own.store.links(), own.settings, plan, time.time())
        model, found = fitted(own, part), {}
        for variant, scenario, pairs in by_variant(own, model, part, ONE):
            found[scenario, variant] = [pairs]
        tables("movielens", own.settings, found)


def gates(out: Path) -> None:
    quick = movielens_world({"rated": "rate", "liked": "rate>=4"}, sources=QUICK)
    video = {"scenarios": {"video": quick.settings.scenario("video").model_dump()}}
    one = parse_settings(video | {"validation": {"folds": 1, "split": "random"}})
    worlds = {"movielens": replace(quick, settings=one), "art-office": shops(nth=9)}
    for name, world in worlds.items():
        with tempfile.TemporaryDirectory() as folder, opened(Path(folder), out, world) as own:
            plan = Plan("random", tuple(world.settings.scenarios))
            part = split(own.store.dataset(), own.store.links(), own.settings, plan, time.time())
            model, found = fitted(own, part), {}
            variants = ONE if len(plan.scenarios) == 1 else tuple(VARIANTS)
            for variant, scenario, pairs in by_variant(own, model, part, variants):
                found[scenario, variant] = [pairs]
            tables(name, own.settings, found)


def shops(names: tuple[str, ...] = ("arts", "office"), nth: int = 3) -> World:
    """Every nth user, and no time: only the order is known."""
    with tempfile.TemporaryDirectory() as folder:
        quality.recipe(folder, "amazon_art_office.py", "amazon-art-office")
        items, events = quality.files(folder)
    spec = {"preset": "shop", "tasks": ["purchase"], "sources": QUICK, **LONG}
    settings = parse_settings(
        {"scenarios": dict.fromkeys(names, spec), "validation": {"split": "random"}}
    )
    events = [event for event in events if int(event.user_id) % nth == 0]
    return World(items, events, [], settings)


def art_office(out: Path) -> None:
    world = shops()
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder), out, world) as own:
        plan = Plan("random", ("arts", "office"))
        part = split(own.store.dataset(), own.store.links(), own.settings, plan, time.time())
        model, found = fitted(own, part), {}
        for variant, scenario, pairs in by_variant(own, model, part):
            found[scenario, variant] = [pairs]
        tables("art-office", own.settings, found)


def sparse(out: Path) -> None:
    world = shops()
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder), out, world) as own:
        data, links = own.store.dataset(), own.store.links()
        part = split(data, links, own.settings, Plan("random", ("office",)), time.time())
        office = part.train.scenario == data.scenarios.index("office")
        few = office & (np.random.default_rng(0).random(len(office)) < 0.1)
        alone = parse_settings(
            {
                "scenarios": {"office": own.settings.scenario("office").model_dump()},
                "validation": own.settings.validation.model_dump(),
            }
        )
        cases: dict[str, tuple[Settings, Dataset]] = {
            "arts and a tenth of office": (own.settings, part.train.take(~office | few)),
            "a tenth of office alone": (alone, part.train.take(few)),
        }
        lists = {}
        for name, (settings, train) in cases.items():
            with Workspace(own.path, settings, own.encoder) as mine:
                rest = replace(part, train=train)
                model = fitted(mine, rest)
                lists[name] = listed(mine, model, rest, "office")
                variants = ("fused", "gbdt, joint", "gbdt, separate")[: 3 if "arts" in name else 2]
                for variant, scenario, pairs in by_variant(mine, model, rest, variants):
                    if scenario == "office" and (numbers := measures(pairs, 0)):
                        show("sparse", name, "purchase", variant, numbers | at_level(pairs, 0))
        joint, own_only = (lists[name] for name in cases)
        against = paired(joint, own_only)
        means = f"{joint.mean():.4f} with arts, {own_only.mean():.4f} alone"
        print(f"ndcg@10 of lists: {means}, p {against.p_value:.3f}", flush=True)


def at_level(pairs: Pairs, row: int) -> dict[str, float]:
    """The mean prediction, and what is saved once all log odds are moved to the right mean.

    What is judged has ten times the purchases of what is learned from, which no model can know.
    """
    known = ~np.isnan(pairs.labels[row]) & np.isfinite(pairs.chances[row])
    truth, chance = pairs.labels[row][known], np.clip(pairs.chances[row][known], 1e-12, 1 - 1e-12)
    odds, low, high = np.log(chance / (1 - chance)), -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        above = (1 / (1 + np.exp(-odds - middle))).mean() > truth.mean()
        low, high = (low, middle) if above else (middle, high)
    moved = 1 / (1 + np.exp(-odds - low))
    rate = np.full(len(truth), truth.mean())
    saved = 1 - probability.log_loss(moved, truth) / probability.log_loss(rate, truth)
    return {"said": float(chance.mean()), "saved_at_level": float(saved)}


def listed(own: Workspace, model: Model, part: Split, scenario: str) -> Floats:
    """NDCG@10 of the list of each user."""
    bench = Bench(own, model, part)
    relevant = part.relevant[scenario]
    able = np.flatnonzero(relevant.getnnz(axis=1))
    with NO_PROGRESS.task("ask", len(able), "lists") as task:
        weights = bench.systems(scenario, ablation=False)["polyscene"]
        rows = bench.lists(part.questions.take(able), scenario, weights, 10, task)
    hits = hits_of(rows, relevant[able])
    return ndcg(hits, np.asarray(relevant[able].getnnz(axis=1)), 10)


def revenue(out: Path) -> None:
    world = load_world()
    theta = world_of._profiles(world.user_interests, world.interests)
    affinity = theta @ world_of._profiles(world.item_interests, world.interests).T
    languages = np.array([item["language"] for item in world.items])
    for row, user in enumerate(world.users):
        affinity[row] *= np.where(languages == user["language"], 1.0, 0.5)
    chance = 1 / (1 + np.exp(3.5 - 7 * affinity))
    rows = {item["item_id"]: row for row, item in enumerate(world.items)}
    prices = np.array([item.get("price", 0.0) for item in world.items])
    print("| reward | expected revenue | expected purchases | mean price |")
    with tempfile.TemporaryDirectory() as folder:
        with sampled(Path(folder), out, 0) as own, Engine(own) as engine:
            engine.fit(now=sample_now())
            model = engine.model.config.version
        for weight in (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0):
            reward = f"similarity + {weight} * purchase * price"
            settings = parse_settings(
                {"scenarios": {n: {"preset": n} | ({"reward": reward} if n == "shop" else {})
                               for n in SCENARIOS}}
            )  # fmt: skip
            encoder = open_encoder(settings.encoders, out / "cache")
            with Engine(Workspace(Path(folder), settings, encoder)) as engine:
                assert engine.model.config.version == model
                totals = []
                for row, user in enumerate(world.users):
                    answer = engine.recommend(user["user_id"], "shop", 10, now=sample_now())
                    listed_rows = np.array([rows[item.item_id] for item in answer.items])
                    true, price = chance[row, listed_rows], prices[listed_rows]
                    totals.append([float(true @ price), float(true.sum()), float(price.mean())])
                means = np.mean(totals, axis=0)
                numbers = " | ".join(f"{mean:.3g}" for mean in means)
                print(f"| `{reward}` | {numbers} |", flush=True)


def impressions(out: Path) -> None:
    world = movielens_world({"liked": "rate>=4"})
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder), out, world) as own:
        plan = Plan("impressions", ("video",))
        data = own.store.dataset(requests=True)
        part = split(data, own.store.links(), own.settings, plan, time.time())
        model = fitted(own, part)
        assert model.tasks is not None
        print("| order by | gauc | ndcg@10 | auc | information | ece |")
        constant = {"type": "constant"}
        in_order(
            own, model, part, constant, {"similarity": "polyscene", "popularity": "popularity"}
        )
        for name in [name for name in VARIANTS if "separate" not in name]:
            fit_tasks(model.tasks, name)
            in_order(own, model, part, "liked", {f"liked, by {name}": "polyscene"})


@dataclass
class Log:
    """A simulated log of lists, and what is true of it."""

    world: World
    shown: list[dict[str, Any]]
    """Rows of the table of lists."""
    relevance: Floats
    """The chance that a user acts on an item that is looked at, shape (users, items)."""


def biased_log(
    seed: int, users: int = 300, each: int = 6, length: int = 10, apart: float = 0.0
) -> Log:
    """Lists that a shop put in order by how new things are, for people with tastes.

    A thing at place k is looked at with chance 1 / k, and clicked then if it fits: with 0.8 where
    it is to the taste of the user, else 0.1. Half of a list is drawn to the taste. Newness means
    nothing to anybody.
    """
    rng = np.random.default_rng(seed)
    tastes = ("tea", "maps", "shoes", "clay", "books", "lamps")
    kinds = rng.integers(len(tastes), size=240)
    age = rng.uniform(0, 60, size=240)
    now = 1.8e9
    items = [
        Item(item_id=f"i{n}", title=f"{tastes[kind]} number {n}", tags=[tastes[kind]],
             published_at=now - (40 + age[n]) * 86_400)
        for n, kind in enumerate(kinds.tolist())
    ]  # fmt: skip
    liking = rng.integers(len(tastes), size=users)
    relevance = np.where(liking[:, None] == kinds[None], 0.8, 0.1)
    events, shown = [], []
    for user in range(users):
        fresh = rng.permutation(240)
        own = fresh[kinds[fresh] == liking[user]][: each * length // 2]
        others = fresh[kinds[fresh] != liking[user]][: each * length - len(own)]
        pages = rng.permutation(np.concatenate([own, others])).reshape(each, length)
        for number, page in enumerate(pages):
            page = page[np.argsort(age[page] + rng.normal(0, 3, length))]
            request, when = f"r{user}-{number}", now - (each - number) * 86_400.0 + user * apart
            act = {"user_id": f"u{user}", "scenario": "shop", "request_id": request}
            for place, item in enumerate(page.tolist(), 1):
                one = act | {"item_id": f"i{item}", "timestamp": when}
                events.append(Event(action="view", **one))
                if rng.random() < relevance[user, item] / place:
                    events.append(Event(action="click", **one))
            shown.append(
                {
                    "request_id": request, "user_id": f"u{user}", "scenario": "shop",
                    "context": None, "model": "log", "variant": "", "timestamp": when,
                    "targets": json.dumps([f"i{item}" for item in page.tolist()]),
                    "propensities": json.dumps([1.0] * length),
                }
            )  # fmt: skip
    shop = {"preset": "shop", "tasks": ["click"], "actions": {"view": 0.0, "click": 1.0},
            "sources": QUICK, "seen": "include", **LONG}  # fmt: skip
    settings = parse_settings(
        {"scenarios": {"shop": shop}, "validation": {"folds": 2, "split": "random"}}
    )
    people = [User(user_id=f"u{n}") for n in range(users)]
    return Log(World(items, events, people, settings), shown, relevance)


def position(out: Path) -> None:
    found: dict[str, list[list[float]]] = {}
    for seed in WORLDS[:3]:
        log = biased_log(seed)
        with tempfile.TemporaryDirectory() as folder, opened(Path(folder), out, log.world) as own:
            with own.store.write() as writer:
                writer.add_impressions(log.shown)
            data = own.store.dataset(lists=True)
            for name, logged in {
                "with places": data,
                "without": replace(data, position=np.zeros(0), lists=NO_LISTS),
            }.items():
                part = split(
                    logged, own.store.links(), own.settings, Plan("random", ("shop",)), 1.8e9
                )
                model = fitted(own, part)
                assert model.tasks is not None
                for variant in ("fused", "gbdt, joint"):
                    fit_tasks(model.tasks, variant)
                    numbers = unbiased(own, model, part, log)
                    found.setdefault(f"{variant}, {name}", []).append(numbers)
    print("| model | GAUC, all looked at | GAUC, logged | log loss, random places | ece |")
    for name, rows in found.items():
        means = " | ".join(f"{mean:.4f}" for mean in np.mean(rows, axis=0))
        print(f"| {name} | {means} |", flush=True)


def lists(out: Path) -> None:
    found: dict[str, list[list[float]]] = {}
    for seed in WORLDS[:3]:
        log = biased_log(seed, apart=60.0)
        log.world.events = [event for event in log.world.events if event.action != "view"]
        for basis in ("sampled", "logged"):
            shop = log.world.settings.scenario("shop").model_dump() | {"negatives": basis}
            settings = parse_settings(
                {"scenarios": {"shop": shop}, "validation": {"folds": 2, "split": "latest"}}
            )
            world = replace(log.world, settings=settings)
            with tempfile.TemporaryDirectory() as folder, opened(Path(folder), out, world) as own:
                with own.store.write() as writer:
                    writer.add_impressions(log.shown)
                data = own.store.dataset(lists=True)
                part = split(data, own.store.links(), settings, Plan("time", ("shop",)), 1.8e9)
                model = fitted(own, part)
                assert model.tasks is not None
                for variant in ("fused", "gbdt, joint"):
                    fit_tasks(model.tasks, variant)
                    rows = said_of(own, model, part, log, "logged")
                    chance, labels = rows.chance, rows.labels
                    numbers = [
                        float(len(chance)), float(labels.mean()), float(chance.mean()),
                        probability.log_loss(chance, labels),
                        probability.log_loss(np.full(len(labels), labels.mean()), labels),
                        probability.calibration_error(chance, labels, 10, "mass"),
                        chance_error(chance, 10, "mass"),
                        probability.grouped_auc(chance, labels, rows.group),
                        looked_at_all(rows),
                    ]  # fmt: skip
                    found.setdefault(f"{variant}, {basis}", []).append(numbers)
    print("| model | rows | rate | said | log loss | of the rate | ece | floor | GAUC | if seen |")
    for name, numbers in found.items():
        means = " | ".join(f"{mean:.4f}" for mean in np.mean(numbers, axis=0))
        print(f"| {name} | {means} |", flush=True)


@dataclass
class Rows:
    """What was predicted of the rows of held-out lists, and what is true of them."""

    chance: Floats
    labels: npt.NDArray[np.int64]
    relevance: Floats
    group: npt.NDArray[np.int64]


def looked_at_all(rows: Rows) -> float:
    """GAUC against who would click if everything were looked at."""
    if_seen = np.random.default_rng(0).random((20, len(rows.chance))) < rows.relevance
    return float(
        np.mean([probability.grouped_auc(rows.chance, own, rows.group) for own in if_seen * 1])
    )


def unbiased(own: Workspace, model: Model, part: Split, log: Log) -> list[float]:
    """The order against who would click if all were looked at, and as it was logged.

    Then the loss and the calibration error, had the same lists stood in random order.
    """
    rows = said_of(own, model, part, log, "shown")
    rng = np.random.default_rng(1)
    places = rng.integers(1, 11, (20, len(rows.chance)))
    mixed = (rng.random((20, len(rows.chance))) < rows.relevance / places).astype(np.int64)
    chance = rows.chance
    return [
        looked_at_all(rows),
        probability.grouped_auc(chance, rows.labels, rows.group),
        float(np.mean([probability.log_loss(chance, own) for own in mixed])),
        float(np.mean([probability.calibration_error(chance, own, 10, "mass") for own in mixed])),
    ]


def said_of(own: Workspace, model: Model, part: Split, log: Log, basis: Basis) -> Rows:
    """What is said of what was held out, and what is true of it."""
    past = DatasetPast(on_rows(part.train, model.items.targets.ids), part.links, own.store.users)
    asker, predictor = Asker(own.settings, model, own.encoder, past), model.tasks
    assert predictor is not None
    weights = model.fusions["shop"].weights
    space, ids = model.space("shop"), part.held.items
    sources = {name: model.sources[name] for name in weights}
    said: list[Floats] = []
    true: list[Floats] = []
    logged: list[Floats] = []
    groups: list[npt.NDArray[np.int64]] = []
    held = HeldOut(part.held, asker, sources, space.targets.ids, ids.ids, own.settings, "shop",
                   part.now)  # fmt: skip
    found = happenings(basis, held, most=2000)
    for one in found:
        told = predictor(one.asking.query, one.asking.user, one.rows, one.said, weights,
                         space.targets, model.items.targets)  # fmt: skip
        user = int(part.held.users.ids[one.user][1:])
        things = [int(space.targets.ids.ids[row][1:]) for row in one.rows.tolist()]
        said.append(told.tasks["click"])
        true.append(log.relevance[user, things])
        logged.append(one.labels[0].astype(np.float64))
        groups.append(one.lists)
    labels = np.concatenate(logged).astype(np.int64)
    return Rows(np.concatenate(said), labels, np.concatenate(true), np.concatenate(groups))


def in_order(
    own: Workspace, model: Model, part: Split, reward: Any, shown_as: Mapping[str, str]
) -> None:
    """A row for each system, by how it is shown, under one reward."""
    spec = own.settings.scenario("video").model_copy(update={"reward": reward})
    settings = own.settings.model_copy(update={"scenarios": {"video": spec}})
    with Workspace(own.path, settings, own.encoder) as mine:
        bench = Bench(mine, model, part)
        shown = bench.shown("video")
        with NO_PROGRESS.task("ask", len(shown.users), "users") as task:
            said = bench.said(shown, "video", task)
        systems, half = bench.systems("video", ablation=False), halves(said.shown, 0)
        for label, system in shown_as.items():
            order = bench.ordered(said, "video", systems[system])
            found, _ = ordering(*order, systems[system], said.shown, half, (10,))
            names = ("gauc", "ndcg@10", "auc", "information")
            values = [found.metrics[name].mean for name in names]
            values.append(found.catalogue["calibration_error"])
            print(f"| {label} | {' | '.join(f'{value:.4f}' for value in values)} |", flush=True)


PARTS: dict[str, Callable[[Path], None]] = {
    "demo": demo, "movielens": movielens, "art-office": art_office, "gates": gates,
    "sparse": sparse, "revenue": revenue, "position": position, "lists": lists,
    "impressions": impressions,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seeds", type=int, default=48, help="worlds of demo; default 48")
    parser.add_argument("--first", type=int, default=0, help="seed of the first; default 0")
    parser.add_argument("--model", action="append", choices=VARIANTS, help="may be repeated")
    parser.add_argument("--out", type=Path, default=Path("build/ranking"))
    options = parser.parse_args()
    if not semantic.DATA.exists():
        print(f"no data sets in {semantic.DATA}: demo and revenue need none", file=sys.stderr)
    options.out.mkdir(parents=True, exist_ok=True)
    learning.TaskExamples = Kept  # type: ignore[misc]
    for name in set(VARIANTS) - set(options.model or VARIANTS):
        del VARIANTS[name]
    WORLDS[:] = range(options.first, options.first + options.seeds)
    for name in options.parts or PARTS:
        PARTS[name](options.out)


if __name__ == "__main__":
    main()
