"""What is held out is nowhere to be seen: with other events in its place every list is the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polyscene.data.questions import Questions
from polyscene.data.schema import Event
from polyscene.evaluation.protocols import Plan, Split, SplitBy, split
from polyscene.evaluation.run import evaluate
from polyscene.evaluation.systems import ENGINE, Bench
from polyscene.fitting.model import Fusion
from polyscene.fitting.run import fit_to
from polyscene.logs import NO_PROGRESS
from polyscene.workspace import Workspace
from tiny_world import NOW

from .planted import SHOWN, events, friends, make, shown

Said = dict[str, dict[str, list[list[int]]]]

PLANS = {
    "random": Plan("random", ("商店", "news"), share=0.3),
    "leave-one-out": Plan("leave-one-out", ("商店", "news")),
    "time": Plan("time", ("商店", "news"), share=0.3),
    "cold-items": Plan("cold-items", ("商店",), share=0.4),
    "cold-users": Plan("cold-users", ("news",), share=0.5),
    "impressions": Plan("impressions", ("商店", "news"), share=0.3, by="latest"),
}


def cut(workspace: Workspace, plan: Plan) -> Split:
    store = workspace.store
    return split(store.dataset(), store.links(), workspace.settings, plan, NOW)


def said(workspace: Workspace, part: Split, asked: Questions) -> tuple[Said, dict[str, Fusion]]:
    """The lists of every system, and the weights with what they were chosen by."""
    model = fit_to(workspace, part.train, part.links, now=part.now)
    bench = Bench(workspace, model, part)
    with NO_PROGRESS.task("ask", None, "lists") as task:
        lists = {
            scenario: {
                name: bench.lists(asked, scenario, weights, 10, task).tolist()
                for name, weights in bench.systems(scenario).items()
            }
            for scenario in part.plan.scenarios
        }
    return lists, model.fusions


def left_out(done: Sequence[Event], part: Split) -> list[int]:
    """Places of the events that are not learned from."""
    train = part.train
    kept = set(zip(train.user.tolist(), train.target.tolist(), train.action.tolist(), strict=True))
    places = []
    for place, one in enumerate(done):
        row = train.users.row(one.user_id), train.items.row(one.item_id)
        if (*row, train.actions.index(one.action)) not in kept:
            places.append(place)
    return places


def replaced(done: Sequence[Event], places: Sequence[int], among: Sequence[str]) -> list[Event]:
    """The events with another target in these places: one that the user never acted on.

    Targets are taken in turn, so that each is used.
    """
    found, turn = list(done), 0
    for place in places:
        one = done[place]
        taken = {e.item_id for e in [*done, *found] if e.user_id == one.user_id}
        kind = "news" in one.item_id
        free = [name for name in among if name not in taken and ("news" in name) == kind]
        if not free:  # the user acted on all cold ones
            continue
        found[place] = one.model_copy(update={"item_id": free[turn % len(free)]})
        turn += 1
    return found


@pytest.mark.parametrize("protocol", PLANS)
def test_other_events_in_its_place_change_nothing(protocol: str, tmp_path: Path) -> None:
    """Neither sources nor options nor weights nor histories see what is to be predicted."""
    plan, done = PLANS[protocol], events()
    with make(tmp_path / "first", done, friends()) as first:
        part = cut(first, plan)
        places = left_out(done, part)
        assert places
        among = [
            name
            for row, name in enumerate(part.train.items.ids)
            if protocol != "cold-items" or part.ranked["商店"][row]
        ]
        others = replaced(done, places, among)
        changed = [p for p in places if done[p] != others[p]]
        assert len(changed) > len(places) / 2
        if protocol == "random":  # which pairs are drawn depends on all of them: name them
            given = first.store.dataset().take(np.array(places))
            plan = replace(plan, protocol="given", given=given)
            part = cut(first, plan)
        lists, fusions = said(first, part, part.questions)
    with make(tmp_path / "second", others, friends()) as second:
        if protocol == "random":
            given = second.store.dataset().take(np.array(places))
            plan = replace(plan, given=given)
        other = cut(second, plan)
        assert other.users.tolist() == part.users.tolist()
        assert any(
            (other.relevant[name] != part.relevant[name]).nnz for name in plan.scenarios
        )  # what is to be found did change
        assert said(second, other, part.questions) == (lists, fusions)
        everything = replace(other, train=second.store.dataset())
        assert said(second, everything, part.questions)[0] != lists  # and would have been seen


def test_the_report_rests_on_the_same_lists(tmp_path: Path) -> None:
    """What `evaluate` says of lists besides hits stays, whatever is to be predicted."""
    done, found = events(), []
    places = list(range(0, len(done), 4))
    names = [one.item_id for one in done]
    for name, told in (("first", done), ("second", replaced(done, places, names))):
        with make(tmp_path / name, told, friends()) as workspace:
            given = workspace.store.dataset().take(np.array(places))
            plan = Plan("given", ("商店", "news"), given=given)
            found.append(evaluate(workspace, plan, (5,), now=NOW).scenarios)
    for first, second in zip(*found, strict=True):
        assert first.fusion == second.fusion
        for name, system in first.systems.items():
            other = second.systems[name]
            assert system.catalogue == other.catalogue
            for metric in ("novelty@5", "diversity@5"):
                assert system.metrics[metric].mean == other.metrics[metric].mean
        assert first.systems[ENGINE].metrics != second.systems[ENGINE].metrics


@pytest.mark.parametrize("by", ["latest", "random"])
def test_the_order_of_what_was_shown_does_not_know_what_came_of_it(
    by: SplitBy, tmp_path: Path
) -> None:
    """With every held-out purchase turned into its opposite, and the other way round, all scores
    stay and all labels change."""
    plan, done, found = Plan("impressions", ("商店",), share=0.25, by=by), shown(), []
    turned = {"buy": "pass", "pass": "buy"}
    with make(tmp_path / "first", done, [], **SHOWN) as first:
        data = first.store.dataset(requests=True)
        part = split(data, first.store.links(), first.settings, plan, NOW)
        held = set(zip(part.held.user.tolist(), part.held.target.tolist(), strict=True))
    others = [
        one.model_copy(update={"action": turned[one.action]})
        if (data.users.row(one.user_id), data.items.row(one.item_id)) in held
        else one
        for one in done
    ]
    for name, told in (("first", done), ("second", others)):
        path = tmp_path / name / "again"
        path.parent.mkdir(exist_ok=True)
        with make(path, told, [], **SHOWN) as workspace:
            data = workspace.store.dataset(requests=True)
            part = split(data, workspace.store.links(), workspace.settings, plan, NOW)
            model = fit_to(workspace, part.train, part.links, now=part.now)
            bench = Bench(workspace, model, part)
            with NO_PROGRESS.task("ask", None, "users") as task:
                said_of = bench.said(bench.shown("商店"), "商店", task)
            scores = {
                system: bench.ordered(said_of, "商店", weights)[0].tolist()
                for system, weights in bench.systems("商店").items()
            }
            found.append((said_of.shown.positive, scores, model.fusions))
    (labels, *known), (opposite, *again) = found
    assert len(labels) == len(held)
    assert (labels == ~opposite).all()
    assert known == again


def test_held_out_friends_are_not_asked_for_help(tmp_path: Path) -> None:
    """The lists of people are the same, whoever the held-out friends are."""
    plan, known = Plan("random", ("social",), share=0.5), friends()
    with make(tmp_path / "first", events(), known) as first:
        part = cut(first, plan)
        left = set(zip(part.links.subject.tolist(), part.links.object.tolist(), strict=True))
        kept = [
            one
            for one in known
            if (part.links.names.row(one.subject), part.links.names.row(one.object)) in left
        ]
        assert 0 < len(kept) < len(known)
        lists = said(first, part, part.questions)
    with make(tmp_path / "second", events(), kept) as second:
        # with nobody held out, and the relations that the first had left
        other = replace(part, links=second.store.links(), train=second.store.dataset())
        events_left = part.train
        assert len(events_left) == len(other.train)
        assert said(second, other, part.questions) == lists
