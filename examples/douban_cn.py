"""Chinese films and their ratings, from the douban-cn set to generic files.

    python examples/douban_cn.py ../shared/data/douban-cn build/douban

writes `items.csv` and `events.csv`, in the columns of docs/formats.md:

- A film is an item of kind content in Chinese: its genres are tags, its summary the
  description; directors, actors, countries and year are attributes.
- A rating from 1 to 5 is an event "rate" with that value. The set has no times.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

ATTRIBUTES = ("directors", "actors", "countries", "year")


def write_items(source: Path, target: Path) -> int:
    """Write the films; returns how many."""
    with source.open(encoding="utf-8", newline="") as rows:
        films = [
            [
                row["movie"],
                "content",
                row["title"],
                row["summary"],
                row["type"].replace(",", "|"),
                "zh",
                *(row[name] for name in ATTRIBUTES),
            ]
            for row in csv.DictReader(rows)
        ]
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        known = ["item_id", "kind", "title", "description", "tags", "language"]
        writer.writerow([*known, *ATTRIBUTES])
        writer.writerows(films)
    return len(films)


def write_events(source: Path, target: Path) -> int:
    """Write the ratings; returns how many."""
    with source.open(encoding="utf-8", newline="") as rows:
        ratings = [
            (user, movie, "rate", rating, f"douban-{user}-{movie}")
            for user, movie, rating in (
                (row["user"], row["movie"], row["rating"]) for row in csv.DictReader(rows)
            )
        ]
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["user_id", "item_id", "action", "value", "event_id"])
        writer.writerows(ratings)
    return len(ratings)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="folder of the set")
    parser.add_argument("out", type=Path, help="folder for items.csv and events.csv")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    items, events = options.out / "items.csv", options.out / "events.csv"
    print(f"{write_items(options.source / 'movies.derived.csv', items)} items -> {items}")
    print(f"{write_events(options.source / 'ratings.derived.csv', events)} events -> {events}")
    workspace = options.out / "workspace"
    print("Load the files:")
    print(f"  polyscene -w {workspace} init --preset video")
    print(f"  polyscene -w {workspace} ingest --items {items} --events {events}")
    print(f"  polyscene -w {workspace} fit")


if __name__ == "__main__":
    main()
