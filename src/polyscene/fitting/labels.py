"""What people are asked, and their answers.

    labels.jsonl         answers, one JSON object a line
    labels/next.jsonl    questions of the dashboard that wait, in the same form, the best first

A question is a pair of a user and an item, with a scenario and a task, or a pair of an item and a
tag. Answers are no events: those on users teach classifiers and nothing else; those on tags change
the item, see `polyscene.enrichment.told`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from polyscene.data.schema import Tags
from polyscene.enrichment.told import tell
from polyscene.errors import DataError
from polyscene.vectors.store import replacing
from polyscene.workspace import Workspace

__all__ = [
    "LABELS",
    "QUESTIONS",
    "answered",
    "answers_of",
    "answers_on",
    "change_answer",
    "erase_answers",
    "key_of",
    "put_questions",
    "questions_of",
    "read_answers",
    "settle",
]

LABELS = "labels.jsonl"
QUESTIONS = "labels/next.jsonl"
COMMAND_LINE = "command line"
"""Who answers where nobody is named."""
_PAIR = ("user_id", "item_id", "scenario", "task")
_TAG = ("item_id", "tag")
_TAG_TYPE: TypeAdapter[list[str]] = TypeAdapter(Tags)
_Row = dict[str, Any]


def read_answers(path: Path) -> list[_Row]:
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
        if not isinstance(row, dict) or not ("user_id" in row or "tag" in row):
            raise DataError(
                f"{path}, line {number}: expected a JSON object with user_id, item_id, scenario, "
                "task and answer, or with item_id, tag and answer"
            )
        found.append(row)
    return found


def answered(workspace: Workspace, path: Path, by: str = COMMAND_LINE) -> int:
    """Take in a file of answers; lines without an answer are passed over.

    Args:
        workspace: The workspace; the answers are added to its `labels.jsonl`.
        path: A file as `write_asks` writes it.
        by: Who answered.

    Returns:
        How many answers were taken in.

    Raises:
        DataError: When a line is wrong; nothing is taken in then.
        SettingsError: When a scenario is not declared.
    """
    found = [one for one in read_answers(path) if one.get("answer") is not None]
    for place, one in enumerate(found, start=1):
        _check(workspace, one, f"{path}, answer {place}")
    with _alone(workspace.path):
        _take_in(workspace, found, by)
    return len(found)


def key_of(question: Mapping[str, Any]) -> str:
    """A short name of what is asked, the same for every answer to it."""
    said = json.dumps([question.get(name) for name in (*_PAIR, "tag")], ensure_ascii=False)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def questions_of(workspace: Path) -> list[_Row]:
    """The questions that wait, the best first.

    Args:
        workspace: Directory of the workspace.

    Raises:
        DataError: When they cannot be read.
    """
    return _rows(workspace / QUESTIONS)


def answers_of(workspace: Path) -> list[_Row]:
    """All answers, in the order in which they came.

    Args:
        workspace: Directory of the workspace.

    Raises:
        DataError: When they cannot be read.
    """
    return _rows(workspace / LABELS)


def put_questions(
    workspace: Path, questions: Sequence[_Row], check: Callable[[], None] = lambda: None
) -> None:
    """Let these questions wait, in place of those that did.

    Args:
        workspace: Directory of the workspace.
        questions: The best first.
        check: Raises where they may not wait; nobody is erased from these files meanwhile.
    """
    with _alone(workspace):
        check()
        _replace(workspace / QUESTIONS, questions)


def settle(workspace: Workspace, key: str, answer: bool | None, by: str) -> bool:
    """Answer a question that waits, or skip it.

    Args:
        workspace: The workspace.
        key: Its `key_of`.
        answer: True, false, or None to skip it.
        by: Who answers.

    Returns:
        Whether it waited; where somebody else was faster, nothing is done.

    Raises:
        DataError: When it cannot be answered any more; it can be skipped.
        SettingsError: When its scenario is not declared any more.
    """
    asked = next((one for one in questions_of(workspace.path) if key_of(one) == key), None)
    if asked is None:
        return False
    said = {**asked, "answer": answer}
    if answer is not None:
        _check(workspace, said, "the question")
    with _alone(workspace.path):
        waiting = questions_of(workspace.path)
        rest = [one for one in waiting if key_of(one) != key]
        if len(rest) == len(waiting):
            return False
        if answer is not None:
            _take_in(workspace, [said], by)
        _replace(workspace.path / QUESTIONS, rest)
    return True


def change_answer(workspace: Workspace, key: str, answer: bool, by: str) -> bool:
    """Answer anew what was answered; the later answer counts.

    Args:
        workspace: The workspace.
        key: The `key_of` what was asked.
        answer: The new answer.
        by: Who answers.

    Returns:
        Whether it was answered before, and otherwise.

    Raises:
        DataError: When it cannot be answered any more.
        SettingsError: When its scenario is not declared any more.
    """
    with _alone(workspace.path):
        past = [one for one in answers_of(workspace.path) if key_of(one) == key]
        if not past or past[-1]["answer"] == answer:
            return False
        said = {**past[-1], "answer": answer}
        _check(workspace, said, "the answer")
        _take_in(workspace, [said], by)
    return True


def answers_on(workspace: Path, user_id: str) -> list[_Row]:
    """The answers about a person and an item, and the questions that wait.

    Args:
        workspace: Directory of the workspace.
        user_id: The person.
    """
    held = (*answers_of(workspace), *questions_of(workspace))
    return [one for one in held if one.get("user_id") == user_id]


def erase_answers(workspace: Path, user_id: str) -> int:
    """Remove the answers and questions about a person and an item; returns how many.

    Args:
        workspace: Directory of the workspace.
        user_id: The person.
    """
    if not answers_on(workspace, user_id):
        return 0
    gone = 0
    with _alone(workspace):
        for path in (workspace / LABELS, workspace / QUESTIONS):
            rows = _rows(path)
            kept = [one for one in rows if one.get("user_id") != user_id]
            if len(kept) < len(rows):
                gone += len(rows) - len(kept)
                _replace(path, kept)
    return gone


def _check(workspace: Workspace, one: Mapping[str, Any], where: str) -> None:
    """Raise where an answer is wrong."""
    if "tag" in one:
        try:
            right = _TAG_TYPE.validate_python([one["tag"]]) == [one["tag"]]
        except ValidationError:
            right = False
        if not right:
            raise DataError(f"{where}: got the tag {one['tag']!r}; expected a text as in tags")
    else:
        spec = workspace.settings.scenario(str(one.get("scenario")))
        if one.get("task") not in spec.tasks:
            raise DataError(f"{where}: got task {one.get('task')!r}; expected one of "
                            f"{', '.join(spec.tasks)}")  # fmt: skip
    if not isinstance(one["answer"], bool):
        raise DataError(f"{where}: got {one['answer']!r}; an answer is true, false or null")
    if workspace.store.item(str(one.get("item_id"))) is None:
        raise DataError(f"{where}: unknown item {one.get('item_id')!r}")


def _take_in(workspace: Workspace, answers: Sequence[Mapping[str, Any]], by: str) -> None:
    """Keep answers that were checked."""
    now = round(time.time(), 3)
    tags = [(one["item_id"], one["tag"], one["answer"]) for one in answers if "tag" in one]
    if tags:
        tell(workspace, tags, by)
    with (workspace.path / LABELS).open("a", encoding="utf-8") as file:
        for one in answers:
            named = _TAG if "tag" in one else _PAIR
            kept = {key: one[key] for key in (*named, "answer")} | {"by": by, "at": now}
            file.write(json.dumps(kept, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, rows: Sequence[_Row]) -> None:
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as file:
        lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in rows)
        file.write_text("".join(lines), "utf-8")


def _rows(path: Path) -> list[_Row]:
    return read_answers(path) if path.exists() else []


@contextmanager
def _alone(workspace: Path) -> Iterator[None]:
    """Inside the block no other thread or process changes these files."""
    try:
        (workspace / QUESTIONS).parent.mkdir(exist_ok=True)
        lock = ((workspace / QUESTIONS).parent / ".lock").open("ab")
    except OSError as error:
        raise DataError(f"cannot write {workspace / LABELS}: {error.strerror}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
