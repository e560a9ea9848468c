"""Whether a language model understands requests at all: small models choose filters at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, create_model

from polyscene.llm import Failure, Form, Outcome, Request, Soon, load_prompt

__all__ = ["CHOSEN", "PROBES", "Probe", "ask_form", "contradicts", "understands"]

CHOSEN = 3
"""Filters that one request may demand, and as many that it may refuse."""
_WORDS = 60
"""Characters of the search words."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A request that has one right answer."""

    request: str
    filters: tuple[str, ...]
    only: frozenset[str]
    never: frozenset[str]


PROBES = (
    Probe(
        "a comedy that lasts at most 90 minutes, but nothing with horror",
        ("tag horror", "tag war", "tag comedy", "minutes at most 90", "minutes at least 90"),
        frozenset({"tag comedy", "minutes at most 90"}),
        frozenset({"tag horror"}),
    ),
    Probe(
        "绿茶，不要红茶",
        ("tag 咖啡", "tag 红茶", "tag 绿茶", "price at least 100"),
        frozenset({"tag 绿茶"}),
        frozenset({"tag 红茶"}),
    ),
)
"""What a model must understand before its filters are used."""


def understands(model: Soon, budget_s: float) -> str:
    """Why the filters that a model chooses are not used; "" where they are.

    It must answer every one of `PROBES` rightly. Their answers are remembered, so this is asked
    once for each model.

    Args:
        model: The model.
        budget_s: How long to wait for it, in seconds.
    """
    requests: list[Request[Any]] = [
        Request(
            {"filters": " | ".join(probe.filters), "request": probe.request},
            ask_form(probe.filters),
            check=contradicts,
        )
        for probe in PROBES
    ]
    outcomes = model.ask("ask", load_prompt("ask"), requests, budget_s)
    for outcome in outcomes:
        if outcome.failure not in (None, Failure.INVALID):
            return outcome.why
    if all(_right(*pair) for pair in zip(outcomes, PROBES, strict=True)):
        return ""
    return "the language model does not understand requests well enough"


def ask_form(labels: tuple[str, ...]) -> type[Form]:
    """What a model may answer to a request for which these filters are offered."""
    fields: dict[str, Any] = {"words": (str, Field(max_length=_WORDS))}
    if labels:
        listed = list[Literal[labels]]  # type: ignore[valid-type]
        fields["only"] = (listed, Field(max_length=CHOSEN))
        fields["never"] = (listed, Field(max_length=CHOSEN))
    found: type[Form] = create_model("Understood", __base__=Form, **fields)
    return found


def contradicts(answer: Any) -> str | None:
    """What is wrong with an answer that demands what it refuses."""
    both = {*getattr(answer, "only", ())} & {*getattr(answer, "never", ())}
    return f"the same filters are in only and never: {sorted(both)}" if both else None


def _right(outcome: Outcome[Any], probe: Probe) -> bool:
    answer = outcome.answer
    return answer is not None and probe.only == {*answer.only} and probe.never == {*answer.never}
