"""What people said of single tags: whether one fits an item.

A tag that fits becomes one of the item; one that does not is not suggested for it again. What was
said is noted beside the record, as the facet `told` of the source `person`: it outlives a record
that is ingested anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from polyscene.data.schema import Item
from polyscene.storage import Note, notes_of, put_notes
from polyscene.workspace import Workspace

__all__ = ["TOLD", "tell", "told_in", "with_told"]

TOLD = "told"
"""The facet: all tags that something was said of, with 1 for those that fit and 0 for others."""


def told_in(notes: Iterable[Note]) -> dict[str, dict[str, bool]]:
    """Of each item the tags that something was said of, and whether they fit."""
    return {
        note.subject: {
            tag: score > 0 for tag, score in zip(note.words, note.scores, strict=True)
        }
        for note in notes
        if note.facet == TOLD
    }  # fmt: skip


def with_told(
    chances: npt.NDArray[np.float64], words: Sequence[str], said: Mapping[str, bool]
) -> npt.NDArray[np.float64]:
    """The chances of words for an item, with 1 for those that fit and -1 for others as was said."""
    if not said:
        return chances
    pairs = zip(words, chances, strict=True)
    return np.array([(1.0 if said[word] else -1.0) if word in said else own for word, own in pairs])


def tell(workspace: Workspace, answers: Sequence[tuple[str, str, bool]], by: str) -> int:
    """Take in what somebody said; returns how many records changed.

    A tag that the record itself has stays: only one that came from such an answer is taken back.

    Args:
        workspace: The workspace.
        answers: Id of the item, tag, and whether it fits. Unknown items are passed over.
        by: Who said so.
    """
    store, now = workspace.store, time.time()
    by_item: dict[str, dict[str, bool]] = {}
    for item_id, tag, fits in answers:
        by_item.setdefault(item_id, {})[tag] = fits
    notes, changed = [], []
    for item in store.items(list(by_item)):
        said = told_in(notes_of(store, "item", item.item_id)).get(item.item_id, {})
        tags = _after(item.tags, said, by_item[item.item_id])
        notes.append(
            Note("item", item.item_id, TOLD, list(said), [float(fits) for fits in said.values()],
                 "person", by, now)
        )  # fmt: skip
        if tags != item.tags:
            changed.append(Item.model_validate(item.model_dump() | {"tags": tags}))
    put_notes(store, notes)
    if changed:
        with store.write() as writer:
            writer.put_items(changed)
    return len(changed)


def _after(tags: Sequence[str], said: dict[str, bool], answers: Mapping[str, bool]) -> list[str]:
    """The tags of an item after some answers, which are added to what was said of it."""
    found = list(tags)
    for tag, fits in answers.items():
        if fits and tag not in found:
            found.append(tag)
            said[tag] = True
        elif fits and not said.get(tag):
            said.pop(tag, None)  # its record has it
        elif not fits:
            if said.get(tag) and tag in found:
                found.remove(tag)
            said[tag] = False
    return found
