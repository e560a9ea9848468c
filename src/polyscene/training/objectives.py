"""What each objective makes of a base, judged beside it: the weights of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from polyscene.component import Vectors, component_names
from polyscene.encoders import Encoder, open_encoder
from polyscene.encoders.trained import ENCODER_FILE, model_folder
from polyscene.errors import DataError, SettingsError
from polyscene.extras import require
from polyscene.logs import Progress
from polyscene.represent.items import encode_groups
from polyscene.represent.whiten import normalise
from polyscene.settings import parse_settings
from polyscene.training.config import EncoderTraining
from polyscene.training.judge import Judge, Judged
from polyscene.training.linear_map import linear_map
from polyscene.training.pairs import Behaviour, Material, Pairs
from polyscene.training.runs import Run
from polyscene.workspace import Workspace

__all__ = ["OBJECTIVES", "Job", "based", "check_extras"]

_PURPOSE = "polyscene train encoder"


@dataclass(frozen=True, slots=True)
class Job:
    """All that a run has to work with."""

    workspace: Workspace
    config: EncoderTraining
    found: Material
    said: Behaviour
    pairs: Pairs
    judge: Judge
    run: Run
    progress: Progress

    @property
    def all_texts(self) -> list[str]:
        """The texts of all items, one after the other."""
        return [text for own in self.found.texts[: self.found.items] for text in own]

    @property
    def texts(self) -> list[str]:
        """The different texts of the items."""
        return list(dict.fromkeys(self.all_texts))

    def describe(self, **table: Any) -> None:
        """Write how the weights in the run's folder are used."""
        (self.run.model / ENCODER_FILE).write_text(json.dumps(table, indent=2), "utf-8")


def check_extras(config: EncoderTraining) -> None:
    """Check that what an objective needs is installed.

    Raises:
        MissingExtraError: When it is not.
    """
    if config.objective == "map":
        return
    require("torch", "train", _PURPOSE)
    if config.adapter == "head":
        return
    require("sentence_transformers", "train", _PURPOSE)
    if config.objective == "onnx":
        for module in ("onnx", "onnxscript", "onnxruntime", "tokenizers"):
            require(module, "onnx", "the objective onnx")
    elif config.objective != "distil":
        require("peft", "train", _PURPOSE)


def based(workspace: Workspace, config: EncoderTraining) -> EncoderTraining:
    """The options with the folder of the version that is trained on, where one of the workspace is.

    Raises:
        NotFoundError: When there is no encoder of that name.
        SettingsError: When it is no transformer, or a folder that is not there.
    """
    kind, _, name = (config.base or "").partition(":")
    if config.objective == "map" or config.adapter == "head":
        return config
    if kind in component_names(Encoder.family) and kind != "workspace":
        raise SettingsError(
            f"training.base: got {config.base!r}, an encoder that is not trained itself; expected "
            'a folder with a sentence-transformers model, a public name or "workspace:NAME". A '
            "matrix can be put behind it: objective map, or adapter head"
        )
    if kind.startswith((".", "/", "~")) and not Path(kind).is_dir():
        raise SettingsError(f"training.base: there is no folder {config.base}")
    if kind != "workspace":
        return config
    folder = model_folder(workspace.runs, name)
    kind = json.loads((folder / ENCODER_FILE).read_text("utf-8"))["type"]
    if kind != "transformer":
        raise SettingsError(
            f"training.base: {config.base} is of the type {kind!r}, which this training cannot go "
            "on from; expected a transformer, as contrastive and adapt make them"
        )
    return config.model_copy(update={"base": str(folder)})


def _contrast(job: Job) -> Judged:
    if job.config.adapter == "head":
        return _head(job)
    from polyscene.training.contrastive import train

    made = train(
        job.pairs, job.found.texts, job.all_texts, job.judge, job.config, job.run, job.progress
    )
    job.describe(type="transformer", model=".", max_tokens=job.config.max_tokens)
    return made


def _head(job: Job) -> Judged:
    from polyscene.training.head import train_head

    return _behind(
        job,
        lambda base: train_head(
            job.pairs, job.found.texts, base, job.judge, job.config, job.progress
        ),
    )


def _map(job: Job) -> Judged:
    def learn(base: Encoder) -> tuple[Vectors, Judged]:
        vectors = encode_groups(job.found.texts[: job.found.items], base, job.progress)
        matrix = linear_map(vectors, job.said, job.config.reg, job.config.components)
        before = job.judge(base.encode)
        after = job.judge(lambda texts: normalise(base.encode(texts) @ matrix))
        return matrix, Judged(before, after, {"parameters": int(matrix.size)})

    return _behind(job, learn)


def _behind(job: Job, learn: Callable[[Encoder], tuple[Vectors, Judged]]) -> Judged:
    """A matrix behind an encoder that stays as it is."""
    workspace, folder = job.workspace, job.run.model
    table = _table(workspace, job.config)
    with closing(open_encoder([table], workspace.path / "cache", workspace.runs)) as base:
        matrix, made = learn(base)
    folder.mkdir(exist_ok=True)
    np.save(folder / "map.npy", matrix)
    job.describe(type="mapped", map="map.npy", base=table)
    return made


def _distil(job: Job) -> Judged:
    from polyscene.training.distil import distil

    made = distil(job.texts, job.judge, job.config, job.run.model, job.progress)
    job.describe(type="static", folder=".")
    return made


def _onnx(job: Job) -> Judged:
    from polyscene.training.export import export

    made = export(job.texts, job.judge, job.config, job.run.model)
    job.describe(type="onnx", folder=".")
    return made


OBJECTIVES: dict[str, Callable[[Job], Judged]] = {
    "contrastive": _contrast,
    "adapt": _contrast,
    "map": _map,
    "distil": _distil,
    "onnx": _onnx,
}


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
