"""Simulated behaviour of the people in the sample world, from a latent-interest model.

It is simulated, not observed: it shows the machinery, and says nothing of real people. The model:

    θ_u   interests of a user: 1, 1/2, 1/3, ... over the listed ones in order, normalised
    φ_i   the same for a target
    a_ui  affinity: cosine of θ_u and φ_i, times 0.5 when their languages differ
    q_i   quality of a target: exp(0.4 · N(0, 1))

In each scenario a user is shown targets with probability proportional to q_i · (0.03 + a_ui) and
acts on each: the weakest action always, and then the strongest with probability σ(7a - 3.5), else
the middle one with σ(7a - 2), else a dislike with 0.08 · (1 - a).
Times are uniform in the 90 days before `NOW`, but not before the target appeared. Users follow
each other with probability rising with the cosine of their θ. Everything is drawn from one seed.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polyscene.demo.world import World

__all__ = ["NEWCOMERS", "NOW", "simulate", "write_world"]

NOW = datetime(2026, 11, 1, tzinfo=UTC)
"""The moment at which the simulated behaviour ends."""
NEWCOMERS = 8
"""How many people, the last ones, have little or no behaviour."""
_DAYS = 90
_LADDERS = {
    "shop": ("view", "cart", "purchase"),
    "news": ("click", "read", "like"),
    "music": ("play", "like", "save"),
    "video": ("click", "watch", "like"),
    "travel": ("view", "save", "book"),
    "education": ("view", "click", "enrol"),
    "health": ("view", "read", "like"),
}
_SHOWN = {
    "shop": 9, "news": 12, "music": 9, "video": 10, "travel": 6, "education": 5, "health": 6,
}  # fmt: skip
"""How many targets a user is shown, on average."""


def simulate(world: World, seed: int = 0) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Events and relations of the people of a world, in order of time.

    Args:
        world: The world.
        seed: Equal seeds give equal behaviour.
    """
    rng = np.random.default_rng(seed)
    theta = _profiles(world.user_interests, world.interests)
    affinity = theta @ _profiles(world.item_interests, world.interests).T
    languages = np.array([item["language"] for item in world.items])
    for row, user in enumerate(world.users):
        affinity[row] *= np.where(languages == user["language"], 1.0, 0.5)
    quality = np.exp(0.4 * rng.standard_normal(len(world.items)))
    events: list[dict[str, Any]] = []
    for row, user in enumerate(world.users):
        for scenario in _LADDERS:
            events += _acts(rng, world, user, affinity[row], quality, scenario, _share(world, row))
    follows, relations = _follows(rng, world, theta)
    events = sorted(events + follows, key=lambda event: str(event["timestamp"]))
    for number, event in enumerate(events, start=1):
        event["event_id"] = f"sim-{number:05d}"
    return events, relations


def write_world(world: World, folder: Path, seed: int = 0) -> dict[str, Path]:
    """Write a world and its simulated behaviour as JSON lines, ready for ingest.

    Returns:
        The files by kind: items, users, events, relations.
    """
    events, relations = simulate(world, seed)
    kinds = {
        "items": world.items, "users": world.users, "events": events, "relations": relations,
    }  # fmt: skip
    paths = {}
    for kind, records in kinds.items():
        paths[kind] = folder / f"{kind}.jsonl"
        lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        paths[kind].write_text("".join(lines), encoding="utf-8")
    return paths


def _profiles(lists: list[list[str]], names: list[str]) -> npt.NDArray[np.float64]:
    """One unit row over the interests for each list. Shape (lists, interests)."""
    column = {name: place for place, name in enumerate(names)}
    profiles = np.zeros((len(lists), len(names)))
    for row, interests in enumerate(lists):
        for place, interest in enumerate(interests):
            profiles[row, column[interest]] = 1.0 / (place + 1)
    unit: npt.NDArray[np.float64] = profiles / np.linalg.norm(profiles, axis=1, keepdims=True)
    return unit


def _share(world: World, row: int) -> float:
    """How much of the usual behaviour a user shows: newcomers none, or very little."""
    newcomer = row - (len(world.users) - NEWCOMERS)
    if newcomer < 0:
        return 1.0
    return 0.0 if newcomer < NEWCOMERS // 2 else 0.1


def _acts(
    rng: np.random.Generator,
    world: World,
    user: dict[str, Any],
    affinity: npt.NDArray[np.float64],
    quality: npt.NDArray[np.float64],
    scenario: str,
    share: float,
) -> list[dict[str, Any]]:
    """What one user does in one scenario."""
    shown = np.array([scenario in item["scenarios"] for item in world.items])
    chance = quality * (0.03 + affinity) * shown
    count = min(int(rng.poisson(_SHOWN[scenario] * share)), int(shown.sum()))
    picked = rng.choice(len(chance), size=count, replace=False, p=chance / chance.sum())
    events = []
    for row in picked.tolist():
        time = _moment(rng, world.items[row]["published_at"])
        for step, action in enumerate(_climb(rng, _LADDERS[scenario], affinity[row])):
            events.append(
                {
                    "user_id": user["user_id"],
                    "item_id": world.items[row]["item_id"],
                    "action": action,
                    "timestamp": _iso(time + timedelta(minutes=2 * step)),
                    "scenario": scenario,
                }
            )
    return events


def _climb(rng: np.random.Generator, ladder: tuple[str, ...], affinity: float) -> list[str]:
    weak, middle, strong = ladder
    if rng.random() < _sigmoid(7 * affinity - 3.5):
        return [weak, strong]
    if rng.random() < _sigmoid(7 * affinity - 2):
        return [weak, middle]
    return [weak, "dislike"] if rng.random() < 0.08 * (1 - affinity) else [weak]


def _follows(
    rng: np.random.Generator, world: World, theta: npt.NDArray[np.float64]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Who follows whom, as events in the social scenario and as relations."""
    alike = theta @ theta.T
    events, relations = [], []
    for row, user in enumerate(world.users[:-NEWCOMERS]):
        for other in np.argsort(-alike[row], kind="stable").tolist():
            if other == row or rng.random() >= 0.35 * alike[row, other] ** 2:
                continue
            follow = {"user_id": user["user_id"], "item_id": world.users[other]["user_id"]}
            time = _iso(_moment(rng, None))
            events.append(follow | {"action": "follow", "timestamp": time, "scenario": "social"})
            relations.append(
                {
                    "subject": follow["user_id"],
                    "predicate": "follows",
                    "object": follow["item_id"],
                }
            )
    return events, relations


def _moment(rng: np.random.Generator, published_at: str | None) -> datetime:
    """A time in the last days, not before the target appeared."""
    earliest = NOW - timedelta(days=_DAYS)
    if published_at is not None:
        earliest = max(earliest, datetime.fromisoformat(published_at))
    span = max((NOW - earliest).total_seconds() - 600, 1.0)
    return earliest + timedelta(seconds=int(rng.random() * span))


def _sigmoid(x: float) -> float:
    return float(1.0 / (1.0 + np.exp(-x)))


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
