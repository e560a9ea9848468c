"""Curves for few examples: what each can follow, and how they are averaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.metrics.isotonic import Calibration
from polyscene.ranking import Fused
from polyscene.ranking.examples import FUSED, Examples, Features
from polyscene.ranking.forms import FORMS, Floats, bent, logistic
from polyscene.settings import Task


def thirds(*successes: int) -> tuple[Floats, Floats, Floats]:
    """Scores 0, 1 and 2, a hundred rows each with so many successes; each stands for ten."""
    labels = [[1.0] * count + [0.0] * (100 - count) for count in successes]
    return np.repeat([0.0, 1.0, 2.0], 100), np.concatenate(labels), np.full(300, 10.0)


def test_a_bent_curve_sees_what_levels_off() -> None:
    """10, 40 and 40 of 100: a logistic curve has to rise on."""
    ends = bent(*thirds(10, 40, 40))([0, 1, 2])
    assert ends == pytest.approx([0.1, 0.4, 0.4], abs=0.03)
    straight = logistic(*thirds(10, 40, 40))([0, 1, 2])
    assert straight[2] - straight[1] > 0.1


def test_a_bent_curve_does_not_fall() -> None:
    """30 of 100 whatever the score is nearest to 40, 30 and 20 of all that do not fall."""
    assert bent(*thirds(40, 30, 20))([0, 1, 2]) == pytest.approx([0.3] * 3, abs=1e-6)


def test_a_bent_curve_keeps_the_rate() -> None:
    """20, 30 and 60 of 100: near these, and 110 of 300 in all, which no ridge holds back."""
    found = bent(*thirds(20, 30, 60))([0, 1, 2])
    assert found == pytest.approx([0.2, 0.3, 0.6], abs=0.01)
    assert found.sum() == pytest.approx(1.1, abs=1e-6)


rows = st.tuples(st.floats(-5, 5, width=32), st.booleans(), st.floats(0.5, 50, width=32))


@settings(deadline=None, max_examples=60)
@given(st.lists(rows, min_size=2, max_size=40))
def test_every_form_rises_between_0_and_1(found: list[tuple[float, bool, float]]) -> None:
    scores, labels, weights = (np.array(column, np.float64) for column in zip(*found, strict=True))
    labels[:2] = [0, 1]
    for form in FORMS:
        chances = form(scores, labels, weights)(np.linspace(-6, 6, 50))
        assert (np.diff(chances) >= -1e-9).all()
        assert ((chances > 0) & (chances < 1)).all()


def test_forms_count_by_their_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 of 40: 0.25 loses 22.493 and 0.2 loses 22.788, so that the first weighs
    1/(1 + e^-0.2955) = 0.5733 and the mean is σ(0.5733·ln(1/3) + 0.4267·ln(1/4)) = 0.2277."""

    def level(share: float) -> Calibration:
        return Calibration(np.array([0.0]), np.array([share]))

    patched = (lambda *_: level(0.25), lambda *_: level(0.2))
    monkeypatch.setattr("polyscene.ranking.curves.FORMS", patched)
    features = Features((FUSED,), np.zeros((40, 1), np.float32), ("home",), np.zeros(40, np.int64))
    labels, users = np.array([[1] * 10 + [0] * 30], np.float32), np.arange(40)
    fused, task = Fused(), Task("click", "click")
    fused.fit(Examples(features, (task,), labels, np.ones(40), users, users))
    assert fused.predict(features.take(np.array([0])))[0] == pytest.approx([0.2277], abs=1e-4)
