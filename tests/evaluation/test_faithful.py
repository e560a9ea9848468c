"""How often the score falls when what a reason names is taken away."""

from __future__ import annotations

import math

from polyscene.evaluation.faithful import Removals


def test_shares() -> None:
    """Seven of ten; without a case there is no share."""
    assert Removals({"history": 8, "stated": 2}, {"history": 6, "stated": 1}).share == 0.7
    assert math.isnan(Removals({}, {}).share)
