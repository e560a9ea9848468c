"""The tags of Last.fm in the layout of HetRec 2011, as things to recommend."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, ClassVar

from polyscene.data.importers.base import Importer, event_id, find_file, mapped, named_only
from polyscene.data.importers.lastfm import batches, rows, time_of
from polyscene.data.ingest import Part

__all__ = ["LastFMTags"]

_PREFIX = "tag-"
"""Before the id of a tag: the files number artists and tags alike."""


class LastFMTags(Importer):
    """What users called which artist; load the folder with `lastfm` first.

    A tag becomes an item of kind tag with its word as title and the id "tag-" and its number. That
    a user gave it to an artist becomes an event "tag" on it, with the artist as context and the
    time of the file, a day or finer.

    Args:
        exclude_tags_of: Users whose events are left out.
    """

    name: ClassVar[str] = "lastfm-tags"
    description: ClassVar[str] = (
        "HetRec 2011 Last.fm folder, after lastfm: artists.dat, tags.dat, user_taggedartists.dat"
    )

    def __init__(self, exclude_tags_of: Collection[str] = ()) -> None:
        self._excluded = frozenset(exclude_tags_of)

    def read(self, path: Path) -> Iterator[Part]:
        """The tags, then what was given them.

        Raises:
            DataError: When a file is missing or lacks a column.
        """
        artists, words = find_file(path, "artists.dat"), find_file(path, "tags.dat")
        tagged = find_file(
            path, "user_taggedartists-timestamps.dat", "user_taggedartists.dat",
            "user_taggedartists.derived.tsv",
        )  # fmt: skip
        yield Part("items", words, mapped(batches(words, "tagID", "tagValue"), _tag))
        known = {row["id"] for row in rows(artists, "id")}
        named = (row["artistID"] for row in rows(tagged, "artistID"))
        yield named_only(tagged, named, known)
        columns = ("userID", "artistID", "tagID")
        yield Part("events", tagged, mapped(batches(tagged, *columns), self._event))

    def _event(self, row: dict[str, Any]) -> dict[str, Any] | None:
        user, artist, tag = (row.get(name) for name in ("userID", "artistID", "tagID"))
        if user in self._excluded:
            return None
        event = {
            "user_id": user,
            "item_id": None if tag is None else f"{_PREFIX}{tag}",
            "action": "tag",
            "context": artist,
            "timestamp": time_of(row),
            "event_id": event_id("lastfm-tag", user, artist, tag),
        }
        return {name: value for name, value in event.items() if value is not None}


def _tag(row: dict[str, Any]) -> dict[str, Any]:
    tag = row.get("tagID")
    return {
        "item_id": "" if tag is None else f"{_PREFIX}{tag}",
        "kind": "tag",
        "title": row.get("tagValue", "").strip().lower(),
    }
