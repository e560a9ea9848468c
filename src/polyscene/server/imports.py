"""Imports of uploaded files: a process of its own, one at a time, with a report that stays."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from polyscene.data.ingest import OnError
from polyscene.data.validation import Kind
from polyscene.errors import WorkspaceError
from polyscene.logs import get_logger
from polyscene.server.jobs import Child, last_said
from polyscene.server.locks import held, hold

__all__ = ["KEPT", "Import", "Imports", "Upload"]

KEPT = 20
"""Imports whose reports are kept."""
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came, and how it is meant."""

    name: str
    """What it is called where it comes from."""
    suffix: str
    """Of its form, such as ".csv"."""
    kind: Kind
    on_error: OnError
    encoding: str
    by: str
    """Who sent it."""


@dataclass(frozen=True, slots=True)
class Import:
    """How an import stands."""

    name: str
    kind: str
    by: str
    started_at: float
    """Seconds since 1970-01-01 UTC."""
    state: str = "running"
    """running, done or failed."""
    share: float = 0.0
    """How much of the file was read, 0 to 1."""
    message: str = ""
    """Why it failed."""
    files: Sequence[dict[str, Any]] = field(default_factory=list)
    """A `FileReport` each, as plain values."""


class Imports(Child):
    """Starts imports into a workspace, and knows the last ones, also those of other workers.

    Args:
        workspace: Directory of the workspace.
        ended: Called when an import of this worker has ended.
    """

    def __init__(self, workspace: Path, ended: Callable[[], None]) -> None:
        super().__init__()
        self._workspace = workspace
        self._folder = workspace / "imports"
        self._lock = self._folder / ".lock"
        self._ended = ended

    def list(self) -> list[Import]:
        """The last imports, newest first."""
        names = sorted(self._folder.glob("*.import.json"), reverse=True)
        running = held(self._lock) if names else False
        found = []
        for path in names:
            one = self._read(path, running)
            if one is not None:
                found.append(one)
                running = False  # only the last can be under way
        return found

    async def start(self, upload: Upload, content: IO[bytes]) -> None:
        """Load a file in the background.

        Args:
            upload: How it is meant.
            content: The file, from its beginning.

        Raises:
            BusyError: When an import is under way, of this service or another.
            WorkspaceError: When it cannot be kept or started.
        """
        name = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
        file = self._folder / f"{name}{upload.suffix}"
        report = self._folder / f"{name}.report.json"
        try:
            self._folder.mkdir(exist_ok=True)
            lock = hold(self._lock, "an import is under way; wait until it has ended")
        except OSError as error:
            raise WorkspaceError(f"a file cannot be kept: {error.strerror or error}") from error
        try:
            await asyncio.to_thread(self._keep, file, content)
            about = {"name": upload.name, "kind": upload.kind, "by": upload.by}
            about_file = self._folder / f"{name}.import.json"
            about_file.write_text(json.dumps({**about, "started_at": time.time()}), "utf-8")
            command = [
                sys.executable, "-m", "polyscene", "-w", str(self._workspace), "ingest",
                f"--{upload.kind}", str(file), "--on-error", upload.on_error,
                "--encoding", upload.encoding, "--report", str(report),
            ]  # fmt: skip
            process = await self._begin(command, lock, subprocess.DEVNULL, subprocess.PIPE)
        except BaseException as error:
            lock.close()
            file.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise WorkspaceError(f"an import cannot start: {error.strerror}") from error
            raise
        self._waiting = asyncio.create_task(self._wait(process, file, report, lock))

    async def _wait(
        self, process: asyncio.subprocess.Process, file: Path, report: Path, lock: IO[bytes]
    ) -> None:
        _, said = await process.communicate()
        with lock, suppress(OSError):
            file.unlink(missing_ok=True)
            if process.returncode and not _ended(report):  # it failed before it could say so
                failed = {"state": "failed", "message": last_said(process, said)}
                report.write_text(json.dumps(failed), "utf-8")
        _log.info("the import of %s ended with code %s", file.name, process.returncode)
        self._ended()

    def _keep(self, file: Path, content: IO[bytes]) -> None:
        """Write the file down; drop reports that are too old, and files that were left behind."""
        reports = sorted(self._folder.glob("*.import.json"), reverse=True)
        for old in reports[KEPT - 1 :]:
            old.unlink(missing_ok=True)
            old.with_name(old.name.replace(".import.", ".report.")).unlink(missing_ok=True)
        for left in self._folder.iterdir():
            if left.suffix != ".json" and left != self._lock:
                left.unlink(missing_ok=True)
        with file.open("wb") as out:
            shutil.copyfileobj(content, out, 1 << 20)

    def _read(self, path: Path, running: bool) -> Import | None:
        try:
            about = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        found = _content(path.with_name(path.name.replace(".import.", ".report.")))
        state = found.get("state", "running")
        stem = path.name.removesuffix(".import.json")
        message = re.sub(
            rf"\S*{re.escape(stem)}\.\w+", lambda _: about["name"], found.get("message", "")
        )
        if running:  # until its process has ended, no other can start
            state = "running"
        elif state == "running":
            state, message = "failed", "it was stopped; nothing of the file was kept"
        total = found.get("total") or 0
        share = 1.0 if state == "done" else min(1.0, found.get("done", 0) / total) if total else 0.0
        return Import(
            **about, state=state, share=share, message=message, files=found.get("files", [])
        )


def _content(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _ended(report: Path) -> bool:
    return _content(report).get("state") in ("done", "failed")
