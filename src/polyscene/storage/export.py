"""All records of a store as files that `polyscene ingest` reads, in one ZIP archive."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any

import orjson

from polyscene.storage.notes import KINDS, notes_of
from polyscene.storage.reviews import reviewed
from polyscene.storage.store import Store

__all__ = ["exported"]

_BATCH = 5_000
"""Records that are compressed at once."""


def exported(store: Store, written: Counter[str] | None = None) -> Iterator[bytes]:
    """The archive, piece by piece, in bounded memory.

    It has `relations.jsonl`, `events.jsonl`, `users.jsonl` and `items.jsonl` in the columns of
    docs/formats.md; besides, `impressions.jsonl`, `reviews.jsonl` and `notes.jsonl` (tags and
    interests that `polyscene enrich` noted), which ingest does not read. A kind without a record
    has no file.
    What is written meanwhile may be in it or not; no event is in it without its target.

    Args:
        store: The store.
        written: Counts what is written, by the name of its file without `.jsonl`.
    """
    pipe, counts = _Pipe(), Counter[str]() if written is None else written
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        # What names others comes before them, so that what it names is there.
        for name, rows in (
            ("impressions", map(asdict, store.impressions())),
            ("reviews", map(asdict, _reviews(store))),
            ("notes", (asdict(one) for kind in KINDS for one in notes_of(store, kind))),
            ("relations", (one.model_dump() for one in store.relations())),
            ("events", _events(store)),
            ("users", (one.model_dump(exclude_defaults=True) for one in store.users())),
            ("items", (one.model_dump(exclude_defaults=True) for one in store.items())),
        ):
            batch = list(islice(rows, _BATCH))
            if not batch:  # ingest takes a file without a record for a damaged one
                continue
            with archive.open(f"{name}.jsonl", "w", force_zip64=True) as file:
                while batch:
                    file.write(b"".join(orjson.dumps(row) + b"\n" for row in batch))
                    counts[name] += len(batch)
                    yield pipe.taken()
                    batch = list(islice(rows, _BATCH))
    yield pipe.taken()


def _events(store: Store) -> Iterator[dict[str, Any]]:
    after = 0
    while found := store.events(after, _BATCH):
        after = found[-1][0]
        yield from (event.model_dump(exclude_defaults=True) for _, event in found)


def _reviews(store: Store) -> Iterator[Any]:
    before: int | None = None
    while found := reviewed(store, None, before, _BATCH):
        before = found[-1].seq
        yield from found


class _Pipe(io.RawIOBase):
    """What is written waits until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """All that waits."""
        found, self._parts = b"".join(self._parts), []
        return found
