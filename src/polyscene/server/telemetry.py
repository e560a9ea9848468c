"""What the service counts, for Prometheus."""

from __future__ import annotations

import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

__all__ = ["Telemetry"]

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Telemetry:
    """The counters of one service.

    With several workers, `PROMETHEUS_MULTIPROC_DIR` names the folder in which they add up.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "polyscene_requests", "Requests.", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "polyscene_request_seconds", "Time of a request.", ["route"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.answers = Counter(
            "polyscene_answers", "Lists answered; kept ones were made before.",
            ["scenario", "made"], registry=registry,
        )  # fmt: skip
        self.degraded = Counter(
            "polyscene_degraded_answers", "Lists that had to make do.", ["why"], registry=registry
        )
        self.events = Counter("polyscene_events", "Events accepted.", registry=registry)
        self.commits = Histogram(
            "polyscene_commit_seconds", "Time of a transaction of events.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.impressions = Counter(
            "polyscene_impressions", "Answers whose impressions were written.", registry=registry
        )
        self.dropped = Gauge(
            "polyscene_impressions_dropped", "Answers whose impressions were not kept.",
            registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self.loads = Counter(
            "polyscene_model_loads", "Models read, and tried to.", ["outcome"], registry=registry
        )
        self.refused = Counter(
            "polyscene_refused_requests", "Requests refused.", ["why"], registry=registry
        )

    def text(self) -> bytes:
        """All counters in the text format of Prometheus."""
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            together = CollectorRegistry()
            multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
            return generate_latest(together)
        return generate_latest(self.registry)
