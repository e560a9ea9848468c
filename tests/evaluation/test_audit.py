"""Who is served, who is shown, and what changing that costs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from calling import call, fails
from polyscene.data.schema import User
from polyscene.errors import DataError
from polyscene.evaluation.audit import Audit
from polyscene.evaluation.groups import Groups, group_names, groups_of
from polyscene.evaluation.protocols import Plan
from polyscene.evaluation.providers import Providers, evenness, exposure_of, providers_of
from polyscene.evaluation.report import write_html
from polyscene.evaluation.run import Report, evaluate
from polyscene.evaluation.systems import BASELINES, ENGINE
from polyscene.workspace import Workspace
from tiny_world import NOW

from .planted import USERS, events, friends, items, make
from .test_report import Page

AUDIT = Audit(("city", "activity"), ("provider",), ("diversity", "exposure", "equal-exposure"))


def world(path: Path) -> Workspace:
    """The planted world: users of two cities, and goods of the provider of their taste."""
    workspace = make(path, events(), friends())
    own = [item.model_copy(update={"provider": item.item_id.split("-")[0]}) for item in items()]
    with workspace.store.write() as writer:
        writer.put_items(own)
        writer.put_users([User(user_id=f"u{n}", city=["Oslo", "Bergen"][n % 2])
                          for n in range(USERS - 1)])  # fmt: skip
    return workspace


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    with world(tmp_path_factory.mktemp("audit") / "w") as workspace:
        plan = Plan("random", ("商店",), share=0.3)
        yield evaluate(workspace, plan, (5,), ablation=False, audit=AUDIT, now=NOW)


def test_groups_add_up_to_all_users(audited: Report) -> None:
    """The mean over groups, weighted by users, is the metric of all; u39 has no city."""
    [found] = audited.scenarios
    assert found.audit is not None
    cities, activity = found.audit.groups
    assert {one.name for one in cities.groups} == {"oslo", "bergen", "unknown"}
    assert cities.groups[-1].name == "unknown"
    for groups in (cities, activity):
        assert sum(one.users for one in groups.groups) == found.users
        for system in (ENGINE, *BASELINES):
            total = sum(one.users * one.systems[system].mean for one in groups.groups)
            whole = found.systems[system].metrics["ndcg@5"].mean
            assert total / found.users == pytest.approx(whole)


def test_providers_share_all_attention(audited: Report) -> None:
    """Four tastes of eight goods, and four plain things."""
    [found] = audited.scenarios
    assert found.audit is not None
    [providers] = found.audit.providers
    assert providers.count == 5
    assert {one.name: one.targets for one in providers.providers} == {
        "tea": 8, "maps": 8, "shoes": 8, "clay": 8, "all": 4,
    }  # fmt: skip
    for system in (ENGINE, *BASELINES):
        assert sum(one.exposure[system] for one in providers.providers) == pytest.approx(1)
    assert sum(one.relevant for one in providers.providers) == pytest.approx(1)


def test_a_trade_begins_with_the_lists_as_declared_and_buys_what_it_says(audited: Report) -> None:
    """More strength never makes lists much more alike; a whole floor gives each its part."""
    [found] = audited.scenarios
    assert found.audit is not None
    diversity, exposure, equal = found.audit.trades
    for trade in (diversity, exposure, equal):
        assert trade.points[0].value == 0
        assert trade.points[0].ndcg.mean == found.systems[ENGINE].metrics["ndcg@5"].mean
    assert diversity.points[-1].diversity.mean > diversity.points[0].diversity.mean + 0.1
    assert diversity.points[-1].ndcg.mean < diversity.points[0].ndcg.mean
    assert exposure.points[-1].within > exposure.points[0].within + 0.1
    attention = 1 / np.log2(np.arange(2, 7))  # five places, one for each of five providers
    apart = np.abs(attention / attention.sum() - 0.2).sum() / 2
    assert equal.points[-1].within == pytest.approx(1 - apart)
    gained = [point.within for point in equal.points]
    assert gained == sorted(gained)
    assert gained[-1] > gained[0] + 0.2


def test_how_even_lists_are() -> None:
    """a has three of four targets; a list of a and b: as 1 to .63, together and by itself."""
    values, ranked = [("a",), ("a",), ("a",), ("b",), ()], np.array([True] * 4 + [False])
    attention = np.array([1, 1 / np.log2(3)])
    a = attention[0] / attention.sum()
    lists = np.array([[0, 3]])
    assert evenness(values, ranked, lists) == pytest.approx((1 - (0.75 - a),) * 2)
    assert evenness(values, ranked, lists, equal=True) == pytest.approx((1 - (a - 0.5),) * 2)
    both = np.array([[0, 3], [3, 0]])
    assert evenness(values, ranked, both, equal=True) == pytest.approx((1, 1 - (a - 0.5)))


def test_the_page_shows_the_audit(audited: Report, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_html(audited, tmp_path / "r.html")
    page = Page((tmp_path / "r.html").read_text("utf-8"))
    for words in ("NDCG@5 by city", "oslo", "gap between best and worst", "by provider",
                  "What diversity costs", "What exposure costs",
                  "What equal-exposure costs"):  # fmt: skip
        assert words in page.words, words


def scattered(values: list[float], names: list[str]) -> Groups:
    users = np.arange(len(values))
    return groups_of("city", names, users, {ENGINE: np.array(values)})


def test_the_gap_is_that_of_the_best_and_the_worst() -> None:
    """Means .8, .5 and .2; who is of no known group, or alone in one, does not count."""
    values = [0.7, 0.9, 0.4, 0.6, 0.1, 0.3, 0.0, 1.0]
    names = ["a", "a", "b", "b", "c", "c", "unknown", "d"]
    gap = scattered(values, names).gaps[ENGINE]
    assert (gap.best, gap.worst) == ("a", "c")
    assert gap.difference == pytest.approx(0.6)
    assert gap.low <= 0.6 <= gap.high
    assert scattered([0.1, 0.2, 0.3], ["a", "a", "b"]).gaps == {}


def test_a_gap_that_chance_gives_has_a_large_p() -> None:
    rng = np.random.default_rng(0)
    values, names = rng.random(400), [["a", "b"][n % 2] for n in range(400)]
    assert scattered(list(values), names).gaps[ENGINE].p_value > 0.05
    values[::2] += 0.5
    assert scattered(list(values), names).gaps[ENGINE].p_value < 0.01


def test_a_user_with_several_questions_counts_once_in_the_gap() -> None:
    users = np.array([0, 0, 0, 1, 2, 3])
    values = np.array([0.0, 0.0, 0.0, 1.0, 0.2, 0.4])
    found = groups_of("city", ["a", "a", "a", "a", "b", "b"], users, {ENGINE: values})
    assert [one.users for one in found.groups] == [2, 2]
    assert found.gaps[ENGINE].difference == pytest.approx(0.5 - 0.3)


def test_numbers_are_cut_into_quarters_and_equal_ones_stay_together() -> None:
    ids = [f"u{n}" for n in range(40)]
    users = {name: User(user_id=name, age=20 + n) for n, name in enumerate(ids)}
    none, nan = np.zeros(40, np.int64), np.full(40, np.nan)
    names = group_names(users, ids, "age", none, nan)
    assert sorted(set(names)) == ["20 to 29", "30 to 39", "40 to 49", "50 to 59"]
    few = {name: User(user_id=name, age=20 + n % 3) for n, name in enumerate(ids)}
    assert set(group_names(few, ids, "age", none, nan)) == {"20", "21", "22"}
    activity = np.array([1] * 30 + [5] * 10)
    assert set(group_names({}, ids, "activity", activity, nan)) == {"1", "5"}
    assert set(group_names({}, ids, "mainstream", activity, nan)) == {"unknown"}


def test_many_small_groups_are_counted_together() -> None:
    ids = [f"u{n}" for n in range(30)]
    users = {name: User(user_id=name, tags=[f"T{n // 2}"]) for n, name in enumerate(ids)}
    names = group_names(users, ids, "tags", np.zeros(30, np.int64), np.zeros(30))
    assert len(set(names)) == 12
    assert names.count("others") == 8


def shared(lists: list[list[int]], values: list[tuple[str, ...]]) -> Providers:
    ranked = np.ones(len(values), np.bool_)
    wanted = np.array([1.0, 0, 0, 0][: len(values)])
    return providers_of("provider", values, ranked, wanted, {ENGINE: np.array(lists)})


def test_attention_by_hand() -> None:
    """One list: b, then a. a has three of four targets and 1 / log₂ 3 of 1 + 1 / log₂ 3."""
    values: list[tuple[str, ...]] = [("a",), ("a",), ("a",), ("b",)]
    second = 1 / np.log2(3)
    assert exposure_of(np.array([[3, 0, -1]]), 4) == pytest.approx([second, 0, 0, 1])
    found = shared([[3, 0, -1]], values)
    a, b = found.providers
    assert (a.name, a.catalogue, a.relevant) == ("a", 0.75, 1.0)
    assert b.exposure[ENGINE] == pytest.approx(1 / (1 + second))
    whole = found.systems[ENGINE]
    assert whole.from_catalogue == pytest.approx(1 / (1 + second) - 0.25)
    assert whole.from_relevant == pytest.approx(1 / (1 + second))
    assert whole.unseen == 0
    assert whole.within == pytest.approx(whole.from_catalogue)
    assert shared([[0, 1]], values).systems[ENGINE].unseen == 0.5


def test_a_target_of_two_providers_belongs_half_to_each_and_one_of_none_to_nobody() -> None:
    found = shared([[0, -1]], [("a", "b"), ()])
    assert {one.name: one.catalogue for one in found.providers} == {
        "a": 0.25, "b": 0.25, "none": 0.5,
    }  # fmt: skip
    assert {one.name: one.exposure[ENGINE] for one in found.providers} == {
        "a": 0.5, "b": 0.5, "none": 0.0,
    }  # fmt: skip


def test_a_field_that_nobody_has_is_said_before_the_work(planted: Workspace) -> None:
    plan = Plan("random", ("商店",))
    with pytest.raises(DataError, match="no user has the field or attribute 'town'"):
        evaluate(planted, plan, audit=Audit(groups=("town",)))
    with pytest.raises(DataError, match="no item has the field or attribute 'maker'"):
        evaluate(planted, plan, audit=Audit(providers=("maker",)))


def test_the_command_prints_and_writes_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    world(tmp_path / "w").close()
    toml = 'version = 1\n[scenarios."商店"]\nsources = { semantic-mean = 1.0 }\n'
    (tmp_path / "w" / "polyscene.toml").write_text(toml, "utf-8")
    out = tmp_path / "r.json"
    done = call("-w", tmp_path / "w", "evaluate", "-k", "5", "--no-ablation", "--groups", "city",
                "--providers", "provider", "--trade", "exposure", "--json", out)  # fmt: skip
    assert done.code == 0, done
    lines = [line for line in done.out.splitlines() if not line.startswith("wrote")]
    assert all(len(line) <= 80 for line in lines)
    assert "oslo" in done.out
    assert "floor" in done.out
    [found] = json.loads(out.read_text("utf-8"))["scenarios"]
    assert [one["value"] for one in found["audit"]["trades"][0]["points"]][-1] == 1.0
    wrong = ("-w", tmp_path / "w", "evaluate", "--protocol", "impressions", "--groups", "city")
    fails(call(*wrong), "look at lists", code=2)
