"""Work in the background: a process of its own, one of a kind at a time, whoever asks for it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal

from polyscene.errors import PolysceneError, WorkspaceError
from polyscene.logs import get_logger
from polyscene.server.locks import held, hold

__all__ = ["Child", "Job", "JobState", "last_said"]

_log = get_logger(__name__)
_NICE = 10
"""How much it gives way to answers."""


@dataclass(frozen=True, slots=True)
class JobState:
    """The last of a kind that a service was asked for."""

    state: Literal["none", "running", "done", "failed"] = "none"
    started_at: float | None = None
    """Seconds since 1970-01-01 UTC."""
    seconds: float | None = None
    message: str = ""
    """What it said last."""


class Child:
    """The process of a piece of work of this worker, which gives way to answers."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._waiting: asyncio.Task[None] | None = None

    async def _begin(
        self, command: Sequence[str], lock: IO[bytes], stdout: int, stderr: int
    ) -> asyncio.subprocess.Process:
        """Start it; it holds the lock as long as it or its end lasts.

        Raises:
            OSError: When it cannot be started.
        """
        self._process = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
            pass_fds=(lock.fileno(),),
        )  # fmt: skip
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICE)
        return self._process

    async def stop(self) -> None:
        """End it, if it is under way; what was there before stays."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
        if self._waiting is not None:
            await self._waiting


def last_said(process: asyncio.subprocess.Process, said: bytes) -> str:
    """The last line of what an ended process said, or how it ended."""
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"it ended with code {process.returncode}"


class Job(Child):
    """Starts processes of one kind. A lock that the process holds keeps a second one away.

    Args:
        folder: Where the lock and the state are kept.
        name: What it is called in messages, such as "fit".
    """

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__()
        self._folder, self._name = folder, name
        self._lock = folder / f".{name}.lock"

    def state(self) -> JobState:
        """How the last one stands, also of another worker."""
        try:
            said = json.loads((self._folder / f"{self._name}.json").read_text("utf-8"))
            state = JobState(**said)
        except (OSError, ValueError, TypeError):
            return JobState()
        if state.state == "running" and not held(self._lock):
            return JobState("failed", state.started_at, None, "it was stopped")
        return state

    async def run(
        self, command: Sequence[str], ended: Callable[[bool], None] = lambda good: None
    ) -> JobState:
        """Start one.

        Args:
            command: The program and its arguments.
            ended: Called with whether it ended well, before another may start; what it raises is
                what has failed.

        Raises:
            BusyError: When one is under way, of this service or another.
            WorkspaceError: When it cannot be started.
        """
        try:
            self._folder.mkdir(exist_ok=True)
            lock = hold(self._lock, f"a {self._name} is under way; wait until it has ended")
            try:
                process = await self._begin(command, lock, subprocess.PIPE, subprocess.STDOUT)
                state = JobState("running", time.time())
                self._write(state)
            except OSError:
                lock.close()
                raise
        except OSError as error:
            why = error.strerror or error
            raise WorkspaceError(f"a {self._name} cannot be started: {why}") from error
        self._waiting = asyncio.create_task(self._wait(process, time.time(), lock, ended))
        return state

    async def _wait(
        self,
        process: asyncio.subprocess.Process,
        started: float,
        lock: IO[bytes],
        ended: Callable[[bool], None],
    ) -> None:
        said, _ = await process.communicate()
        good, message = process.returncode == 0, last_said(process, said)
        with lock, suppress(OSError):  # only then is it seen to have ended
            try:
                await asyncio.to_thread(ended, good)
            except PolysceneError as error:
                good, message = False, str(error)
            seconds = round(time.time() - started, 3)
            self._write(JobState("done" if good else "failed", started, seconds, message))
        (_log.info if good else _log.error)("the %s ended: %s", self._name, message)

    def _write(self, state: JobState) -> None:
        beside = self._folder / f".{self._name}.json.partial"
        beside.write_text(json.dumps(asdict(state)), "utf-8")
        beside.replace(self._folder / f"{self._name}.json")
