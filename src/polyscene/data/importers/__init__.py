"""Readers of the formats of well-known data sets and engines.

An importer turns a folder into parts, one for each kind of records, in the order in which they
must be loaded; `polyscene.data.ingest.ingest_parts` loads them.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection
from pathlib import Path
from typing import Any

from polyscene.data.importers.base import Importer
from polyscene.data.importers.gorse import Gorse
from polyscene.data.importers.lastfm import LastFM
from polyscene.data.importers.lastfm_tags import LastFMTags
from polyscene.data.importers.movielens import MovieLens
from polyscene.data.importers.personalize import Personalize
from polyscene.data.importers.recbole import RecBole
from polyscene.data.ingest import OnError, Sink, ingest_parts
from polyscene.data.report import IngestReport
from polyscene.errors import DataError, NotFoundError, did_you_mean
from polyscene.logs import NO_PROGRESS, Progress

__all__ = ["Importer", "get_importer", "import_folder", "importer_names"]

_IMPORTERS: dict[str, type[Importer]] = {
    cls.name: cls for cls in (Gorse, LastFM, LastFMTags, MovieLens, Personalize, RecBole)
}


def importer_names() -> tuple[str, ...]:
    """The names of the importers, sorted."""
    return tuple(sorted(_IMPORTERS))


def get_importer(name: str, **options: Any) -> Importer:
    """The importer of that name.

    Args:
        name: One of `importer_names()`.
        options: The keyword arguments of its class.

    Raises:
        NotFoundError: When there is none.
        DataError: When it has no such option.
    """
    if name not in _IMPORTERS:
        raise NotFoundError(f"unknown format {name!r}; {did_you_mean(name, _IMPORTERS)}")
    for option in options:
        able = [one for one, cls in _IMPORTERS.items() if option in _options(cls)]
        if name not in able:
            others = f"formats that have it: {', '.join(able)}" if able else "no format has it"
            raise DataError(f"format {name} has no option {option}; {others}")
    return _IMPORTERS[name](**options)


def _options(cls: type[Importer]) -> Collection[str]:
    return inspect.signature(cls).parameters.keys()


def import_folder(
    name: str,
    path: Path | str,
    sink: Sink,
    *,
    on_error: OnError = "fail",
    people: Collection[str] | None = None,
    progress: Progress = NO_PROGRESS,
    **options: Any,
) -> IngestReport:
    """Load a folder in the format of that name.

    Args:
        name: One of `importer_names()`.
        path: The folder.
        sink: Where to.
        on_error: See `polyscene.data.ingest.ingest_file`.
        people: See `polyscene.data.ingest.ingest_file`.
        progress: Where to report progress.
        options: The keyword arguments of the importer's class.

    Raises:
        NotFoundError: When there is no such importer.
        DataError: When it has no such option, or a file that it needs is missing or wrong.
        IngestError: When a part could not be loaded. The parts before it are kept.
    """
    parts = get_importer(name, **options).read(Path(path))
    return ingest_parts(
        parts, sink, on_error=on_error, people=people, progress=progress, origin=name
    )
