"""Measurements of a workspace on this machine: encode, fit, recommend, batch."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from polyscene.encoders import open_encoder
from polyscene.engine.batch import write_results
from polyscene.engine.engine import Engine
from polyscene.errors import DataError
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.text.verbalise import Verbaliser

__all__ = ["Measurement", "bench_batch", "bench_encode", "bench_fit", "bench_recommend"]


_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured number."""

    name: str
    value: float
    unit: str


def bench_encode(
    engine: Engine, texts: int = 2000, progress: Progress = NO_PROGRESS
) -> list[Measurement]:
    """The rate of the workspace's encoders on its own texts, without the cache.

    Raises:
        DataError: When there are no texts.
    """
    workspace = engine.workspace
    verbaliser = Verbaliser(workspace.settings)
    found = (text for item in workspace.store.items() for text in verbaliser.item(item))
    sample = list(islice(dict.fromkeys(islice(found, 4 * texts)), texts))
    if not sample:
        raise DataError("the workspace has no items with text; load some with: polyscene ingest")
    encoder = open_encoder(workspace.settings.encoders, None, workspace.runs)
    encoder.encode(sample[:8])  # loads the model
    start = time.perf_counter()
    encoder.encode(sample, progress)
    seconds = time.perf_counter() - start
    return [
        Measurement("texts", len(sample), "texts"),
        Measurement("rate", len(sample) / seconds, "texts/s"),
    ]


def bench_fit(engine: Engine, progress: Progress = NO_PROGRESS) -> list[Measurement]:
    """How long a fit takes, encoding included where the cache lacks texts, and its memory."""
    start = time.perf_counter()
    model = engine.fit(progress)
    return [
        Measurement("items", len(model.items), "items"),
        Measurement("time", time.perf_counter() - start, "s"),
        Measurement("peak memory of the process", _peak_bytes() / 1e6, "MB"),
    ]


def bench_recommend(
    engine: Engine, scenario: str, users: Sequence[str] = (), n: int = 10, count: int = 200
) -> list[Measurement]:
    """Latency of single answers, reasons included.

    Args:
        engine: The engine, fitted.
        scenario: Where it is recommended.
        users: To whom; users of the store in order when empty.
        n: Length of a list.
        count: How many answers are timed, at most.

    Raises:
        DataError: When there are no users.
    """
    asked = _asked(engine, users, count)
    engine.recommend(asked[0], scenario, n)  # reads the model
    seconds = np.zeros(len(asked))
    for place, user in enumerate(asked):
        start = time.perf_counter()
        engine.recommend(user, scenario, n)
        seconds[place] = time.perf_counter() - start
    return [
        Measurement("answers", len(asked), "answers"),
        Measurement("p50", float(np.percentile(seconds, 50) * 1e3), "ms"),
        Measurement("p99", float(np.percentile(seconds, 99) * 1e3), "ms"),
        Measurement("rate", float(len(asked) / seconds.sum()), "answers/s"),
    ]


def bench_batch(
    engine: Engine, scenario: str, users: Sequence[str] = (), n: int = 10, count: int = 10_000
) -> list[Measurement]:
    """How many users a second get a list, written to a Parquet file; the best of three rounds.

    Args:
        engine: The engine, fitted.
        scenario: Where it is recommended.
        users: To whom; users of the store in order when empty.
        n: Length of a list.
        count: How many users, at most.

    Raises:
        DataError: When there are no users.
    """
    asked = _asked(engine, users, count)
    engine.recommend(asked[0], scenario, n)  # reads the model

    def seconds(reasons: bool) -> float:
        with TemporaryDirectory() as folder:
            start = time.perf_counter()
            answers = engine.recommend_many(asked, scenario, n, reasons=reasons)
            write_results(answers, Path(folder) / "lists.parquet")
            return time.perf_counter() - start

    first = seconds(False)  # reads the events
    plain = min(seconds(False) for _ in range(_ROUNDS))
    full = min(seconds(True) for _ in range(_ROUNDS))
    return [
        Measurement("users", len(asked), "users"),
        Measurement("first call", first, "s"),
        Measurement("rate", len(asked) / plain, "users/s"),
        Measurement("rate with reasons", len(asked) / full, "users/s"),
    ]


def _asked(engine: Engine, users: Sequence[str], count: int) -> list[str]:
    """Whom to recommend to."""
    stored = (user.user_id for user in engine.workspace.store.users())
    asked = list(islice(users or stored, count))
    if not asked:
        raise DataError("the workspace has no users; load events with: polyscene ingest")
    return asked


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
