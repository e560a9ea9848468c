"""The bundled encoder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import threadpoolctl

from polyscene.encoders import BundledEncoder, Encoder
from polyscene.encoders.bundled import BundledConfig
from polyscene.testing.encoder_contract import EncoderContract

shared = BundledEncoder()


class TestBundled(EncoderContract):
    def make(self) -> Encoder:
        return shared


def test_meaning_crosses_languages() -> None:
    """A Chinese text is closer to its English translation than to another subject."""
    cat, chinese_cat, stocks = shared.encode(
        ["The cat sleeps on the sofa", "猫在沙发上睡觉", "Stock prices fell sharply today"]
    )
    assert cat @ chinese_cat > 0.6 > 0.3 > cat @ stocks


def test_masked_numbers_bring_quantities_together() -> None:
    masked = BundledEncoder(BundledConfig(mask_numbers=True))
    pair = ["a pack of 12 pencils", "a pack of 48 pencils"]
    plain_cosine = np.prod(shared.encode(pair), axis=0).sum()
    masked_cosine = np.prod(masked.encode(pair), axis=0).sum()
    assert plain_cosine < 0.999 < masked_cosine
    assert masked.id != shared.id


def test_options_that_change_vectors_change_the_id() -> None:
    ids = {
        BundledEncoder(BundledConfig(max_chars=100)).id,
        BundledEncoder(BundledConfig(mask_numbers=True)).id,
        shared.id,
    }
    assert len(ids) == 3
    assert BundledEncoder(BundledConfig(weight=3)).id == shared.id


def test_threads_may_share_it() -> None:
    """Eight threads on a fresh encoder, which loads once, get what one thread gets."""
    texts = [f"text number {i} about subject {i % 7}" for i in range(200)]
    expected = shared.encode(texts)
    fresh = BundledEncoder()
    with ThreadPoolExecutor(8) as pool:
        for vectors in pool.map(fresh.encode, [texts] * 8):
            np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_blas_gets_its_threads_back() -> None:
    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]

    shared.encode(["load"])
    before = threads()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(shared.encode, [["a", "b"] * 50] * 12))
    assert threads() == before
