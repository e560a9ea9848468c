"""Reports of evaluations, kept in a workspace beside its models.

reports/<moment>-<protocol>.json    the model that served then, and the report
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyscene.errors import WorkspaceError
from polyscene.fitting.model import current_version
from polyscene.workspace import Workspace

__all__ = ["KeptReport", "keep_report", "kept_reports"]

_MOST = 50
"""Reports that are kept, the latest."""


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A report of `polyscene evaluate`."""

    name: str
    """Of its file, without the suffix."""
    model: str | None
    """The current model when it was made; what was measured was fitted anew, with the settings of
    that moment and on a part of the data."""
    made_at: float
    """Seconds since 1970-01-01 UTC."""
    report: Mapping[str, Any]
    """See `polyscene.evaluation.run.Report`."""


def keep_report(workspace: Workspace, report: str) -> Path:
    """Keep a report, and drop the oldest of too many; returns its file.

    Args:
        workspace: The workspace.
        report: The report as JSON.

    Raises:
        WorkspaceError: When it cannot be written.
    """
    now, content = time.time(), json.loads(report)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    path = workspace.path / "reports" / f"{stamp}-{content['protocol']}.json"
    kept = {"model": current_version(workspace.models), "made_at": now, "report": content}
    beside = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(exist_ok=True)
        beside.write_text(json.dumps(kept, ensure_ascii=False), "utf-8")
        beside.replace(path)
        for old in sorted(path.parent.glob("[!.]*.json"))[:-_MOST]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise WorkspaceError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def kept_reports(workspace: Workspace) -> list[KeptReport]:
    """The reports that are kept, newest first; those that cannot be read are left out."""
    found = []
    for path in sorted((workspace.path / "reports").glob("[!.]*.json"), reverse=True):
        try:
            kept = json.loads(path.read_text("utf-8"))
            one = KeptReport(path.stem, kept["model"], float(kept["made_at"]), kept["report"])
            _ = one.report["protocol"], one.report["scenarios"], one.report["k"][0]
        except (OSError, ValueError, LookupError, TypeError):
            continue
        found.append(one)
    return found
