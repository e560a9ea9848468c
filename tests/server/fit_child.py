"""Fits the tiny world in a directory; "slow" waits before it is saved, "bad" fails."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import tiny_world

path, kind = Path(sys.argv[1]), sys.argv[2]
with tiny_world.reopen(path, pages={"home": {"rows": ["shop", "news"]}}) as engine:
    if kind == "bad":
        raise SystemExit("error: it went wrong")
    if kind == "slow":
        time.sleep(60)
    engine.fit()
print(f"fitted {path}")  # noqa: T201
