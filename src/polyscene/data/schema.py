"""The records that enter Polyscene: users, items, events and relations.

Records are validated here and nowhere else; files, the HTTP service and the library all make
them through these classes.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from polyscene.settings.scenario import Scenario, TargetKind

__all__ = [
    "MAX_ID_LENGTH",
    "MAX_TEXT_LENGTH",
    "Event",
    "Id",
    "Item",
    "Relation",
    "Scenario",
    "TargetKind",
    "Timestamp",
    "User",
    "parse_timestamp",
]

MAX_ID_LENGTH = 256
"""Characters of an id, at most."""
MAX_TEXT_LENGTH = 1_000_000
"""Characters of a text field, at most; a longer cell is a damaged file, not a description."""

_EARLIEST = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,15})(\.\d{1,15})?")


def parse_timestamp(value: Any) -> float:
    """Seconds since 1970-01-01 UTC.

    Args:
        value: A number of seconds (above 1e11 milliseconds, above 1e14 microseconds), an ISO 8601
            date or time (UTC when it names no zone), or a datetime.

    Raises:
        ValueError: When it is none of these, or outside the years 1 to 9999.
    """
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, str):
        text = value.strip()
        try:
            return _seconds(float(text))
        except ValueError:
            moment = datetime.fromisoformat(text)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return _seconds(float(value))
    else:
        raise ValueError(f"not a time: {value!r}")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def _seconds(number: float) -> float:
    if abs(number) > 1e14:
        number /= 1e6
    elif abs(number) > 1e11:
        number /= 1e3
    if not _EARLIEST <= number <= _LATEST:  # NaN fails every comparison
        raise ValueError(f"not a time between the years 1 and 9999: {number!r}")
    return number


def _timestamp(value: Any) -> Any:
    if value is None:
        return None
    try:
        return parse_timestamp(value)
    except (ValueError, OverflowError):
        raise PydanticCustomError(
            "timestamp", "a time as ISO 8601 or as seconds since 1970-01-01 UTC"
        ) from None


def _id(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        raise PydanticCustomError("id", "an id: text or a whole number")
    return value


def _clean(value: str) -> str:
    """The text, if every store and file format can hold it: no NUL, no broken encoding."""
    if "\0" in value:
        raise PydanticCustomError("nul", "text without NUL characters")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise PydanticCustomError("encoding", "text in UTF-8") from None
    return value


def _tags(value: Any) -> Any:
    """A list, or the a|b|c form of CSV; trimmed, empty ones and repeats dropped, order kept."""
    if isinstance(value, str):
        value = value.split("|")
    if isinstance(value, list | tuple):
        kept = [tag.strip() if isinstance(tag, str) else tag for tag in value]
        if any(isinstance(tag, list | dict) for tag in kept):
            return kept  # they are refused
        return list(dict.fromkeys(tag for tag in kept if tag != ""))
    return value


Id = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_ID_LENGTH),  # first: pydantic checks it in Rust
    BeforeValidator(_id),
    AfterValidator(_clean),
]
"""A non-empty string of up to 256 characters in any language; integers become strings."""
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_LENGTH), AfterValidator(_clean)]
Word = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, strip_whitespace=True, to_lower=True),
    AfterValidator(_clean),
]
"""A short lower-case name, such as an action."""
Tag = Annotated[str, StringConstraints(max_length=MAX_ID_LENGTH), AfterValidator(_clean)]
Tags = Annotated[list[Tag], BeforeValidator(_tags)]
Timestamp = Annotated[float, BeforeValidator(_timestamp)]
"""Seconds since 1970-01-01 UTC."""


class _Record(BaseModel):
    model_config = ConfigDict(
        frozen=True, coerce_numbers_to_str=True, use_attribute_docstrings=True
    )
    key: ClassVar[str]
    """The field that identifies a record."""


class _Described(_Record):
    """A record with free attributes: every field it does not know is kept."""

    model_config = ConfigDict(extra="allow")

    @property
    def attributes(self) -> dict[str, Any]:
        """The fields beyond the known ones: strings, numbers, booleans or lists of strings."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _check_attributes(self) -> _Described:
        extra = self.model_extra or {}
        for name, value in list(extra.items()):
            try:
                _clean(name)
                cleaned = _attribute(value)
            except PydanticCustomError as error:
                raise PydanticCustomError(
                    "attribute", "{name}: {expected}", {"name": name, "expected": error.message()}
                ) from None
            if cleaned is None:
                del extra[name]
            else:
                extra[name] = cleaned
        return self


def _attribute(value: Any) -> Any:
    """The value of an attribute; text that is exactly how a number is written becomes one."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        if len(value) > MAX_TEXT_LENGTH:
            raise PydanticCustomError("attribute", "text of at most 1000000 characters")
        _clean(value)
        if len(value) <= 32 and _NUMBER.fullmatch(value):
            return float(value) if "." in value else int(value)
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError("attribute", "a finite number")
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list) and all(isinstance(part, str | int | float) for part in value):
        return [_clean(part) if isinstance(part, str) else str(part) for part in value]
    if isinstance(value, datetime):
        return value.isoformat()
    raise PydanticCustomError("attribute", "text, a number, true or false, or a list of texts")


class Item(_Described):
    """Something that can be recommended: an item, content, an activity, a tag."""

    key: ClassVar[str] = "item_id"

    item_id: Id
    """Its id, unique among items."""
    kind: Literal["item", "content", "activity", "tag"] = "item"
    """What it is; people are users, not items. A tag is a word that users give to other items."""
    title: Text = ""
    """Its name."""
    description: Text = ""
    """What a person would read about it."""
    tags: Tags = []
    """Short words about it."""
    language: Word | None = None
    """Language of its text as a BCP 47 code, such as en or zh."""
    published_at: Timestamp | None = None
    """When it appeared."""
    available: bool = True
    """Whether it may be recommended now."""
    image: Text | None = None
    """Path or URL of an image."""
    audio: Text | None = None
    """Path or URL of a sound."""
    provider: Text | None = None
    """Who offers it."""
    scenarios: Tags = []
    """Where it may be shown; empty means in every scenario of its kind."""


class User(_Described):
    """A person who gets recommendations, and can be recommended where people are the target."""

    key: ClassVar[str] = "user_id"

    user_id: Id
    """Their id, unique among users."""
    tags: Tags = []
    """Interests they state."""
    description: Text = ""
    """What they say of themselves."""
    language: Word | None = None
    """Their language as a BCP 47 code."""


class Event(_Record):
    """What a user did with a target at a time."""

    model_config = ConfigDict(extra="forbid")
    key: ClassVar[str] = "event_id"

    user_id: Id
    """Who acted."""
    item_id: Id
    """On what: the id of an item, or of a user where people are the target."""
    action: Word
    """What was done: view, click, like, purchase, rate, ... (an open set)."""
    timestamp: Timestamp | None = None
    """When; without it, order of arrival counts and time decay does not apply."""
    scenario: Tag | None = None
    """Where; without it the event is part of the history in every scenario."""
    value: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    """How much: a rating, a count, a share watched."""
    event_id: Id | None = None
    """If given, a second event with the same id is ignored."""
    request_id: Id | None = None
    """The answer that led to it."""
    context: Id | None = None
    """What it was about: the id of an item, such as the artist that a tag was given to, or the
    product on whose page something was clicked."""


class Relation(_Record):
    """A fact that links two things: person follows person, item has author, tag is-a tag."""

    model_config = ConfigDict(extra="forbid")
    key: ClassVar[str] = "subject"

    subject: Id
    """What the fact is about."""
    predicate: Word
    """What is said: follows, blocks, author, is-a, ..."""
    object: Id
    """What it is linked to."""
