"""What relations from texts are worth to the source graph: `python benchmarks/relations.py`.

Films of movielens-small, whose overviews name people and places. Relations are made of the names
that several films share (see `polyscene.engine.relate`): all of them alike, which needs no model,
and with `--model` those that a language model said are names of something, for the first `--asked`
films; what it takes them for is printed. Films are recommended by graph alone, with options
that validation chooses and with fixed ones, and by all sources of the preset with graph beside
them, whose weights validation chooses or are given: once with the relations and once without, to
the same users, for what is held out of each user at random ("warm"), and for films without any
event, ranked among themselves ("cold"). NDCG@10.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import Links
from polyscene.data.importers import import_folder
from polyscene.engine.recommender import Recommender
from polyscene.engine.relate import NAME, PREFIXES, relate
from polyscene.evaluation.protocols import Plan, Split, split
from polyscene.fitting.past import DatasetPast
from polyscene.fitting.run import fit_to, on_rows
from polyscene.metrics.compare import paired
from polyscene.metrics.ranking import ndcg
from polyscene.settings import parse_settings
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
DEPTH = 10
FIXED = {"damping": 0.1, "beta": 0.3, "graded": True, "decay": False, "recency": 0.0}
"""What validation chooses of the options that have to do with neither tags nor relations."""
SYSTEMS: dict[str, dict[str, float]] = {
    "all chosen by validation": {},
    "tags 0.1, relations 0.1": FIXED | {"tags": 0.1, "relations": 0.1},
    "tags 0.1, relations 0.3": FIXED | {"tags": 0.1, "relations": 0.3},
    "no tags, relations 0.1": FIXED | {"tags": 0.0, "relations": 0.1},
}
"""Options of the source graph, which stands alone."""
WHOLE = {
    "all sources, all chosen by validation": {},
    "all sources, tags 0.1, relations 0.1": FIXED | {"tags": 0.1, "relations": 0.1},
    "all sources, no tags, relations 0.1": FIXED | {"tags": 0.0, "relations": 0.1},
}
"""The same beside all other sources."""
GIVEN = {
    "kernel 1, semantic-mean 0.05, graph 0.1: no tags, relations 0.1": 0.1,
    "kernel 1, semantic-mean 0.05, graph 0.3: no tags, relations 0.1": 0.3,
}
"""The weight of graph beside those that validation gives the others."""


def settings(system: str, model: str = "") -> Any:
    video: dict[str, Any] = {"preset": "video", "sources": {"graph": 1.0}}
    if system in WHOLE:
        preset = parse_settings({"scenarios": {"video": {"preset": "video"}}}).scenario("video")
        video["sources"] = {**preset.sources, "graph": "auto"}
    if system in GIVEN:
        video["sources"] = {"kernel": 1.0, "semantic-mean": 0.05, "graph": GIVEN[system]}
    options = (SYSTEMS | WHOLE).get(system, SYSTEMS["no tags, relations 0.1"])
    table: dict[str, Any] = {"sources": {"graph": options}, "scenarios": {"video": video}}
    if model:
        table["llm"] = {"provider": "local", "model": model, "threads": 1, "timeout_s": 600}
    return parse_settings(table)


def lists(workspace: Workspace, part: Split, links: Links) -> npt.NDArray[np.float64]:
    """NDCG of each question, with these relations alone."""
    model = fit_to(workspace, part.train, links, now=part.now)
    ids = model.items.targets.ids
    past = DatasetPast(on_rows(part.train, ids), links, workspace.store.users)
    set_up, names = workspace.settings, [part.train.users.ids[row] for row in part.users.tolist()]
    recommender = Recommender(set_up, model, workspace.encoder, Verbaliser(set_up), past)
    right = part.relevant["video"]
    only = None
    if "video" in part.ranked:
        only = [part.train.items.ids[row] for row in np.flatnonzero(part.ranked["video"])]
    hits = np.zeros((len(names), DEPTH), np.bool_)
    answers = recommender.answers(names, "video", DEPTH, part.now, only, reasons=False, seed=0)
    for place, answer in enumerate(answers):
        wanted = {part.train.items.ids[row] for row in right[place].indices.tolist()}
        for rank, item in enumerate(answer.items):
            hits[place, rank] = item.item_id in wanted
    source = model.sources["graph"].config
    print(f"#   options: {source.model_dump(exclude={'support', 'steps'})}", flush=True)  # type: ignore[attr-defined]
    print(f"#   weights: {model.fusions['video'].weights}", flush=True)
    return ndcg(hits, right.getnnz(axis=1), DEPTH)


def without(links: Links) -> Links:
    """The relations without those from texts."""
    found = np.array([name.startswith(PREFIXES) for name in links.predicates], np.bool_)
    return links.take(~found[links.predicate])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA / "movielens-small")
    parser.add_argument("--model", default="", help="a GGUF file or package:NAME")
    parser.add_argument("--asked", type=int, default=100)
    parser.add_argument(
        "--system", nargs="*", choices=SYSTEMS | WHOLE | GIVEN, default=list(SYSTEMS)
    )
    parser.add_argument("--protocol", nargs="+", default=["random", "cold-items"])
    parser.add_argument("--work", type=Path, help="a workspace that is kept with all answers")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.work or Path(folder) / "w"
        path.mkdir(parents=True, exist_ok=True)
        with Workspace(path, settings("all chosen by validation", args.model)) as workspace:
            store = workspace.store
            if not store.counts().items:
                import_folder("movielens", args.data, sink=store, on_error="skip")
            alike = store.counts() if store.counts().relations else relate(store, None)
            print(f"# names: {alike}")
            if args.model:
                start = time.perf_counter()
                asked = relate(store, workspace.language_model, args.asked)
                kinds = Counter(one.predicate for one in store.relations() if one.predicate != NAME)
                took = (time.perf_counter() - start) / max(asked.items, 1)
                print(f"# model: {asked}, kinds {dict(kinds)}, {took:.1f} s an item", flush=True)
                relate(store, None)
        print("| films | system | users | without | with | difference, 95 % |")
        print("|---|---|---|---|---|---|")
        for system in args.system:
            with Workspace(path, settings(system)) as workspace:
                store = workspace.store
                now = float(np.nanmax(store.dataset().timestamp)) + 1
                for protocol in args.protocol:
                    plan = Plan(protocol, ("video",))
                    part = split(store.dataset(), store.links(), workspace.settings, plan, now)
                    after = lists(workspace, part, part.links)
                    before = lists(workspace, part, without(part.links))
                    found = paired(after, before)
                    print(
                        f"| {'warm' if protocol == 'random' else 'cold'} | {system} | "
                        f"{len(after)} | {before.mean():.4f} | {after.mean():.4f} | "
                        f"{found.difference:+.4f} ({found.low:+.4f} to {found.high:+.4f}) |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
