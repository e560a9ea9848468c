"""`evaluate` from a workspace to numbers, on a world with a planted preference."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from polyscene.data.schema import Event, Item, User
from polyscene.data.tags import GivenTag, TagCounts
from polyscene.errors import DataError
from polyscene.evaluation.protocols import Plan, Protocol, split
from polyscene.evaluation.run import Report, evaluate
from polyscene.evaluation.systems import ENGINE
from polyscene.settings import parse_settings
from polyscene.workspace import Workspace
from tiny_world import NOW, words

from .planted import USERS, event, events, friends, items, make


def ndcg(report: Report, system: str, scenario: int = 0) -> float:
    found = report.scenarios[scenario]
    return found.systems[system].metrics[f"ndcg@{report.k[0]}"].mean


class TestReport:
    def test_the_engine_beats_popularity_where_tastes_differ(self, report: Report) -> None:
        for number, name in enumerate(("商店", "news")):
            found = report.scenarios[number]
            assert found.scenario == name
            gain = found.against["popularity"]
            assert ndcg(report, ENGINE, number) > ndcg(report, "popularity", number)
            assert gain.low > 0
            assert gain.p_value < 0.05

    def test_systems_and_their_comparisons_belong_together(self, report: Report) -> None:
        for found in report.scenarios:
            names = list(found.systems)
            assert names[0] == ENGINE
            assert names[-2:] == ["semantic-mean", "popularity"]
            assert [*found.against] == names[1:]
            for name, against in found.against.items():
                lost = found.systems[ENGINE].metrics["ndcg@5"].mean
                lost -= found.systems[name].metrics["ndcg@5"].mean
                assert against.difference == pytest.approx(lost)
            used = found.systems[ENGINE].weights
            assert used == {name: w for name, w in found.fusion.weights.items() if w > 0}
            if len(used) > 1:
                assert {f"only {name}" for name in used} <= set(names)
                assert {f"without {name}" for name in used} <= set(names)

    def test_counts_are_those_of_the_scenario(self, report: Report) -> None:
        """Goods, news and people; only users with something to find are counted."""
        assert [found.targets for found in report.scenarios] == [36, 16, 40]
        for found in report.scenarios:
            metrics = found.systems[ENGINE].metrics
            assert metrics["ndcg@5"].users == found.users <= found.relevant
            by_activity = [one.pairs for one in found.slices if one.kind == "target popularity"]
            assert sum(by_activity) == found.relevant
        assert report.empty == []
        assert report.train_events < 40 * 10

    def test_it_goes_through_json(self, report: Report) -> None:
        read = json.loads(report.to_json())
        assert read["protocol"] == "random"
        assert read["k"] == [5, 10]
        shop = read["scenarios"][0]
        assert shop["scenario"] == "商店"
        assert shop["systems"][ENGINE]["metrics"]["ndcg@5"]["mean"] == ndcg(report, ENGINE)
        assert shop["fusion"]["weights"] == report.scenarios[0].fusion.weights
        assert len(shop["systems"][ENGINE]["curve"]) == 10

    def test_the_same_seed_gives_the_same_report(self, planted: Workspace) -> None:
        plan = Plan("random", ("news",), seed=3)
        first, second = (
            json.loads(evaluate(planted, plan, (5,), now=NOW).to_json()) for _ in range(2)
        )
        for found in (first, second):
            del found["fit_seconds"], found["ask_seconds"]
        assert first == second

    def test_nothing_in_the_workspace_changes(self, planted: Workspace, report: Report) -> None:
        assert report.scenarios
        assert not planted.models.exists()
        assert planted.store.counts().events == len(events())


class TestOptions:
    def test_without_ablation_the_engine_and_the_baselines(self, planted: Workspace) -> None:
        found = evaluate(planted, Plan("random", ("news",)), (3,), ablation=False, now=NOW)
        assert [*found.scenarios[0].systems] == [ENGINE, "semantic-mean", "popularity"]
        assert len(found.scenarios[0].systems[ENGINE].curve) == 3

    def test_a_scenario_with_nothing_to_find_is_named(self, planted: Workspace) -> None:
        """No person is an item: there is nothing to find among people."""
        plan = Plan("cold-items", ("商店", "social"))
        found = evaluate(planted, plan, (5,), ablation=False, now=NOW)
        assert [one.scenario for one in found.scenarios] == ["商店"]
        assert found.empty == ["social"]
        assert 0 < found.scenarios[0].targets <= 7  # a fifth of 36 goods

    def test_few_users_are_asked_alone(self, planted: Workspace) -> None:
        plan = Plan("leave-one-out", ("news",), tested={"u1", "u2"})
        found = evaluate(planted, plan, (5,), ablation=False, now=NOW).scenarios[0]
        assert found.users == 2
        assert found.relevant == 2

    def test_what_may_not_be_shown_is_not_to_be_found(self, tmp_path: Path) -> None:
        """An event of no scenario on a news item does not count in the shop, nor does a withheld
        target."""
        done = [*events(), *(event(n, "tea-news-1", "buy", "x", 0.1) for n in range(0, 40, 4))]
        done = [one.model_copy(update={"scenario": None}) for one in done]
        with make(tmp_path / "w", done, friends()) as workspace:
            shop = Plan("random", ("商店",), share=0.5)
            found = evaluate(workspace, shop, (5,), ablation=False, now=NOW).scenarios[0]
            spec = workspace.settings.scenario("商店")
            safety = spec.safety.model_copy(update={"blocked_tags": ["maps"]})
            strict = spec.model_copy(update={"safety": safety})
            scenarios = {**workspace.settings.scenarios, "商店": strict}
            workspace.settings = workspace.settings.model_copy(update={"scenarios": scenarios})
            fewer = evaluate(workspace, shop, (5,), ablation=False, now=NOW).scenarios[0]
        assert found.targets == 36
        assert fewer.targets == 28
        assert fewer.relevant < found.relevant
        best = found.systems[ENGINE].curve[-1][0], fewer.systems[ENGINE].curve[-1][0]
        assert all(0 < recall <= 1 for recall in best)

    def test_nothing_that_may_be_shown_is_an_error(self, tmp_path: Path) -> None:
        done = [event(n, f"tea-news-{m}", "buy", "商店", m) for n in range(9) for m in range(4)]
        with (
            make(tmp_path / "w", done, []) as workspace,
            pytest.raises(DataError, match="no scenario may show what is held out"),
        ):
            evaluate(workspace, Plan("random", ("商店",)), now=NOW)

    def test_metrics_that_are_not_defined_are_null(self, tmp_path: Path) -> None:
        """One user shows no spread; lists of one target have no diversity."""
        done = [event(0, f"tea-{n}", "buy", "商店", n + 1) for n in range(4)]
        with make(tmp_path / "w", done, []) as workspace:
            found = evaluate(workspace, Plan("leave-one-out", ("商店",)), (1,), now=NOW)
        metrics = json.loads(found.to_json())["scenarios"][0]["systems"][ENGINE]["metrics"]
        assert metrics["ndcg@1"]["low"] is None
        assert metrics["diversity@1"]["mean"] is None
        assert math.isnan(found.scenarios[0].systems[ENGINE].metrics["diversity@1"].mean)


def test_douban_films_are_found_better_than_by_popularity(data_dir: Path, tmp_path: Path) -> None:
    """Some 400 people and 997 Chinese films: who liked what says more than what all like."""
    folder = data_dir / "douban-cn"
    if not folder.is_dir():
        pytest.skip(f"no douban-cn in {data_dir}")
    with (folder / "movies.derived.csv").open(encoding="utf-8", newline="") as file:
        films = [
            Item(item_id=row["movie"], title=row["title"], tags=row["type"].split(","))
            for row in csv.DictReader(file)
        ]
    with (folder / "ratings.derived.csv").open(encoding="utf-8", newline="") as file:
        ratings = [
            Event(user_id=row["user"], item_id=row["movie"], action="rate", value=row["rating"])
            for row in csv.DictReader(file)
        ]
    video = {"preset": "video", "target": "item", "positive": ["rate>=4"],
             "sources": {"kernel": "auto", "semantic-mean": "auto"}}  # fmt: skip
    kernel = {"rank": 64, "reg": 100.0, "text": 30.0}  # trying all takes longer than a test may
    settings = parse_settings(
        {"scenarios": {"电影": video}, "sources": {"kernel": kernel}, "validation": {"folds": 1}}
    )
    people = dict.fromkeys(one.user_id for one in ratings[:15_000])
    ratings = [one for one in ratings if one.user_id in people]
    with Workspace(tmp_path, settings, words(64)) as workspace:
        with workspace.store.write() as writer:
            writer.put_items(films)
            writer.put_users([User(user_id=name) for name in people])
            writer.add_events(ratings)
        plan = Plan("random", ("电影",), tested=frozenset([*people][:200]))
        report = evaluate(workspace, plan, ablation=False, now=NOW)
    found = report.scenarios[0]
    assert found.users > 150
    assert found.targets == len(films)
    assert found.against["popularity"].relative > 0.1
    assert found.against["popularity"].low > 0


MARKS = [
    GivenTag(one.user_id, str(one.item_id), f"of {one.user_id}")
    for one in events()
    if one.action == "buy"
]
"""Everybody who bought a thing wrote their name on it, which tells what is held out."""


def marked_world(path: Path, marks: list[GivenTag]) -> Workspace:
    """The planted world with such tags on goods and on those who gave them."""
    of_items, of_users = TagCounts.of_items(marks), TagCounts.of_users(marks)
    workspace = make(path, events(), [])
    with workspace.store.write() as writer:
        writer.put_items([
            item.model_copy(update={"tags": [*item.tags, *of_items.top(item.item_id)]})
            for item in items()
        ])  # fmt: skip
        names = [f"u{number}" for number in range(USERS)]
        writer.put_users([User(user_id=name, tags=of_users.top(name)) for name in names])
        writer.put_given_tags("shop", marks)
    return workspace


class TestTagsOfUsersUnderTest:
    @pytest.fixture
    def marked(self, tmp_path: Path) -> Iterator[Workspace]:
        with marked_world(tmp_path / "w", MARKS) as workspace:
            yield workspace

    def measured(self, workspace: Workspace, plan: Plan) -> Report:
        return evaluate(workspace, plan, (5,), ablation=False, now=NOW)

    @pytest.mark.parametrize("protocol", ["random", "leave-one-out", "cold-items", "time"])
    def test_numbers_are_those_of_a_world_without_them(
        self, marked: Workspace, tmp_path: Path, protocol: Protocol
    ) -> None:
        """Of all who are asked; of those who are not, they stay."""
        plan, store = Plan(protocol, ("商店",)), marked.store
        part = split(store.dataset(lists=True), store.links(), marked.settings, plan, NOW)
        asked = {part.train.users.ids[row] for row in part.users}
        found = self.measured(marked, plan)
        others = [one for one in MARKS if one.user_id not in asked]
        with marked_world(tmp_path / "clean", others) as clean:
            clear = self.measured(clean, plan)
        assert found.scenarios[0].systems == clear.scenarios[0].systems
        (note,) = found.notes
        assert f"tags that {len(asked)} of the {len(asked)} users under test gave" in note
        assert clear.notes == []

    def test_they_would_tell(self, marked: Workspace) -> None:
        """The proof that it matters: with nobody known to have given them, text finds what is
        held out."""
        plan = Plan("leave-one-out", ("商店",))
        honest = ndcg(self.measured(marked, plan), "semantic-mean")
        with marked.store.write() as writer:
            writer.put_given_tags("shop", [])
        assert ndcg(self.measured(marked, plan), "semantic-mean") > 1.3 * honest

    def test_tags_of_others_stay(self, marked: Workspace) -> None:
        """Two are under test; what the rest wrote stands, and a note says how many are meant."""
        plan = Plan("leave-one-out", ("商店",), tested={"u1", "u2"})
        (note,) = self.measured(marked, plan).notes
        assert note.startswith("tags that 2 of the 2 users under test gave themselves are left out")
        assert note.endswith("items, since they can tell what is to be predicted")
        seen = marked.store.item("maps-1")
        assert seen is not None
        assert any(tag.startswith("of u") for tag in seen.tags)  # in the workspace nothing changes

    def test_with_time_those_of_the_time_under_test_are_left_out(
        self, marked: Workspace, tmp_path: Path
    ) -> None:
        """Whoever gave them: all are of today here."""
        marks = [replace(one, timestamp=NOW) for one in MARKS]
        with marked.store.write() as writer:
            writer.put_given_tags("shop", marks)
        plan = Plan("time", ("商店",), tested={"u1", "u2"})
        found = self.measured(marked, plan)
        with make(tmp_path / "clean", events(), []) as clean:
            clear = self.measured(clean, plan)
        assert found.scenarios[0].systems == clear.scenarios[0].systems
        assert ", and that 38 others gave in the time under test, are left out" in found.notes[0]

    def test_other_settings_are_compared_without_them_too(self, marked: Workspace) -> None:
        plan = Plan("leave-one-out", ("商店",))
        found = evaluate(marked, plan, (5,), ablation=False, against=marked.settings, now=NOW)
        assert found.scenarios[0].against["other settings"].difference == 0
