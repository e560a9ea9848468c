"""Training an encoder on a workspace: from the store to `workspace:NAME`."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from polyscene.component import Vectors
from polyscene.data.dataset import Dataset, Links
from polyscene.encoders import Encoder, open_encoder
from polyscene.encoders.trained import ENCODER_FILE, model_folder
from polyscene.errors import DataError, SettingsError
from polyscene.extras import require
from polyscene.logs import NO_PROGRESS, Progress, get_logger
from polyscene.represent.items import encode_groups
from polyscene.represent.whiten import normalise
from polyscene.settings import parse_settings
from polyscene.training.card import card
from polyscene.training.config import EncoderTraining, base_model
from polyscene.training.judge import Held, Judge, hold_out, itself, questions
from polyscene.training.linear_map import linear_map
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
from polyscene.training.runs import Run, open_run, promote
from polyscene.workspace import Workspace

__all__ = ["Outcome", "train_encoder"]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave."""

    name: str
    version: str
    passed: bool
    """Whether the new encoder is at least as good as its base on what was held out, or distilled
    and nearly as good (`keep`), and is the current one now."""
    before: dict[str, float]
    """NDCG@10 of the base on what was held out, by scenario and their "mean"."""
    after: dict[str, float]
    """The same of the new encoder."""
    seconds: float
    folder: Path
    resumed: bool
    """Whether it went on from checkpoints of an earlier start."""


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
    if config.objective == "distil":
        for module in ("torch", "sentence_transformers"):
            require(module, "train", "polyscene train encoder")
    elif config.objective != "map":
        more = () if config.adapter == "head" else ("sentence_transformers", "transformers", "peft")
        for module in ("torch", *more):
            require(module, "train", "polyscene train encoder")
    config = _based(workspace, config)
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
    if config.objective == "map":
        before, after, extra = _map(workspace, found, said, judge, config, run, progress)
    elif config.objective == "distil":
        before, after, extra = _distil(found, judge, config, run, progress)
    elif config.adapter == "head":
        before, after, extra = _head(workspace, found, some, judge, config, run, progress)
    else:
        before, after, extra = _contrast(found, some, judge, config, run, progress)
    kept = config.keep if config.objective == "distil" else 1.0
    passed = after["mean"] >= kept * before["mean"]
    seconds = round(time.monotonic() - started, 1)
    metrics = {"passed": passed, "before": before, "after": after, "seconds": seconds, **extra}
    run.finish(metrics, card(config, counts, metrics))
    if passed:
        promote(workspace.runs, config.name, run.version)
    return Outcome(
        config.name, run.version, passed, before, after, seconds, run.folder, run.resumed
    )


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


def _contrast(
    found: Material,
    some: Pairs,
    judge: Judge,
    config: EncoderTraining,
    run: Run,
    progress: Progress,
) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
    from polyscene.training.contrastive import train

    trained = train(some, found.texts, judge, config, run.folder, run.resumed, progress)
    trained.model.save_pretrained(str(run.model), create_model_card=False)
    _write(run.model, {"type": "transformer", "model": ".", "max_tokens": config.max_tokens})
    more = {
        "steps": trained.steps,
        "trained_parameters": trained.parameters,
        "parameters": trained.total,
        "history": trained.history,
    }
    return trained.before, trained.after, more


def _map(
    workspace: Workspace,
    found: Material,
    said: Behaviour,
    judge: Judge,
    config: EncoderTraining,
    run: Run,
    progress: Progress,
) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
    table = _table(workspace, config)
    base = open_encoder([table], workspace.path / "cache", workspace.runs)
    try:
        vectors = encode_groups(found.texts[: found.items], base, progress)
        matrix = linear_map(vectors, said, config.reg, config.components)
        before = judge(_encode(base))
        after = judge(lambda texts: normalise(base.encode(texts) @ matrix))
    finally:
        base.close()
    _save_map(run.model, matrix, table)
    return before, after, {"parameters": int(matrix.size)}


def _head(
    workspace: Workspace,
    found: Material,
    some: Pairs,
    judge: Judge,
    config: EncoderTraining,
    run: Run,
    progress: Progress,
) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
    from polyscene.training.head import train_head

    table = _table(workspace, config)
    base = open_encoder([table], workspace.path / "cache", workspace.runs)
    try:
        head = train_head(some, found.texts, base, judge, config, progress)
    finally:
        base.close()
    _save_map(run.model, head.matrix, table)
    size = int(head.matrix.size)
    more = {"steps": head.steps, "trained_parameters": size, "history": head.history}
    return head.before, head.after, more


def _distil(
    found: Material,
    judge: Judge,
    config: EncoderTraining,
    run: Run,
    progress: Progress,
) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
    from polyscene.training.distil import distil

    model = base_model(config.base)
    texts = list(dict.fromkeys(text for own in found.texts[: found.items] for text in own))
    made = distil(model, texts, judge, config, run.model, progress)
    _write(run.model, {"type": "static", "folder": "."})
    more = {"tokens": made.tokens, "parameters": made.tokens * made.dim,
            "texts_per_second": {"base": made.base_rate, "distilled": made.rate}}  # fmt: skip
    return made.before, made.after, more


def _save_map(folder: Path, matrix: Vectors, table: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    np.save(folder / "map.npy", matrix)
    _write(folder, {"type": "mapped", "map": "map.npy", "base": table})


def _based(workspace: Workspace, config: EncoderTraining) -> EncoderTraining:
    """The options with the folder of the version that is trained on, where one of the workspace is.

    Raises:
        NotFoundError: When there is no encoder of that name.
        SettingsError: When it is no transformer.
    """
    kind, _, name = (config.base or "").partition(":")
    if kind != "workspace" or config.objective == "map" or config.adapter == "head":
        return config
    folder = model_folder(workspace.runs, name)
    kind = json.loads((folder / ENCODER_FILE).read_text("utf-8"))["type"]
    if kind != "transformer":
        raise SettingsError(
            f"training.base: {config.base} is of the type {kind!r}, which this training cannot go "
            "on from; expected a transformer, as contrastive and adapt make them"
        )
    return config.model_copy(update={"base": str(folder)})


def _table(workspace: Workspace, config: EncoderTraining) -> dict[str, Any]:
    """The table of the encoder that is mapped.

    Raises:
        DataError: When the workspace has several, and none is named.
    """
    base = config.base
    if base is not None and Path(base).is_dir():
        model = str(Path(base).resolve())
        return {"type": "transformer", "model": model, "max_tokens": config.max_tokens}
    if base is not None:
        return dict(parse_settings({"encoders": [base]}).encoders[0])
    tables = workspace.settings.encoders
    if len(tables) != 1:
        raise DataError(
            f"the workspace has {len(tables)} encoders; name the one to map, such as --base bundled"
        )
    return dict(tables[0])


def _encode(encoder: Encoder) -> Callable[[list[str]], Vectors]:
    return lambda texts: encoder.encode(texts)


def _write(folder: Path, table: dict[str, Any]) -> None:
    (folder / ENCODER_FILE).write_text(json.dumps(table, indent=2), "utf-8")


def _fingerprint(some: Pairs, found: Material) -> str:
    """SHA-256 over the pairs and the texts."""
    total = hashlib.sha256()
    for column in (some.anchor, some.positive, some.strength, some.scenario, some.kind):
        total.update(np.ascontiguousarray(column).tobytes())
    for texts in found.texts:
        total.update("\x1f".join(texts).encode())
        total.update(b"\x1e")
    return total.hexdigest()
