"""MovieLens in the layout of latest-small."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, ClassVar

from polyscene.data.importers.base import (
    Importer,
    event_id,
    find_file,
    mapped,
    optional_file,
    read_batches,
    read_dicts,
    seconds,
)
from polyscene.data.ingest import Part
from polyscene.data.tags import GivenTag, TagCounts

__all__ = ["MovieLens"]

_YEAR = re.compile(r"\((\d{4})\)\s*$")
_NO_GENRES = "(no genres listed)"


class MovieLens(Importer):
    """Films, free tags and ratings.

    A film becomes an item of kind content: its title as it is, its genres and then the tags
    that most users gave it as tags, its year as an attribute, and its overview as description
    where a file `*overview*.csv` with the columns movieId and overview lies beside. A rating
    becomes an event "rate".

    Args:
        exclude_tags_of: Users whose tags are left out. Name the users under test, or the text
            of the films tells what they are asked to predict.
    """

    name: ClassVar[str] = "movielens"
    description: ClassVar[str] = (
        "MovieLens folder with movies.csv, ratings.csv and, if present, tags.csv and *overview*.csv"
    )

    def __init__(self, exclude_tags_of: Collection[str] = ()) -> None:
        self._excluded = frozenset(exclude_tags_of)

    def read(self, path: Path) -> Iterator[Part]:
        """The films, then the ratings.

        Raises:
            DataError: When movies.csv or ratings.csv is missing, or a file lacks a column.
        """
        movies, ratings = find_file(path, "movies.csv"), find_file(path, "ratings.csv")
        given, overviews = self._given(path), _overviews(path)
        tags = TagCounts.of_items(given)

        def item(row: dict[str, Any]) -> dict[str, Any]:
            movie, title = row.get("movieId", ""), row.get("title", "")
            genres = row.get("genres", "").split("|")
            year = _YEAR.search(title)
            return {
                "item_id": movie,
                "kind": "content",
                "title": title,
                "description": overviews.get(movie, ""),
                "tags": [genre for genre in genres if genre != _NO_GENRES] + tags.top(movie),
                "language": "en",
                **({"year": int(year[1])} if year else {}),
            }

        films = mapped(read_batches(movies, ("movieId", "title")), item)
        yield Part("items", movies, films, given=given)
        columns = ("userId", "movieId", "rating")
        yield Part("events", ratings, mapped(read_batches(ratings, columns), _event))

    def _given(self, folder: Path) -> list[GivenTag]:
        path = optional_file(folder, "tags.csv")
        rows = () if path is None else read_dicts(path, ("userId", "movieId", "tag"))
        return [
            GivenTag(row["userId"], row["movieId"], tag, seconds(row.get("timestamp")))
            for row in rows
            if row["userId"] not in self._excluded and (tag := row["tag"].strip().lower())
        ]


def _overviews(folder: Path) -> dict[str, str]:
    path = optional_file(folder, "*overview*.csv")
    if path is None:
        return {}
    rows = read_dicts(path, ("movieId",))
    return {row["movieId"]: row["overview"] for row in rows if "overview" in row}


def _event(row: dict[str, Any]) -> dict[str, Any]:
    event = {
        "user_id": row.get("userId"),
        "item_id": row.get("movieId"),
        "action": "rate",
        "value": row.get("rating"),
        "timestamp": row.get("timestamp"),
        "event_id": event_id("ml", row.get("userId"), row.get("movieId")),
    }
    return {name: value for name, value in event.items() if value is not None}
