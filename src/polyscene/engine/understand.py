"""From a request in plain words to search words and filters over what the catalogue has.

A language model may only choose among filters that are offered: tags, values of fields and levels
of numbers that targets really have, those nearest to the request; and only where it has shown that
it understands requests (`polyscene.engine.probes`). Without one, or where it does not answer in
time, the words of the request are searched for as they are.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from polyscene.component import Vectors
from polyscene.data.dataset import Mask
from polyscene.data.schema import User
from polyscene.engine.probes import CHOSEN, ask_form, contradicts, understands
from polyscene.errors import PolysceneError
from polyscene.llm import Failure, Request, Soon, load_prompt
from polyscene.llm.guard import as_data
from polyscene.represent.columns import Columns
from polyscene.represent.targets import Targets
from polyscene.settings.vocabulary import condition

__all__ = ["Catalogue", "Catalogues", "Choice", "Plan", "interpret", "narrowed", "words_of"]

Encode = Callable[[list[str]], Vectors]
"""Texts to unit vectors in the space of the targets, shape (number of texts, dim)."""

_UNFIT = "the language model gave no answer of the form"
_OFFERED = 24
"""Filters that a model may choose from."""
_WORDS, _LEAST = 2000, 2
"""Values that are known, at most, and how many targets have each, at least."""
_LONGEST = 40
"""Characters of a value that is offered."""
_NUMBERS = 6
"""Numeric fields that are offered."""
_FRESH_S = 60.0
"""How long what is known of a catalogue is used again."""
_FIGURE = re.compile(r"\d+(?:\.\d+)?")
_OPENING = re.compile(
    r"^\s*((please|can you|could you|would you|i want you to)\s+)*"
    r"(recommend|suggest|show|find|give|get|choose|pick)\b(\s+(me|us))?\s*|"
    r"^\s*(请|麻烦)?(给|帮|为)?(我|我们)?(推荐|找|选|挑)(一?(些|点|个|部|首))?",
    re.IGNORECASE,
)
"""How a request begins that says nothing of what is asked for."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A filter that can be chosen."""

    label: str
    """How it is named to a model."""
    field: str
    """The field or attribute that it is about."""
    holds: str
    """The condition that a target meets."""
    fails: str
    """The condition of those that do not."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request came to."""

    text: str
    """What is searched for."""
    only: Sequence[Choice] = ()
    """What is asked for; of one field any."""
    never: Sequence[Choice] = ()
    """What is refused."""
    by_model: bool = False
    """Whether a language model understood it."""
    note: str = ""
    """Why none did, where one is declared."""


class Catalogue:
    """What requests for some targets can be filtered by; O(targets).

    Args:
        targets: The targets.
        shown: Which of them may be shown, shape (number of targets,).
    """

    def __init__(self, targets: Targets, shown: Mask) -> None:
        rows = np.flatnonzero(shown).tolist()
        counts: Counter[tuple[str, str]] = Counter()
        numbers: dict[str, list[float]] = {}
        for row in rows:
            counts.update(_values(targets, row))
            for name, number in targets.numbers[row].items():
                numbers.setdefault(name, []).append(number)
        common = (pair for pair, count in counts.most_common(_WORDS) if count >= _LEAST)
        self._values = [_value(name, value) for name, value in common if _offerable(name, value)]
        self._numbers = {
            name: np.quantile(found, (0.0, 0.25, 0.5, 0.75, 1.0)).tolist()
            for name, found in numbers.items()
            if len(set(found)) > _LEAST and _offerable(name, name)
        }

    def near(self, request: str, encode: Encode) -> list[Choice]:
        """The filters that are offered for a request: those it names, then those nearest to it."""
        fields = _nearest(request, list(self._numbers), str, encode)[:_NUMBERS]
        levels = [level for name in fields for level in self._levels(name, request)]
        values = _nearest(request, self._values, lambda one: one.label, encode)
        return [*values[:_OFFERED], *levels]

    def _levels(self, name: str, request: str) -> list[Choice]:
        """Limits of a numeric field: its quartiles, and the numbers that the request names."""
        least, low, middle, high, most = self._numbers[name]
        said = {float(figure) for figure in _FIGURE.findall(request)}
        named = sorted(number for number in said if least <= number <= most)[:CHOSEN]
        limits = [("at most", "<=", number) for number in dict.fromkeys([low, middle, *named])]
        limits += [("at least", ">=", number) for number in dict.fromkeys([middle, high, *named])]
        place = _place(name)
        return [
            Choice(
                f"{name} {words} {number:g}", name, f"{place} {sign} {number!r}",
                f"not has({place}) or not ({place} {sign} {number!r})",
            )
            for words, sign, number in limits
        ]  # fmt: skip


class Catalogues:
    """The catalogue of each scenario, kept for a minute. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Catalogue]] = {}

    def of(self, scenario: str, targets: Targets, shown: Mask) -> Catalogue:
        """What requests to a scenario can be filtered by."""
        with self._lock:
            found = self._kept.get(scenario)
            if found is None or time.monotonic() > found[0] + _FRESH_S:
                found = time.monotonic(), Catalogue(targets, shown)
                self._kept[scenario] = found
            return found[1]


def words_of(request: str, earlier: Sequence[str] = ()) -> str:
    """What is searched for where no model understands it: all that was said, in its order."""
    said = (_OPENING.sub("", one, count=1).strip() or one.strip() for one in (*earlier, request))
    return ". ".join(one.rstrip(". 。") for one in said if one)


def interpret(
    request: str,
    earlier: Sequence[str],
    catalogue: Catalogue,
    model: Soon | None,
    encode: Encode,
    budget_s: float,
    user: str | None = None,
) -> Plan:
    """What a request comes to.

    Args:
        request: What is asked for.
        earlier: The requests before it, oldest first.
        catalogue: What it can be filtered by.
        model: The language model; None for none.
        encode: What makes vectors of texts.
        budget_s: How long to wait for the model, in seconds.
        user: Who asks; what the model says is erased with them.
    """
    plain = Plan(words_of(request, earlier))
    if model is None or not plain.text:
        return plain
    try:
        why = understands(model, budget_s)
        if why:
            return Plan(plain.text, note=f"searched for as it is: {why}")
        choices = {one.label: one for one in catalogue.near(plain.text, encode)}
        data = {
            "filters": " | ".join(choices),
            "earlier": words_of(earlier[-1], earlier[:-1]) if earlier else "",
            "request": words_of(request),
        }
        form = ask_form(tuple(choices))
        asked: Request[Any] = Request(data, form, check=contradicts, subject=user)
        (outcome,) = model.ask("ask", load_prompt("ask"), [asked], budget_s)
    except PolysceneError as error:
        return Plan(plain.text, note=f"searched for as it is: {error}")
    answer = outcome.answer
    if answer is None:
        why = _UNFIT if outcome.failure is Failure.INVALID else outcome.why
        return Plan(plain.text, note=f"searched for as it is: {why}")
    only = [choices[label] for label in dict.fromkeys(getattr(answer, "only", ()))]
    never = [choices[label] for label in dict.fromkeys(getattr(answer, "never", ()))]
    text = ". ".join(dict.fromkeys([plain.text, answer.words.strip()])).rstrip(". ")
    return Plan(text, only, never, by_model=True)


def narrowed(plan: Plan, targets: Targets, allowed: Mask, now: float) -> tuple[Mask, str, str]:
    """The targets that the filters of a plan leave, and what is to be said of them.

    What is refused never comes back. Of what is asked for, fields that would leave nothing are not
    filtered by: numbers are looked at first, tags last.

    Args:
        plan: The plan.
        targets: All targets.
        allowed: Which of them may be found, shape (number of targets,).
        now: The time to count ages from, seconds since 1970-01-01 UTC.

    Returns:
        The mask, the condition that it stands for ("" for none), and a note ("" for none).
    """
    columns = Columns(targets, np.arange(len(targets)), User(user_id="anybody"), now)
    left, kept, dropped = allowed.copy(), [], []
    for choice in plan.never:
        left &= condition(choice.fails).holds(columns, len(targets))
        kept.append(f"({choice.fails})")
    fields = sorted({one.field for one in plan.only}, key=lambda name: name == "tags")
    for field in fields:
        own = [one for one in plan.only if one.field == field]
        joint = " or " if " in " in own[0].holds else " and "
        text = joint.join(one.holds for one in own)
        fits = left & condition(text).holds(columns, len(targets))
        if fits.any():
            left = fits
            kept.append(f"({text})" if len(own) > 1 else text)
        else:
            dropped += [one.label for one in own]
    note = f"nothing has all of it; not asked for: {', '.join(dropped)}" if dropped else ""
    return left, " and ".join(kept), note


def _values(targets: Targets, row: int) -> Iterable[tuple[str, str]]:
    found = {("tags", tag) for tag in targets.tags[row]}
    for name, value in (("language", targets.languages[row]), ("provider", targets.providers[row])):
        if value:
            found.add((name, value))
    for name, texts in targets.texts[row].items():
        found.update((name, text) for text in texts)
    return found


def _offerable(name: str, value: str) -> bool:
    """Whether it can be shown to a model as it is: short, and no order to it."""
    return all(
        0 < len(text) <= _LONGEST and "|" not in text and as_data(text, _LONGEST) == text
        for text in (name, value)
    )


def _value(name: str, value: str) -> Choice:
    place = _place(name)
    holds = f"{value!r} in {place}"
    if name in ("language", "provider"):
        holds = f"{place} in [{value!r}]"
    label = f"tag {value}" if name == "tags" else f"{name} {value}"
    return Choice(label, name, holds, f"not has({place}) or not ({holds})")


def _place(name: str) -> str:
    return f"item.{name}" if name.isascii() and name.isidentifier() else f"item[{name!r}]"


def _nearest(
    request: str, found: Sequence[Any], label: Callable[[Any], str], encode: Encode
) -> Any:
    """In order: what the request names, then by cosine to it."""
    if not found:
        return []
    labels = [label(one) for one in found]
    vectors = encode([request, *labels])
    near = vectors[1:] @ vectors[0]
    said = request.casefold()
    for place, one in enumerate(labels):
        value = one.removeprefix("tag ").casefold()
        near[place] += 2.0 * (value in said)
    return [found[place] for place in np.argsort(-near, kind="stable").tolist()]
