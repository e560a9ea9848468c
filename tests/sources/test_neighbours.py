"""Neighbour sources: the tables by hand, block by block as at once, and what is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from planes import NOW, dataset, history, query, settings, space
from polyscene.component import Query, Training, build
from polyscene.errors import ModelError
from polyscene.fitting.holdout import validations
from polyscene.sources import Source
from polyscene.sources import neighbours as module
from polyscene.sources.base import SILENT
from polyscene.sources.neighbours import (
    ItemKnn,
    ItemKnnConfig,
    Neighbours,
    NeighboursConfig,
    Rp3Beta,
    Rp3BetaConfig,
    nearest,
)
from polyscene.testing.source_contract import SourceContract

KINDS: list[type[Neighbours]] = [ItemKnn, Rp3Beta]
SHOP = {"shop": {"target": "item", "actions": {"like": 1.0, "view": 0.0, "hide": -1.0}}}
LIKES = [("a", "i0"), ("a", "i1"), ("b", "i0"), ("b", "i1"), ("c", "i1"), ("c", "i2")]
"""i0 and i1 have two users in common, i1 and i2 one, i0 and i2 none."""


class TestItemKnnContract(SourceContract):
    def make(self) -> Source:
        return build(Source, "item-knn", {"k": 10})


class TestRp3BetaContract(SourceContract):
    def make(self) -> Source:
        return build(Source, "rp3beta", {"k": 10, "graded": True, "support": 1})


def training(events: Sequence[tuple[str, ...]], items: int = 4) -> Training:
    """Events as (user, item) or (user, item, action)."""
    full = [(e[0], e[1], e[2] if len(e) > 2 else "like", "shop", 1.0) for e in events]
    data = dataset(full, [f"i{row}" for row in range(items)])
    return Training(data, settings(**SHOP), np.zeros((items, 2), np.float32), NOW)


def tastes(users: int = 60) -> Training:
    """Users who each liked four of the six items of one of five tastes."""
    rng = np.random.default_rng(0)
    events = [
        (f"u{number}", f"i{6 * (number % 5) + row}")
        for number in range(users)
        for row in rng.choice(6, 4, replace=False)
    ]
    return training(events, 30)


def asked(rows: Sequence[int], strengths: Sequence[float] = (), items: int = 4) -> Query:
    things = space(np.zeros((items, 2)).tolist())
    past = history(things, rows, strengths or [1.0] * len(rows))
    return query(things, past, n=items, target="item")


def fitted(kind: type[Neighbours], known: Training | None = None, **options: Any) -> Neighbours:
    source = kind(kind.config_type.model_validate({"graded": True, **options}))
    source.fit(known or training(LIKES))
    return source


def score(source: Neighbours, *questions: Query) -> list[list[float]]:
    return [
        [round(float(value), 5) if value > SILENT else -1 for value in row]
        for row in source.scores(questions)
    ]


def test_cosines_by_hand() -> None:
    """|x0| = √2, |x1| = √3, |x2| = 1: 2/√6 and 1/√3, with shrink 1 one more below."""
    one, two = asked([0]), asked([1])
    assert score(fitted(ItemKnn, shrink=0), one, two) == [
        [-1, 0.8165, -1, -1],
        [0.8165, -1, 0.57735, -1],
    ]
    assert score(fitted(ItemKnn, shrink=1), two) == [[0.57980, -1, 0.36603, -1]]


def test_walks_by_hand() -> None:
    """From i0 to i1: 2 · 1/2 · 1/2 = 1/2, over 3^β; from i1 to i2: 1/3 · 1/2 over 1."""
    one, two = asked([0]), asked([1])
    assert score(fitted(Rp3Beta, beta=0), one, two) == [
        [-1, 0.5, -1, -1],
        [0.33333, -1, 0.16667, -1],
    ]
    assert score(fitted(Rp3Beta, beta=1), one, two) == [
        [-1, 0.16667, -1, -1],
        [0.16667, -1, 0.16667, -1],
    ]


def test_each_target_of_item_knn_keeps_its_nearest() -> None:
    """With k = 1, i1 looks at i0 only; i0 and i2 both look at i1."""
    source = fitted(ItemKnn, shrink=0, k=1)
    assert score(source, asked([0]), asked([1]), asked([2])) == [
        [-1, 0.8165, -1, -1],
        [0.8165, -1, 0.57735, -1],
        [-1, -1, -1, -1],
    ]


def test_each_item_of_rp3beta_keeps_its_likeliest() -> None:
    """With k = 1, a walk from i1 ends at i0 only; from i2 it ends at i1."""
    source = fitted(Rp3Beta, beta=0, k=1)
    assert score(source, asked([1]), asked([2])) == [[0.33333, -1, -1, -1], [-1, 0.5, -1, -1]]


def test_entries_of_the_history_add_up_by_their_weight() -> None:
    """Likes by strength: 1 · 2/√6 from i0 and 0.5 · 1/√3 from i2."""
    source = fitted(ItemKnn, shrink=0, graded=False)
    assert score(source, asked([0, 2], [1.0, 0.5])) == [[-1, 1.10517, -1, -1]]


def test_neutral_entries_count_only_when_graded() -> None:
    """A strength of 0 is a weight of 0.6 when graded: 0.6 · 2/√6."""
    neutral = asked([0], [0.0])
    assert score(fitted(ItemKnn, shrink=0), neutral) == [[-1, 0.4899, -1, -1]]
    assert score(fitted(ItemKnn, shrink=0, graded=False), neutral) == [[-1] * 4]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("graded", [True, False])
def test_who_only_dislikes_gets_nothing(kind: type[Neighbours], graded: bool) -> None:
    source = fitted(kind, graded=graded)
    assert len(source(asked([0, 1], [-1.0, -0.2]))) == 0


def test_disliking_together_says_nothing_to_the_walk() -> None:
    """a liked i0 and hid i1: no walk leads from one to the other."""
    source = fitted(Rp3Beta, training([("a", "i0"), ("a", "i1", "hide")]))
    assert score(source, asked([0]), asked([1])) == [[-1] * 4, [-1] * 4]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_event_changes_the_answer_of_somebody_unknown(kind: type[Neighbours]) -> None:
    source = fitted(kind, tastes())
    first = source(asked([0], items=30)).rows.tolist()
    then = source(asked([7, 0], items=30)).rows.tolist()
    assert set(first) <= set(range(6))
    assert set(then) & set(range(6, 12))


@pytest.mark.parametrize("kind", KINDS)
def test_without_events_it_has_nothing_to_say(kind: type[Neighbours]) -> None:
    for known in (training([]), training([("a", "i0")]), training([("a", "i0", "hide")])):
        assert len(fitted(kind, known)(asked([0, 1]))) == 0
    assert len(kind()(asked([0]))) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_one_user_is_enough(kind: type[Neighbours]) -> None:
    source = fitted(kind, training([("a", "i0"), ("a", "i1")]))
    assert source(asked([0])).rows.tolist() == [1]


@pytest.mark.parametrize("kind", KINDS)
def test_items_that_came_after_the_fit_have_no_neighbours(kind: type[Neighbours]) -> None:
    source = fitted(kind)
    made = asked([6, 0], items=7)
    assert np.isinf(source.scores([made])[0, 4:]).all()
    assert source(made).rows.tolist() == [1]
    assert source.support(made, np.array([1, 6])).tolist() == [[0, -1, -1], [-1, -1, -1]]


@pytest.mark.parametrize("kind", KINDS)
def test_people_are_not_its_matter(kind: type[Neighbours]) -> None:
    source = fitted(kind)
    made = replace(asked([0]), spec=settings(here={"target": "person"}).scenario("here"))
    assert np.isinf(source.scores([made])).all()
    assert (source.support(made, np.arange(2)) == -1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_support_is_what_gave_most(kind: type[Neighbours]) -> None:
    """To i1, i0 gives more than i2; to i0 only i1 gives, and nothing to i3."""
    source = fitted(kind, beta=0) if kind is Rp3Beta else fitted(kind, shrink=0)
    found = source.support(asked([2, 1, 0], [0.4, 1.0, 1.0]), np.array([1, 0, 3]))
    assert found.tolist() == [[0, 2, -1], [1, -1, -1], [-1, -1, -1]]


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_blocks_give_what_the_whole_product_gives(
    seed: int, users: int, items: int, k: int
) -> None:
    """The k largest of each row of xᵀy / (1 + column) off the diagonal, in order."""
    rng = np.random.default_rng(seed)
    dense = rng.random((users, items)) * (rng.random((users, items)) < 0.5)
    x = sp.csr_matrix(dense.astype(np.float32))
    wanted = (x.T @ x).toarray() / (1 + np.arange(items))
    np.fill_diagonal(wanted, 0)

    def weigh(values: Any, _: Any, columns: Any) -> Any:
        return (values / (1 + columns)).astype(np.float32)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", int(rng.integers(1, 30)))
        found = nearest(x, x, k, weigh)
    for row in range(items):
        own = slice(found.indptr[row], found.indptr[row + 1])
        best = -np.sort(-wanted[row])[:k]
        np.testing.assert_allclose(found.data[own], best[best > 0], rtol=1e-5)
        np.testing.assert_allclose(wanted[row, found.indices[own]], found.data[own], rtol=1e-5)


class TestTuned:
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_option_is_set(self, kind: type[Neighbours]) -> None:
        for splits in ([], validations(tastes())):
            options = kind().tuned(splits).config.model_dump()
            assert None not in options.values()
            assert options["k"] >= 1

    def test_what_is_given_is_kept(self) -> None:
        given = ItemKnnConfig(k=7, shrink=3.0, graded=False, support=1)
        chosen = ItemKnn(given).tuned(validations(tastes())).config
        assert isinstance(chosen, ItemKnnConfig)
        assert (chosen.k, chosen.shrink, chosen.graded, chosen.support) == (7, 3.0, False, 1)
        everything = Rp3BetaConfig(k=5, beta=0.1, graded=True, decay=True, recency=2.0)
        assert Rp3Beta(everything).tuned(validations(tastes())).config == everything

    def test_beta_is_chosen_by_what_is_right(self) -> None:
        """Everybody has the two best-sellers; what is right are items of one's taste.

        Without a penalty the best-sellers of others would come first, so β is above 0.
        """
        rng = np.random.default_rng(3)
        events = []
        for number in range(200):
            own = 5 * (number % 8) + rng.choice(5, 3, replace=False)
            often = 40 + rng.choice(6, 4, replace=False)
            events += [(f"u{number}", f"i{row}") for row in (*own, *often)]
        known = training(events, 46)
        own = sp.diags_array(np.arange(46) < 40, dtype=np.float32)
        splits = [
            replace(split, relevant={"shop": sp.csr_matrix(split.relevant["shop"] @ own)})
            for split in validations(known)
        ]
        chosen = Rp3Beta().tuned(splits).config
        assert isinstance(chosen, Rp3BetaConfig)
        assert chosen.beta is not None
        assert chosen.beta > 0

    def test_neutral_entries_are_read_where_they_tell(self) -> None:
        """All but one like of each user are views, so that likes alone know little."""
        rng = np.random.default_rng(1)
        events = []
        for number in range(100):
            own = 5 * (number % 6) + rng.permutation(5)[:4]
            events += [(f"u{number}", f"i{row}", "view") for row in own[:3]]
            events.append((f"u{number}", f"i{own[3]}", "like"))
        splits = validations(training(events, 30))
        assert splits
        assert not Rp3Beta.unset["graded"]
        assert Rp3Beta().tuned(splits).config.graded

    def test_the_options_are_tried_on_popular_items(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "COLUMNS", 10)
        assert ItemKnn().tuned(validations(tastes())).config.k


class TestSaved:
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_chosen_options_come_back(self, kind: type[Neighbours], tmp_path: Path) -> None:
        source = kind().tuned(validations(tastes()))
        source.fit(tastes())
        source.save(tmp_path)
        loaded = kind().load(tmp_path)
        assert loaded.config == source.config
        made = asked([0, 7], items=30)
        np.testing.assert_array_equal(loaded.scores([made]), source.scores([made]))

    @pytest.mark.parametrize(
        "name",
        ["options.json", *(f"table.{p}.npy" for p in ("data", "indices", "indptr", "shape"))],
    )
    @pytest.mark.parametrize("how", ["gone", "cut", "empty", "nonsense"])
    def test_damage_is_told(self, name: str, how: str, tmp_path: Path) -> None:
        source = fitted(ItemKnn, tastes())
        source.save(tmp_path)
        damage(tmp_path / name, how)
        with pytest.raises(ModelError, match="polyscene fit"):
            ItemKnn().load(tmp_path)

    def test_columns_out_of_range_are_told(self, tmp_path: Path) -> None:
        """They would be read from beyond the end of an array."""
        fitted(ItemKnn, tastes()).save(tmp_path)
        columns = np.load(tmp_path / "table.indices.npy")
        columns[0] = 1_000_000
        np.save(tmp_path / "table.indices.npy", columns)
        with pytest.raises(ModelError):
            ItemKnn().load(tmp_path)


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes({"cut": content[: len(content) - 3], "empty": b""}.get(how, b"nonsense"))


def test_options_have_bounds() -> None:
    for wrong in ({"k": 0}, {"support": -1}, {"recency": -1.0}):
        with pytest.raises(ValueError, match="greater than"):
            NeighboursConfig.model_validate(wrong)
    with pytest.raises(ValueError, match="less than or equal to 2"):
        Rp3BetaConfig(beta=3)
