"""Where runs are told to: TensorBoard into their folder, and other trackers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from polyscene.logs import get_logger

__all__ = ["told_to_tensorboard", "tracked", "trackers"]

_LOGS = "logs"
_log = get_logger(__name__)


def trackers() -> list[str]:
    """TensorBoard where it is installed; others where they are installed and configured."""
    import transformers

    hf: Any = transformers
    found = ["tensorboard"] if hf.integrations.is_tensorboard_available() else []
    for name, variable in (("wandb", "WANDB_API_KEY"), ("mlflow", "MLFLOW_TRACKING_URI")):
        if not os.environ.get(variable):
            continue
        if getattr(hf.integrations, f"is_{name}_available")():
            found.append(name)
        else:
            _log.warning("%s is set, but %s is not installed: the run is not told to it; "
                         "pip install %s", variable, name, name)  # fmt: skip
    return found


@contextmanager
def tracked(folder: Path) -> Iterator[None]:
    """Where trackers write, as far as the environment does not say it."""
    own = {
        "TENSORBOARD_LOGGING_DIR": str(folder / _LOGS),
        "WANDB_PROJECT": "polyscene",
        "MLFLOW_EXPERIMENT_NAME": "polyscene",
    }
    added = {name: value for name, value in own.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def told_to_tensorboard(
    folder: Path, before: Mapping[str, float], after: Mapping[str, float], more: Mapping[str, Any]
) -> None:
    """Write what a run that no trainer logged measured, where TensorBoard is installed.

    The names are those of transformers' runs: eval/ndcg, eval/ndcg_SCENARIO and train/loss.

    Args:
        folder: That of the run.
        before: NDCG@10 by scenario, and their mean as "mean", before the first step.
        after: The same after the last one.
        more: What else was measured: its "history" and "steps", as far as there are any, and the
            rates and sizes of what was made faster.
    """
    if (folder / _LOGS).exists():
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # torch or tensorboard
        return
    with SummaryWriter(str(folder / _LOGS)) as writer:
        for step, found in ((0, before), (int(more.get("steps", 1)), after)):
            for name, value in found.items():
                own = "eval/ndcg" if name == "mean" else f"eval/ndcg_{name}"
                writer.add_scalar(own, value, step)
        for one in more.get("history", []):
            for name in ("loss", "ndcg"):
                if name in one:
                    writer.add_scalar(f"train/{name}", one[name], one["step"])
        for name in ("texts_per_second", "bytes"):
            for step, value in enumerate(more.get(name, {}).values()):
                writer.add_scalar(f"eval/{name}", value, step)
