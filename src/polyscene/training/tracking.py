"""Where runs are told to: TensorBoard into their folder, and other trackers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from polyscene.logs import get_logger

__all__ = ["tracked", "trackers"]

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
