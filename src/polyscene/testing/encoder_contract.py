"""What every encoder must do, as a test class to inherit from.

class TestMyEncoder(EncoderContract):
    def make(self) -> Encoder:
        return MyEncoder()
"""

from __future__ import annotations

import numpy as np

from polyscene.encoders.base import Encoder

__all__ = ["EncoderContract"]

TEXTS = [
    "A watercolour set for beginners",
    "un cuaderno de dibujo",
    "初学者水彩套装",
    "水彩画セット",
    "набор акварели",
    "مجموعة ألوان مائية",
    "ชุดสีน้ำ",
    "수채화 세트",
    "emoji 🎨🖌️ and\ttabs\nand lines",
    "x",
    "word " * 3000,
    "A watercolour set for beginners",
]


class EncoderContract:
    """Tests of an encoder; a subclass says how to make one.

    Attributes:
        tolerance: By how much a component may differ between batches. Matrix products of
            different shapes round differently.
    """

    tolerance: float = 1e-4

    def make(self) -> Encoder:
        """A ready encoder. Called once a test: keep a costly model in a class attribute."""
        raise NotImplementedError

    def test_shape_dtype_and_layout(self) -> None:
        """As many float32 rows of dim components as texts, C-contiguous."""
        encoder = self.make()
        vectors = encoder.encode(TEXTS)
        assert vectors.shape == (len(TEXTS), encoder.dim)
        assert vectors.dtype == np.float32
        assert vectors.flags.c_contiguous

    def test_rows_have_unit_length(self) -> None:
        """Every text, in any language and of any length, has a vector of length 1."""
        norms = np.linalg.norm(self.make().encode(TEXTS), axis=1)
        np.testing.assert_allclose(norms, 1.0, atol=1e-5)

    def test_blank_texts_are_zero(self) -> None:
        """Empty and blank texts give zero rows and do not disturb their neighbours."""
        encoder = self.make()
        vectors = encoder.encode(["", TEXTS[0], "  \t\n", "　", TEXTS[2]])
        assert not vectors[[0, 2, 3]].any()
        expected = encoder.encode([TEXTS[0], TEXTS[2]])
        np.testing.assert_allclose(vectors[[1, 4]], expected, atol=self.tolerance)

    def test_only_blank_texts(self) -> None:
        """A batch of blank texts is all zero, with the right shape."""
        encoder = self.make()
        vectors = encoder.encode(["", " "])
        assert vectors.shape == (2, encoder.dim)
        assert not vectors.any()

    def test_no_texts(self) -> None:
        """No texts give shape (0, dim)."""
        encoder = self.make()
        vectors = encoder.encode([])
        assert vectors.shape == (0, encoder.dim)
        assert vectors.dtype == np.float32

    def test_same_again(self) -> None:
        """The same texts give the same vectors, and equal texts equal ones."""
        encoder = self.make()
        first, second = encoder.encode(TEXTS), encoder.encode(TEXTS)
        np.testing.assert_allclose(first, second, atol=self.tolerance)
        np.testing.assert_allclose(first[0], first[-1], atol=self.tolerance)

    def test_order_does_not_matter(self) -> None:
        """A text's vector does not depend on its place in the batch."""
        encoder = self.make()
        forward, backward = encoder.encode(TEXTS), encoder.encode(TEXTS[::-1])
        np.testing.assert_allclose(forward, backward[::-1], atol=self.tolerance)

    def test_batch_size_does_not_matter(self) -> None:
        """A text alone has the vector that it has among others."""
        encoder = self.make()
        together = encoder.encode(TEXTS * 3)
        alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
        np.testing.assert_allclose(together[: len(TEXTS)], alone, atol=self.tolerance)

    def test_different_texts_differ(self) -> None:
        """Different texts do not collapse into one vector."""
        cosine = float(np.prod(self.make().encode([TEXTS[0], "stock market news"]), axis=0).sum())
        assert cosine < 0.99

    def test_broken_unicode(self) -> None:
        """Half a surrogate pair and a NUL are read as well as can be, without an error."""
        vectors = self.make().encode(["half \ud83c a pair", "a \x00 b"])
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)

    def test_id_is_stable(self) -> None:
        """Two encoders made alike have one id, before and after use; it is a short line."""
        first, second = self.make(), self.make()
        before = first.id
        first.encode(["use"])
        assert first.id == before == second.id
        assert before.strip()
        assert "\n" not in before
