"""Fits in the background: a process of its own, one at a time, whoever asks for it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from polyscene.server.jobs import Job, JobState

__all__ = ["Fits"]


class Fits(Job):
    """Starts fits of a workspace; the old model stays where one ends badly.

    Args:
        workspace: Directory of the workspace.
        command: What fits it; `polyscene fit` when omitted.
    """

    def __init__(self, workspace: Path, command: Sequence[str] = ()) -> None:
        super().__init__(workspace / "models", "fit")
        self._command = list(command) or [
            sys.executable, "-m", "polyscene", "-w", str(workspace), "fit",
        ]  # fmt: skip

    async def start(self) -> JobState:
        """Start a fit.

        Raises:
            BusyError: When one is under way, of this service or another.
            WorkspaceError: When it cannot be started.
        """
        return await self.run(self._command)
