"""Search by cosine: exact while that is fast, approximate with a known recall beyond."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np

from polyscene.component import Vectors
from polyscene.data.dataset import IntArray
from polyscene.errors import ModelError
from polyscene.logs import NO_PROGRESS, Progress, get_logger
from polyscene.settings import IndexSettings
from polyscene.vectors.exact import Mask, best_of, exact_search, no_hits
from polyscene.vectors.ivf import InvertedFile
from polyscene.vectors.store import replacing

__all__ = ["IndexReport", "VectorIndex"]

log = get_logger(__name__)

REPORT_FILE = "index.json"
INDEX_FILE = "index.faiss"
FORMAT = 1

FIRST_PROBES = 8
WIDEST = 1 / 2
"""Share of the lists that a search without filter may need; past that it is exact instead."""
EXACT_ALLOWED, EXACT_SHARE = 4096, 0.02
"""Up to this many allowed rows, or this share of all, the search is exact: reading them takes no
longer than passing over the ids in the lists."""
RERANKED, RERANKED_AT_LEAST = 2, 32
"""Approximate hits that are ranked again by exact dot products: so many for each that is asked
for, and so many more."""
SAMPLE = 200
SAMPLE_FILTER = 0.2
RECALL_AT = 100


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What was built, and how good it is."""

    kind: Literal["exact", "ivf"]
    """exact, or an inverted file with 8-bit components."""
    rows: int
    """Number of vectors."""
    dim: int
    """Number of their components."""
    lists: int
    """Lists of the inverted file; 0 when exact."""
    probes: int
    """Lists that a search without filter looks into; 0 when exact."""
    recall_at_100: float
    """Share of the 100 best that a search finds, measured at build time on rows of the catalogue
    and on means of three of them."""
    recall_at_100_filtered: float
    """The same when a random 20 % of the rows are allowed."""
    build_seconds: float
    """Time to build, including the measurement."""


class VectorIndex:
    """Finds the rows of the largest dot product, among those that are allowed.

    Filters are exact: n rows are returned whenever n are allowed, and never one that is not.
    Equal scores come in order of row. Searches may run in several threads; `add` and `replace`
    may not run at the same time as anything else.

    Args:
        vectors: Unit or zero rows, shape (N, dim). Kept, not copied.
        inverted: The inverted file over all rows; None to search exactly.
        report: What was measured when it was built.
    """

    def __init__(
        self, vectors: Vectors, inverted: InvertedFile | None, report: IndexReport
    ) -> None:
        self._buffer = np.ascontiguousarray(vectors, dtype=np.float32)
        self._owned = False
        self._inverted = inverted
        self.edition = 0
        """A number that grows with every change of the rows."""
        self.report = report

    @classmethod
    def build(
        cls,
        vectors: Vectors,
        settings: IndexSettings,
        seed: int = 0,
        progress: Progress = NO_PROGRESS,
    ) -> Self:
        """An index over the rows, approximate when there are more than `exact_below`.

        The number of lists that a search looks into doubles until `min_recall` is reached, with
        and without a filter; when half of the lists are not enough the index is exact.

        Args:
            vectors: Unit or zero rows, shape (N, dim).
            settings: When to be approximate, and how good to be.
            seed: Of the training sample and the measured queries.
            progress: Told about the rows that are indexed.
        """
        started = time.perf_counter()
        count, dim = vectors.shape
        report = IndexReport("exact", count, dim, 0, 0, 1.0, 1.0, 0.0)
        index = cls(vectors, None, report)
        if count > settings.exact_below and count > 0:
            index._inverted = InvertedFile.build(index.vectors, seed, progress)
            index._tune(settings.min_recall, seed)
        seconds = round(time.perf_counter() - started, 3)
        index.report = replace(index.report, build_seconds=seconds)
        return index

    def __len__(self) -> int:
        return self.report.rows

    @property
    def vectors(self) -> Vectors:
        """The rows that are searched, shape (N, dim)."""
        return self._buffer[: len(self)]

    def search(
        self, queries: Vectors, n: int, allowed: Mask | None = None
    ) -> tuple[IntArray, Vectors]:
        """The n rows of the largest dot product with each query, best first.

        Args:
            queries: Unit or zero rows, shape (q, dim).
            n: How many rows to return for each.
            allowed: Which rows may be returned, shape (N,); None for all.

        Returns:
            Rows (int64) and scores (float32), each of shape (q, n); -1 and -inf past the last
            allowed row.
        """
        queries = np.atleast_2d(np.asarray(queries, dtype=np.float32))
        if allowed is not None and len(allowed) != len(self):
            raise ValueError(f"got a filter over {len(allowed)} rows; the index has {len(self)}")
        available = len(self) if allowed is None else int(np.count_nonzero(allowed))
        probes = self._probes_for(available, n)
        if self._inverted is None or probes is None:
            return exact_search(self.vectors, queries, n, allowed)
        if available == len(self):
            allowed = None
        return self._approximate(self._inverted, queries, n, probes, allowed)

    def add(self, vectors: Vectors) -> None:
        """Append rows. The first call may copy the vectors; later ones are cheap."""
        before, after = len(self), len(self) + len(vectors)
        if not self._owned or after > len(self._buffer):
            self._own(after + after // 4)
        self._buffer[before:after] = vectors
        self.edition += 1
        if self._inverted is not None:
            self._inverted.add(vectors, np.arange(before, after))
        self.report = replace(self.report, rows=after)

    def replace(self, rows: IntArray, vectors: Vectors) -> None:
        """Give rows other vectors.

        Args:
            rows: Distinct rows, shape (m,).
            vectors: Their new unit or zero vectors, shape (m, dim).
        """
        if not self._owned:
            self._own(len(self))
        self._buffer[rows] = vectors
        self.edition += 1
        if self._inverted is not None:
            self._inverted.remove(rows)
            self._inverted.add(vectors, rows)

    def save(self, path: Path) -> None:
        """Write the report and the inverted file, not the vectors, into the directory `path`."""
        document: dict[str, object] = {"format": FORMAT, **asdict(self.report)}
        if self._inverted is not None:
            with replacing(path / INDEX_FILE) as temporary:
                self._inverted.save(temporary)
                document["sha256"] = _sha256(temporary)
        with replacing(path / REPORT_FILE) as temporary:
            temporary.write_text(json.dumps(document, indent=2), "utf-8")

    @classmethod
    def load(cls, path: Path, vectors: Vectors) -> Self:
        """Read what `save` wrote.

        Args:
            path: The directory.
            vectors: The vectors that were indexed, in the same order.

        Raises:
            ModelError: When a file is missing or damaged, or belongs to other vectors.
        """
        report, checksum = _read_report(path / REPORT_FILE)
        if (report.rows, report.dim) != vectors.shape:
            raise ModelError(
                f"{path / REPORT_FILE}: made for {report.rows} vectors of {report.dim} "
                f"components; got {vectors.shape[0]} of {vectors.shape[1]}; fit the model again"
            )
        if report.kind == "exact":
            return cls(vectors, None, report)
        file = path / INDEX_FILE
        if not file.is_file() or _sha256(file) != checksum:
            # faiss may crash the process on a damaged file, so it never sees one.
            raise ModelError(f"{file} is missing or damaged; fit the model again")
        return cls(vectors, InvertedFile.load(file, vectors.shape), report)

    def _own(self, capacity: int) -> None:
        """Copy the vectors into memory of our own with room for `capacity` rows."""
        buffer = np.empty((capacity, self.report.dim), dtype=np.float32)
        buffer[: len(self)] = self.vectors
        self._buffer, self._owned = buffer, True

    def _probes_for(self, available: int, n: int) -> int | None:
        """Lists to look into so that as many allowed rows are seen as without a filter."""
        few = max(EXACT_ALLOWED, EXACT_SHARE * len(self), 2 * n)
        if self._inverted is None or available <= few:
            return None
        probes = int(np.ceil(self.report.probes * len(self) / available))
        return min(probes, self._inverted.lists)

    def _approximate(
        self,
        inverted: InvertedFile,
        queries: Vectors,
        n: int,
        probes: int,
        allowed: Mask | None,
    ) -> tuple[IntArray, Vectors]:
        """Search the lists, wider for the queries that lack hits, at last exactly."""
        rows, scores = no_hits(len(queries), n)
        fetched = RERANKED * n + RERANKED_AT_LEAST
        open_queries = np.arange(len(queries))
        while len(open_queries):
            found = inverted.candidates(queries[open_queries], fetched, probes, allowed)
            enough = (found >= 0).sum(axis=1) >= n
            for place, query in zip(np.flatnonzero(enough), open_queries[enough], strict=True):
                hits = found[place][found[place] >= 0]
                rows[query], scores[query] = best_of(self.vectors, queries[query], hits, n)
            open_queries = open_queries[~enough]
            if probes >= inverted.lists:
                break
            probes = min(2 * probes, inverted.lists)
        if len(open_queries):
            exact = exact_search(self.vectors, queries[open_queries], n, allowed)
            rows[open_queries], scores[open_queries] = exact
        return rows, scores

    def _tune(self, min_recall: float, seed: int) -> None:
        """Choose the number of lists to look into by measuring; exact when none is enough."""
        assert self._inverted is not None
        rng = np.random.default_rng(seed)
        queries = _sample_queries(self.vectors, rng)
        some = rng.random(len(self)) < SAMPLE_FILTER
        goals = [
            (mask, exact_search(self.vectors, queries, RECALL_AT, mask)[1]) for mask in (None, some)
        ]
        lists = self._inverted.lists
        probes = min(FIRST_PROBES, lists)
        while probes <= max(1, WIDEST * lists):
            self.report = replace(self.report, kind="ivf", lists=lists, probes=probes)
            recalls = [self._recall(queries, mask, truth) for mask, truth in goals]
            self.report = replace(
                self.report,
                recall_at_100=round(recalls[0], 4),
                recall_at_100_filtered=round(recalls[1], 4),
            )
            if min(recalls) >= min_recall:
                return
            probes *= 2
        log.warning(
            "no approximate index of %d vectors reaches a recall of %.3f (got %.3f, filtered "
            "%.3f looking into half of the lists); searching exactly",
            len(self),
            min_recall,
            self.report.recall_at_100,
            self.report.recall_at_100_filtered,
        )
        self._inverted = None
        self.report = IndexReport("exact", len(self), self.report.dim, 0, 0, 1.0, 1.0, 0.0)

    def _recall(self, queries: Vectors, mask: Mask | None, truth: Vectors) -> float:
        """Share of the true best that is found; of equals, any counts."""
        _, scores = self.search(queries, RECALL_AT, mask)
        due = np.isfinite(truth).sum(axis=1)
        worst = np.where(np.isfinite(truth), truth, np.inf).min(axis=1, keepdims=True)
        found = (scores >= worst - 1e-6).sum(axis=1)
        return float(np.minimum(found, due).sum() / max(1, due.sum()))


def _sample_queries(vectors: Vectors, rng: np.random.Generator) -> Vectors:
    """Rows, and normalised means of three rows: what a user with several interests looks like."""
    size = min(SAMPLE // 2, len(vectors))
    singles = vectors[rng.choice(len(vectors), size, replace=False)]
    means = vectors[rng.integers(len(vectors), size=(size, 3))].mean(axis=1)
    queries = np.concatenate([singles, means])
    norms = np.linalg.norm(queries, axis=1, keepdims=True)
    return np.asarray(queries / np.where(norms > 0, norms, 1.0), dtype=np.float32)


def _read_report(path: Path) -> tuple[IndexReport, str | None]:
    """The report, and the checksum of the inverted file."""
    try:
        document = json.loads(path.read_text("utf-8"))
        if document["format"] != FORMAT:
            raise ModelError(f"{path}: format {document['format']}; expected {FORMAT}; fit again")
        values = {field.name: document[field.name] for field in fields(IndexReport)}
        return IndexReport(**values), document.get("sha256")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"cannot read {path}: {error}; fit the model again") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
