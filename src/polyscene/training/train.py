"""Training an encoder on a workspace: from the store to `workspace:NAME`."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from polyscene.data.dataset import Dataset, Links
from polyscene.errors import DataError, PolysceneError
from polyscene.logs import NO_PROGRESS, Progress, get_logger
from polyscene.training.card import card
from polyscene.training.config import EncoderTraining
from polyscene.training.judge import Held, Judge, hold_out, itself, questions
from polyscene.training.objectives import OBJECTIVES, Job, based, check_extras
from polyscene.training.pairs import (
    KINDS,
    Behaviour,
    Material,
    Pairs,
    behaviour,
    denoising,
    material,
    pairs,
)
from polyscene.training.runs import open_run, promote
from polyscene.training.tracking import told_to_tensorboard
from polyscene.workspace import Workspace

__all__ = ["Outcome", "train_encoder"]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave."""

    name: str
    version: str
    passed: bool
    """Whether the new encoder is at least as good as its base on what was held out, or made for
    speed and nearly as good (`keep`), and is the current one now."""
    before: dict[str, float]
    """NDCG@10 of the base on what was held out, by scenario and their "mean"."""
    after: dict[str, float]
    """The same of the new encoder."""
    seconds: float
    folder: Path
    resumed: bool
    """Whether it went on from checkpoints of an earlier start."""
    gained: bool = True
    """Whether training found anything as good as its start; else the weights are the start's."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What else was measured, by what was trained: `texts_per_second` and `bytes`, each by "base"
    and what was made of it, where that was for speed."""


def train_encoder(
    workspace: Workspace,
    config: EncoderTraining,
    *,
    data: Dataset | None = None,
    links: Links | None = None,
    resume: bool = True,
    progress: Progress = NO_PROGRESS,
) -> Outcome:
    """Train an encoder on what users did, and make it `workspace:NAME` if it is no worse.

    Args:
        workspace: The workspace; the run is kept in its folder `runs`.
        config: The options.
        data: The events to learn from; all of the store when omitted.
        links: The relations to learn from; all of the store when omitted.
        resume: Whether an unfinished run of the same options and data is gone on with.
        progress: Told about the steps.

    Raises:
        DataError: When there are no two pairs to learn from, or nothing to judge by.
        SettingsError: When an option is wrong, or does not fit the model.
        EncoderError: When the base cannot be loaded, or memory does not suffice.
        MissingExtraError: When the extra `train` is needed and not installed.
    """
    started = time.monotonic()
    check_extras(config)
    config = based(workspace, config)
    store, settings = workspace.store, workspace.settings
    scenarios = config.checked(list(settings.scenarios))
    data = store.dataset() if data is None else data
    links = store.links() if links is None else links
    held = hold_out(data, links, settings, scenarios, config.share, config.seed)
    items = list(store.items(list(data.items.ids)))
    order = {item.item_id: item for item in items}
    users = {user.user_id: user for user in store.users()}
    known = [order[name] for name in data.items.ids]
    found = material(known, users, held.train, held.links, settings)
    said = behaviour(found)
    some = _pairs(found, scenarios, said, config)
    some, judge = _judged(found, held, some, scenarios, config)
    counts = some.counts()
    run = open_run(workspace.runs, config, _fingerprint(some, found), {"pairs": counts}, resume)
    _log.info("%s %s: %s", config.name, run.version, counts)
    job = Job(workspace, config, found, said, some, judge, run, progress)
    try:
        made = OBJECTIVES[config.objective](job)
    except PolysceneError:
        run.discard()
        raise
    kept = 1.0 if config.trains else config.keep
    passed = made.gained and made.after["mean"] >= kept * made.before["mean"]
    seconds = round(time.monotonic() - started, 1)
    metrics = {
        "passed": passed, "gained": made.gained, "before": made.before, "after": made.after,
        "seconds": seconds, **made.more,
    }  # fmt: skip
    told_to_tensorboard(run.folder, made.before, made.after, made.more)
    run.finish(metrics, card(config, counts, metrics))
    if passed:
        promote(workspace.runs, config.name, run.version)
    return Outcome(
        config.name, run.version, passed, made.before, made.after, seconds, run.folder,
        run.resumed, made.gained, made.more,
    )  # fmt: skip


def _pairs(
    found: Material, scenarios: Sequence[str], said: Behaviour, config: EncoderTraining
) -> Pairs:
    if config.objective == "adapt":
        some = denoising(found, scenarios)
        if len(some) < 2:
            raise DataError(f"{len(some)} items with a text to adapt to; at least two are needed")
        return some
    some = pairs(found, scenarios, said, itself=bool(config.self_supervised))
    if not len(some) and config.self_supervised is None:
        some = pairs(found, scenarios, said, itself=True)
        if len(some) and config.objective == "contrastive":
            _log.warning(
                "%s: no two targets were a success with the same users in %s; learning from two "
                "texts of one item alone",
                config.name, ", ".join(scenarios),
            )  # fmt: skip
    if config.objective == "contrastive" and len(np.unique(some.positive)) < 2:
        raise DataError(
            f"{len(some)} pairs to learn from in {', '.join(scenarios)}; at least two targets are "
            "needed. Pairs come from users who succeeded with several items of which two share "
            "two users, from stated interests, and from items with two texts (self_supervised)"
        )
    return some


def _judged(
    found: Material, held: Held, some: Pairs, scenarios: Sequence[str], config: EncoderTraining
) -> tuple[Pairs, Judge]:
    """The pairs to learn from, and the judge of what is held out.

    Raises:
        DataError: When there is nothing to judge by.
    """
    judge = Judge(questions(held, found.settings, scenarios, config.seed), found.texts)
    own = np.isin(some.kind, [KINDS.index("itself"), KINDS.index("denoised")])
    several = sum(len(texts) > 1 for texts in found.texts[: found.items])
    if judge or not own.any() or several < 4:
        if not judge:
            raise DataError(
                "nothing to judge the new encoder by: no user has both a success held out and "
                f"others before it; {len(found.data)} events in {', '.join(scenarios)}; "
                f"{several} items with several texts"
            )
        return some, judge
    asked, added, rows = itself(found.texts, found.items, config.share, config.seed)
    rest = some.take(~(own & np.isin(some.anchor, rows)))
    return rest, Judge({scenarios[0]: asked}, [*found.texts, *added])


def _fingerprint(some: Pairs, found: Material) -> str:
    """SHA-256 over the pairs and the texts."""
    total = hashlib.sha256()
    for column in (some.anchor, some.positive, some.strength, some.scenario, some.kind):
        total.update(np.ascontiguousarray(column).tobytes())
    for texts in found.texts:
        total.update("\x1f".join(texts).encode())
        total.update(b"\x1e")
    return total.hexdigest()
