"""The place of what was shown is learned from, and taken out of what is predicted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from polyscene.errors import MissingExtraError
from polyscene.extras import require
from polyscene.metrics.probability import grouped_auc
from polyscene.ranking import Gbdt, TaskModel
from polyscene.ranking.examples import FUSED, POSITION, Examples, Features
from polyscene.settings import Task

LISTS, LENGTH = 500, 10


def logged(seed: int = 0) -> tuple[Examples, npt.NDArray[np.float64]]:
    """Lists that were ordered by `front`, which nobody cares for, and how well each target fits.

    What stands at place k is seen with chance 1 / k, and acted on if it fits.
    """
    rng = np.random.default_rng(seed)
    fit, front = rng.normal(size=(2, LISTS, LENGTH))
    order = np.argsort(np.argsort(-front - 0.3 * rng.normal(size=front.shape), axis=1), axis=1)
    place = (order + 1).ravel()
    relevance = 1 / (1 + np.exp(-1.5 * fit.ravel()))
    labels = rng.random(LISTS * LENGTH) < relevance / place
    values = np.stack([fit.ravel() * 0, fit.ravel(), front.ravel(), np.log(place)], axis=1)
    features = Features(
        (FUSED, "fit", "front", POSITION),
        values.astype(np.float32),
        ("home",),
        np.zeros(LISTS * LENGTH, np.int64),
    ).centred()
    users = np.repeat(np.arange(LISTS), LENGTH)
    return Examples(
        features, (Task("click", "click"),), labels[None].astype(np.float32),
        np.ones(LISTS * LENGTH), users, users,
    ), relevance  # fmt: skip


def blind(examples: Examples) -> Examples:
    """The same without places."""
    features = examples.features
    return replace(
        examples,
        features=replace(features, names=features.names[:3], values=features.values[:, :3]),
    )


def order(model: TaskModel, examples: Examples, relevance: npt.NDArray[np.float64]) -> float:
    """The order within lists that a fitted model gives, against who would act if all were seen."""
    scores = model.predict(examples.features.as_asked())[0]
    acts = (np.random.default_rng(9).random((20, len(relevance))) < relevance).astype(np.int64)
    return float(np.mean([grouped_auc(scores, own, examples.questions) for own in acts]))


def loads(module: str) -> bool:
    try:
        require(module, "ranking", "a test")
    except MissingExtraError:
        return False
    return True


@pytest.mark.skipif(not loads("lightgbm"), reason="needs lightgbm and the system's libgomp")
def test_trees_that_know_places_do_not_take_them_for_taste() -> None:
    """Better on new lists, and calibrated to the places that were logged."""
    model, other = Gbdt(), Gbdt()
    (known, _), (new, relevance) = logged(), logged(seed=1)
    model.fit(known)
    other.fit(blind(known))
    found, without = order(model, new, relevance), order(other, blind(new), relevance)
    assert without + 0.03 < found
    assert model.predict(new.features.as_asked())[0].mean() == pytest.approx(
        new.labels[0].mean(), abs=0.02
    )


def test_places_are_centred_by_scenario_and_zero_when_asked() -> None:
    """Medians log 2 and log 4; what is not known counts as the median."""
    values = np.log(np.array([1, 2, 4, 4, np.nan, 4], np.float32))[:, None]
    codes = np.array([0, 0, 0, 1, 1, 1])
    features = Features((POSITION,), values, ("a", "b"), codes)
    found = features.centred()
    assert found.column(POSITION) == pytest.approx([-np.log(2), 0, np.log(2), 0, 0, 0], abs=1e-6)
    assert not found.as_asked().column(POSITION).any()
    other = replace(features, names=("x",))
    assert other.centred() is other.as_asked() is other
