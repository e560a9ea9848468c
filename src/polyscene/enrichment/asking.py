"""Which tag a person should say yes or no to next.

An answer teaches much where the tagger is in doubt: p·(1 - p) is largest at a chance of one half.
Pairs are taken one after the other by

    p·(1 - p) / (1 + pairs taken with that tag + pairs taken with that item)

so that they are neither all of one tag nor all of one item.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyscene.data.schema import Item
from polyscene.enrichment.items import item_text, tag_chances
from polyscene.enrichment.told import told_in
from polyscene.errors import DataError
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.storage import notes_of
from polyscene.workspace import Workspace

__all__ = ["TagAsk", "next_tags"]

_EACH = 3
"""Tags of an item that may be asked about at once."""
_SPARE = 50
"""Candidates for each question."""


@dataclass(frozen=True, slots=True)
class TagAsk:
    """An item and a tag that may fit it."""

    item_id: str
    tag: str
    title: str
    text: str
    """What the tagger read of the item."""
    chance: float
    """What the tagger says now."""
    answer: bool | None = None
    """To be filled in: true, false, or null for none."""


def next_tags(workspace: Workspace, n: int, progress: Progress = NO_PROGRESS) -> list[TagAsk]:
    """The items and tags whose answers would teach the tagger most, the first one most.

    Tags that an item has, and those that something was said of, are left out.

    Args:
        workspace: The workspace; it needs no fitted model.
        n: How many.
        progress: Told of what is encoded.

    Raises:
        DataError: When there are fewer than two tags to choose from, or nothing is left to ask.
    """
    told = told_in(notes_of(workspace.store, "item"))
    found: list[tuple[float, Item, int, float]] = []
    words: list[str] = []
    for items, words, chances in tag_chances(workspace, progress):
        column = {word: place for place, word in enumerate(words)}
        worth = chances * (1 - chances)
        for item, own, chance in zip(items, worth, chances, strict=True):
            known = (*item.tags, *told.get(item.item_id, ()))
            own[[column[tag] for tag in known if tag in column]] = 0
            best = np.argsort(-own, kind="stable")[:_EACH]
            found += [(own[tag], item, int(tag), chance[tag]) for tag in best if own[tag] > 0]
    if not found:
        raise DataError(
            "nothing is left to ask: every item with a text has all tags, or was judged"
        )
    found = sorted(found, key=lambda one: -one[0])[: _SPARE * n]
    rows = {name: row for row, name in enumerate({one.item_id: 0 for _, one, _, _ in found})}
    worths = np.array([worth for worth, _, _, _ in found])
    of_item = np.array([rows[one.item_id] for _, one, _, _ in found])
    of_tag = np.array([tag for _, _, tag, _ in found])
    taken, chosen = np.zeros(len(found)), []
    for _ in range(min(n, len(found))):
        place = int(np.argmax(worths / (1 + taken)))
        chosen.append(found[place])
        taken += 1.0 * (of_item == of_item[place]) + (of_tag == of_tag[place])
        taken[place] = np.inf
    return [
        TagAsk(one.item_id, words[tag], one.title, item_text(one), round(float(chance), 4))
        for _, one, tag, chance in chosen
    ]
