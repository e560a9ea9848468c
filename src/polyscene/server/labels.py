"""Questions for people: chosen in a process of its own, which may take long and needs training."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyscene.errors import DataError, NotFoundError
from polyscene.fitting.labels import QUESTIONS, put_questions, read_answers
from polyscene.server.jobs import Job, JobState
from polyscene.settings import Settings
from polyscene.workspace import Workspace

__all__ = ["MOST", "TAGS", "Labels", "Subject", "subjects"]

MOST = 200
"""Questions that may be asked for at once."""
TAGS = "tags"
"""The subject that is asked about without a classifier: whether tags fit items."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What can be asked about."""

    classifier: str
    scenario: str
    task: str

    @property
    def name(self) -> str:
        """As pages show it and forms send it."""
        return f"{self.classifier} · {self.scenario} · {self.task}"


def subjects(workspace: Path, settings: Settings) -> list[Subject]:
    """The tasks that a trained classifier can choose pairs for.

    Args:
        workspace: Directory of the workspace.
        settings: Its settings; what they do not declare any more is left out.
    """
    found = []
    for path in sorted((workspace / "classifiers").glob("[!.]*/classifier.json")):
        try:
            said: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
            names = [name for name, _, _, of_value in said["tasks"] if not of_value]
            scenarios = list(said["scenarios"]) if said["form"] == "heads" else []
        except (OSError, ValueError, LookupError, TypeError):
            continue
        for scenario in scenarios:
            spec = settings.scenarios.get(scenario)
            tasks = () if spec is None else spec.tasks
            found += [Subject(path.parent.name, scenario, name) for name in names if name in tasks]
    return found


class Labels(Job):
    """Chooses questions with `polyscene label`; those that wait are replaced when it has ended.

    Args:
        workspace: The workspace.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        super().__init__((workspace.path / QUESTIONS).parent, "choice")

    async def start(self, subject: str, n: int) -> JobState:
        """Choose questions.

        Args:
            subject: Name of a `Subject`, or `TAGS`.
            n: How many.

        Raises:
            BusyError: When a choice is under way, of this service or another.
            NotFoundError: When there is no such subject.
            WorkspaceError: When it cannot be started.
        """
        path, settings = self._workspace.path, self._workspace.settings
        one = next((one for one in subjects(path, settings) if one.name == subject), None)
        if one is None and subject != TAGS:
            raise NotFoundError(f"nothing can be asked about {subject!r}; load the page again")
        about = ["--tags"]
        if one is not None:
            about = [one.classifier, "--scenario", one.scenario, "--task", one.task]
        out = self._folder / f".{secrets.token_hex(4)}.jsonl"
        command = [
            sys.executable, "-m", "polyscene", "-w", str(path), "label", *about,
            "--next", str(n), "--out", str(out), "--seed", str(secrets.randbelow(2**31)),
        ]  # fmt: skip
        epoch = self._workspace.store.epoch()
        return await self.run(command, lambda good: self._ended(good, out, epoch))

    def _ended(self, good: bool, out: Path, epoch: int) -> None:
        """Let what was chosen wait; what was left behind goes."""
        try:
            if not good:
                return

            def check() -> None:
                if self._workspace.store.epoch() != epoch:  # it may tell of somebody who is erased
                    raise DataError("something was deleted meanwhile; ask again")

            put_questions(self._workspace.path, read_answers(out), check)
        finally:
            for left in self._folder.glob(".*.jsonl"):
                left.unlink(missing_ok=True)
