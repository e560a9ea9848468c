"""How events are split into what is learned from and what is to be predicted.

    random         a share of the pairs (user, target) of each user, drawn at random
    leave-one-out  the last pair of each user: by time, else by order of arrival
    time           everything after a moment, for users who acted before it; targets new to them
    cold-items     every event on a share of the targets, which are ranked among themselves
    cold-users     every event in the scenario of a share of the users who have history elsewhere
    given          the events of a file
    impressions    what users were shown, to be put in order: the last share of the events, or a
                   random share of each user's pairs or requests

All that a user did about one context is one pair, a post, and is asked for with that context. Whole
pairs are held out, whether or not they count as a success; only successes
(`Scenario.positive`) are to be found. All targets that the scenario may show are ranked but those
the user has acted on in training; nothing is sampled. With `impressions` only what was really shown
is ranked; see `polyscene.evaluation.shown`. `random` also holds out a share of the
friendships where people are recommended; with every protocol two people whose events are held out
are not learned from as friends either.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from polyscene.data.dataset import Dataset, IntArray, Links, Mask
from polyscene.data.questions import Questions
from polyscene.data.split import (
    after,
    dated,
    divided_lists,
    last_pairs,
    pairs_of,
    random_groups,
    random_pairs,
    requests_of,
    time_at,
)
from polyscene.errors import DataError
from polyscene.fitting.friends import split_friends, unlinked
from polyscene.fitting.holdout import (
    FEW,
    in_scenario,
    successes,
    unseen,
)
from polyscene.settings import Settings, TargetKind

__all__ = ["PROTOCOLS", "SPLITS", "Plan", "Protocol", "Split", "SplitBy", "split"]

Protocol = Literal[
    "random", "leave-one-out", "time", "cold-items", "cold-users", "given", "impressions"
]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
"""The names of the protocols."""
SplitBy = Literal["auto", "latest", "random"]
SPLITS: tuple[SplitBy, ...] = get_args(SplitBy)
"""What impressions may be held out by."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured."""

    protocol: Protocol
    scenarios: tuple[str, ...]
    """The scenarios to measure; with `cold-users`, one."""
    share: float = 0.2
    """The share that is held out."""
    seed: int = 0
    """Of what is drawn at random."""
    tested: Collection[str] | None = None
    """Ids of the users under test; None for all."""
    min_users: int = 1
    """Targets with fewer users, counted before the split, are left out of events and ranking."""
    given: Dataset | None = None
    """With `given`, the events to predict, over the ids of the dataset that is split."""
    by: SplitBy = "auto"
    """With `impressions`, what is held out: the latest events, or a random share of each user's.
    "auto" takes the latest where events are dated and enough users acted before them too."""


@dataclass(frozen=True, slots=True)
class Split:
    """Events to learn from, and what is to be found."""

    plan: Plan
    """With `by` decided."""
    train: Dataset
    """What is learned from."""
    links: Links
    """The relations that are learned from."""
    now: float
    """The time at which is asked, seconds since 1970-01-01 UTC."""
    questions: Questions
    """The users under test, and what is asked about; q of them."""
    relevant: Mapping[str, sp.csr_matrix]
    """By scenario, what is to be found by each question: ones, shape (q, targets)."""
    held: Dataset
    """The events that are to be predicted, successes or not."""
    ranked: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    """By scenario, which targets are ranked, shape (targets,); all where a scenario is absent."""

    @property
    def users(self) -> IntArray:
        """Row of the user of each question, ascending, shape (q,)."""
        return self.questions.users


def split(data: Dataset, links: Links, settings: Settings, plan: Plan, now: float) -> Split:
    """The split of a plan.

    Args:
        data: All events.
        links: All relations.
        settings: The workspace's settings.
        plan: What is to be measured.
        now: The time of the questions; where the latest events are held out, theirs is used.

    Raises:
        DataError: When nothing can be held out.
    """
    if not plan.scenarios:
        raise DataError("there is no scenario to measure; declare one in polyscene.toml")
    if (plan.given is None) == (plan.protocol == "given"):
        raise DataError(
            f"got protocol {plan.protocol} {'without' if plan.given is None else 'with'} a file of "
            "events to predict; protocol given needs one, no other takes one"
        )
    kept, ranked = _popular_enough(data, settings, plan)
    data = data.take(kept)
    plan = _decided(data, settings, plan)
    held, left_out, links, friends = _MAKERS[plan.protocol](data, links, settings, plan)
    latest = plan.protocol == "time" or plan.by == "latest"
    if latest:
        now = time_at(data, 1.0 - plan.share)
    if plan.protocol == "cold-items":
        ranked = _only_cold(data, left_out, ranked, settings, plan)
    rest = data.take(~left_out)
    since = now if latest else None
    lists, later = divided_lists(data, held, left_out, plan.seed, since)
    if plan.tested is not None:
        later = later.take(np.isin(later.user, data.users.rows(plan.tested)))
    rest = replace(rest, lists=lists)
    asked = replace(data.take(held), lists=later) if plan.given is None else plan.given
    shown = plan.protocol == "impressions"
    if shown:  # put in order for the user, whatever it was about
        asked = replace(asked, context=np.full(len(asked), -1))
    questions = Questions.asked(asked, friends.values())
    found = successes(asked, _all(asked), settings, questions, friends)
    right = {
        name: unseen(_visible(found[name], ranked.get(name)), rest, settings, name, questions)
        for name in plan.scenarios
    }
    links, users = unlinked(links, asked), questions.users
    able = np.full(len(users), shown)
    for matrix in right.values():
        able |= matrix.getnnz(axis=1) > 0
    if latest or plan.protocol in ("cold-users", "cold-items"):
        able &= np.isin(users, rest.user)
    if plan.tested is not None:
        able &= np.isin(users, data.users.rows(plan.tested))
    if not able.any():
        raise DataError(
            f"nothing to measure: with protocol {plan.protocol} no user has "
            f"{'anything' if shown else 'a success'} held out"
        )
    right = {name: sp.csr_matrix(matrix[able]) for name, matrix in right.items()}
    return Split(plan, rest, links, now, questions.take(able), right, asked, ranked)


_Made = tuple[Mask, Mask, Links, dict[str, IntArray]]
"""Events to predict, events not to learn from, relations to learn from, friends to predict."""


def _random(data: Dataset, links: Links, settings: Settings, plan: Plan) -> _Made:
    eligible = _tested(data, plan) & _any_scenario(data, settings, plan)
    held = random_pairs(data, eligible, plan.share, plan.seed)
    links, friends = split_friends(
        links, data.users, settings, plan.scenarios, plan.share, plan.seed
    )
    return held, held, links, friends


def _leave_one_out(data: Dataset, links: Links, settings: Settings, plan: Plan) -> _Made:
    held = last_pairs(data, _tested(data, plan) & _any_scenario(data, settings, plan))
    return held, held, links, {}


def _time(data: Dataset, links: Links, settings: Settings, plan: Plan) -> _Made:
    late = _late(data, plan)
    return late & _any_scenario(data, settings, plan), late, links, {}


def _cold_items(data: Dataset, links: Links, settings: Settings, plan: Plan) -> _Made:
    aimed = ~data.on_person & (data.target >= 0) & _any_scenario(data, settings, plan)
    items = np.unique(data.target[aimed])
    rng = np.random.default_rng(plan.seed)
    count = max(int(len(items) * plan.share), min(len(items), 1))
    cold = rng.choice(items, count, replace=False)
    held = ~data.on_person & np.isin(data.target, cold)
    return held & _tested(data, plan), held, links, {}


def _cold_users(data: Dataset, links: Links, settings: Settings, plan: Plan) -> _Made:
    if len(plan.scenarios) != 1:
        raise DataError("protocol cold-users measures one scenario; name it with --scenario")
    here = in_scenario(data, plan.scenarios[0]) & (data.scenario >= 0)
    both = np.intersect1d(data.user[here & _tested(data, plan)], data.user[~here])
    rng = np.random.default_rng(plan.seed)
    chosen = rng.choice(both, max(int(len(both) * plan.share), min(len(both), 1)), replace=False)
    held = here & np.isin(data.user, chosen)
    pairs = pairs_of(data)
    return held, np.isin(pairs, pairs[held]), links, {}


def _given(data: Dataset, links: Links, settings: Settings, plan: Plan) -> _Made:
    assert plan.given is not None
    both = pairs_of(_joined(data, plan.given))
    known = np.isin(both[: len(data)], both[len(data) :])
    return known, known, links, {}


def _impressions(data: Dataset, links: Links, settings: Settings, plan: Plan) -> _Made:
    """Requests are held out whole; where an event names none, all events of its pair."""
    eligible, requests = (
        _tested(data, plan) & _any_scenario(data, settings, plan),
        requests_of(data),
    )
    if plan.by == "latest":
        late = _late(data, plan)
        begun = (requests >= 0) & np.isin(requests, requests[~late])
        return late & eligible & ~begun, late, links, {}
    pairs = pairs_of(data)
    groups = np.where(requests >= 0, requests, pairs + requests.max(initial=-1) + 1)
    held = random_groups(data, groups, eligible, plan.share, plan.seed)
    return held, np.isin(pairs, pairs[held]), links, {}


_MAKERS: dict[Protocol, Callable[[Dataset, Links, Settings, Plan], _Made]] = {
    "random": _random,
    "leave-one-out": _leave_one_out,
    "time": _time,
    "cold-items": _cold_items,
    "cold-users": _cold_users,
    "given": _given,
    "impressions": _impressions,
}


def _decided(data: Dataset, settings: Settings, plan: Plan) -> Plan:
    """The plan with `by` decided: as a fit does, not by time where few users would be tested."""
    if plan.protocol != "impressions":
        return replace(plan, by="auto")
    if plan.by != "auto":
        return plan
    users = np.zeros(0, np.int64)
    if dated(data):
        late = _late(data, plan)
        asked = late & _tested(data, plan) & _any_scenario(data, settings, plan)
        users = np.intersect1d(data.user[asked], data.user[~late])
    return replace(plan, by="latest" if len(users) >= FEW else "random")


def _late(data: Dataset, plan: Plan) -> Mask:
    """The last share of the events with a time."""
    moment = time_at(data, 1.0 - plan.share)
    if np.isnan(moment):
        raise DataError(
            f"protocol {plan.protocol} holds out the latest events; it needs events with a "
            "timestamp, and there are none"
        )
    return after(data, moment)


def _popular_enough(
    data: Dataset, settings: Settings, plan: Plan
) -> tuple[Mask, dict[str, npt.NDArray[np.bool_]]]:
    """Which events stay, and by scenario which targets, with `min_users`."""
    if plan.min_users <= 1:
        return _all(data), {}
    enough, kept = {}, np.zeros(len(data), np.bool_)
    worlds: tuple[TargetKind, ...] = ("item", "tag", "person")
    for kind in worlds:
        size = len(data.users if kind == "person" else data.items)
        aimed = data.aimed(kind)
        used = aimed & (data.target >= 0)
        pairs = np.unique(np.stack([data.user[used], data.target[used]]), axis=1)
        enough[kind] = np.bincount(pairs[1], minlength=size) >= plan.min_users
        kept[aimed] = enough[kind][np.maximum(data.target[aimed], 0)]
    kinds = {name: settings.scenario(name).target for name in plan.scenarios}
    ranked = {name: enough.get(kind, enough["item"]) for name, kind in kinds.items()}
    return kept, ranked


def _only_cold(
    data: Dataset,
    left_out: Mask,
    ranked: Mapping[str, npt.NDArray[np.bool_]],
    settings: Settings,
    plan: Plan,
) -> dict[str, npt.NDArray[np.bool_]]:
    """Which targets are ranked in each scenario: the cold ones; where people are, nobody is."""
    cold = np.zeros(len(data.items), np.bool_)
    cold[data.target[left_out]] = True
    return {
        name: np.zeros(len(data.users), np.bool_)
        if settings.scenario(name).target == "person"
        else cold & ranked.get(name, cold)
        for name in plan.scenarios
    }


def _visible(right: sp.csr_matrix, ranked: npt.NDArray[np.bool_] | None) -> sp.csr_matrix:
    """What is to be found without what is not ranked."""
    if ranked is None:
        return right
    kept = sp.csr_matrix(right.multiply(ranked[None]))
    kept.eliminate_zeros()
    return kept


def _any_scenario(data: Dataset, settings: Settings, plan: Plan) -> Mask:
    masks = [
        in_scenario(data, name) & data.aimed(settings.scenario(name).target)
        for name in plan.scenarios
    ]
    return np.asarray(np.logical_or.reduce(masks))


def _tested(data: Dataset, plan: Plan) -> Mask:
    if plan.tested is None:
        return _all(data)
    return np.isin(data.user, data.users.rows(plan.tested))


def _all(data: Dataset) -> Mask:
    return np.ones(len(data), np.bool_)


def _joined(first: Dataset, then: Dataset) -> Dataset:
    """Both sets of events over the ids of the first, for `pairs_of`: users and targets only."""
    count = len(first) + len(then)
    zeros = np.zeros(count, np.int32)
    return Dataset(
        users=first.users, items=first.items, is_tag=first.is_tag,
        user=np.concatenate([first.user, then.user]),
        target=np.concatenate([first.target, then.target]),
        on_person=np.concatenate([first.on_person, then.on_person]),
        context=np.concatenate([first.context, then.context]),
        action=zeros, scenario=zeros, timestamp=np.zeros(count), value=np.zeros(count),
        actions=(), scenarios=(),
    )  # fmt: skip
