"""Measuring a workspace: fit to what a protocol leaves, ask, and compare."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from polyscene.data.dataset import IntArray
from polyscene.errors import DataError
from polyscene.evaluation.audit import NO_AUDIT, Asked, Audit, Audited, audited, check_audit
from polyscene.evaluation.context import acted_pairs, activity, context_of
from polyscene.evaluation.measures import (
    Context,
    Measured,
    Slice,
    measured,
    slices,
)
from polyscene.evaluation.ordering import (
    Impressions,
    activity_parts,
    halves,
    impressions,
    ordering,
)
from polyscene.evaluation.predictions import Predicted
from polyscene.evaluation.protocols import Plan, Split, split
from polyscene.evaluation.systems import BASELINES, ENGINE, OTHER, Bench
from polyscene.evaluation.trade import steps
from polyscene.fitting.model import Fusion, Model, library_versions
from polyscene.fitting.run import fit_to
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.metrics.compare import Comparison, paired
from polyscene.settings import Settings
from polyscene.storage import Untold
from polyscene.workspace import Workspace

__all__ = ["Report", "ScenarioReport", "evaluate", "matched"]

Lists = Mapping[str, IntArray]
Values = Mapping[str, npt.NDArray[np.float64]]

_MATCHING = {"random": "random", "leave-one-out": "last", "given": "last", "time": "latest",
             "cold-users": "cold-users", "cold-items": "random"}  # fmt: skip
"""What a fit holds out for its own choices, by protocol: the like of what it will be asked."""


@dataclass(frozen=True, slots=True)
class ScenarioReport:
    """What was measured in one scenario."""

    scenario: str
    users: int
    """Users with something to find, or who were shown something."""
    questions: int
    """Lists that were asked for: one for each user, or for each user and context. With protocol
    impressions one for each user."""
    relevant: int
    """Pairs to find, or impressions that were a success."""
    targets: int
    """Targets that are ranked, or that were shown."""
    fusion: Fusion
    """The weights that the fit chose, and by what."""
    systems: dict[str, Measured]
    """Metrics of each system; the engine first."""
    against: dict[str, Comparison]
    """The main metric: the engine against each other system, question by question."""
    slices: list[Slice]
    """Recall of the engine and of popularity in parts of the users and targets."""
    impressions: Impressions | None = None
    """What was shown, with protocol impressions."""
    tasks: list[Predicted] = field(default_factory=list)
    """What the predicted tasks are worth."""
    audit: Audited | None = None
    """Who is served and shown, and what changing that costs, where it was asked for."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found."""

    protocol: str
    seed: int
    share: float
    k: tuple[int, ...]
    train_events: int
    fit_seconds: float
    ask_seconds: float
    """Time of all lists of the engine as declared; with protocol impressions of all systems."""
    date: str
    machine: str
    libraries: dict[str, str]
    scenarios: list[ScenarioReport] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    """Scenarios in which nobody had anything to find; they are not among `scenarios`."""
    by: str | None = None
    """With protocol impressions, what was held out: "latest" or "random"."""
    notes: list[str] = field(default_factory=list)
    """What the reader should know before believing the numbers."""

    @property
    def main(self) -> str:
        """The name of the main metric."""
        return "gauc" if self.protocol == "impressions" else f"ndcg@{self.k[0]}"

    def to_json(self) -> str:
        """The report as a JSON document; what is not defined is null."""
        return TypeAdapter(Report).dump_json(self, indent=2).decode() + "\n"


def evaluate(
    workspace: Workspace,
    plan: Plan,
    k: Sequence[int] = (10, 20),
    *,
    ablation: bool = True,
    audit: Audit = NO_AUDIT,
    against: Settings | None = None,
    progress: Progress = NO_PROGRESS,
    now: float | None = None,
) -> Report:
    """Measure the engine and the baselines on one split. Nothing in the workspace changes.

    A fit chooses its options on what it holds out of the training part in the way of the protocol,
    unless the workspace declares `validation.split`.

    Args:
        workspace: The workspace.
        plan: The protocol and its options.
        k: List lengths that metrics are reported for, the main one first.
        ablation: Whether each source alone, and the engine without each, are measured too.
        audit: What to look at beside accuracy; not with protocol impressions.
        against: Other settings to compare with, on the same split, as one more system; not with
            protocol impressions. They declare the same scenarios. What is held out and what is
            right is said by the settings of the workspace.
        progress: Where the steps report.
        now: The time of the questions, but with protocol `time`; the clock when omitted.

    Raises:
        DataError: When nothing can be measured, no record has a field of the audit, or there are
            settings to compare with and impressions.
        SettingsError: When they lack a scenario of the plan.
    """
    moment = time.time() if now is None else now
    settings = matched(workspace.settings, plan.protocol)
    shown = plan.protocol == "impressions"
    check_audit(audit, workspace.store)
    if against is not None and shown:
        raise DataError("other settings are compared by lists; with impressions there are none")
    with ExitStack() as opened:
        store = workspace.store
        data = store.dataset(requests=shown, lists=True)
        part = split(data, store.links(), settings, plan, moment)
        asked_for = {part.train.users.ids[row] for row in part.users.tolist()}
        tested = asked_for | set(plan.tested or ())
        untold = Untold(store, tested, part.now if plan.protocol == "time" else None)
        own = opened.enter_context(
            Workspace(workspace.path, settings, workspace.encoder, store=untold)
        )
        start = time.monotonic()
        model = fit_to(own, part.train, part.links, progress, part.now)
        fitted = time.monotonic() - start
        bench = Bench(own, model, part)
        other = None
        if against is not None:
            theirs = matched(against, plan.protocol)
            other = Bench.other(opened, own, theirs, part, progress)
        reports, asked = [], 0.0
        for name in plan.scenarios:
            if shown:
                found = _shown(bench, model, part, settings, name, k, ablation, progress)
            else:
                context = context_of(own, model, part, name)
                look = partial(_audited, audit, bench, model, part, name, k[0], progress)
                found = _scenario(bench, other, model, context, name, k, ablation, progress, look)
            if found is not None:
                reports.append(found[0])
                asked += found[1]
    if not reports:
        raise DataError(
            "nothing to measure: no scenario may show what is held out"
            + (", or all of it was a success, or none of it" if shown else "")
        )
    measured_in = {found.scenario for found in reports}
    return Report(
        protocol=plan.protocol,
        seed=plan.seed,
        share=plan.share,
        k=tuple(k),
        train_events=len(part.train),
        fit_seconds=round(fitted, 2),
        ask_seconds=round(asked, 2),
        date=datetime.now(UTC).date().isoformat(),
        machine=f"{platform.machine()}, {platform.system()}",
        libraries=dict(library_versions()),
        scenarios=reports,
        empty=[name for name in plan.scenarios if name not in measured_in],
        by=part.plan.by if shown else None,
        notes=_notes(untold, tested),
    )


def _notes(store: Untold, tested: set[str]) -> list[str]:
    """That users under test wrote a part of the texts: they tagged what they are asked about."""
    wrote, late = len(store.givers & tested), len(store.givers - tested)
    if not store.givers:
        return []
    return [
        f"tags that {wrote:,} of the {len(tested):,} users under test gave themselves"
        + (f", and that {late:,} others gave in the time under test," if late else "")
        + f" are left out of the texts of {len(store.changed_items()):,} items, since they can "
        "tell what is to be predicted"
    ]


def _scenario(
    bench: Bench,
    other: Bench | None,
    model: Model,
    context: Context,
    scenario: str,
    k: Sequence[int],
    ablation: bool,
    progress: Progress,
    look: Callable[[Context, Lists, Values], Audited | None],
) -> tuple[ScenarioReport, float] | None:
    """What was measured in a scenario, and the seconds that the engine took for its lists.

    None where there is nothing to find.
    """
    if not len(context.questions):
        return None
    systems = bench.systems(scenario, ablation)
    benches = dict.fromkeys(systems, bench)
    if other is not None:
        benches[OTHER] = other
        theirs = other.systems(scenario)[ENGINE]
        systems = {ENGINE: systems[ENGINE], OTHER: theirs} | systems
    lists, seconds, asked = {}, {}, context.questions
    with progress.task(f"ask in {scenario}", len(asked) * len(systems), "lists") as task:
        for name, weights in systems.items():
            start = time.monotonic()
            lists[name] = benches[name].lists(asked, scenario, weights, max(k), task)
            seconds[name] = time.monotonic() - start
    found, main = {}, {}
    for name, weights in systems.items():
        found[name], main[name] = measured(lists[name], weights, context, lists["popularity"], k)
    compared = {name: lists[name] for name in (ENGINE, *BASELINES)}
    report = ScenarioReport(
        scenario=scenario,
        users=len(np.unique(asked.users)),
        questions=len(asked),
        relevant=int(context.relevant.nnz),
        targets=int(context.ranked.sum()),
        fusion=model.fusions[scenario],
        systems=found,
        against={
            name: paired(main[ENGINE], own, users=asked.users)
            for name, own in main.items()
            if name != ENGINE
        },
        slices=slices(compared, context, k[0]),
        tasks=bench.predictions(scenario),
        audit=look(context, compared, {name: main[name] for name in compared}),
    )
    return report, seconds[ENGINE]


def _audited(
    audit: Audit,
    bench: Bench,
    model: Model,
    part: Split,
    scenario: str,
    n: int,
    progress: Progress,
    context: Context,
    lists: Lists,
    values: Values,
) -> Audited | None:
    """What is to be looked at beside accuracy; None for nothing."""
    if not audit:
        return None
    spec, train = bench.spec(scenario), part.train
    targets, pairs = model.space(scenario).targets, acted_pairs(train, spec.target)
    asked = Asked(
        spec=spec,
        context=context,
        users=train.users,
        targets=targets,
        rows=targets.ids.rows((train.users if spec.target == "person" else train.items).ids),
        taken=(pairs[0], pairs[1]),
        n=n,
        lists=lists,
        values=values,
    )
    count = len(context.questions) * steps(audit.trades)
    with progress.task(f"audit {scenario}", count, "lists") as task:
        ask = partial(bench.redeclared, context.questions, scenario, depth=n, task=task)
        return audited(audit, asked, bench.store.users, ask)


def _shown(
    bench: Bench,
    model: Model,
    part: Split,
    settings: Settings,
    scenario: str,
    k: Sequence[int],
    ablation: bool,
    progress: Progress,
) -> tuple[ScenarioReport, float] | None:
    """What was measured of impressions in a scenario, and the seconds that all systems took.

    None where there is nothing to put in order.
    """
    start, shown = time.monotonic(), bench.shown(scenario)
    with progress.task(f"ask in {scenario}", len(shown.users), "users") as task:
        said = bench.said(shown, scenario, task)
    shown, systems = said.shown, bench.systems(scenario, ablation)
    if shown.positive.all() or not shown.positive.any():
        return None
    orders = {name: bench.ordered(said, scenario, weights) for name, weights in systems.items()}
    seconds, half = time.monotonic() - start, halves(shown, part.plan.seed)
    found, main = {}, {}
    for name, weights in systems.items():
        found[name], main[name] = ordering(*orders[name], weights, shown, half, k)
    done = activity(part.train, settings.scenario(scenario).target)
    scores = {name: orders[name][0] for name in (ENGINE, *BASELINES)}
    parts = activity_parts(scores, shown, done[shown.users])
    report = ScenarioReport(
        scenario=scenario,
        users=len(shown.users),
        questions=len(shown.users),
        relevant=int(shown.positive.sum()),
        targets=len(np.unique(shown.rows)),
        fusion=model.fusions[scenario],
        systems=found,
        against={name: paired(main[ENGINE], own) for name, own in main.items() if name != ENGINE},
        slices=[],
        impressions=impressions(shown, said.left_out, parts),
        tasks=bench.predictions(scenario),
    )
    return report, seconds


def matched(settings: Settings, protocol: str) -> Settings:
    """The settings with what a fit holds out like what it will be asked."""
    if settings.validation.split != "auto" or protocol not in _MATCHING:
        return settings
    validation = settings.validation.model_copy(update={"split": _MATCHING[protocol]})
    return settings.model_copy(update={"validation": validation})
