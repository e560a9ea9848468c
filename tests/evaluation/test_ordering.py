"""Metrics of what was shown, by numbers worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from polyscene.evaluation.ordering import activity_parts, halves, impressions, ordering
from polyscene.evaluation.shown import Shown

# ann has one list of three, bo two lists, cy one without a success.
SHOWN = Shown(
    users=np.array([2, 5, 7]),
    owner=np.array([0, 0, 0, 1, 1, 1, 2, 2]),
    lists=np.array([0, 0, 0, 1, 1, 2, 3, 3]),
    rows=np.array([0, 1, 2, 0, 1, 4, 2, 3]),
    positive=np.array([0, 1, 0, 1, 0, 1, 0, 0], np.bool_),
)
SCORES = np.array([0.9, 0.5, 0.1, 0.8, 0.2, 0.3, 0.6, 0.0])
RANKS = np.array([0, 1, 2, 0, 1, 0, 0, 1])
HALF = np.array([1, 1, 1, 0, 0, 0, 0, 0], np.bool_)


def test_what_was_shown_is_counted() -> None:
    found = impressions(SHOWN, 4, [])
    assert (found.lists, found.mixed, found.shown, found.left_out) == (4, 2, 8, 4)
    assert found.rate == pytest.approx(3 / 8)


def test_the_order_within_lists() -> None:
    """ann's success stands between two others: AUC 1/2 of three impressions; bo's first list is
    right: 1 of two; the others have one class. NDCG and MRR are of the three lists with a success.
    """
    found, each = ordering(SCORES, RANKS, {"a": 1.0, "b": 0.0}, SHOWN, HALF, (2, 1))
    gain = 1 / math.log2(3)
    means = {name: value.mean for name, value in found.metrics.items()}
    assert means["gauc"] == pytest.approx((3 * 0.5 + 2 * 1) / 5)
    assert means["ndcg@2"] == pytest.approx((gain + 1 + 1) / 3)
    assert means["ndcg@1"] == pytest.approx((0 + 1 + 1) / 3)
    assert means["mrr"] == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert found.metrics["gauc"].users == 2
    assert found.weights == {"a": 1.0}
    assert np.nanmean(each) == pytest.approx(means["gauc"])
    assert np.isnan(each).tolist() == [False, False, True]


def test_the_auc_of_everything() -> None:
    """Of 3 · 5 pairs 0.5 wins 3, 0.8 4 and 0.3 3."""
    found, _ = ordering(SCORES, RANKS, {}, SHOWN, HALF, (2,))
    assert found.metrics["auc"].mean == pytest.approx(10 / 15)


def test_equal_scores_count_half() -> None:
    found, _ = ordering(np.zeros(8), RANKS, {}, SHOWN, HALF, (2,))
    assert found.metrics["auc"].mean == found.metrics["gauc"].mean == 0.5


def test_probabilities_are_those_of_the_other_half() -> None:
    """Both users pass over what scores 0 and like what scores 1: from the other each learns 1/3
    and 2/3, from nothing 1/2."""
    two = Shown(
        users=np.array([0, 1]),
        owner=np.array([0, 0, 1, 1]),
        lists=np.array([0, 0, 1, 1]),
        rows=np.array([0, 1, 0, 1]),
        positive=np.array([0, 1, 0, 1], np.bool_),
    )
    scores, ranks = np.array([0.0, 1.0, 0.0, 1.0]), np.array([1, 0, 1, 0])
    found, _ = ordering(scores, ranks, {}, two, two.owner == 0, (1,))
    assert found.metrics["log_loss"].mean == pytest.approx(math.log(3 / 2))
    assert found.metrics["information"].mean == pytest.approx(1 - math.log(3 / 2) / math.log(2))
    assert found.catalogue["base_log_loss"] == pytest.approx(math.log(2))
    assert found.catalogue["calibration_error"] == pytest.approx(1 / 3)
    assert found.catalogue["calibration_ratio"] == pytest.approx(1.0)
    assert np.array(found.curve) == pytest.approx(np.array([[1 / 3, 0.0], [2 / 3, 1.0]]))


def test_one_user_has_an_order_and_no_probabilities() -> None:
    alone = SHOWN.take(SHOWN.owner == 1)
    found, _ = ordering(SCORES[3:6], RANKS[3:6], {}, alone, halves(alone, 0), (2,))
    assert found.metrics["gauc"].mean == 1.0
    assert math.isnan(found.metrics["log_loss"].mean)
    assert math.isnan(found.catalogue["calibration_error"])
    assert found.curve == []


def test_halves_are_of_users_and_as_large_as_each_other() -> None:
    owner = np.repeat(np.arange(50), 3)
    many = replace(SHOWN, users=np.arange(50), owner=owner)
    half = halves(many, 1)
    assert half.sum() == 75
    assert (half[::3] == half[1::3]).all()
    assert (half[::3] == half[2::3]).all()
    assert (half != halves(many, 2)).any()


def test_parts_by_what_users_had_done() -> None:
    """ann did 3 things, bo and cy 20 and more."""
    parts = activity_parts({"a": SCORES, "b": -SCORES}, SHOWN, np.array([3, 20, 99]))
    assert [(one.kind, one.part, one.impressions) for one in parts] == [
        ("user activity", "1-4", 3),
        ("user activity", "20-99", 5),
    ]
    assert [one.gauc for one in parts] == [{"a": 0.5, "b": 0.5}, {"a": 1.0, "b": 0.0}]


def test_taking_some_renumbers_users_and_lists() -> None:
    taken = SHOWN.take(np.array([0, 0, 0, 0, 1, 1, 0, 1], np.bool_))
    assert taken.users.tolist() == [5, 7]
    assert taken.owner.tolist() == [0, 0, 1]
    assert taken.lists.tolist() == [0, 1, 2]
    assert taken.rows.tolist() == [1, 4, 3]
