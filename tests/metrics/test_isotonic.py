"""Calibration: worked by hand, as properties, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.isotonic import IsotonicRegression

from polyscene.metrics.isotonic import cross_fitted, isotonic

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]


@st.composite
def examples(draw: st.DrawFn) -> tuple[Floats, Labels]:
    size = draw(st.integers(1, 20))
    scores = draw(hnp.arrays(np.float64, size, elements=st.integers(-4, 4).map(float)))
    return scores, draw(hnp.arrays(np.bool_, size))


def test_violators_are_pooled() -> None:
    """Scores 1 to 4 with labels 0, 1, 0, 1: 2 and 3 go together to a half. The lowest block has
    one example, a failure: 1/3. The highest, a success: 2/3."""
    curve = isotonic([4, 2, 3, 1], [1, 1, 0, 0])
    assert curve.scores.tolist() == [1, 2, 3, 4]
    assert curve.chances == pytest.approx([1 / 3, 0.5, 0.5, 2 / 3])


def test_between_two_scores_it_is_linear_and_beyond_them_flat() -> None:
    curve = isotonic([0, 1], [0, 1])
    assert curve([-9, 0.25, 1, 7]) == pytest.approx([1 / 3, 5 / 12, 2 / 3, 2 / 3])


def test_equal_scores_have_one_probability() -> None:
    """Of four examples at one score, three are a success."""
    assert isotonic([2, 2, 2, 2], [1, 0, 1, 1])([2]) == pytest.approx([0.75])


def test_many_failures_are_a_small_chance_and_never_none() -> None:
    """18 failures at the lowest score: 1/20; of 8 examples above it, one a success."""
    curve = isotonic([0] * 18 + [1] * 8, [0] * 18 + [1] + [0] * 7)
    assert curve([0, 1]) == pytest.approx([1 / 20, 1 / 8])


def test_a_small_block_at_the_end_does_not_pass_the_next() -> None:
    """One failure alone would get 1/3, but above it one of five was a success."""
    assert isotonic([0, *[1] * 5], [0, 1, 0, 0, 0, 0])([0, 1]) == pytest.approx([0.2, 0.2])


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_is_never_certain(label: int) -> None:
    assert isotonic([1, 2, 3], [label] * 3)([2]) == pytest.approx([4 / 5 if label else 1 / 5])


@pytest.mark.parametrize(
    ("scores", "labels"), [([], []), ([1.0, 2.0], [1]), ([np.inf], [1]), ([np.nan], [1])]
)
def test_wrong_examples_are_the_callers_error(scores: list[float], labels: list[int]) -> None:
    with pytest.raises(ValueError, match="n at least 1, and scores are finite"):
        isotonic(scores, labels)


@given(examples())
def test_it_never_falls_and_never_is_certain(case: tuple[Floats, Labels]) -> None:
    curve = isotonic(*case)
    assert (np.diff(curve.chances) >= 0).all()
    assert ((curve.chances > 0) & (curve.chances < 1)).all()


@given(examples())
def test_between_its_ends_it_is_that_of_scikit_learn(case: tuple[Floats, Labels]) -> None:
    scores, labels = case
    known = np.unique(scores)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(scores, labels).predict(known)
    ours = isotonic(scores, labels)(known)
    inner = (theirs > 0) & (theirs < 1)
    assert ours[inner] == pytest.approx(theirs[inner])


def test_each_half_is_judged_by_the_other() -> None:
    """The first half learned that 1 is a success, the second that it is not."""
    scores, labels = [0, 1, 0, 1], [0, 1, 1, 0]
    half = [True, True, False, False]
    chances, base = cross_fitted(scores, labels, half)
    assert chances == pytest.approx([0.5, 0.5, 1 / 3, 2 / 3])
    assert base == pytest.approx([0.5] * 4)


@given(examples(), st.data())
def test_no_label_sees_itself(case: tuple[Floats, Labels], data: st.DataObject) -> None:
    """With other labels in a half, its own probabilities stay."""
    scores, labels = case
    half = data.draw(hnp.arrays(np.bool_, len(scores)))
    before = cross_fitted(scores, labels, half)
    after = cross_fitted(scores, np.where(half, ~labels, labels), half)
    for first, second in zip(before, after, strict=True):
        np.testing.assert_array_equal(first[half], second[half])


def test_without_another_half_nothing_is_known() -> None:
    chances, base = cross_fitted([0, 1], [0, 1], [True, True])
    assert np.isnan(chances).all()
    assert np.isnan(base).all()
