"""Relations from the texts of items: the names in them, and what kind of thing each is.

Names are found by quotation marks, and in descriptions by capital letters; of these only such as
several items share, since what one item alone has connects it with nothing. A language model says
of each what kind of thing it is, or that it is none. So it can neither invent a name nor an item.
The relations have predicates that begin with `llm:`; without a model all are `text:name`. They are
replaced by the next run or erased.
"""

from __future__ import annotations

import calendar
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from pydantic import create_model

from polyscene.data.schema import Item, Relation
from polyscene.explain.reasons import FROM_MODEL, FROM_TEXT
from polyscene.llm import Form, LanguageModel, Request, load_prompt
from polyscene.llm.guard import as_data
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.storage import Store

__all__ = ["NAME", "PREFIXES", "Related", "erase", "names_in", "relate"]

PREFIXES = (FROM_MODEL, FROM_TEXT)
"""How the predicates of these relations begin."""
NAME = f"{FROM_TEXT}name"
"""The predicate of a name of which no model was asked what it is."""
_Kind = Literal["person", "place", "organisation", "work", "thing", "none"]
"""What a name can be: the rest of the predicate."""
_NONE: _Kind = "none"
_MOST, _LEAST = 6, 2
"""Names of one item, at most; items that share a name, at least."""
_WIDEST = 0.2
"""The share of the items that a name stands in, at most; one in more says nothing."""
_TITLE, _TEXT = 200, 8000
"""Characters that are read of a title and of a description."""
_SHORTEST = 2
"""Characters of a name, at least."""
_DATES = frozenset([*calendar.day_name, *calendar.month_name])
_BATCH = 32
"""Items whose relations are written together."""
_QUOTED = re.compile(r"[“\"「『《‘]([^”\"」』》’\n]{2,40})[”\"」』》’]")
_PROPER = re.compile(
    r"(?<![.!?:;“\"(]\s)(?<!^)\b[A-Z][\w'’-]+(?:\s+(?:(?:of|the|de|la|von|van)\s+)?[A-Z][\w'’-]+){0,3}"
)
"""Capitalised words that do not begin a sentence."""


@dataclass(frozen=True, slots=True)
class Related:
    """What came of a run."""

    items: int
    """Items that have names which others share."""
    answered: int
    """Those of which it is known what the names are."""
    relations: int
    """Relations that are kept now, of these items."""


def names_in(item: Item) -> list[str]:
    """The names in the texts of an item, each once, as they are written first.

    Sentences that are orders to a model have none.
    """
    found: dict[str, str] = {}
    title, text = as_data(item.title, _TITLE), as_data(item.description, _TEXT)
    quoted = [match.group(1) for match in _QUOTED.finditer(f"{title}\n{text}")]
    for one in (*_PROPER.findall(text), *quoted):  # titles have capitals everywhere
        name = " ".join(one.split())
        if name in _DATES or len(name) < _SHORTEST or "|" in name or as_data(name, 40) != name:
            continue
        found.setdefault(name.casefold(), name)
    return list(found.values())


def relate(
    store: Store,
    model: LanguageModel | None,
    limit: int | None = None,
    progress: Progress = NO_PROGRESS,
) -> Related:
    """Ask what the names in items are, and keep that as relations in place of those before.

    Of an item without an answer the relations stay as they were. O(characters) and a question for
    each item with a name that another has.

    Args:
        store: Where items are read and relations are kept.
        model: The language model; None to take each name as a name.
        limit: Items to look at, at most; None for all.
        progress: Where questions are reported.
    """
    shared = _shared(store)
    job, prompt = None if model is None else model.job("relate"), load_prompt("relate")
    items = answered = relations = 0
    having = _having(store, shared, limit)
    while batch := list(islice(having, _BATCH)):
        kinds: list[list[str] | None] = [[NAME] * len(names) for _, names in batch]
        if job is not None:
            requests = [_request(item, names) for item, names in batch]
            said = job.ask(prompt, requests, progress=progress)
            kinds = [
                _kinds(one.answer, len(names)) for one, (_, names) in zip(said, batch, strict=True)
            ]
        items += len(batch)
        with store.write() as writer:
            for (item, names), own in zip(batch, kinds, strict=True):
                if own is None:
                    continue
                answered += 1
                before = [
                    one
                    for one in store.relations(subject=item.item_id)
                    if one.predicate.startswith(PREFIXES)
                ]
                now = [
                    Relation(subject=item.item_id, predicate=kind, object=shared[name])
                    for name, kind in zip(names, own, strict=True)
                    if kind
                ]
                writer.remove_relations([one for one in before if one not in now])
                writer.put_relations(now)
                relations += len(now)
    return Related(items, answered, relations)


def erase(store: Store) -> int:
    """Erase all relations that were found in texts; returns how many there were."""
    found = [one for one in store.relations() if one.predicate.startswith(PREFIXES)]
    with store.write() as writer:
        return writer.remove_relations(found)


def _kinds(answer: Form | None, count: int) -> list[str] | None:
    """The predicate of each of the names, "" for one that is none; None without an answer."""
    if answer is None:
        return None
    said = [str(getattr(answer, _field(place))) for place in range(count)]
    return ["" if kind == _NONE else f"{FROM_MODEL}{kind}" for kind in said]


def _shared(store: Store) -> dict[str, str]:
    """The names that several items have but not most, by their folded form."""
    counts: Counter[str] = Counter()
    written: dict[str, str] = {}
    total = 0
    for item in store.items():
        total += 1
        for name in names_in(item):
            counts[name.casefold()] += 1
            written.setdefault(name.casefold(), name)
    most = max(_WIDEST * total, _LEAST)
    return {name: written[name] for name, count in counts.items() if _LEAST <= count <= most}


def _having(
    store: Store, shared: dict[str, str], limit: int | None
) -> Iterator[tuple[Item, list[str]]]:
    """Items with names that others share, in folded form."""
    given = 0
    for item in store.items():
        names = [name.casefold() for name in names_in(item) if name.casefold() in shared]
        if names and given != limit:
            given += 1
            yield item, names[:_MOST]


def _field(place: int) -> str:
    """How a name is called in a question and its answer."""
    return f"n{place}"


def _request(item: Item, names: Sequence[str]) -> Request[Any]:
    fields: dict[str, Any] = {_field(place): (_Kind, ...) for place in range(len(names))}
    form: type[Form] = create_model("Kinds", __base__=Form, **fields)
    numbered = " | ".join(f"{_field(place)}: {name}" for place, name in enumerate(names))
    return Request({"title": item.title, "text": item.description, "names": numbered}, form)
