"""What interests in words add for users with 1 to 5 targets: `python benchmarks/interests.py`.

Films of movielens-small as the engine recommends them. A third of the users, at most `--users`, are
taken out of what is learned from, and known by their first 1, 2, 3 and 5 ratings; films that they
liked later are to be found among all. The interests are the genres and tags of highest score (see
`polyscene.enrichment.users`), or with `--model` those that a language model chooses of them. Once
for each `--source` alone, and for all of the preset ("preset"): NDCG@10 without them and with the
weight and the fade that the other half of the users chose, and which lengths of history the gate
opens for. This is what `polyscene enrich --users --measure` measures in a workspace.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from polyscene.data.importers import import_folder
from polyscene.evaluation.interests import measure_interests
from polyscene.settings import parse_settings
from polyscene.workspace import Workspace

DATA = Path(__file__).parent.parent.parent / "shared" / "data"


def settings(source: str, model: str, threads: int) -> Any:
    video: dict[str, Any] = {"preset": "video"}
    if source != "preset":
        video["sources"] = {source: 1.0}
    table: dict[str, Any] = {"scenarios": {"video": video}}
    if model:
        table["llm"] = {"provider": "local", "model": model, "threads": threads, "timeout_s": 600}
    return parse_settings(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA / "movielens-small")
    parser.add_argument("--model", default="", help="a GGUF file or package:NAME")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--users", type=int, default=203)
    parser.add_argument("--source", nargs="+", default=["semantic-mean", "semantic-soft", "preset"])
    parser.add_argument("--work", type=Path, help="a workspace that is kept with all answers")
    args = parser.parse_args()
    print("| sources | known | users | without | with | difference, 95 % | gate |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = args.work or Path(folder) / "w"
        path.mkdir(parents=True, exist_ok=True)
        for source in args.source:
            with Workspace(path, settings(source, args.model, args.threads)) as workspace:
                if not workspace.store.counts().items:
                    import_folder("movielens", args.data, sink=workspace.store, on_error="skip")
                now = float(np.nanmax(workspace.store.dataset().timestamp)) + 1
                start = time.perf_counter()
                gate = measure_interests(workspace, "video", args.users, now=now)
            for band in gate.bands:
                change = f"{band.after - band.before:+.4f} ({band.low:+.4f} to {band.high:+.4f})"
                print(
                    f"| {source} | {band.most} | {band.users} | {band.before:.4f} | "
                    f"{band.after:.4f} | {change} | {'on' if band.gains else 'off'} |"
                )
            print(
                f"# {source}: weight {gate.weight:g}, fade {gate.fade:g}, "
                f"{time.perf_counter() - start:.0f} s; {json.dumps(gate.model_dump())}",
                flush=True,
            )


if __name__ == "__main__":
    main()
