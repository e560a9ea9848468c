"""Two shop scenarios with the same users, from the amazon-art-office set to generic files.

    python examples/amazon_art_office.py ../shared/data/amazon-art-office build/amazon

writes `items.csv` and `events.csv`, in the columns of docs/formats.md:

- Each item belongs to the scenario of its domain, arts or office. Its category words, which the
  set has in one string with the brand, are the description.
- Each interaction is a purchase. The set tells only their order, so there is no timestamp: a
  store without timestamps takes the order of arrival, and the events are sorted by user and
  position.
- Rows of the role "target" are the held-out last items. They are left out, so that a model can
  be tested on them, unless --with-targets is given.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path


def write_items(source: Path, target: Path) -> int:
    """Write the items; returns how many."""
    with source.open(encoding="utf-8", newline="") as rows:
        items = [
            (row["item"], row["item_title"], row["item_attribute"], "en", row["domain"])
            for row in csv.DictReader(rows)
        ]
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["item_id", "title", "description", "language", "scenarios"])
        writer.writerows(items)
    return len(items)


def write_events(source: Path, target: Path, with_targets: bool) -> int:
    """Write the purchases in the order of each user; returns how many."""
    with source.open(encoding="utf-8", newline="") as rows:
        events = [
            (int(row["user"]), int(row["pos"]), row["item"], row["domain"])
            for row in csv.DictReader(rows)
            if with_targets or row["role"] != "target"
        ]
    events.sort(key=lambda event: event[:2])
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["user_id", "item_id", "action", "scenario", "event_id"])
        for user, position, item, domain in events:
            event_id = f"amazon-{user}-{position}-{item}"
            writer.writerow([user, item, "purchase", domain, event_id])
    return len(events)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="folder of the set")
    parser.add_argument("out", type=Path, help="folder for items.csv and events.csv")
    parser.add_argument("--with-targets", action="store_true", help="include the held-out items")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    items, events = options.out / "items.csv", options.out / "events.csv"
    print(f"{write_items(options.source / 'items.derived.csv', items)} items -> {items}")
    interactions = options.source / "interactions.derived.csv"
    print(f"{write_events(interactions, events, options.with_targets)} events -> {events}")
    workspace = options.out / "workspace"
    print("Declare the scenarios in polyscene.toml, then load the files:")
    print(f"  polyscene -w {workspace} init --preset shop")
    print(f"  edit {workspace / 'polyscene.toml'}: rename [scenarios.shop] to [scenarios.arts],")
    print('  and add a second table [scenarios.office] with preset = "shop"')
    print(f"  polyscene -w {workspace} ingest --items {items} --events {events}")
    print(f"  polyscene -w {workspace} fit")


if __name__ == "__main__":
    main()
