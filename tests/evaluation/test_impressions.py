"""Protocol impressions from a workspace to numbers and files, where the right order is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calling import call
from planes import dataset, settings
from polyscene.data.dataset import IdMap
from polyscene.data.questions import Questions
from polyscene.engine.recommender import Recommender
from polyscene.errors import DataError
from polyscene.evaluation.protocols import Plan, Split, split
from polyscene.evaluation.report import write_html
from polyscene.evaluation.run import Report, evaluate
from polyscene.evaluation.shown import Shown, shown_in
from polyscene.evaluation.systems import BASELINES, ENGINE, Bench
from polyscene.fitting.past import DatasetPast
from polyscene.fitting.run import fit_to, on_rows
from polyscene.logs import NO_PROGRESS
from polyscene.settings import parse_settings
from polyscene.text.verbalise import Verbaliser
from polyscene.workspace import Workspace
from tiny_world import NOW

from .planted import SHOWN, USERS, event, make, shown

ITEMS = [f"i{number}" for number in range(6)]
PLAN = Plan("impressions", ("商店",), share=0.25, by="latest")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with make(tmp_path_factory.mktemp("shown") / "w", shown(), [], **SHOWN) as workspace:
        yield workspace


@pytest.fixture(scope="module")
def measured(world: Workspace) -> Report:
    """With declared weights, so that there is something to leave out."""
    shop = SHOWN["scenarios"]["商店"] | {"sources": {"kernel": 1.0, "trending": 0.3}}
    declared = parse_settings(SHOWN | {"scenarios": SHOWN["scenarios"] | {"商店": shop}})
    with Workspace(world.path, declared, world.encoder) as own:
        return evaluate(own, PLAN, (2, 3), now=NOW)


def cut(workspace: Workspace, plan: Plan = PLAN) -> Split:
    data = workspace.store.dataset(requests=True)
    return split(data, workspace.store.links(), workspace.settings, plan, NOW)


class TestLists:
    """What is an impression, and what is positive, on a page of events."""

    EVENTS = (
        ("a", "i0", "view", "shop", 1.0),
        ("a", "i1", "view", "shop", 1.0),
        ("a", "i1", "buy", "shop", 1.0),
        ("a", "i0", "buy", "shop", 1.0),
        ("b", "i2", "view", "shop", 1.0),
        ("b", "i2", "view", "news", 1.0),
        ("b", "i3", "buy", None, 1.0),
    )
    OTHERS = ("nobody", *ITEMS[::-1])
    """Ids by row of the space: other rows than those of the events."""

    def found(self, requests: tuple[int, ...] = (), users: tuple[int, ...] = (0, 1)) -> Shown:
        data = dataset(self.EVENTS, ITEMS, requests=requests)
        declared = settings(shop={"positive": ["buy"]}, news={"target": "content"})
        part = Split(
            PLAN, data.take([]), None, NOW, Questions.of(np.array(users)), {}, data  # type: ignore[arg-type]
        )  # fmt: skip
        return shown_in(part, declared, "shop", IdMap(self.OTHERS))

    def told(self, found: Shown) -> list[tuple[int, int, str, bool]]:
        return [
            (int(found.users[owner]), int(number), self.OTHERS[row], bool(right))
            for owner, number, row, right in zip(
                found.owner, found.lists, found.rows, found.positive, strict=True
            )
        ]

    def test_without_requests_a_user_has_one_list(self) -> None:
        """A target that was viewed and bought is one impression; an event of no scenario counts,
        one of another does not."""
        assert self.told(self.found()) == [
            (0, 0, "i1", True),
            (0, 0, "i0", True),
            (1, 1, "i3", True),
            (1, 1, "i2", False),
        ]

    def test_with_requests_success_is_within_the_request(self) -> None:
        """i0 was viewed in request 5 and bought in 6, i1 both in 5; without one nothing is shown.

        b's list of the same request is another list.
        """
        assert self.told(self.found((5, 5, 5, 6, 5, 5, -1))) == [
            (0, 0, "i1", True),
            (0, 0, "i0", False),
            (0, 1, "i0", True),
            (1, 2, "i2", False),
        ]

    def test_only_users_under_test_are_asked(self) -> None:
        assert {user for user, *_ in self.told(self.found(users=(1,)))} == {1}


class TestOrder:
    @pytest.mark.parametrize("reward", [{}, "similarity + popularity - 0.5"])
    def test_it_is_that_of_an_answer_among_the_shown_targets(
        self, world: Workspace, reward: dict[str, str] | str
    ) -> None:
        """For every system and user: the same order and the same scores, one list at a time."""
        scenarios = SHOWN["scenarios"]
        scenarios = scenarios | {"商店": scenarios["商店"] | {"reward": reward}}
        declared = parse_settings(SHOWN | {"scenarios": scenarios})
        with Workspace(world.path, declared, world.encoder) as own:
            self.compare(own)

    def compare(self, world: Workspace) -> None:
        part = cut(world)
        model = fit_to(world, part.train, part.links, now=part.now)
        bench = Bench(world, model, part)
        with NO_PROGRESS.task("ask", None, "users") as task:
            said = bench.said(bench.shown("商店"), "商店", task)
        ids, users = model.items.targets.ids.ids, part.train.users.ids
        verbaliser = Verbaliser(world.settings)
        past = DatasetPast(on_rows(part.train, model.items.targets.ids), part.links,
                           world.store.users)  # fmt: skip
        assert len(said.shown) == 4 * USERS
        for name, weights in bench.systems("商店").items():
            if name in BASELINES:
                continue  # their sources are not those of the model
            spec = world.settings.scenario("商店").model_copy(update={"sources": weights})
            declared = world.settings.model_copy(
                update={"scenarios": {**world.settings.scenarios, "商店": spec}}
            )
            recommender = Recommender(declared, model, world.encoder, verbaliser, past)
            scores, ranks = bench.ordered(said, "商店", weights)
            for place, user in enumerate(said.shown.users.tolist()):
                own = said.shown.owner == place
                targets = [ids[row] for row in said.shown.rows[own]]
                (answer,) = recommender.answers([users[user]], "商店", 4, part.now, targets)
                order = np.argsort(ranks[own])
                assert [item.item_id for item in answer.items] == [targets[n] for n in order]
                expected = [item.score for item in answer.items]
                told = scores[own][order]
                told = told if min(expected) < 0 else np.maximum(told, 0)
                assert told == pytest.approx(expected, abs=1e-6)
                assert (np.diff(scores[own][order]) <= 0).all()

    def test_what_may_not_be_shown_is_left_out(self, tmp_path: Path) -> None:
        """A target seen before, and one that is withheld, are counted and not ordered."""
        done = shown(8)
        again = event(0, done[0].item_id, "buy", "商店", 0.5)
        done.append(again.model_copy(update={"request_id": done[15].request_id}))
        safety = {"safety": {"blocked_terms": ["clay"]}}
        scenarios = SHOWN["scenarios"] | {"商店": SHOWN["scenarios"]["商店"] | safety}
        with make(tmp_path / "w", done, [], scenarios=scenarios) as workspace:
            plan = replace(PLAN, share=0.26)
            found = evaluate(workspace, plan, (2,), ablation=False, now=NOW).scenarios[0]
        assert found.impressions is not None
        withheld = sum("clay" in one.item_id for one in done if one.request_id[-1:] == "3")  # type: ignore[index]
        assert found.impressions.left_out == withheld + 1
        assert found.impressions.shown == 8 * 4 - withheld


class TestReport:
    def test_the_engine_knows_the_order_and_popularity_does_not(self, measured: Report) -> None:
        """Everybody buys what is of their taste, and all tastes are as common. What is new to
        somebody of a taste was bought by fewer, so that popularity misleads."""
        found = measured.scenarios[0]
        engine, popular = found.systems[ENGINE].metrics, found.systems["popularity"].metrics
        assert engine["gauc"].mean > 0.95
        assert engine["ndcg@2"].mean > 0.95
        assert engine["mrr"].mean > 0.95
        assert engine["auc"].mean > 0.9
        assert popular["gauc"].mean < 0.5
        assert engine["information"].low > 0.5 > popular["information"].high
        assert found.against["popularity"].low > 0.2
        assert found.against["popularity"].p_value < 0.001

    def test_counts_are_those_of_what_was_shown(self, measured: Report) -> None:
        found = measured.scenarios[0]
        assert measured.by == "latest"
        assert measured.main == "gauc"
        assert measured.train_events == 3 * 4 * USERS
        assert (found.users, found.relevant) == (USERS, 2 * USERS)
        assert found.impressions is not None
        assert found.impressions.shown == 4 * USERS
        assert found.impressions.lists == found.impressions.mixed == USERS
        assert found.impressions.rate == 0.5
        (part,) = found.impressions.parts
        assert (part.part, part.impressions) == ("5-19", 4 * USERS)
        assert part.gauc[ENGINE] == found.systems[ENGINE].metrics["gauc"].mean

    def test_systems_and_their_comparisons_belong_together(self, measured: Report) -> None:
        found = measured.scenarios[0]
        assert next(iter(found.systems)) == ENGINE
        assert {"only kernel", "without kernel", *BASELINES} <= found.systems.keys()
        for name, against in found.against.items():
            lost = found.systems[ENGINE].metrics["gauc"].mean
            lost -= found.systems[name].metrics["gauc"].mean
            assert against.difference == pytest.approx(lost)

    def test_users_without_a_success_count_where_they_can(self, tmp_path: Path) -> None:
        """Their lists have no order to judge, but a probability for each target."""
        done = [
            one.model_copy(update={"action": "pass"}) if one.user_id == "u0" else one
            for one in shown(12)
        ]
        with make(tmp_path / "w", done, [], **SHOWN) as workspace:
            found = evaluate(workspace, PLAN, (2,), ablation=False, now=NOW).scenarios[0]
        metrics = found.systems[ENGINE].metrics
        assert found.users == metrics["auc"].users == metrics["log_loss"].users == 12
        assert metrics["gauc"].users == metrics["ndcg@2"].users == 11

    @pytest.mark.parametrize("action", ["buy", "pass"])
    def test_with_one_class_there_is_nothing_to_measure(self, action: str, tmp_path: Path) -> None:
        done = [one.model_copy(update={"action": action}) for one in shown(8)]
        with (
            make(tmp_path / "w", done, [], **SHOWN) as workspace,
            pytest.raises(DataError, match="all of it was a success, or none of it"),
        ):
            evaluate(workspace, PLAN, (2,), now=NOW)

    def test_where_events_name_no_request_a_random_share_is_one_list(self, tmp_path: Path) -> None:
        done = [one.model_copy(update={"request_id": None, "timestamp": None}) for one in shown(20)]
        with make(tmp_path / "w", done, [], **SHOWN) as workspace:
            report = evaluate(workspace, replace(PLAN, by="auto"), (2,), ablation=False, now=NOW)
        found = report.scenarios[0].impressions
        assert report.by == "random"
        assert found is not None
        assert (found.lists, found.shown) == (20, 4 * 20)


class TestFiles:
    def test_the_page_says_what_was_measured(self, measured: Report, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib")
        write_html(measured, tmp_path / "r.html")
        text = (tmp_path / "r.html").read_text("utf-8")
        found = measured.scenarios[0]
        for system in found.systems.values():
            assert f"{system.metrics['gauc'].mean:.4f}" in text
            assert f"{system.metrics['log_loss'].mean:.4f}" in text
        for said in ("GAUC", "Reliability", "put in order what 40 users were shown",
                     "160 impressions in 40 lists", "by user activity"):  # fmt: skip
            assert said in text
        assert "nan" not in text.lower()
        assert text.count("<svg") == 3
        assert "Gini" not in text

    def test_it_goes_through_json(self, measured: Report) -> None:
        read = json.loads(measured.to_json())
        assert (read["protocol"], read["by"]) == ("impressions", "latest")
        shop = read["scenarios"][0]
        assert shop["impressions"]["shown"] == 4 * USERS
        assert len(shop["systems"][ENGINE]["curve"]) > 1

    def test_the_command_prints_a_table(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        path = tmp_path / "w"
        make(path, shown(12), [], **SHOWN).close()
        (path / "polyscene.toml").write_text(
            'version = 1\n[scenarios."商店"]\nactions = { buy = 1.0, pass = -1.0 }\n'
            "sources = { semantic-mean = 1.0, trending = 0.1 }\n",
            "utf-8",
        )
        out = tmp_path / "r.json"
        done = call("-w", path, "evaluate", "--protocol", "impressions", "--by", "latest",
                    "--share", "0.25", "-k", "2", "--json", out)  # fmt: skip
        assert done.code == 0, done
        assert "商店: protocol impressions (latest), 12 users, 48 impressions" in done.out
        systems = json.loads(out.read_text("utf-8"))["scenarios"][0]["systems"]
        for name, system in systems.items():
            assert any(
                line.startswith(f"{name} ") and f"{system['metrics']['gauc']['mean']:.4f}" in line
                for line in done.out.splitlines()
            )

    def test_by_goes_with_impressions_alone(self, tmp_path: Path) -> None:
        done = call("-w", tmp_path, "evaluate", "--by", "latest")
        assert done.code == 2
        assert "--by goes with --protocol impressions" in done.err
