"""The demonstration: files in, recommendations with reasons out, for three people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from polyscene.data.report import IngestReport
from polyscene.data.schema import User
from polyscene.demo.simulate import NOW, write_world
from polyscene.demo.world import CATALOGUES, load_world
from polyscene.engine import Answer, Engine
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.settings import SETTINGS_FILE
from polyscene.workspace import Workspace

__all__ = [
    "PAGE",
    "PAGE_ROWS",
    "PERSONAS",
    "SCENARIOS",
    "Shown",
    "load_movielens",
    "load_sample",
    "sample_now",
    "shown_users",
]

SCENARIOS = tuple(sorted([*CATALOGUES, "social"]))
"""The presets of the sample world; nobody gives tags in it."""
PERSONAS = ("u-001", "u-002", "u-003")
"""The people of the sample world for whom the demonstration recommends."""
PAGE, PAGE_ROWS = "home", ("shop", "news", "travel")
"""The page of the sample world, and its rows."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One user of the demonstration with an answer in each scenario."""

    user: User
    history: list[str]
    """Titles of the latest targets that the user acted on."""
    answers: list[Answer]


def load_sample(path: Path, seed: int = 0, progress: Progress = NO_PROGRESS) -> IngestReport:
    """Make a workspace with the presets of the sample world and a page, and load it.

    Args:
        path: Directory of the new workspace.
        seed: Of the simulated behaviour.
        progress: Where the loading reports.
    """
    Workspace.create(path, SCENARIOS).close()
    with (path / SETTINGS_FILE).open("a", encoding="utf-8") as file:
        file.write(f"\n[pages.{PAGE}]\nrows = {json.dumps(PAGE_ROWS)}\n")
    files = write_world(load_world(), path, seed)
    with Engine.open(path) as engine:
        return engine.ingest(**files, progress=progress)


def load_movielens(path: Path, folder: Path, progress: Progress = NO_PROGRESS) -> IngestReport:
    """Make a workspace with the video preset and load a MovieLens folder into it.

    Rows that are damaged in the files are left out, and listed in the report.

    Args:
        path: Directory of the new workspace.
        folder: The unpacked latest-small data set.
        progress: Where the loading reports.
    """
    Workspace.create(path, ["video"]).close()
    with Engine.open(path) as engine:
        return engine.import_folder("movielens", folder, on_error="skip", progress=progress)


def shown_users(engine: Engine, users: list[str], n: int, now: float | None) -> Iterator[Shown]:
    """Answers in every scenario for some users.

    Args:
        engine: The engine, fitted.
        users: Their ids.
        n: Length of a list.
        now: Time of the question, seconds since 1970-01-01 UTC; the clock when None.
    """
    store = engine.workspace.store
    for user_id in users:
        recent = list(dict.fromkeys(event.item_id for event in store.history(user_id, 40)))
        titles = {item.item_id: item.title for item in store.items(recent)}
        yield Shown(
            user=store.user(user_id) or User(user_id=user_id),
            history=[titles[name] for name in recent if name in titles],
            answers=[
                engine.recommend(user_id, scenario, n, now=now)
                for scenario in engine.workspace.settings.scenarios
            ],
        )


def sample_now() -> float:
    """The moment at which the sample world is asked, seconds since 1970-01-01 UTC."""
    return NOW.timestamp()
