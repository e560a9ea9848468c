"""Who is served and shown, and what changing that costs: `python benchmarks/audit.py [SET ...]`.

Movielens-small (liked is a rating of 4 or more) and lastfm-2k, split at random 80/20 as in
quality.py, with the three sources `kernel`, `semantic-mean` and `trending` and one validation
split. Left out are targets with fewer than 10 users, so that it takes minutes. Prints tables in
Markdown and writes the reports below --out.

Groups are quarters of the users by how much they did and by how popular that is; providers are the
tags of a target: genres, or what listeners wrote who are not under test.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import quality
import semantic
from polyscene.encoders import open_encoder
from polyscene.evaluation.audit import Audit, Audited
from polyscene.evaluation.report import write_html, write_json
from polyscene.evaluation.run import ScenarioReport, evaluate
from polyscene.evaluation.systems import BASELINES, ENGINE
from polyscene.settings import parse_settings
from polyscene.workspace import Workspace

SETS = {"movielens": quality.movielens, "lastfm": quality.lastfm}
SOURCES = {"kernel": "auto", "semantic-mean": "auto", "trending": "auto"}
AUDIT = Audit(("activity", "mainstream"), ("tags",), ("diversity", "exposure"))
LEAST = 10
SYSTEMS = (ENGINE, *BASELINES)


def measure(name: str, out: Path) -> ScenarioReport:
    task = SETS[name]("random")
    counts = Counter(event.item_id for event in task.events)
    kept = {item for item, count in counts.items() if count >= LEAST}
    [(scenario, spec)] = task.scenarios.items()
    settings = parse_settings(
        {
            "scenarios": {scenario: spec | {"sources": SOURCES}},
            "validation": {"folds": 1, "split": "random"},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        encoder = open_encoder(settings.encoders, out / "cache")
        with Workspace(Path(folder), settings, encoder) as workspace:
            with workspace.store.write() as writer:
                writer.put_items([item for item in task.items if item.item_id in kept])
                writer.add_events([event for event in task.events if event.item_id in kept])
            plan = task.plan(workspace.store.dataset())
            report = evaluate(workspace, plan, (10,), ablation=False, audit=AUDIT)
    write_json(report, out / f"{name}.json")
    write_html(report, out / f"{name}.html")
    [found] = report.scenarios
    return found


def show(name: str, found: ScenarioReport) -> None:
    assert found.audit is not None
    print(f"\n{name}: {found.users:,} users, {found.targets:,} targets\n")
    groups(found.audit)
    providers(found.audit)
    trades(found.audit)


def groups(audit: Audited) -> None:
    for one in audit.groups:
        print(f"| {one.field} | users | {' | '.join(SYSTEMS)} |\n|{'---|' * 5}")
        for group in one.groups:
            cells = (
                f"{value.mean:.3f} ({value.low:.3f}–{value.high:.3f})"
                for value in (group.systems[system] for system in SYSTEMS)
            )
            print(f"| {group.name} | {group.users:,} | {' | '.join(cells)} |")
        gaps = (one.gaps[system] for system in SYSTEMS)
        cells = (f"{g.difference:.3f} ({g.low:.3f}–{g.high:.3f}), p {g.p_value:.4f}" for g in gaps)
        print(f"| gap | | {' | '.join(cells)} |\n")


def providers(audit: Audited) -> None:
    for one in audit.providers:
        print(f"| {one.field} | catalogue | to be found | {' | '.join(SYSTEMS)} |\n|{'---|' * 6}")
        for provider in one.providers[:8]:
            cells = (
                provider.catalogue,
                provider.relevant,
                *(provider.exposure[s] for s in SYSTEMS),
            )
            print(f"| {provider.name} | {' | '.join(f'{cell:.3f}' for cell in cells)} |")
        for what in ("from_catalogue", "from_relevant", "unseen"):
            cells = (getattr(one.systems[system], what) for system in SYSTEMS)
            print(f"| {what} | | | {' | '.join(f'{cell:.3f}' for cell in cells)} |")
        print(f"{one.count:,} in all\n")


def trades(audit: Audited) -> None:
    for one in audit.trades:
        print(
            f"| {one.knob} | NDCG@10 | diversity | even | even in a list | cover |\n|{'---|' * 6}"
        )
        for point in one.points:
            numbers = (
                point.ndcg.mean, point.diversity.mean, point.even, point.within, point.coverage
            )  # fmt: skip
            print(f"| {point.value:g} | {' | '.join(f'{number:.4f}' for number in numbers)} |")
        print(f"{one.what}\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join(SETS))
    parser.add_argument("--out", type=Path, default=Path("build/audit"))
    options = parser.parse_args()
    if not semantic.DATA.exists():
        sys.exit(f"skipped: no data sets in {semantic.DATA}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.sets or SETS:
        show(name, measure(name, options.out))


if __name__ == "__main__":
    main()
