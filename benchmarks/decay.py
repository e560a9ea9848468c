"""What age and other scenarios do to what is learned: `python benchmarks/decay.py`.

    age     movielens-small, like >= 4, split at three moments (`time`, with shares of 0.2, 0.5 and
            0.8 held out): NDCG@10 of `trending` alone and of `kernel` alone, with fixed options, by
            half-life, users of all moments together.
    shrink  movielens-small as two scenarios: a share of the users are in "tv", the others in
            "cinema", which "tv" may read. NDCG@10 of `trending` in "tv" by how many events the
            trend of both counts for (m), random 80/20 with three seeds.

Free tags of MovieLens are dropped. Prints a line of JSON a number.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import quality
import semantic
from polyscene.data.schema import Event
from polyscene.evaluation.protocols import Plan
from polyscene.evaluation.run import evaluate
from polyscene.settings import parse_settings
from polyscene.workspace import Workspace

SCENARIO = {"preset": "video", "positive": ["rate>=4"]}
SHARES = (0.2, 0.5, 0.8)
HALF_LIVES = (7.0, 30.0, 180.0, 1460.0, quality.LONG)
KERNEL = {
    "rank": 1024, "reg": 100.0, "text": 30.0, "graded": True, "floor": 0.2, "decay": True,
    "near": 0.0, "recency": 0.0, "elsewhere": 1.0, "cold": 0.5, "cold_reg": 1.0, "doubt": 0.0,
}  # fmt: skip
"""Its defaults where nothing is held out: no option but the half-life differs."""
FEW = (0.01, 0.03, 0.1)
SHRINK = (0.0, 20.0, 100.0, 1000.0, 10_000.0)


def found(workspace: Workspace, table: dict[str, Any], plans: list[Plan]) -> tuple[float, int]:
    """NDCG@10 with other settings over the users of all plans, and how many they are."""
    means, users = [], []
    settings = parse_settings(table)
    with Workspace(workspace.path, settings, workspace.encoder, store=workspace.store) as own:
        for plan in plans:
            (one,) = evaluate(own, plan, (quality.K,), ablation=False).scenarios
            metric = one.systems["polyscene"].metrics[f"ndcg@{quality.K}"]
            means.append(metric.mean)
            users.append(metric.users)
    return float(np.average(means, weights=users)), sum(users)


def age(cache: Path) -> None:
    plans = [Plan("time", ("video",), share=share) for share in SHARES]
    with (
        tempfile.TemporaryDirectory() as folder,
        quality.open_workspace(Path(folder), cache, quality.movielens("time")) as workspace,
    ):
        for source in ("trending", "kernel"):
            for days in HALF_LIVES:
                scenario = SCENARIO | {
                    "sources": {source: 1.0}, "half_life_days": days, "trend_half_life_days": days,
                }  # fmt: skip
                table = {"scenarios": {"video": scenario}, "sources": {"kernel": KERNEL}}
                value, users = found(workspace, table, plans)
                said(part="age", source=source, half_life_days=days, users=users, ndcg=value)


def shrink(cache: Path) -> None:
    whole = quality.movielens("random")
    names = sorted({event.user_id for event in whole.events}, key=int)
    order = np.random.default_rng(0).permutation(len(names))
    scenario = SCENARIO | {
        "sources": {"trending": 1.0}, "half_life_days": quality.LONG,
        "trend_half_life_days": quality.LONG,
    }  # fmt: skip
    for share in FEW:
        few = {names[place] for place in order[: round(share * len(names))]}
        scenarios = {"tv": scenario | {"reads": ["cinema"]}, "cinema": scenario}
        task = replace(
            whole, events=[of(event, few) for event in whole.events], scenarios=scenarios
        )
        plans = [Plan("random", ("tv",), seed=seed) for seed in range(3)]
        with (
            tempfile.TemporaryDirectory() as folder,
            quality.open_workspace(Path(folder), cache, task) as workspace,
        ):
            for many in SHRINK:
                table = {"scenarios": scenarios, "sources": {"trending": {"shrink": many}}}
                value, users = found(workspace, table, plans)
                said(part="shrink", users=users // len(plans), shrink=many, ndcg=value)


def of(event: Event, few: set[str]) -> Event:
    return event.model_copy(update={"scenario": "tv" if event.user_id in few else "cinema"})


def said(ndcg: float, **values: Any) -> None:
    print(json.dumps(values | {"ndcg@10": round(ndcg, 4)}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=["age", "shrink"])
    parser.add_argument("--out", type=Path, default=Path("build/quality"))
    options = parser.parse_args()
    if not semantic.DATA.is_dir():
        raise SystemExit(f"skipped: no data sets in {semantic.DATA}")
    for part in options.parts:
        {"age": age, "shrink": shrink}[part](options.out / "cache")


if __name__ == "__main__":
    main()
