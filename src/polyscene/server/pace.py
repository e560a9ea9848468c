"""How often the service looks around, and how long and for how many it waits."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["USUAL", "Pace"]


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of a service in seconds, and the length of its queue."""

    looks_s: float = 0.5
    """Between two looks for new records, models and keys."""
    logs_s: float = 1.0
    """Between two writes of impressions."""
    trends_s: float = 20.0
    """Between two looks for new events that change the trends."""
    store_s: float = 0.5
    """How long an answer waits for the store before it goes on with what was known."""
    encoder_s: float = 1.0
    """How long an answer waits for a text to be encoded before it leaves the text out."""
    queue: int = 512
    """Questions that wait for their answer, at most; what comes then is refused at once, since
    whoever asks would have given up before its turn."""


USUAL = Pace()
"""The pace of a service where nothing else is asked for."""
