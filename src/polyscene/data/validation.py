"""From rows to records, and from pydantic's errors to sentences a person can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pydantic import TypeAdapter, ValidationError

from polyscene.data.readers import Row, shortened
from polyscene.data.report import Problem
from polyscene.data.schema import Event, Item, Relation, User
from polyscene.errors import did_you_mean

__all__ = ["KINDS", "Kind", "Record", "Validator"]

Kind = Literal["items", "users", "events", "relations"]
"""What a file holds."""
KINDS: tuple[Kind, ...] = get_args(Kind)
Record = Item | User | Event | Relation

_MODELS: dict[Kind, type[Item] | type[User] | type[Event] | type[Relation]] = {
    "items": Item,
    "users": User,
    "events": Event,
    "relations": Relation,
}
_ID = "an id: 1 to 256 characters of text, or a whole number"
_WORD = "a word of 1 to 64 characters"
_TIME = "a time as ISO 8601 or as seconds since 1970-01-01 UTC"
_TEXT = "text of at most 1000000 characters"
_TAGS = "a list of texts, or texts separated by |, each of at most 256 characters"
_EXPECTED = {
    "item_id": _ID,
    "user_id": _ID,
    "event_id": _ID,
    "request_id": _ID,
    "context": _ID,
    "subject": _ID,
    "object": _ID,
    "action": _WORD,
    "predicate": _WORD,
    "language": "a language code such as en or zh",
    "kind": "item, content, activity or tag",
    "timestamp": _TIME,
    "published_at": _TIME,
    "available": "true or false",
    "value": "a finite number",
    "scenario": "the name of a scenario, at most 256 characters",
    "tags": _TAGS,
    "scenarios": _TAGS,
    "title": _TEXT,
    "description": _TEXT,
    "image": _TEXT,
    "audio": _TEXT,
    "provider": _TEXT,
}
"""What each column takes."""

MAX_NAMES = 1000
"""How many names of attributes are compared with the known columns."""


@dataclass(slots=True)
class Validator:
    """Makes the records of one file and says what is wrong with its rows.

    Args:
        kind: What the file holds.
        file: Its name, for the problems.
    """

    kind: Kind
    file: str
    notes: list[str] = field(default_factory=list)
    """Columns that became attributes but look like a known column misspelt."""
    _names: set[str] = field(default_factory=set)

    def check_columns(self, columns: Iterable[str]) -> list[Problem]:
        """What is wrong with a header: a required column that is missing, an unknown one."""
        fields = _MODELS[self.kind].model_fields
        columns = list(columns)
        problems = [
            Problem(self.file, None, name, f"the columns {shortened(', '.join(columns))}",
                    f"a column of that name with {_EXPECTED[name]}")
            for name, info in fields.items()
            if info.is_required() and name not in columns
        ]  # fmt: skip
        if self._is_closed:
            problems += [self._unknown(None, name) for name in columns if name not in fields]
        else:
            self._note_names(columns)
        return problems

    def records(self, rows: Sequence[Row]) -> tuple[list[Row], list[Any], list[Problem]]:
        """The rows that are good, their records, and the problems of the others."""
        adapter = _ADAPTERS[self.kind]
        if not self._is_closed:
            for _, row in rows:
                if not row.keys() <= self._names:
                    self._note_names(row)
        try:
            return list(rows), adapter.validate_python([row for _, row in rows]), []
        except ValidationError as error:
            details = error.errors(include_url=False)
        bad = {detail["loc"][0] for detail in details}
        problems = [self._problem(rows[int(detail["loc"][0])], detail) for detail in details]
        good = [row for index, row in enumerate(rows) if index not in bad]
        return good, adapter.validate_python([row for _, row in good]), problems

    @property
    def _is_closed(self) -> bool:
        """Whether unknown columns are errors rather than attributes."""
        return self.kind in ("events", "relations")

    def _unknown(self, row: int | None, name: str) -> Problem:
        hint = did_you_mean(name, _MODELS[self.kind].model_fields)
        return Problem(
            self.file, row, name, "an unknown column", f"a column of {self.kind}; {hint}"
        )

    def _note_names(self, names: Iterable[str]) -> None:
        fields = _MODELS[self.kind].model_fields
        for name in names:
            if name in self._names or len(self._names) >= MAX_NAMES:
                continue
            self._names.add(name)
            close = difflib.get_close_matches(name.lower(), fields, n=1, cutoff=0.8)
            if close and name not in fields:
                self.notes.append(
                    f"{self.file}: the column {name!r} was kept as an attribute; "
                    f"did you mean {close[0]!r}?"
                )

    def _problem(self, row: Row, detail: Any) -> Problem:
        number, values = row
        kind, location, context = detail["type"], detail["loc"][1:], detail.get("ctx", {})
        column = str(location[0]) if location else context.get("name")
        if kind == "extra_forbidden":
            return self._unknown(number, str(column))
        if kind == "missing":
            value = "nothing"
        else:
            came = detail["input"] if location else values.get(str(column), detail["input"])
            value = shortened(came)
        if column is not None:
            column = column.encode("utf-8", "backslashreplace").decode()
        return Problem(
            self.file, number, column, value, _expectation(kind, column, context, detail)
        )


def _expectation(kind: str, column: str | None, context: dict[str, Any], detail: Any) -> str:
    if kind == "attribute":
        return str(context.get("expected", detail["msg"]))
    if kind in ("encoding", "string_unicode"):
        return "text in the encoding of the file (UTF-8 unless another is named)"
    if kind == "nul":
        return str(detail["msg"])
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters"
    return _EXPECTED.get(column or "", "a value that this column takes")


_ADAPTERS: dict[Kind, TypeAdapter[list[Any]]] = {
    kind: TypeAdapter(list[model])  # type: ignore[valid-type]
    for kind, model in _MODELS.items()
}
