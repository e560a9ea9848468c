from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planes import space
from polyscene.data.schema import Item, User
from polyscene.errors import ModelError
from polyscene.represent.items import encode_groups, mean_by_group
from polyscene.represent.space import TargetSpace
from polyscene.represent.targets import Targets
from polyscene.settings import Scenario
from polyscene.testing.word_encoder import WordEncoder

AXES = np.eye(4, dtype=np.float32)


def targets(*records: Item) -> Targets:
    made = Targets()
    made.put(records)
    return made


def shown(made: Targets, **spec: object) -> list[str]:
    mask = made.shown_in("here", Scenario.model_validate(spec))
    return [made.ids.ids[row] for row in np.flatnonzero(mask)]


class TestGroups:
    def test_a_group_is_the_normalised_mean_of_its_rows(self) -> None:
        """(e0 + e1)/|..|, then e2 alone, then nothing, then e3."""
        rows = AXES[[0, 1, 2, 3]]
        found = mean_by_group(rows, [0, 0, 1, 3], 4)
        half = np.sqrt(0.5)
        np.testing.assert_allclose(
            found, [[half, half, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]], atol=1e-6
        )

    def test_no_rows_give_zero_groups(self) -> None:
        assert mean_by_group(np.zeros((0, 4), np.float32), [], 3).shape == (3, 4)

    @given(st.lists(st.integers(0, 5), max_size=20))
    def test_groups_agree_with_a_plain_loop(self, owners: list[int]) -> None:
        owners = sorted(owners)
        rows = np.random.default_rng(0).standard_normal((len(owners), 3)).astype(np.float32)
        found = mean_by_group(rows, owners, 6)
        for group in range(6):
            total = rows[[owner == group for owner in owners]].sum(axis=0)
            norm = np.linalg.norm(total)
            np.testing.assert_allclose(found[group], total / (norm or 1), atol=1e-4)

    def test_records_are_encoded_in_their_order(self) -> None:
        encoder = WordEncoder()
        found = encode_groups([["tea"], [], ["maps", "old maps"]], encoder)
        maps = encoder.encode(["maps", "old maps"]).sum(axis=0)
        np.testing.assert_allclose(found[0], encoder.encode(["tea"])[0], atol=1e-6)
        assert not found[1].any()
        np.testing.assert_allclose(found[2], maps / np.linalg.norm(maps), atol=1e-5)


class TestShown:
    def test_only_the_kind_of_the_scenario(self) -> None:
        made = targets(Item(item_id="a"), Item(item_id="b", kind="content"))
        assert shown(made, target="item") == ["a"]
        assert shown(made, target="content") == ["b"]
        assert shown(made, target="person") == []

    def test_only_where_the_target_names_the_scenario_or_none(self) -> None:
        made = targets(
            Item(item_id="all"), Item(item_id="here", scenarios=["here", "x"]),
            Item(item_id="there", scenarios=["there"]),
        )  # fmt: skip
        assert shown(made) == ["all", "here"]

    def test_only_what_is_available(self) -> None:
        made = targets(Item(item_id="a"), Item(item_id="b", available=False))
        assert shown(made) == ["a"]

    def test_only_the_languages_of_the_scenario_their_varieties_and_none_stated(self) -> None:
        made = targets(
            *(Item(item_id=str(code), language=code) for code in ("en", "zh-CN", "ZH", "fr", None))
        )
        assert shown(made, languages=["zh"]) == ["zh-CN", "ZH", "None"]
        assert shown(made, languages=["zh-cn"]) == ["zh-CN", "None"]
        assert shown(made) == ["en", "zh-CN", "ZH", "fr", "None"]


class TestTargets:
    def test_a_record_that_comes_again_replaces_its_row(self) -> None:
        made = targets(Item(item_id="a", title="old"), Item(item_id="b"))
        rows = made.put([Item(item_id="c"), Item(item_id="a", title="new", available=False)])
        assert rows.tolist() == [2, 0]
        assert made.titles == ["new", "", ""]
        assert made.available.tolist() == [False, True, True]

    def test_numeric_fields_are_read_by_name(self) -> None:
        made = targets(
            Item(item_id="a", price=3, stock=True, published_at=5.0),
            Item(item_id="b", price="cheap"),
        )
        rows = np.array([0, 1])
        np.testing.assert_array_equal(made.field("price", rows), [3, np.nan])
        np.testing.assert_array_equal(made.field("stock", rows), [1, np.nan])
        np.testing.assert_array_equal(made.field("published_at", rows), [5, np.nan])
        assert np.isnan(made.field("nothing", rows)).all()

    def test_a_number_that_no_float_can_hold_is_no_number(self) -> None:
        made = targets(Item(item_id="a", serial=10**400))
        assert np.isnan(made.field("serial", np.array([0]))).all()

    def test_equal_texts_have_equal_keys_whatever_their_case_and_spacing(self) -> None:
        made = targets(
            Item(item_id="a", title="Blue  Kettle", description="Boils."),
            Item(item_id="b", title="blue kettle ", description="BOILS."),
            Item(item_id="c", title="blue kettle boils."),
            Item(item_id="d"),
            Item(item_id="e"),
        )
        keys = made.text_keys.tolist()
        assert keys[0] == keys[1]
        assert len(set(keys)) == 4, "items without text are not duplicates of each other"

    def test_people_are_called_by_their_name_and_never_duplicates(self) -> None:
        made = Targets()
        made.put([User(user_id="u", name="Mara", tags=["tea"]), User(user_id="v", tags=["tea"])])
        assert made.titles == ["Mara", "v"]
        assert made.kinds == ["person", "person"]
        assert made.text_keys[0] != made.text_keys[1]

    @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(
            st.builds(
                Item,
                item_id=st.text("abc", min_size=1, max_size=3),
                kind=st.sampled_from(["item", "content", "activity"]),
                title=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
                tags=st.lists(st.sampled_from(["茶", "tea"])),
                language=st.none() | st.sampled_from(["en", "zh-CN"]),
                provider=st.none() | st.just("P"),
                available=st.booleans(),
                scenarios=st.lists(st.just("here"), max_size=1),
                published_at=st.none() | st.floats(0, 1e10),
                price=st.floats(-1e6, 1e6),
            ),
            max_size=8,
        )
    )
    def test_what_is_saved_is_loaded(self, tmp_path: Path, records: list[Item]) -> None:
        saved = targets(*records)
        saved.save(tmp_path)
        loaded = Targets.load(tmp_path)
        assert list(loaded.ids.ids) == list(saved.ids.ids)
        for name in ("kinds", "titles", "tags", "languages", "providers", "scenarios", "numbers"):
            assert getattr(loaded, name) == getattr(saved, name)
        for name in ("available", "published_at", "text_keys"):
            np.testing.assert_array_equal(getattr(loaded, name), getattr(saved, name))

    @pytest.mark.parametrize("content", [None, b"", b"PAR1", b"PAR1" + b"x" * 99 + b"PAR1"])
    def test_a_damaged_file_is_a_model_error(self, tmp_path: Path, content: bytes | None) -> None:
        targets(Item(item_id="a")).save(tmp_path)
        if content is None:
            (tmp_path / "targets.parquet").unlink()
        else:
            (tmp_path / "targets.parquet").write_bytes(content)
        with pytest.raises(ModelError, match="cannot read the targets"):
            Targets.load(tmp_path)


class TestSpace:
    def test_a_search_gives_the_nearest_allowed_rows(self) -> None:
        made = space([[1, 0], [0, 1], [0.6, 0.8]])
        rows, cosines = made.search(np.array([[1, 0]], np.float32), 2)
        assert rows.tolist() == [[0, 2]]
        np.testing.assert_allclose(cosines, [[1, 0.6]], atol=1e-6)
        rows, _ = made.search(np.array([[1, 0]], np.float32), 3, np.array([False, True, True]))
        assert rows.tolist() == [[2, 1, -1]]

    def test_new_targets_are_found_at_once_and_changed_ones_move(self) -> None:
        made = space([[1, 0], [0, 1]])
        records = [Item(item_id="i1"), Item(item_id="new"), Item(item_id="new", title="again")]
        vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
        rows = made.put(records, vectors)
        assert rows.tolist() == [1, 2, 2]
        assert len(made) == 3
        assert made.targets.titles[2] == "again"
        np.testing.assert_allclose(made.vectors, [[1, 0], [1, 0], [0.6, 0.8]])

    def test_what_is_saved_is_loaded_also_after_changes(self, tmp_path: Path) -> None:
        made = space([[1, 0], [0, 1]])
        made.put([Item(item_id="new")], np.array([[0.6, 0.8]], np.float32))
        made.save(tmp_path)
        loaded = TargetSpace.load(tmp_path)
        np.testing.assert_array_equal(loaded.vectors, made.vectors)
        loaded.put([Item(item_id="newer")], np.array([[0, 1]], np.float32))
        assert len(loaded) == 4

    def test_targets_and_vectors_that_do_not_match_are_a_model_error(self, tmp_path: Path) -> None:
        space([[1, 0], [0, 1]]).save(tmp_path)
        targets(Item(item_id="a")).save(tmp_path)
        with pytest.raises(ModelError, match="1 targets but 2 vectors"):
            TargetSpace.load(tmp_path)
