"""Fast forms of a transformer, quality and rate: `python benchmarks/faster.py --out DIR`.

movielens-small (rating >= 4 is a success), all-MiniLM-L6-v2 with texts of `--max-tokens`. Each form
is made by `train_encoder`, and judged beside its base on the same held-out events as every training
is (docs/training.md): mean cosine on vectors as they come.

    MiniLM             by torch
    ONNX, float32      objective `onnx`, precision float32
    ONNX, int8         the same with weights of 8 bits
    vectors of tokens  objective `distil`

`--rates` measures nothing but the texts that each encodes in a second, titles with overviews, with
one thread, and wants the machine for itself; the forms must have been made before. Prints a line
of JSON a row.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import semantic
from polyscene.encoders import Encoder, onnx, open_encoder
from polyscene.engine import Engine
from polyscene.settings import parse_settings
from polyscene.text.verbalise import Verbaliser
from polyscene.training import EncoderTraining, train_encoder
from polyscene.training.config import base_model
from polyscene.training.rate import rate
from polyscene.workspace import Workspace

TOLD = ("bytes", "tokens", "parameters", "texts_per_second", "seconds")
SETTINGS = {"scenarios": {"video": {"preset": "video", "positive": ["rate>=4"]}}}
FORMS: dict[str, dict[str, Any]] = {
    "float32": {"objective": "onnx", "precision": "float32"},
    "int8": {"objective": "onnx"},
    "tokens": {"objective": "distil"},
}


def opened(path: Path) -> Workspace:
    path.mkdir(parents=True, exist_ok=True)
    workspace = Workspace(path, parse_settings(SETTINGS))
    if not workspace.store.counts().items:
        folder = semantic.DATA / "movielens-small"
        Engine(workspace).import_folder("movielens", folder, on_error="skip")
    return workspace


def made(workspace: Workspace, tokens: int, forms: list[str]) -> None:
    for name in forms:
        config = EncoderTraining(name=name, max_tokens=tokens, keep=0.01, **FORMS[name])
        outcome = train_encoder(workspace, config)
        metrics = json.loads((outcome.folder / "metrics.json").read_text("utf-8"))
        said = {key: metrics[key] for key in TOLD if key in metrics}
        size = sum(file.stat().st_size for file in (outcome.folder / "model").iterdir())
        row = {"form": name, "before": outcome.before["mean"], "after": outcome.after["mean"]}
        print(json.dumps({**row, "folder": size, **said}), flush=True)


def rates(workspace: Workspace, tokens: int, forms: list[str], count: int) -> None:
    verbaliser = Verbaliser(workspace.settings)
    texts = [verbaliser.item(item)[0] for item in workspace.store.items()][:count]
    base = {"type": "transformer", "model": base_model(None), "max_tokens": tokens, "device": "cpu"}
    tables = {"MiniLM": base, **{name: {"type": "workspace", "name": name} for name in forms}}
    for name, table in tables.items():
        encoder: Encoder = open_encoder([table], None, workspace.runs)
        print(json.dumps({"form": name, "texts a second": rate(encoder, texts)}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="the workspace, kept")
    parser.add_argument("--rates", type=int, metavar="TEXTS", help="measure rates by so many texts")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--forms", nargs="*", choices=FORMS, default=list(FORMS))
    options = parser.parse_args()
    if not semantic.DATA.is_dir():
        sys.exit(f"skipped: no data sets in {semantic.DATA}")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with opened(options.out) as workspace:
        if options.rates:
            onnx.THREADS = 1
            importlib.import_module("torch").set_num_threads(1)
            rates(workspace, options.max_tokens, options.forms, options.rates)
        else:
            made(workspace, options.max_tokens, options.forms)


if __name__ == "__main__":
    main()
