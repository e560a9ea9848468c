from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny_world
from polyscene.data.schema import Item
from polyscene.errors import ModelError, NotFittedError
from polyscene.fitting.model import FORMAT, Model, ModelConfig, current_version, model_versions
from polyscene.sources import SemanticMean, SemanticMulti
from tiny_world import ITEMS, NOW, USERS, ids, put

FILES = (
    "config.json",
    "transform/matrix.npy",
    "transform/mean-item.npy",
    "items/targets.parquet",
    "items/vectors.npy",
    "items/index.json",
    "people/0/targets.parquet",
    "people/0/vectors.npy",
    "withheld/0.npy",
    "sources/trending/trends.json",
    "sources/trending/0.own.npy",
)


def test_a_loaded_model_is_the_saved_one(tmp_path: Path) -> None:
    """Vectors, masks, trends and config come back exactly, enough items to whiten among them."""
    more = [Item(item_id=f"m{n}", title=f"Word{n} of tea {n % 7}", price=n) for n in range(40)]
    with tiny_world.make(tmp_path, items=[*ITEMS, *more]) as engine:
        saved = engine.model
        loaded = Model.load(engine.workspace.models, engine.workspace.settings)
        assert loaded.config == saved.config
        assert loaded.sources.keys() == saved.sources.keys()
        np.testing.assert_array_equal(loaded.transform.matrix, saved.transform.matrix)
        assert not np.array_equal(saved.transform.matrix, np.eye(saved.transform.dim))
        for scenario in engine.workspace.settings.scenarios:
            one, two = saved.space(scenario), loaded.space(scenario)
            np.testing.assert_array_equal(one.vectors, two.vectors)
            assert list(one.targets.ids.ids) == list(two.targets.ids.ids)
            np.testing.assert_array_equal(saved.withheld[scenario], loaded.withheld[scenario])


@pytest.mark.parametrize("name", ["friends/near", "..", "会/人", "a b"])
def test_a_scenario_may_have_any_name(tmp_path: Path, name: str) -> None:
    """Also where people are recommended: it is no name of a folder."""
    scenarios = {name: {"preset": "social"}, "shop": {"preset": "shop"}}
    with tiny_world.make(tmp_path, scenarios) as engine:
        saved = tiny_world.ids(engine.recommend("ann", name, now=NOW))
    with tiny_world.reopen(tmp_path, scenarios) as engine:
        assert tiny_world.ids(engine.recommend("ann", name, now=NOW)) == saved
        assert saved


def test_config_tells_what_the_model_was_made_of(tmp_path: Path) -> None:
    with tiny_world.make(tmp_path) as engine:
        store, version = engine.workspace.store, current_version(engine.workspace.models)
        fingerprint, revision = store.fingerprint(), store.revision()
    assert version is not None
    data = json.loads((tmp_path / "models" / version / "config.json").read_text("utf-8"))
    assert data.keys() == ModelConfig.model_fields.keys()
    assert data["format"] == FORMAT
    assert data["version"] == version
    assert data["encoder"] == tiny_world.words().id
    assert data["dtype"] == "float32"
    assert data["created_at"] == NOW
    assert data["fingerprint"] == fingerprint
    assert data["revision"] == revision
    assert set(data["libraries"]) >= {"python", "polyscene", "numpy", "faiss-cpu", "polars"}
    assert set(data["sources"]) >= {"semantic-soft", "semantic-multi", "trending", "fresh"}
    assert data["people"] == ["social"]
    assert data["safety"].keys() == tiny_world.SCENARIOS.keys()
    assert set(data["settings"]) >= {"text", "whitening"}


def test_a_model_holds_no_pickle(tmp_path: Path) -> None:
    """Every .npy loads without pickle; everything else is JSON, Parquet or an index."""
    with tiny_world.make(tmp_path) as engine:
        path = engine.workspace.models / engine.model.config.version
    files = [file for file in path.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} <= {".json", ".npy", ".parquet", ".faiss"}
    for file in files:
        if file.suffix == ".npy":
            np.load(file, allow_pickle=False)
        assert not file.read_bytes().startswith(pickle.PROTO)


def test_the_last_three_versions_are_kept(tmp_path: Path) -> None:
    """Also when the fits follow each other within a second."""
    with tiny_world.make(tmp_path) as engine:
        made = [engine.model.config.version]
        made += [engine.fit(now=NOW).config.version for _ in range(5)]
        assert made == sorted(made)
        assert model_versions(engine.workspace.models) == made[-3:]
        assert current_version(engine.workspace.models) == made[-1]


def test_the_current_version_stays_though_its_name_is_the_oldest(tmp_path: Path) -> None:
    """The clock was set back: the three newer names do not push the new model out."""
    with tiny_world.make(tmp_path) as engine:
        models, model = engine.workspace.models, engine.model
        for year in (2998, 2999, 3000):
            model.config = model.config.model_copy(update={"version": f"{year}0101-000000"})
            model.save(models)
        assert current_version(models) == "30000101-000000"
        version = engine.fit(now=NOW).config.version
        assert current_version(models) == version
        assert version in model_versions(models)
        assert Model.load(models, engine.workspace.settings).config.version == version


def test_an_older_version_can_be_read(tmp_path: Path) -> None:
    with tiny_world.make(tmp_path) as engine:
        first = engine.model.config.version
        engine.fit(now=NOW)
        models, settings = engine.workspace.models, engine.workspace.settings
        assert Model.load(models, settings, first).config.version == first


def test_no_model_says_how_to_make_one(tmp_path: Path) -> None:
    with (
        tiny_world.make(tmp_path, fit=False) as engine,
        pytest.raises(NotFittedError, match="make one with: polyscene fit"),
    ):
        Model.load(engine.workspace.models, engine.workspace.settings)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fitted workspace; a test that damages it puts it back."""
    path = tmp_path_factory.mktemp("whole")
    tiny_world.make(path).close()
    return path


class TestDamage:
    @pytest.mark.parametrize("name", FILES)
    @pytest.mark.parametrize("damage", ["gone", "empty", "cut", "garbage"])
    def test_a_damaged_file_is_an_error_that_names_the_fix(
        self, whole: Path, name: str, damage: str
    ) -> None:
        """Missing, empty, cut short or overwritten: ModelError, and a fit puts it right."""
        file = whole / "models" / (current_version(whole / "models") or "") / name
        before = file.read_bytes()
        content = {"empty": b"", "cut": before[: len(before) // 2], "garbage": b"\x00garbage" * 9}
        if damage == "gone":
            file.unlink()
        else:
            file.write_bytes(content[damage])
        try:
            with (
                tiny_world.reopen(whole) as engine,
                pytest.raises(ModelError, match="make a new one with: polyscene fit") as caught,
            ):
                engine.recommend("ann", "shop", now=NOW)
            assert str(whole) in str(caught.value)
        finally:
            file.write_bytes(before)

    def test_a_pointer_to_nowhere_is_an_error_that_names_the_fix(self, whole: Path) -> None:
        pointer = whole / "models" / "current"
        before = pointer.read_text()
        pointer.write_text("20200101-000000\n")
        try:
            with (
                tiny_world.reopen(whole) as engine,
                pytest.raises(ModelError, match="make a new one with: polyscene fit"),
            ):
                _ = engine.model
        finally:
            pointer.write_text(before)

    @pytest.mark.parametrize("change", [{"format": 99}, {"format": None}, {"extra": 1}])
    def test_another_format_is_an_error_that_names_the_fix(
        self, whole: Path, change: dict[str, Any]
    ) -> None:
        file = whole / "models" / (current_version(whole / "models") or "") / "config.json"
        before = file.read_text("utf-8")
        file.write_text(json.dumps(json.loads(before) | change), "utf-8")
        try:
            with (
                tiny_world.reopen(whole) as engine,
                pytest.raises(ModelError, match="make a new one with: polyscene fit"),
            ):
                _ = engine.model
        finally:
            file.write_text(before, "utf-8")

    def test_a_new_fit_puts_it_right(self, tmp_path: Path) -> None:
        with tiny_world.make(tmp_path) as engine:
            version = engine.model.config.version
        (tmp_path / "models" / version / "items" / "vectors.npy").unlink()
        with tiny_world.reopen(tmp_path) as engine:
            engine.fit(now=NOW)
        with tiny_world.reopen(tmp_path) as engine:
            assert engine.recommend("ann", "shop", now=NOW).items


class TestRefresh:
    """What came after the fit is taken in without a new fit, by the running engine and anew."""

    def test_a_new_item_is_recommended_at_once(self, tmp_path: Path) -> None:
        with tiny_world.make(tmp_path) as engine:
            version = engine.model.config.version
            put(engine, Item(item_id="late", title="Old map of Porto", tags=["maps"]))
            assert "late" not in ids(engine.recommend("bo", "shop", 50, now=NOW))
            engine.ingest()
            assert "late" in ids(engine.recommend("bo", "shop", 3, now=NOW))
            assert engine.model.config.version == version
        with tiny_world.reopen(tmp_path) as engine:
            assert "late" in ids(engine.recommend("bo", "shop", 3, now=NOW))
            assert "late" in ids(engine.similar("map-1", "shop", 3))

    def test_a_changed_item_moves(self, tmp_path: Path) -> None:
        """The kettle becomes a map: last for a tea lover, near the top for a collector."""
        with tiny_world.make(tmp_path) as engine:
            put(engine, Item(item_id="tea-3", title="Old map of Genoa", tags=["maps"]))
        with tiny_world.reopen(tmp_path) as engine:
            answer = engine.recommend("bo", "shop", 3, now=NOW)
            assert "tea-3" in ids(answer)
            assert "Old map of Genoa" in [item.title for item in answer.items]

    def test_an_item_that_is_no_longer_available_goes(self, tmp_path: Path) -> None:
        with tiny_world.make(tmp_path) as engine:
            put(engine, Item(item_id="map-3", title="Atlas of old maps", available=False))
            engine.ingest()
            assert "map-3" not in ids(engine.recommend("bo", "shop", 50, now=NOW))
            put(engine, Item(item_id="map-3", title="Atlas of old maps"))
            engine.ingest()
            assert "map-3" in ids(engine.recommend("bo", "shop", 50, now=NOW))

    def test_a_new_item_that_safety_withholds_is_not_shown(self, tmp_path: Path) -> None:
        """Neither new ones nor ones that are changed into something withheld."""
        with tiny_world.make(tmp_path) as engine:
            put(engine, Item(item_id="bad", title="Old map, counterfeit"),
                Item(item_id="map-3", title="Atlas of counterfeit maps"))  # fmt: skip
            engine.ingest()
            assert not {"bad", "map-3"} & set(ids(engine.recommend("bo", "shop", 50, now=NOW)))
            put(engine, Item(item_id="map-3", title="Atlas of maps"))
            engine.ingest()
            assert "map-3" in ids(engine.recommend("bo", "shop", 50, now=NOW))

    def test_a_changed_user_is_found_by_what_they_say_now(self, tmp_path: Path) -> None:
        with tiny_world.make(tmp_path) as engine:
            put(engine, USERS[5].model_copy(update={"tags": ["old maps"]}))
        with tiny_world.reopen(tmp_path) as engine:
            assert ids(engine.recommend("bo", "social", 1, now=NOW)) == ["nil"]

    def test_the_saved_model_is_not_changed(self, tmp_path: Path) -> None:
        with tiny_world.make(tmp_path) as engine:
            path = engine.workspace.models / engine.model.config.version
            before = {f: f.read_bytes() for f in path.rglob("*") if f.is_file()}
            put(engine, Item(item_id="late", title="Old map"))
            engine.ingest()
            assert len(engine.model.items) == len(ITEMS) + 1
            assert {f: f.read_bytes() for f in path.rglob("*") if f.is_file()} == before


class TestChangedSettings:
    def scenarios(self, **shop: Any) -> dict[str, dict[str, Any]]:
        return tiny_world.SCENARIOS | {"shop": {"preset": "shop", **shop}}

    def test_another_encoder_needs_a_new_fit_and_the_message_says_so(self, tmp_path: Path) -> None:
        tiny_world.make(tmp_path).close()
        with tiny_world.reopen(tmp_path, encoder=tiny_world.words(32)) as engine:
            with pytest.raises(NotFittedError, match=r"words 256 is now words 32.*polyscene fit"):
                engine.recommend("ann", "shop", now=NOW)
            engine.fit(now=NOW)
            assert engine.recommend("ann", "shop", now=NOW).items

    @pytest.mark.parametrize(
        ("changed", "named"),
        [
            ({"text": {"max_tokens": 16}}, "text"),
            ({"whitening": {"enabled": False}}, "whitening"),
            ({"index": {"exact_below": 5}}, "index"),
        ],
    )
    def test_settings_of_the_vectors_need_a_new_fit(
        self, tmp_path: Path, changed: dict[str, Any], named: str
    ) -> None:
        tiny_world.make(tmp_path).close()
        with (
            tiny_world.reopen(tmp_path, **changed) as engine,
            pytest.raises(NotFittedError, match=rf"other settings \({named}\); run: polyscene fit"),
        ):
            _ = engine.model

    def test_a_new_source_and_a_new_scenario_of_people_need_a_new_fit(self, tmp_path: Path) -> None:
        tiny_world.make(tmp_path, {"shop": {"preset": "shop"}}).close()
        both = {"shop": {"preset": "shop", "sources": {"semantic-mean": 1}},
                "social": {"preset": "social"}}  # fmt: skip
        with (
            tiny_world.reopen(tmp_path, both) as engine,
            pytest.raises(NotFittedError, match="scenario recommends people; new sources: sem"),
        ):
            _ = engine.model

    def test_a_new_scenario_of_items_needs_none(self, tmp_path: Path) -> None:
        """Its sources were fitted for another; a weight that is "auto" is the usual one."""
        fitted = {"semantic-mean": 1.0, "semantic-multi": 0.4}
        shop = {"shop": {"preset": "shop", "sources": fitted}}
        tiny_world.make(tmp_path, shop).close()
        gifts = {"reads": ["shop"], "sources": dict.fromkeys(fitted, "auto")}
        with tiny_world.reopen(tmp_path, shop | {"gifts": gifts}) as engine:
            items = engine.recommend("bo", "gifts", 50, now=NOW).items
            assert {item.item_id for item in items} >= {"map-3", "tea-1"}
            for source in (SemanticMean, SemanticMulti):
                most = max(item.sources.get(source.name, 0.0) for item in items)
                assert most == pytest.approx(source.usual)

    def test_behaviour_that_became_private_needs_one(self, tmp_path: Path) -> None:
        """The vectors of people contain what people did in the shop."""
        tiny_world.make(tmp_path).close()
        with (
            tiny_world.reopen(tmp_path, self.scenarios(private=True)) as engine,
            pytest.raises(NotFittedError, match="other settings \\(people"),
        ):
            _ = engine.model

    def test_changed_safety_is_judged_anew_without_a_fit(self, tmp_path: Path) -> None:
        """Stricter words hide at once, and giving them up shows again; for people as well."""
        tiny_world.make(tmp_path).close()
        strict = self.scenarios(safety={"blocked_terms": ["atlas"]}) | {
            "social": {"preset": "social", "safety": {"blocked_terms": ["bo"]}}
        }
        with tiny_world.reopen(tmp_path, strict) as engine:
            assert "map-3" not in ids(engine.recommend("bo", "shop", 50, now=NOW))
            assert "bo" not in ids(engine.recommend("ann", "social", 50, now=NOW))
        with tiny_world.reopen(tmp_path) as engine:
            assert "map-3" in ids(engine.recommend("bo", "shop", 50, now=NOW))
            assert "bo" in ids(engine.recommend("ann", "social", 50, now=NOW))
        with tiny_world.reopen(tmp_path, strict) as engine:
            put(engine, Item(item_id="late", title="Another atlas"))
            assert not {"map-3", "late"} & set(ids(engine.recommend("bo", "shop", 50, now=NOW)))

    def test_weights_reward_and_seen_policy_take_effect_without_a_fit(self, tmp_path: Path) -> None:
        tiny_world.make(tmp_path).close()
        with tiny_world.reopen(tmp_path, self.scenarios(seen="include")) as engine:
            assert "map-1" in ids(engine.recommend("bo", "shop", 50, now=NOW))
