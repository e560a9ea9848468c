"""Whether a language model's order is better than the engine's, on events that are held out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from polyscene.engine.answer import Answer
from polyscene.engine.listing import BANDS, Gate, Method, Told, prompt_of, reordered
from polyscene.engine.recommender import Recommender
from polyscene.errors import DataError
from polyscene.evaluation.protocols import Plan, split
from polyscene.fitting.past import DatasetPast
from polyscene.fitting.run import fit_to, on_rows
from polyscene.llm import Account, LanguageModel, Outcome, Prompt, Request, Usage
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.metrics.bands import band_of
from polyscene.metrics.ranking import ndcg
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace

__all__ = ["measure_reranking"]

_THOUSAND = 1000


def measure_reranking(
    workspace: Workspace,
    language_model: LanguageModel,
    scenario: str,
    method: Method,
    depth: int,
    users: int,
    seed: int = 0,
    now: float | None = None,
    progress: Progress = NO_PROGRESS,
    plan: Plan | None = None,
) -> Gate:
    """Fit without the last thing that each user came to, ask, and let a model order the lists.

    Looked at are users whose list has something to find in its first `depth` places: on all others
    no order makes a difference. Which users is drawn at random.

    Args:
        workspace: The workspace; nothing is written to it but what the model answers.
        language_model: The model.
        scenario: Whose lists.
        method: How the model is asked.
        depth: How many places it orders.
        users: How many users at most.
        seed: Of the draw.
        now: The time of the questions, seconds since 1970-01-01 UTC; the clock when omitted.
        progress: Where steps report.
        plan: What is held out in place of that.

    Raises:
        DataError: When nothing can be held out, or no list has anything to find.
        SettingsError: When the scenario is unknown.
    """
    moment = time.time() if now is None else now
    settings, store = workspace.settings, workspace.store
    settings.scenario(scenario)
    held = plan or Plan("leave-one-out", (scenario,), seed=seed)
    part = split(store.dataset(), store.links(), settings, held, moment)
    model = fit_to(workspace, part.train, part.links, progress, part.now)
    past = DatasetPast(on_rows(part.train, model.items.targets.ids), part.links, store.users)
    recommender = Recommender(settings, model, workspace.encoder, Verbaliser(settings), past)
    relevant, ids = part.relevant[scenario], part.train.items.ids
    names = [part.train.users.ids[row] for row in part.questions.users.tolist()]
    found: list[tuple[Answer, set[str]]] = []
    places = np.random.default_rng(seed).permutation(np.flatnonzero(relevant.getnnz(axis=1)))
    for place in places.tolist():
        wanted = {ids[row] for row in relevant[place].indices.tolist()}
        (answer,) = recommender.answers(
            [names[place]], scenario, depth, part.now, reasons=False, seed=seed
        )
        if wanted & {item.item_id for item in answer.items}:
            found.append((answer, wanted))
        if len(found) == users:
            break
    if not found:
        raise DataError(f"no list of {depth} in {scenario} has anything to find in it")

    def told(name: str) -> Told:
        return recommender.told(name, scenario, part.now)

    return _measured(language_model, found, told, method, depth, progress)


def _measured(
    language_model: LanguageModel,
    found: Sequence[tuple[Answer, set[str]]],
    told: Any,
    method: Method,
    depth: int,
    progress: Progress,
) -> Gate:
    prompt = prompt_of(method)
    account = Account(language_model.chat.id, prompt.name, prompt.version)
    job, before = language_model.job("rerank"), language_model.ledger.usage().get(account, Usage())

    def ask(prompt: Prompt, requests: Sequence[Request[Any]]) -> list[Outcome[Any]]:
        return job.ask(prompt, requests)

    sizes, old, new, seconds = [], [], [], []
    with progress.task("order", len(found), "lists") as task:
        for answer, wanted in found:
            known = told(answer.user_id)
            start = time.perf_counter()
            after = reordered(answer, known, ask, method, depth)
            seconds.append(time.perf_counter() - start)
            task.advance()
            if after is answer:
                continue
            sizes.append(known.size)
            old.append(_ndcg(answer, wanted, depth))
            new.append(_ndcg(after, wanted, depth))
    after_all = language_model.ledger.usage().get(account, Usage())
    lists = max(len(found), 1)
    tokens_in = (after_all.tokens_in - before.tokens_in) / lists
    tokens_out = (after_all.tokens_out - before.tokens_out) / lists
    limits = language_model.settings
    cost = (tokens_in * limits.price_in + tokens_out * limits.price_out) / 1e6 * _THOUSAND
    return Gate(
        model=language_model.chat.id,
        prompt=prompt.version,
        method=method,
        depth=depth,
        bands=tuple(band_of(least, most, sizes, old, new) for least, most in BANDS),
        asked=len(found),
        answered=len(sizes),
        seconds=round(median(seconds), 3),
        cost=cost,
        tokens=tokens_in + tokens_out,
    )


def _ndcg(answer: Answer, wanted: set[str], depth: int) -> float:
    hits = np.zeros((1, depth), np.bool_)
    for place, item in enumerate(answer.items[:depth]):
        hits[0, place] = item.item_id in wanted
    return float(ndcg(hits, np.array([len(wanted)]), depth)[0])
