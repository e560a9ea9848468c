"""Who is served and shown, and what changing that costs: `python benchmarks/audit.py [SET ...]`.

Movielens-small (liked is a rating of 4 or more) and lastfm-2k, split at random 80/20 as in
quality.py, with the three sources `kernel`, `semantic-mean` and `trending` and one validation
split. Left out are targets with fewer than 10 users, so that it takes minutes. Prints tables in
Markdown and writes the reports below --out.

Groups are quarters of the users by how much they did and by how popular that is. Providers are the
tags of a target: genres, or what listeners wrote who are not under test; and five of about a tenth
or more of the targets, derived here: of films the decade, of artists the family of the first tag
that has one. The curves are by these five, since a floor holds up only what has a whole place of
the list.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import quality
import semantic
from polyscene.data.schema import Item
from polyscene.encoders import open_encoder
from polyscene.evaluation.audit import Audit, Audited
from polyscene.evaluation.report import write_html, write_json
from polyscene.evaluation.run import ScenarioReport, evaluate
from polyscene.evaluation.systems import BASELINES, ENGINE
from polyscene.evaluation.trade import TRADES
from polyscene.settings import parse_settings
from polyscene.workspace import Workspace

SETS = {"movielens": quality.movielens, "lastfm": quality.lastfm}
SOURCES = {"kernel": "auto", "semantic-mean": "auto", "trending": "auto"}
FIELDS = {"movielens": "decade", "lastfm": "family"}
"""The attribute that tells the five providers."""
FAMILIES = {
    "metal": ("metal",),
    "electronic": ("electro", "techno", "house", "trance", "ambient", "dance"),
    "rock": ("rock", "punk", "grunge"),
    "pop": ("pop",),
}
"""What a tag of a family contains; a tag belongs to the first."""
LEAST = 10
SYSTEMS = (ENGINE, *BASELINES)


def decade(item: Item) -> str | None:
    """The decade of a film, all before 1980 together; None where its year is unknown."""
    year = item.attributes.get("year")
    if not isinstance(year, int | float):
        return None
    return "before 1980" if year < 1980 else f"{int(year) // 10 * 10}s"


def family(item: Item) -> str:
    """The family of the first tag of an artist that has one."""
    for tag in item.tags:
        for name, words in FAMILIES.items():
            if any(word in tag.lower() for word in words):
                return name
    return "other"


def provided(item: Item, field: str) -> Item:
    """An item with its provider as an attribute."""
    value = decade(item) if field == "decade" else family(item)
    if value is None:
        return item
    return Item.model_validate(item.model_dump() | {field: value})


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
                some = [item for item in task.items if item.item_id in kept]
                writer.put_items([provided(item, FIELDS[name]) for item in some])
                writer.add_events([event for event in task.events if event.item_id in kept])
            plan = task.plan(workspace.store.dataset())
            audit = Audit(("activity", "mainstream"), (FIELDS[name], "tags"), TRADES)
            report = evaluate(workspace, plan, (10,), ablation=False, audit=audit)
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
