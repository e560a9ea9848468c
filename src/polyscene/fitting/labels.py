"""Answers of people about pairs: `labels.jsonl` of a workspace, one JSON object a line.

They are no events: nothing but the training of classifiers reads them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from polyscene.errors import DataError
from polyscene.vectors.store import replacing

__all__ = ["LABELS", "answers_on", "erase_answers", "read_answers"]

LABELS = "labels.jsonl"


def read_answers(path: Path) -> list[dict[str, Any]]:
    """The answers of a file.

    Args:
        path: The file.

    Raises:
        DataError: When it cannot be read, or a line is none.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or "user_id" not in row:
            raise DataError(f"{path}, line {number}: expected a JSON object with user_id, item_id, "
                            "scenario, task and answer")  # fmt: skip
        found.append(row)
    return found


def answers_on(workspace: Path, user_id: str) -> list[dict[str, Any]]:
    """The answers about a person and an item.

    Args:
        workspace: Directory of the workspace.
        user_id: The person.
    """
    path = workspace / LABELS
    return [one for one in read_answers(path) if one["user_id"] == user_id] if path.exists() else []


def erase_answers(workspace: Path, user_id: str) -> int:
    """Remove the answers about a person and an item; returns how many.

    Args:
        workspace: Directory of the workspace.
        user_id: The person.
    """
    gone = len(answers_on(workspace, user_id))
    if gone:
        path = workspace / LABELS
        kept = [one for one in read_answers(path) if one["user_id"] != user_id]
        with replacing(path) as file:
            lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in kept)
            file.write_text("".join(lines), "utf-8")
    return gone
