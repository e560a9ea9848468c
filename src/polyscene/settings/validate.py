"""Validation of declared settings: unknown keys fail at once, with a suggestion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from polyscene.errors import SettingsError, did_you_mean

__all__ = ["Config", "expression_error", "parse"]

_EXPRESSION = "expression"
"""The type of a problem whose message says all, and points at the place."""
_NEEDED = {
    "model_type": "a table is needed",
    "dict_type": "a table is needed",
    "list_type": "a list is needed",
}
"""What pydantic says in words of Python, in words of TOML."""


class Config(BaseModel):
    """Base of every settings class and component config: frozen, unknown keys forbidden."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


ConfigT = TypeVar("ConfigT", bound=BaseModel)


def parse(model: type[ConfigT], data: Mapping[str, Any], where: str) -> ConfigT:
    """`data` as a validated `model`.

    Args:
        model: The pydantic class.
        data: What was declared, as read from TOML.
        where: The table it stands in, for the message, such as "scenarios.shop".

    Raises:
        SettingsError: One line a problem: the key, what came, what was allowed.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [_line(model, where, problem) for problem in error.errors(include_url=False)]
        raise SettingsError("\n".join(lines)) from None


@contextmanager
def expression_error() -> Iterator[None]:
    """Within a validator: an error in an expression becomes one of the key that it stands under."""
    try:
        yield
    except SettingsError as error:
        raise PydanticCustomError(_EXPRESSION, "{message}", {"message": str(error)}) from None


def _line(model: type[BaseModel], where: str, problem: Any) -> str:
    location = [str(part) for part in problem["loc"]]
    key = ".".join([where, *location] if where else location) or "settings"
    if problem["type"] == "extra_forbidden":
        owner = _owner(model, location[:-1])
        fields = owner.model_fields if owner is not None else {}
        return f"{key}: unknown key; {did_you_mean(location[-1], fields)}"
    if problem["type"] == "missing":
        return f"{key}: required, but missing"
    if problem["type"] == _EXPRESSION:
        return f"{key}: {problem['msg']}"
    told = _NEEDED.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    if not location:  # keys that do not go together; the input is all of them
        return f"{key}: {told}"
    return f"{key}: got {problem['input']!r}; {told}"


def _owner(model: type[BaseModel], path: list[str]) -> type[BaseModel] | None:
    """The settings class that holds the key at the end of `path`."""
    current: type[BaseModel] | None = model
    for part in path:
        if current is None:
            return None
        field = current.model_fields.get(part)
        if field is None:
            continue  # a key of a mapping, or an index of a list: the class stays the same
        current = _inner_model(field.annotation)
    return current


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner_model(argument)
        if found is not None:
            return found
    return None
