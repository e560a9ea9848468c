"""Fits in the background: a process of its own, one at a time, whoever asks for it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal

from polyscene.errors import WorkspaceError
from polyscene.logs import get_logger
from polyscene.server.locks import held, hold

__all__ = ["FitState", "Fits"]

_log = get_logger(__name__)
_NICE = 10
"""How much a fit gives way to answers."""


@dataclass(frozen=True, slots=True)
class FitState:
    """The last fit that a service was asked for."""

    state: Literal["none", "running", "done", "failed"] = "none"
    started_at: float | None = None
    """Seconds since 1970-01-01 UTC."""
    seconds: float | None = None
    message: str = ""
    """What the fit said last."""


class Fits:
    """Starts fits of a workspace. A lock that the fit holds keeps a second one away.

    Args:
        workspace: Directory of the workspace.
        command: What fits it; `polyscene fit` when omitted.
    """

    def __init__(self, workspace: Path, command: Sequence[str] = ()) -> None:
        self._models = workspace / "models"
        self._lock = self._models / ".fit.lock"
        self._command = list(command) or [
            sys.executable, "-m", "polyscene", "-w", str(workspace), "fit",
        ]  # fmt: skip
        self._process: asyncio.subprocess.Process | None = None
        self._waiting: asyncio.Task[None] | None = None

    def state(self) -> FitState:
        """How the last fit stands, also of another worker."""
        try:
            state = FitState(**json.loads((self._models / "fit.json").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return FitState()
        if state.state == "running" and not held(self._lock):
            return FitState("failed", state.started_at, None, "it was stopped")
        return state

    async def start(self) -> FitState:
        """Start a fit.

        Raises:
            BusyError: When one is under way, of this service or another.
            WorkspaceError: When it cannot be started.
        """
        try:
            self._models.mkdir(exist_ok=True)
            lock = hold(self._lock, "a fit is under way; wait until it has ended")
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=(lock.fileno(),),  # it is held as long as the fit or its end lasts
                )
                with suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICE)
                state = FitState("running", time.time())
                self._write(state)
            except OSError:
                lock.close()
                raise
        except OSError as error:
            raise WorkspaceError(f"a fit cannot be started: {error.strerror or error}") from error
        self._waiting = asyncio.create_task(self._wait(self._process, time.time(), lock))
        return state

    async def stop(self) -> None:
        """End the fit of this worker; the old model stays."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
        if self._waiting is not None:
            await self._waiting

    async def _wait(
        self, process: asyncio.subprocess.Process, started: float, lock: IO[bytes]
    ) -> None:
        said, _ = await process.communicate()
        lines = said.decode("utf-8", "replace").strip().splitlines()
        good = process.returncode == 0
        message = lines[-1] if lines else f"it ended with code {process.returncode}"
        seconds = round(time.time() - started, 3)
        with lock, suppress(OSError):  # only then is it seen to have ended
            self._write(FitState("done" if good else "failed", started, seconds, message))
        (_log.info if good else _log.error)("the fit ended: %s", message)

    def _write(self, state: FitState) -> None:
        beside = self._models / ".fit.json.partial"
        beside.write_text(json.dumps(asdict(state)), "utf-8")
        beside.replace(self._models / "fit.json")
