"""People beside the usual predictors of links: the task lastfm-people of quality.py.

Friendships are held out by the protocol `random` of `polyscene evaluate`. Predictors see the same
friendships that are left as the engine, rank the same people (all but oneself and the friends one
has), and put the better connected first where they are equal. The random walk with restarts is
given the best of three restarts on what is to be found.

    preferential attachment   d_v
    common neighbours         |F_u ∩ F_v|
    Adamic-Adar               Σ_{k in both} 1 / log d_k
    resource allocation       Σ_{k in both} 1 / d_k
    random walk               (I - α·D⁻¹A)⁻¹

References: Liben-Nowell and Kleinberg (2007); Zhou, Lü and Zhang (2009).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from polyscene.data.dataset import IntArray
from polyscene.engine.recommender import Recommender
from polyscene.evaluation.measures import hits_of
from polyscene.evaluation.protocols import Plan, Split, split
from polyscene.evaluation.systems import ENGINE, Bench
from polyscene.feedback.state import LivePast
from polyscene.fitting.asking import Asker
from polyscene.fitting.model import Model
from polyscene.fitting.past import DatasetPast, Past, StorePast
from polyscene.fitting.run import fit_to
from polyscene.logs import NO_PROGRESS
from polyscene.metrics.compare import interval, paired
from polyscene.metrics.ranking import ndcg, recall
from polyscene.ranking.fuse import fuse
from polyscene.settings import Settings
from polyscene.sources.circle import connected
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace

K = 10
RESTARTS = (0.5, 0.7, 0.85)
PARTS: dict[str, dict[str, float]] = {
    "social, friends alone": {"behaviour": 0.0, "kin": 0.0},
    "social, friends and behaviour": {"kin": 0.0},
}
HEADS = (20, 50)
"""How many of a user's best people are put in order by both sides."""
RECIPROCITY = (0.3, 0.5)
"""How much it counts what people would say of the one who asks, in the engine's own lists."""
ASKED = 200
"""Users whose answers are timed one by one."""
TOGETHER = 200
FRIENDS = (0, 1, 3, 6, 16)
"""Lower bounds of how many friends somebody has left."""


@dataclass
class Measured:
    system: str
    recall: np.ndarray[Any, np.dtype[np.float64]]
    ndcg: np.ndarray[Any, np.dtype[np.float64]]


def measure(workspace: Workspace, plan: Plan, name: str, ablation: bool) -> None:
    """Fit to what the plan leaves, and print a row and a line of JSON for each system."""
    (scenario,) = plan.scenarios
    store, now = workspace.store, time.time()
    part = split(store.dataset(), store.links(), workspace.settings, plan, now)
    print(f"  {len(part.users)} users, {part.relevant[scenario].nnz} friends to find among "
          f"{len(part.train.users)} people")  # fmt: skip
    found = [*engine(workspace, part, scenario), *predictors(part, scenario)]
    if ablation:
        found += [one for label in PARTS for one in parts(workspace, part, scenario, label)]
    for one in found:
        ends, against = interval(one.recall), paired(found[0].recall, one.recall)
        print(f"    {one.system:32} recall {ends.mean:.4f} ± {(ends.high - ends.low) / 2:.3f}  "
              f"ndcg {one.ndcg.mean():.4f}  p {against.p_value:.4f}", flush=True)  # fmt: skip
        print(json.dumps({"task": name, "scenario": scenario, "system": one.system,
                          f"recall@{K}": round(ends.mean, 4),
                          f"ndcg@{K}": round(float(one.ndcg.mean()), 4)}), flush=True)  # fmt: skip
    by_friends(part, found)


def engine(workspace: Workspace, part: Split, scenario: str) -> Iterator[Measured]:
    """The fused lists, and those of each source by itself."""
    start = time.perf_counter()
    settings = matched(workspace.settings)
    with Workspace(workspace.path, settings, workspace.encoder) as own:
        model = fit_to(own, part.train, part.links, now=part.now)
        print(f"  fit {time.perf_counter() - start:.0f} s; {model.fusions[scenario]}", flush=True)
        bench = Bench(own, model, part)
        fused = bench.systems(scenario, ablation=False)[ENGINE]
        systems = {ENGINE: fused} | {f"only {name}": {name: 1.0} for name in fused}
        for name, weights in systems.items():
            with NO_PROGRESS.task(name, len(part.users), "lists") as task:
                lists = bench.lists(part.questions, scenario, weights, K, task)
            yield judged(name, lists, part, scenario)
        yield from reciprocal(bench, part, scenario)
        yield from both_sides(own, model, part, scenario, fused)
        cost(own, model, part, scenario)


def reciprocal(bench: Bench, part: Split, scenario: str) -> Iterator[Measured]:
    """The engine's lists with `reciprocity`."""
    for weight in RECIPROCITY:
        spec = bench.spec(scenario).model_copy(update={"reciprocity": weight})
        with NO_PROGRESS.task(f"reciprocity {weight}", len(part.users), "lists") as task:
            lists = bench.redeclared(part.questions, scenario, spec, K, task)
        yield judged(f"{ENGINE}, reciprocity {weight}", lists, part, scenario)


def cost(workspace: Workspace, model: Model, part: Split, scenario: str) -> None:
    """What answers cost with `reciprocity`: one by one from the store, kept, and many at once."""
    settings, store = workspace.settings, workspace.store
    spec = settings.scenario(scenario).model_copy(update={"reciprocity": RECIPROCITY[-1]})
    both = settings.model_copy(update={"scenarios": {**settings.scenarios, scenario: spec}})
    ids = [part.train.users.ids[row] for row in part.users.tolist()]
    some = ids[:: max(1, len(ids) // ASKED)]
    past = StorePast(store, model.items.targets)
    live = LivePast(past, store.watch(), patience_s=60, kept_s=3600)
    every = DatasetPast(part.train, part.links, store.users)

    def recommender(declared: Settings, where: Past, memory: LivePast | None) -> Recommender:
        words = Verbaliser(declared)
        return Recommender(declared, model, workspace.encoder, words, where, memory)

    def spent(made: Recommender, users: list[str], reasons: bool = True) -> float:
        start = time.perf_counter()
        list(made.answers(users, scenario, K, part.now, reasons=reasons))
        return 1000 * (time.perf_counter() - start)

    one_by_one = [[user] for user in some]
    rows: dict[str, tuple[Past, LivePast | None, list[list[str]]]] = {
        "one by one, read from the store": (past, None, one_by_one),
        "in a service, all kept": (live, live, one_by_one),
        "many at once": (every, None, [ids] * 3),
    }
    for label, (where, memory, groups) in rows.items():
        pair = [recommender(declared, where, memory) for declared in (settings, both)]
        alone = len(groups[0]) == 1
        if memory is not None:
            for made in pair:
                spent(made, some)
        taken = [[spent(made, users, alone) / len(users) for made in pair] for users in groups]
        plain, mutual = np.median(taken, axis=0)
        print(f"    {label:36} {plain:.2f} ms, with reciprocity {mutual:.2f} ms", flush=True)
    live.close()


def both_sides(
    workspace: Workspace, model: Model, part: Split, scenario: str, weights: dict[str, float]
) -> Iterator[Measured]:
    """The engine's best people for each user, put in order by what both sides would say.

    Scores are scaled to at most 1 for each person; what a person's sources do not say counts 0.
    """
    past = DatasetPast(part.train, part.links, workspace.store.users)
    asker = Asker(workspace.settings, model, workspace.encoder, past)
    ids = part.train.users.ids
    scores = np.zeros((len(ids), len(ids)))
    used = {name: model.sources[name] for name, weight in weights.items() if weight > 0}
    for start in range(0, len(ids), TOGETHER):
        askings = asker.users(ids[start : start + TOGETHER], scenario, len(ids), part.now)
        queries = [asking.query for asking in askings]
        found = {name: one.candidates(queries, one.scores(queries)) for name, one in used.items()}
        for row, candidates in enumerate(fuse(found, weights), start):
            scores[row, candidates.rows] = candidates.scores
    scores = np.maximum(scores, 0) / np.maximum(scores.max(axis=1, keepdims=True), 1e-12)
    there, back = scores[part.users], scores[:, part.users].T
    for label, both in (
        ("one side", there),
        ("harmonic mean", 2 * there * back / np.maximum(there + back, 1e-12)),
        ("geometric mean", np.sqrt(there * back)),
    ):
        for head in HEADS if label != "one side" else HEADS[:1]:
            best = np.argsort(-there, axis=1, kind="stable")[:, :head]
            order = np.argsort(-np.take_along_axis(both, best, axis=1), axis=1, kind="stable")
            lists = np.take_along_axis(best, order, axis=1)[:, :K]
            yield judged(f"{label} of the best {head}", lists, part, scenario)


def parts(workspace: Workspace, part: Split, scenario: str, label: str) -> Iterator[Measured]:
    """`social` with a part of its score, without other sources."""
    scenarios = {
        name: spec.model_copy(update={"sources": {"social": 1.0}})
        for name, spec in workspace.settings.scenarios.items()
    }
    settings = workspace.settings.model_copy(
        update={"scenarios": scenarios, "sources": {"social": PARTS[label]}}
    )
    with Workspace(workspace.path, settings, workspace.encoder) as own:
        for one in engine(own, part, scenario):
            if one.system == "only social":
                yield Measured(label, one.recall, one.ndcg)


def matched(settings: Settings) -> Settings:
    """Options are chosen on friendships held out in the same way."""
    validation = settings.validation.model_copy(update={"split": "random"})
    return settings.model_copy(update={"validation": validation})


def predictors(part: Split, scenario: str) -> Iterator[Measured]:
    around = connected(part.links, part.train)
    degree = np.asarray(around.sum(axis=1)).ravel()
    rows = sp.csr_matrix(around[part.users])
    few = np.maximum(degree, 2)
    yield listed("preferential attachment", np.tile(degree, (len(part.users), 1)), part, scenario)
    for name, weight in (
        ("common neighbours", np.ones_like(degree)),
        ("Adamic-Adar", 1 / np.log(few)),
        ("resource allocation", 1 / np.maximum(degree, 1)),
    ):
        scores = np.asarray((rows @ sp.diags(weight) @ around).todense())
        yield listed(name, scores + 1e-6 * degree, part, scenario)
    steps = (around / np.maximum(degree, 1)[:, None]).toarray()
    walks = [
        np.linalg.inv(np.eye(len(degree)) - restart * steps)[part.users] for restart in RESTARTS
    ]
    yield max(
        (listed("random walk with restarts", walk, part, scenario) for walk in walks),
        key=lambda one: float(one.recall.mean()),
    )


def listed(system: str, scores: np.ndarray[Any, Any], part: Split, scenario: str) -> Measured:
    """The best by their scores, but oneself and one's friends."""
    known = connected(part.links, part.train)[part.users].tocoo()
    scores = np.array(scores, np.float64)
    scores[known.row, known.col] = -np.inf
    scores[np.arange(len(scores)), part.users] = -np.inf
    lists = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    return judged(system, lists, part, scenario)


def judged(system: str, lists: IntArray, part: Split, scenario: str) -> Measured:
    relevant = part.relevant[scenario]
    hits, counts = hits_of(lists, relevant), relevant.getnnz(axis=1)
    return Measured(system, recall(hits, counts, K), ndcg(hits, counts, K))


def by_friends(part: Split, found: list[Measured]) -> None:
    """Recall of the engine and of the predictors by how many friends somebody has left."""
    found = [one for one in found if one.system == ENGINE or not one.system.startswith("only ")]
    count = connected(part.links, part.train).getnnz(axis=1)[part.users]
    for low, end in zip(FRIENDS, (*FRIENDS[1:], count.max() + 1), strict=True):
        some = (count >= low) & (count < end)
        if some.any():
            cells = ", ".join(f"{one.system} {one.recall[some].mean():.4f}" for one in found)
            print(f"    {low} to {end - 1} friends: {some.sum()} users; {cells}", flush=True)
