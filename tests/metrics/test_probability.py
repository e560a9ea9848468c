"""Scores and probabilities: worked by hand, as properties, and against scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from polyscene.metrics.chance import chance_error
from polyscene.metrics.probability import (
    auc,
    auc_by_group,
    brier,
    calibration_error,
    calibration_ratio,
    grouped_auc,
    log_loss,
    reliability,
)

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]
BINNED: list[Callable[..., Any]] = [calibration_error, reliability]
SCORED: list[Callable[..., float]] = [auc, brier, calibration_error, calibration_ratio, log_loss]
GRID = st.integers(0, 8).map(lambda eighth: eighth / 8)
"""Few distinct values, so that ties and the borders of bins happen."""


@st.composite
def predictions(draw: st.DrawFn) -> tuple[Floats, Labels]:
    size = draw(st.integers(1, 20))
    chance = draw(hnp.arrays(np.float64, size, elements=GRID | st.floats(0, 1)))
    return chance, draw(hnp.arrays(np.bool_, size))


def test_auc_of_three_pairs_won_of_four() -> None:
    """Positives at 0.35 and 0.8, negatives at 0.1 and 0.4: only 0.35 against 0.4 is lost."""
    assert auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]) == 0.75


def test_ties_count_half_in_auc() -> None:
    assert auc([1.0, 1.0], [0, 1]) == 0.5
    assert auc([2.0, 1.0, 1.0], [1, 1, 0]) == 0.75


def test_auc_takes_infinite_scores_of_what_was_ruled_out() -> None:
    assert auc([-np.inf, -np.inf, 3.0], [0, 1, 1]) == 0.75


def test_grouped_auc_weighs_groups_by_their_examples() -> None:
    """a orders its 2 examples rightly, b its 3 half rightly, c has one class: (2·1 + 3·0.5) / 5."""
    scores = [0.9, 0.1, 0.3, 0.2, 0.1, 0.7]
    labels = [1, 0, 0, 1, 0, 1]
    groups = ["a", "a", "b", "b", "b", "c"]
    assert grouped_auc(scores, labels, groups) == pytest.approx((2 * 1 + 3 * 0.5) / 5)


def test_drawn_examples_stand_for_many() -> None:
    """A success at 0.5; one other at 0.7, three at 0.2 that one was drawn of, two equal to it.

    (3 + 2/2) of 6; without counts (1 + 1/2) of 3. A group without a success has no AUC.
    """
    scores, labels = [0.5, 0.7, 0.2, 0.5, 0.9], [1, 0, 0, 0, 0]
    groups, counts = ["a", "a", "a", "a", "b"], [1, 1, 3, 2, 5]
    each, sizes, place = auc_by_group(scores, labels, groups, counts)
    assert each[0] == pytest.approx(4 / 6)
    assert math.isnan(each[1])
    assert (sizes.tolist(), place.tolist()) == ([4, 1], [0, 0, 0, 0, 1])
    assert auc_by_group(scores, labels, groups)[0][0] == pytest.approx(0.5)
    for wrong in ([1, 1, 0, 2, 5], [1, 1, math.inf, 2, 5], [1]):
        with pytest.raises(ValueError, match="counts are finite and above 0"):
            auc_by_group(scores, labels, groups, wrong)


def test_grouped_auc_with_labels_as_weights_counts_clicks() -> None:
    """a: one click, AUC 1; b: two clicks, AUC 0, so 1/3."""
    scores, labels = [0.9, 0.1, 0.2, 0.1, 0.3], [1, 0, 1, 1, 0]
    groups = [1, 1, 2, 2, 2]
    assert grouped_auc(scores, labels, groups) == pytest.approx(2 / 5)
    assert grouped_auc(scores, labels, groups, weights=labels) == pytest.approx(1 / 3)


def test_grouped_auc_sees_no_difference_between_groups() -> None:
    """b clicks more and scores higher: 6 of 9 pairs are right, within a page a half."""
    scores, labels = [0.1, 0.1, 0.1, 0.9, 0.9, 0.9], [0, 0, 1, 0, 1, 1]
    groups = ["a", "a", "a", "b", "b", "b"]
    assert auc(scores, labels) == pytest.approx(6 / 9)
    assert grouped_auc(scores, labels, groups) == 0.5


def test_groups_of_weight_0_do_not_count() -> None:
    scores, labels, groups = [0.9, 0.1, 0.1, 0.9], [1, 0, 1, 0], ["a", "a", "b", "b"]
    assert grouped_auc(scores, labels, groups, weights=[1, 1, 0, 0]) == 1.0
    assert math.isnan(grouped_auc(scores, labels, groups, weights=[0, 0, 0, 0]))


def test_log_loss_and_brier_of_a_half_and_a_quarter() -> None:
    """Label 1 at 0.5, label 0 at 0.25: (ln 2 + ln 4/3) / 2 and (0.25 + 0.0625) / 2."""
    assert log_loss([0.5, 0.25], [1, 0]) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    assert brier([0.5, 0.25], [1, 0]) == 0.15625


def test_log_loss_clips_what_was_certain_and_wrong() -> None:
    assert log_loss([0.0, 1.0], [1, 0]) == pytest.approx(36.04, abs=0.01)
    assert log_loss([0.0], [1], clip=0.01) == pytest.approx(-math.log(0.01))
    assert log_loss([1.0], [1]) == pytest.approx(0.0, abs=1e-15)
    with pytest.raises(ValueError, match="above 0 and below"):
        log_loss([0.5], [1], clip=0.5)


def test_calibration_ratio_of_two_promised_and_one_kept() -> None:
    assert calibration_ratio([0.5, 0.5, 1.0], [0, 1, 0]) == 2.0
    assert math.isnan(calibration_ratio([0.5], [0]))


def test_reliability_and_calibration_error_in_two_bins() -> None:
    """Low: 0.1 and 0.3 with one positive; high: 0.9, positive: 2/3·|0.5 - 0.2| + 1/3·0.1."""
    plot = reliability([0.1, 0.3, 0.9], [0, 1, 1], bins=2)
    assert plot.predicted == pytest.approx([0.2, 0.9])
    assert plot.observed == pytest.approx([0.5, 1.0])
    assert plot.count.tolist() == [2, 1]
    found = calibration_error([0.1, 0.3, 0.9], [0, 1, 1], bins=2)
    assert found == pytest.approx(2 / 3 * 0.3 + 1 / 3 * 0.1)


def test_a_border_belongs_to_the_lower_bin_and_empty_bins_are_nan() -> None:
    plot = reliability([0.0, 0.5, 1.0], [0, 1, 1], bins=4)
    assert plot.count.tolist() == [1, 1, 0, 1]
    assert np.isnan(plot.predicted).tolist() == [False, False, True, False]
    assert np.isnan(plot.observed).tolist() == [False, False, True, False]


def test_equal_mass_sees_what_equal_width_cannot() -> None:
    """Click rates of 1 % and 3 % predicted the wrong way round fall into one bin of 15."""
    chance = np.repeat([0.01, 0.03], 100)
    labels = np.zeros(200)
    labels[[0, 1, 2, 100]] = 1
    assert calibration_error(chance, labels) == pytest.approx(0.0)
    assert calibration_error(chance, labels, bins=2, binning="mass") == pytest.approx(0.02)


def test_bins_of_equal_mass_hold_equally_many_and_never_split_equal_predictions() -> None:
    plot = reliability(np.linspace(0, 0.1, 12) ** 2, np.zeros(12), bins=4, binning="mass")
    assert plot.count.tolist() == [3, 3, 3, 3]
    assert reliability([0.2] * 5, [0, 1, 0, 1, 0], bins=3, binning="mass").count.max() == 5


@pytest.mark.parametrize("metric", SCORED)
def test_without_examples_all_are_nan(metric: Callable[..., float]) -> None:
    assert math.isnan(metric([], []))
    assert math.isnan(calibration_error([], [], binning="mass"))
    assert math.isnan(grouped_auc([], [], []))
    assert reliability([], [], bins=3).count.tolist() == [0, 0, 0]


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_auc_but_has_a_loss(label: int) -> None:
    assert math.isnan(auc([0.2, 0.3], [label, label]))
    assert math.isnan(grouped_auc([0.2, 0.3], [label, label], ["a", "a"]))
    assert log_loss([0.5, 0.5], [label, label]) == pytest.approx(math.log(2))
    assert brier([0.5, 0.5], [label, label]) == 0.25


@pytest.mark.parametrize("metric", [*SCORED, reliability])
def test_wrong_examples_are_the_callers_error(metric: Callable[..., Any]) -> None:
    for chance, labels, message in (
        ([0.5], [0, 1], "shape"),
        ([[0.5]], [[1]], "shape"),
        ([np.nan], [1], "NaN"),
        ([0.5], [2], "neither 0 nor 1"),
        ([0.5], [np.nan], "neither 0 nor 1"),
    ):
        with pytest.raises(ValueError, match=message):
            metric(chance, labels)


@pytest.mark.parametrize("metric", [*SCORED[1:], reliability])
def test_a_probability_outside_0_and_1_is_refused(metric: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"lie in \[0, 1\]"):
        metric([1.5, -0.2], [1, 0])


@pytest.mark.parametrize("metric", BINNED)
def test_there_is_at_least_one_bin_of_a_known_kind(metric: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="0 bins"):
        metric([0.5], [1], bins=0)
    with pytest.raises(ValueError, match="'width' or 'mass'"):
        metric([0.5], [1], binning="equal")


def test_wrong_groups_and_weights_are_the_callers_error() -> None:
    with pytest.raises(ValueError, match="groups"):
        grouped_auc([0.5, 0.1], [0, 1], ["a"])
    with pytest.raises(ValueError, match="weights"):
        grouped_auc([0.5, 0.1], [0, 1], ["a", "a"], weights=[1])
    for weight in (-1, np.nan, np.inf):
        with pytest.raises(ValueError, match="weights are at least 0"):
            grouped_auc([0.5, 0.1], [0, 1], ["a", "a"], weights=[1, weight])


@given(predictions(), st.integers(1, 20), st.sampled_from(["width", "mass"]), st.integers(0, 9))
def test_ranges_and_the_order_of_examples(
    case: tuple[Floats, Labels], bins: int, binning: str, seed: int
) -> None:
    chance, labels = case
    order = np.random.default_rng(seed).permutation(len(chance))
    for metric, options in (
        (auc, {}), (brier, {}), (log_loss, {}), (calibration_ratio, {}),
        (calibration_error, {"bins": bins, "binning": binning}),
    ):  # fmt: skip
        found = metric(chance, labels, **options)
        again = metric(chance[order], labels[order], **options)
        assert again == pytest.approx(found, nan_ok=True)
        assert math.isnan(found) or 0 <= found <= (1 + 1e-12 if metric in BOUNDED else np.inf)


BOUNDED = (auc, brier, calibration_error)


@given(predictions())
def test_auc_turns_round_with_the_labels_and_keeps_under_increasing_maps(
    case: tuple[Floats, Labels],
) -> None:
    scores, labels = np.round(case[0], 3), case[1]
    found = auc(scores, labels)
    assert auc(2**scores, labels) == pytest.approx(found, nan_ok=True)
    assert auc(scores, ~labels) == pytest.approx(1 - found, nan_ok=True)
    assert auc(-scores, labels) == pytest.approx(1 - found, nan_ok=True)


@given(predictions(), st.data())
def test_grouped_auc_is_the_weighted_mean_of_the_groups(
    case: tuple[Floats, Labels], data: st.DataObject
) -> None:
    scores, labels = case
    groups = data.draw(hnp.arrays(np.int64, len(scores), elements=st.integers(-2, 2)))
    weights = data.draw(hnp.arrays(np.float64, len(scores), elements=st.integers(1, 3)))
    total = share = 0.0
    for group in np.unique(groups):
        own = groups == group
        if 0 < labels[own].sum() < own.sum():
            total += weights[own].sum() * auc(scores[own], labels[own])
            share += weights[own].sum()
    expected = total / share if share else math.nan
    found = grouped_auc(scores, labels, groups, weights)
    assert found == pytest.approx(expected, nan_ok=True)
    one = grouped_auc(scores, labels, np.zeros(len(scores)))
    assert one == pytest.approx(auc(scores, labels), nan_ok=True)


@given(predictions().filter(lambda case: 0 < case[1].sum() < len(case[1])))
def test_auc_log_loss_and_brier_agree_with_scikit_learn(case: tuple[Floats, Labels]) -> None:
    chance, labels = case
    assert auc(chance, labels) == pytest.approx(sklearn_metrics.roc_auc_score(labels, chance))
    assert log_loss(chance, labels) == pytest.approx(sklearn_metrics.log_loss(labels, chance))
    expected = sklearn_metrics.brier_score_loss(labels, chance)
    assert brier(chance, labels) == pytest.approx(expected)


@given(st.integers(1, 40), st.integers(1, 20))
def test_bins_of_equal_mass_differ_by_one_example_at_most(size: int, bins: int) -> None:
    chance = np.random.default_rng(size).permutation(size) / size
    counts = reliability(chance, np.zeros(size), bins, "mass").count
    assert counts.sum() == size
    assert counts.max() - counts.min() <= 1


@given(predictions().filter(lambda case: 0 < case[1].sum() < len(case[1])), st.integers(1, 20))
def test_reliability_agrees_with_scikit_learn(case: tuple[Floats, Labels], bins: int) -> None:
    chance, labels = case
    plot = reliability(chance, labels, bins)
    observed, predicted = calibration_curve(labels, chance, n_bins=bins)
    used = plot.count > 0
    assert plot.count.sum() == len(labels)
    assert plot.observed[used] == pytest.approx(observed)
    assert plot.predicted[used] == pytest.approx(predicted)


def test_bins_of_equal_mass_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    chance, labels = rng.random(60) ** 3, rng.random(60) < 0.4
    plot = reliability(chance, labels, 12, "mass")
    observed, predicted = calibration_curve(labels, chance, n_bins=12, strategy="quantile")
    assert plot.observed == pytest.approx(observed)
    assert plot.predicted == pytest.approx(predicted)


@pytest.mark.parametrize("binning", ["width", "mass"])
def test_the_error_of_right_probabilities_is_what_draws_from_them_give(binning: Any) -> None:
    """Mean over 400 draws of labels, within 5 %."""
    rng = np.random.default_rng(0)
    chance = rng.beta(1, 4, 1000)
    drawn = [
        calibration_error(chance, (rng.random(1000) < chance).astype(int), 10, binning)
        for _ in range(400)
    ]
    assert chance_error(chance, 10, binning) == pytest.approx(np.mean(drawn), rel=0.05)


def test_the_error_by_chance_by_hand() -> None:
    """A bin of 100 at one half: √(2/π) / 100 · √(100 / 4); none where all is certain."""
    assert chance_error([0.5] * 100, bins=1) == pytest.approx(np.sqrt(2 / np.pi) * 0.05)
    assert chance_error([0.0] * 5 + [1.0] * 5, bins=2) == 0
    assert math.isnan(chance_error([]))
