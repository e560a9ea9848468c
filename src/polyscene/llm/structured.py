"""Answers of a given form: the schema a model is held to, and the reading of what it said."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from polyscene.llm.base import ChatReply

__all__ = ["Form", "Unfit", "answer_schema", "read_answer"]

AnswerT = TypeVar("AnswerT", bound=BaseModel)

_FENCED = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n\s*```\s*\Z", re.DOTALL)
_MANY = 3
"""Problems that one message names."""


class Form(BaseModel):
    """Base of the forms of answers: frozen, nothing beside the declared fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Unfit(Exception):  # noqa: N818  (it is caught where it is raised: a step, not an error)
    """An answer is not of the form; the message says why, without repeating the answer."""


def answer_schema(form: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a form: references resolved, every field required, titles left out."""
    schema = form.model_json_schema()
    definitions = schema.pop("$defs", {})
    found = _plain(schema, definitions)
    assert isinstance(found, dict)
    return found


def read_answer(
    reply: ChatReply, form: type[AnswerT], check: Callable[[AnswerT], str | None]
) -> AnswerT:
    """The answer in a reply.

    Args:
        reply: What the model said: one JSON object, alone or as one fenced block.
        form: What it must be.
        check: What else is wrong with it, or None.

    Raises:
        Unfit: When it is anything else.
    """
    if not reply.complete:
        raise Unfit("it is longer than allowed")
    fenced = _FENCED.match(reply.text)
    try:
        answer = form.model_validate_json(fenced.group(1) if fenced else reply.text)
    except ValidationError as error:
        raise Unfit(_problems(error)) from None
    problem = check(answer)
    if problem is not None:
        raise Unfit(problem)
    return answer


def _problems(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    lines = []
    for problem in found[:_MANY]:
        if problem["type"] == "json_invalid":
            lines.append("it is not valid JSON")
            continue
        place = ".".join(str(part) for part in problem["loc"]) or "the answer"
        lines.append(f"{place}: {problem['msg']}")
    return "; ".join(lines)


def _plain(part: Any, definitions: dict[str, Any]) -> Any:
    """A part of a schema as every service takes it."""
    if isinstance(part, list):
        return [_plain(one, definitions) for one in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _plain(definitions[part["$ref"].rsplit("/", 1)[1]], definitions)
    plain: dict[str, Any] = {}
    for name, value in part.items():
        if name == "properties":
            plain[name] = {field: _plain(inner, definitions) for field, inner in value.items()}
        elif name not in ("title", "default"):
            plain[name] = _plain(value, definitions)
    if "properties" in plain:
        plain["required"] = list(plain["properties"])
        plain["additionalProperties"] = False
    return plain
