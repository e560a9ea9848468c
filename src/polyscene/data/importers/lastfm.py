"""Last.fm in the layout of HetRec 2011."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, ClassVar

from polyscene.data.importers.base import (
    Importer,
    detect_encoding,
    event_id,
    find_file,
    mapped,
    read_batches,
    read_dicts,
    seconds,
)
from polyscene.data.ingest import Part
from polyscene.data.readers import Batch
from polyscene.data.tags import GivenTag, TagCounts

__all__ = ["LastFM", "batches", "rows", "time_of"]


class LastFM(Importer):
    """Artists, listeners, their tags, friends and listening counts.

    An artist becomes an item of kind content with the tags that most users gave it. A listener
    becomes a user whose interests are the tags they gave to most artists. A listening count
    becomes an event "listen" whose value is the count; a friendship becomes relations "friend",
    in both directions as in the file.

    Args:
        exclude_tags_of: Users whose tags are left out, of the artists and of themselves. Name
            the users under test: they tagged what they are asked to predict.
    """

    name: ClassVar[str] = "lastfm"
    description: ClassVar[str] = (
        "HetRec 2011 Last.fm folder: artists.dat, tags.dat, user_artists.dat, "
        "user_taggedartists.dat, user_friends.dat"
    )

    def __init__(self, exclude_tags_of: Collection[str] = ()) -> None:
        self._excluded = frozenset(exclude_tags_of)

    def read(self, path: Path) -> Iterator[Part]:
        """The artists, users, friendships and listens.

        Raises:
            DataError: When a file is missing or lacks a column.
        """
        artists, listens = find_file(path, "artists.dat"), find_file(path, "user_artists.dat")
        friends = find_file(path, "user_friends.dat")
        tagged = find_file(path, "user_taggedartists.dat", "user_taggedartists.derived.tsv")
        given = list(self._given(find_file(path, "tags.dat"), tagged))
        of_artists, of_users = TagCounts.of_items(given), TagCounts.of_users(given)

        def item(row: dict[str, Any]) -> dict[str, Any]:
            artist = row.get("id", "")
            return {
                "item_id": artist,
                "kind": "content",
                "title": row.get("name", ""),
                "tags": of_artists.top(artist),
                **{name: row[name] for name in ("url",) if name in row},
            }

        def user(name: str) -> dict[str, Any]:
            return {"user_id": name, "tags": of_users.top(name)}

        named = mapped(batches(artists, "id", "name"), item)
        yield Part("items", artists, named, given=given)
        ids = sorted(_user_ids(listens, friends), key=lambda name: (len(name), name))
        users = [(number, user(name)) for number, name in enumerate(ids, 1)]
        yield Part("users", listens, [Batch(users)])
        yield Part("relations", friends, mapped(batches(friends, "userID", "friendID"), _friend))
        columns = ("userID", "artistID", "weight")
        yield Part("events", listens, mapped(batches(listens, *columns), _listen))

    def _given(self, names: Path, tagged: Path) -> Iterator[GivenTag]:
        found = rows(names, "tagID", "tagValue")
        words = {row["tagID"]: row["tagValue"].strip().lower() for row in found}
        for row in rows(tagged, "userID", "artistID", "tagID"):
            word = words.get(row["tagID"])
            if word and row["userID"] not in self._excluded:
                yield GivenTag(row["userID"], row["artistID"], word, seconds(time_of(row)))


def batches(path: Path, *columns: str) -> Iterator[Batch]:
    """A file of the folder as batches; see `read_batches`."""
    return read_batches(path, columns, encoding=detect_encoding(path), raw_tsv=True)


def rows(path: Path, *columns: str) -> Iterator[dict[str, Any]]:
    """The rows of a file of the folder; see `read_dicts`."""
    return read_dicts(path, columns, encoding=detect_encoding(path), raw_tsv=True)


def time_of(row: dict[str, Any]) -> str | None:
    """The timestamp of a row of tags, or its day, where it has one."""
    if "timestamp" in row:
        return str(row["timestamp"])
    if not row.keys() >= {"day", "month", "year"}:
        return None
    return f"{row['year']:0>4}-{row['month']:0>2}-{row['day']:0>2}"


def _user_ids(listens: Path, friends: Path) -> set[str]:
    ids = {row["userID"] for row in rows(listens, "userID")}
    for row in rows(friends, "userID", "friendID"):
        ids.update((row["userID"], row["friendID"]))
    return ids


def _friend(row: dict[str, Any]) -> dict[str, Any]:
    names = {"userID": "subject", "friendID": "object"}
    return {"predicate": "friend"} | {names[name]: row[name] for name in names if name in row}


def _listen(row: dict[str, Any]) -> dict[str, Any]:
    names = {"userID": "user_id", "artistID": "item_id", "weight": "value"}
    return {
        "action": "listen",
        "event_id": event_id("lastfm", row.get("userID"), row.get("artistID")),
        **{names[name]: row[name] for name in names if name in row},
    }
