"""Several encoders as one."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.component import Vectors
from polyscene.encoders import Encoder, JointEncoder
from polyscene.testing.encoder_contract import EncoderContract
from polyscene.testing.fake_encoder import FakeEncoder


class Fixed(FakeEncoder):
    """Gives each text the vector in a table, zero for others."""

    def __init__(self, table: dict[str, list[float]], weight: float) -> None:
        super().__init__(dim=2, id=f"fixed-{weight}", weight=weight)
        self.table = table

    def embed(self, texts: list[str]) -> Vectors:
        return np.array([self.table.get(text, [0, 0]) for text in texts], np.float32)


class TestJoint(EncoderContract):
    def make(self) -> Encoder:
        return JointEncoder([FakeEncoder(4, "a", weight=2), FakeEncoder(6, "b")])


def test_the_cosine_is_the_weighted_mean_of_cosines() -> None:
    """Cosines 1 and 0 with weights 3 and 1 give 0.75."""
    first = Fixed({"a": [1, 0], "b": [1, 0]}, weight=3)
    second = Fixed({"a": [1, 0], "b": [0, 1]}, weight=1)
    a, b = JointEncoder([first, second]).encode(["a", "b"])
    assert a @ b == pytest.approx(0.75, abs=1e-6)


def test_a_part_that_cannot_embed_a_text_adds_nothing() -> None:
    first = Fixed({"a": [1, 0], "b": [1, 0]}, weight=1)
    second = Fixed({"b": [0, 1]}, weight=1)
    a, b = JointEncoder([first, second]).encode(["a", "b"])
    np.testing.assert_allclose(a, [1, 0, 0, 0], atol=1e-6)
    assert a @ b == pytest.approx(0.5**0.5, abs=1e-6)


def test_id_and_dim_come_from_the_parts() -> None:
    joint = JointEncoder([FakeEncoder(4, "a", weight=3), FakeEncoder(6, "b")])
    assert joint.dim == 10
    assert joint.id == "joint 0.75*(a) + 0.25*(b)"
    assert JointEncoder([FakeEncoder(4, "a"), FakeEncoder(6, "b")]).id != joint.id


def test_it_needs_a_part() -> None:
    with pytest.raises(ValueError, match="at least one"):
        JointEncoder([])
