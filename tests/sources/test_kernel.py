"""The kernel source on a world of two tastes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planes import NOW, dataset, history, query, settings, space
from polyscene.component import Query, Training
from polyscene.fitting.holdout import validations
from polyscene.represent.interactions import graded, interactions
from polyscene.represent.whiten import normalise
from polyscene.settings import parse_settings
from polyscene.sources import kernel_search
from polyscene.sources.kernel import Kernel, KernelConfig

NAMES = [f"i{number}" for number in range(12)]
"""i0 to i4 are of the first taste, i5 to i9 of the second; nobody acted on i10 and i11."""
SCENARIOS = {"shop": {"target": "item", "actions": {"like": 1.0, "hide": -1.0}}}
AGREED = [[1.0, 0.0, 0.1 * number] for number in range(5)]
OTHER = [[0.0, 1.0, 0.1 * number] for number in range(5)]
NEW = [[1.0, 0.1, 0.9], [0.1, 1.0, 0.9]]


def unit(vectors: list[list[float]]) -> list[list[float]]:
    return normalise(np.array(vectors, np.float32)).tolist()


THINGS = space(unit([*AGREED, *OTHER, *NEW]))


def training(seed: int = 0) -> Training:
    """Forty users who each liked three of the five items of one taste."""
    rng = np.random.default_rng(seed)
    events = []
    for number in range(40):
        first = 5 * (number % 2)
        for row in rng.choice(5, 3, replace=False):
            events.append((f"u{number}", f"i{first + row}", "like", "shop", 1.0))
    data = dataset(events, NAMES, [f"u{number}" for number in range(40)])
    return Training(data, settings(**SCENARIOS), THINGS.vectors, NOW)


def fitted(**options: object) -> Kernel:
    source = Kernel(KernelConfig.model_validate({"rank": 8, **options}))
    source.fit(training())
    return source


def asked(rows: list[int], strengths: list[float], n: int = 12) -> Query:
    allowed = [row for row in range(12) if row not in rows]
    return query(THINGS, history(THINGS, rows, strengths), n=n, allowed=allowed)


def test_the_taste_of_the_history_comes_first() -> None:
    source = fitted(rank=12, reg=5.0, text=0.0, graded=True)
    for liked, same, other in (([0, 1], [2, 3, 4], [6, 7, 8, 9]), ([5], [6, 7, 8, 9], [1, 2, 3])):
        rows = source(asked(liked, [1.0] * len(liked))).rows.tolist()
        assert max(map(rows.index, same)) < min(map(rows.index, other))


def test_an_item_without_events_has_its_place_by_its_text() -> None:
    """Of the two that nobody acted on, the one that reads like the history comes first."""
    source = fitted()
    for liked, near, far in ((0, 10, 11), (5, 11, 10)):
        rows = source(asked([liked], [1.0])).rows.tolist()
        assert rows.index(near) < rows.index(far)


def test_an_item_that_came_after_the_fit_has_its_place_too() -> None:
    source = Kernel(KernelConfig(rank=8))
    known = training()
    source.fit(replace(known, vectors=known.vectors[:12]))
    wider = space([*THINGS.vectors.tolist(), *unit([[1.0, 0.0, 0.2], [0.0, 1.0, 0.2]])])
    made = query(wider, history(wider, [0], [1.0]), n=14)
    rows = source(made).rows.tolist()
    assert rows.index(12) < rows.index(13)


def test_the_support_is_what_gave_most_and_never_the_target_itself() -> None:
    made = query(THINGS, history(THINGS, [0, 5], [1.0, 1.0]), n=12)
    rows = np.arange(12)
    for row, support in enumerate(fitted(support=2).support(made, rows).tolist()):
        assert row not in support
        if row in (1, 2, 3, 4):
            assert support[0] == 0
        if row in (6, 7, 8, 9):
            assert support[0] == 5


def test_signed_dislikes_push_their_taste_down() -> None:
    source = fitted(graded=False)
    liked = source(asked([0], [1.0])).rows.tolist()
    mixed = source(asked([0, 5], [1.0, -1.0]))
    of_other = [row for row in mixed.rows.tolist() if row in (6, 7, 8, 9)]
    scores = dict(zip(mixed.rows.tolist(), mixed.scores.tolist(), strict=True))
    assert liked[0] in (1, 2, 3, 4)
    assert all(scores[row] < 0 for row in of_other)


OPEN = [name for name, field in KernelConfig.model_fields.items() if field.default is None]
"""The options that can be left unset."""


@pytest.mark.parametrize("held_out", [True, False])
def test_tuned_sets_every_option(held_out: bool) -> None:
    """Also where nothing was held out; what is not open stays as it was."""
    before = KernelConfig(support=1)
    assert [name for name in OPEN if getattr(before, name) is not None] == []
    after = Kernel(before).tuned(validations(training()) if held_out else []).config
    assert [name for name in OPEN if getattr(after, name) is None] == []
    assert after.support == 1


def tastes(count: int) -> Training:
    """Users who liked four of the eight items of one of so many tastes; texts tell nothing."""
    rng = np.random.default_rng(0)
    events = [
        (f"u{number}", f"i{8 * (number % count) + row}", "like", "shop", 1.0)
        for number in range(10 * count)
        for row in rng.choice(8, 4, replace=False)
    ]
    users, items = [f"u{n}" for n in range(10 * count)], [f"i{n}" for n in range(8 * count)]
    data = dataset(events, items, users)
    return Training(data, settings(**SCENARIOS), np.zeros((len(items), 2), np.float32), NOW)


@pytest.mark.parametrize(("count", "rank"), [(2, 4), (16, 16)])
def test_as_many_directions_are_kept_as_tell_more(
    count: int, rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four directions hold two tastes but not sixteen; for these sixteen are enough."""
    monkeypatch.setattr(kernel_search, "_RANKS", (4, 16, 64))
    splits = validations(tastes(count))
    assert Kernel().tuned(splits).config.rank == rank
    assert Kernel(KernelConfig(rank=8)).tuned(splits).config.rank == 8


@pytest.mark.parametrize("short_of", ["time", "memory"])
def test_more_directions_than_there_is_room_or_time_for_are_not_tried(
    short_of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_search, "_RANKS", (4, 16))
    if short_of == "time":
        monkeypatch.setattr(kernel_search, "_WORK", 1.0)
        assert Kernel().tuned(validations(tastes(16))).config.rank == 16  # no more than usual
        monkeypatch.setattr(kernel_search, "USUAL", 8)
    else:
        monkeypatch.setattr(kernel_search, "_COPIES", 10**9)
    assert Kernel().tuned(validations(tastes(16))).config.rank == 4


def test_options_that_are_given_are_kept_and_the_others_chosen() -> None:
    """κ = 0 would be chosen last of equals; text = 7 is not even among what is tried."""
    splits = validations(training())
    assert splits
    given: dict[str, object] = {"text": 7.0, "graded": False, "cold": 0.0}
    source = Kernel(KernelConfig.model_validate({"rank": 8, **given})).tuned(splits)
    assert {name: getattr(source.config, name) for name in given} == given
    assert source.config.reg in (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
    everything = KernelConfig(
        rank=8, reg=5.0, text=1.0, graded=True, floor=0.1, decay=False, near=2.0, recency=0.0,
        elsewhere=0.5, cold=0.3, cold_reg=0.5, doubt=2.0,
    )  # fmt: skip
    assert Kernel(everything).tuned(splits).config == everything


@pytest.mark.parametrize("dated", [True, False])
def test_what_is_close_together_counts_where_there_is_an_order(dated: bool) -> None:
    """Each user has four tastes of ten, and acts on one after the other: so few users share a pair
    of tastes that these are hard to tell apart but by the order."""
    rng = np.random.default_rng(0)
    events = []
    for number in range(20):
        done = [
            30 * int(taste) + row
            for taste in rng.choice(10, 4, replace=False)
            for row in rng.choice(30, 20, replace=False)
        ]
        for place, row in enumerate(done):
            when = (len(done) - place) / 100 if dated else None
            events.append((f"u{number}", f"i{row}", "like", "shop", when))
    users, items = [f"u{number}" for number in range(20)], [f"i{number}" for number in range(300)]
    vectors = np.zeros((300, 2), np.float32)
    declared = parse_settings({"scenarios": SCENARIOS, "validation": {"split": "random"}})
    known = Training(dataset(events, items, users), declared, vectors, NOW)
    chosen = Kernel(KernelConfig(rank=256)).tuned(validations(known)).config
    assert (chosen.near or 0) > 0 if dated else chosen.near == 0


@pytest.mark.parametrize("telling", [True, False])
def test_options_are_chosen_by_what_was_held_out(telling: bool) -> None:
    """Texts that tell the taste get a weight, texts that tell nothing get none."""
    rng = np.random.default_rng(0)
    tastes = np.repeat(np.eye(6), 10, axis=0) + 0.2 * rng.random((60, 6))
    vectors = tastes if telling else rng.standard_normal((60, 6))
    events = []
    for number in range(300):
        first = 10 * int(rng.integers(6))
        for row in rng.choice(10, 3, replace=False):
            events.append((f"u{number}", f"i{first + row}", "like", "shop", 1.0))
    data = dataset(events, [f"i{row}" for row in range(60)])
    known = Training(data, settings(**SCENARIOS), normalise(vectors.astype(np.float32)), NOW)
    source = Kernel(KernelConfig(rank=8, reg=10.0, graded=True, decay=False))
    text = source.tuned(validations(known)).config.text
    assert text is not None
    assert (text > 0) == telling


def test_kappa_scales_what_has_no_behaviour() -> None:
    """κ = 1/2 halves the scores of i10 and i11, κ = 0 makes them 0; all others stay."""
    one, half, none = (fitted(cold=share).scores([asked([0], [1.0])])[0] for share in (1, 0.5, 0))
    assert abs(one[10]) > 0.01
    np.testing.assert_allclose(half[10:], one[10:] / 2, rtol=1e-5)
    np.testing.assert_array_equal(none[10:], [0, 0])
    np.testing.assert_array_equal(half[:10], one[:10])
    np.testing.assert_array_equal(none[:10], one[:10])


def test_without_decay_older_likes_count_in_full() -> None:
    """One like today and one of a half-life ago: equal parts without decay, else two to one."""
    past = replace(history(THINGS, [0, 5], [1.0, 0.5]), undecayed=np.array([1.0, 1.0], np.float32))
    made = query(THINGS, past, n=12)
    options = {"graded": False, "text": 0.0, "cold": 1.0}
    plain, aged = (fitted(decay=decay, **options).scores([made])[0] for decay in (False, True))
    alone = [
        fitted(decay=False, **options).scores([query(THINGS, history(THINGS, [row], [1.0]))])[0]
        for row in (0, 5)
    ]
    np.testing.assert_allclose(plain, alone[0] + alone[1], atol=1e-5)
    aged_alone = [
        fitted(decay=True, **options).scores([query(THINGS, history(THINGS, [row], [1.0]))])[0]
        for row in (0, 5)
    ]
    np.testing.assert_allclose(aged, aged_alone[0] + aged_alone[1] / 2, atol=1e-5)


def test_recency_halves_each_further_entry_of_the_history() -> None:
    """With recency 1 the entry before the latest counts half, whatever its age."""
    options = {"graded": False, "decay": False, "cold": 1.0}
    source, plain = fitted(recency=1.0, **options), fitted(recency=0.0, **options)
    alone = plain.scores([query(THINGS, history(THINGS, [row], [1.0])) for row in (0, 5)])
    both = query(THINGS, history(THINGS, [0, 5], [1.0, 1.0]))
    np.testing.assert_allclose(source.scores([both])[0], alone[0] + alone[1] / 2, atol=1e-5)
    np.testing.assert_allclose(plain.scores([both])[0], alone[0] + alone[1], atol=1e-5)


def test_what_was_done_elsewhere_counts_as_told() -> None:
    """With elsewhere 1/4 a like in another scenario; in the same or an unknown one, in full."""
    options = {"graded": False, "decay": False, "cold": 1.0}
    source, plain = fitted(elsewhere=0.25, **options), fitted(elsewhere=1.0, **options)
    alone = plain.scores([query(THINGS, history(THINGS, [row], [1.0])) for row in (0, 5, 9)])
    past = replace(history(THINGS, [0, 5, 9], [1.0] * 3), scenarios=("here", "there", None))
    known = [query(THINGS, past), query(THINGS, history(THINGS, [5], [1.0]))]
    found = source.scores(known)
    np.testing.assert_allclose(found[0], alone[0] + alone[1] / 4 + alone[2], atol=1e-5)
    np.testing.assert_allclose(found[1], alone[1], atol=1e-5)
    away = query(THINGS, past, scenario="there")
    wanted = alone[0] / 4 + alone[1] + alone[2]
    np.testing.assert_allclose(source.scores([away])[0], wanted, atol=1e-5)


@pytest.mark.parametrize("telling", [True, False])
def test_how_much_elsewhere_counts_is_chosen(telling: bool) -> None:
    """Items of six tastes in each of two scenarios; a user has the same taste in both, or any."""
    rng = np.random.default_rng(0)
    events = []
    for number in range(300):
        tastes = rng.integers(6, size=2)
        if telling:
            tastes[1] = tastes[0]
        for scenario, first in (("shop", 10 * tastes[0]), ("news", 60 + 10 * tastes[1])):
            for row in rng.choice(10, 3, replace=False):
                events.append((f"u{number}", f"i{first + row}", "like", scenario, 1.0))
    data = dataset(events, [f"i{row}" for row in range(120)])
    declared = settings(shop={**SCENARIOS["shop"], "reads": ["news"]}, news=SCENARIOS["shop"])
    known = Training(data, declared, np.zeros((120, 2), np.float32), NOW)
    source = Kernel(KernelConfig(rank=16, reg=10.0, graded=True, decay=False, text=0.0))
    weight = source.tuned(validations(known)).config.elsewhere
    assert weight is not None
    assert (weight == 1) == telling


def test_a_loaded_kernel_has_the_options_that_were_chosen(tmp_path: Path) -> None:
    source = Kernel(KernelConfig(rank=8)).tuned(validations(training()))
    source.fit(training())
    source.save(tmp_path)
    loaded = Kernel(KernelConfig(rank=8)).load(tmp_path)
    assert loaded.config == source.config
    made = asked([0, 5], [1.0, -1.0])
    np.testing.assert_array_equal(loaded.scores([made]), source.scores([made]))


def test_without_events_it_has_nothing_to_say() -> None:
    source = Kernel()
    data = dataset([], NAMES, ["u0"])
    source.fit(Training(data, settings(**SCENARIOS), THINGS.vectors, NOW))
    assert len(source(asked([0], [1.0]))) == 0


def test_interactions_add_up_decay_and_scale_each_user() -> None:
    """u0: i0 twice, now and a half-life ago: 1.5 is the largest; i1 once now: 1 / 1.5."""
    shop = {"shop": {**SCENARIOS["shop"], "half_life_days": 10.0}}
    events = [
        ("u0", "i0", "like", "shop", 0.0),
        ("u0", "i0", "like", "shop", 10.0),
        ("u0", "i1", "like", "shop", 0.0),
        ("u1", "i1", "hide", "shop", 10.0),
    ]
    matrix = interactions(dataset(events, ["i0", "i1"], ["u0", "u1"]), settings(**shop), NOW)
    np.testing.assert_allclose(matrix.toarray(), [[1, 1 / 1.5], [0, -1]], atol=1e-6)


@pytest.mark.parametrize(("strength", "weight"), [(1.0, 1.0), (0.0, 0.6), (-1.0, 0.2)])
def test_graded_weights_by_hand(strength: float, weight: float) -> None:
    assert graded(np.array([strength], np.float32))[0] == pytest.approx(weight)


def test_a_neutral_action_is_an_interaction_too() -> None:
    """A rating of 3 with center 3 has strength 0, and stands in the matrix all the same."""
    rated = {"shop": {"target": "item", "actions": {"rate": {"value": "linear", "center": 3.0}}}}
    data = dataset([("u0", "i0", "rate", "shop", 0.0)], ["i0", "i1"], ["u0"], value=3.0)
    matrix = interactions(data, settings(**rated), NOW)
    assert matrix.getnnz() == 1
    assert matrix[0, 0] == 0.0
