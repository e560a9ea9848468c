"""The embedding cache: what is encoded once, what survives, what is never mixed up."""

from __future__ import annotations

import logging
import multiprocessing
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from polyscene.encoders import CachedEncoder, Encoder
from polyscene.encoders.cache_file import VectorFile
from polyscene.errors import EncoderError
from polyscene.testing.encoder_contract import EncoderContract
from polyscene.testing.fake_encoder import FakeEncoder

TEXTS = [f"text {i}" for i in range(100)]


class Counting:
    """A progress that keeps the totals and what was advanced."""

    def __init__(self) -> None:
        self.totals: list[int | None] = []
        self.done = 0

    def task(self, label: str, total: int | None, unit: str) -> Counting:
        self.totals.append(total)
        return self

    def advance(self, amount: int = 1) -> None:
        self.done += amount

    def __enter__(self) -> Counting:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class TestCached(EncoderContract):
    @pytest.fixture(autouse=True)
    def _use(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self) -> Encoder:
        return CachedEncoder(FakeEncoder(), self.folder, chunk=5)


@pytest.fixture
def cached(tmp_path: Path) -> Iterator[CachedEncoder]:
    encoder = CachedEncoder(FakeEncoder(), tmp_path, chunk=10)
    yield encoder
    encoder.close()


def inner(encoder: CachedEncoder) -> FakeEncoder:
    assert isinstance(encoder.encoder, FakeEncoder)
    return encoder.encoder


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("*.sqlite")
    return path


def test_each_text_is_encoded_once_ever(cached: CachedEncoder, tmp_path: Path) -> None:
    first = cached.encode(TEXTS)
    assert inner(cached).encoded == TEXTS
    again = CachedEncoder(FakeEncoder(), tmp_path)
    np.testing.assert_array_equal(again.encode(TEXTS[::-1]), first[::-1])
    assert inner(again).encoded == []
    np.testing.assert_array_equal(first, FakeEncoder().encode(TEXTS))


def test_repeated_and_blank_texts_in_a_batch(cached: CachedEncoder) -> None:
    vectors = cached.encode(["a", "", "b", "a", " ", "a"])
    assert inner(cached).encoded == ["a", "b"]
    expected = FakeEncoder().encode(["a", "", "b", "a", " ", "a"])
    np.testing.assert_array_equal(vectors, expected)


def test_an_interrupted_run_resumes(cached: CachedEncoder, tmp_path: Path) -> None:
    """With chunks of 10, a failure after 37 texts loses 7; 30 are kept."""
    inner(cached).fail_after = 37
    with pytest.raises(EncoderError, match="told to fail"):
        cached.encode(TEXTS)
    cached.close()
    again = CachedEncoder(FakeEncoder(), tmp_path)
    vectors = again.encode(TEXTS)
    assert inner(again).encoded == TEXTS[30:]
    np.testing.assert_array_equal(vectors, FakeEncoder().encode(TEXTS))


def test_progress_counts_what_is_really_encoded(cached: CachedEncoder) -> None:
    cached.encode(TEXTS[:60])
    progress = Counting()
    cached.encode(TEXTS, progress)
    assert progress.totals == [40]
    assert progress.done == 40
    cached.encode(TEXTS, progress)
    assert progress.totals == [40]


def test_a_changed_encoder_never_mixes(tmp_path: Path) -> None:
    """Another id starts from nothing; the first one's vectors stay as they were."""
    first = CachedEncoder(FakeEncoder(8, "model v1"), tmp_path)
    before = first.encode(TEXTS)
    second = CachedEncoder(FakeEncoder(12, "model v2"), tmp_path)
    assert second.encode(TEXTS).shape == (100, 12)
    assert inner(second).encoded == TEXTS
    assert len(list(tmp_path.glob("*.sqlite"))) == 2
    np.testing.assert_array_equal(first.encode(TEXTS), before)


def test_ids_that_only_differ_in_signs_have_files_of_their_own(tmp_path: Path) -> None:
    paths = {VectorFile(tmp_path, name).path.name for name in ("a b", "a-b", "A b", "模型", "")}
    assert len(paths) == 5


def test_a_dim_that_changes_behind_one_id_voids_the_cache(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A service may change its model behind a name: the old vectors are not returned."""
    CachedEncoder(FakeEncoder(8, "service"), tmp_path).encode(TEXTS[:20])
    changed = CachedEncoder(FakeEncoder(4, "service"), tmp_path)
    vectors = changed.encode(TEXTS[:30])
    np.testing.assert_array_equal(vectors, FakeEncoder(4).encode(TEXTS[:30]))
    assert "gives 4 components where the cache has 8" in caplog.text
    assert CachedEncoder(FakeEncoder(4, "service"), tmp_path).dim == 4


@pytest.mark.parametrize("blob", [b"", b"\0" * 12, b"\xff" * 32, np.ones(8, "<f4").tobytes()])
def test_a_wrong_vector_in_the_file_is_encoded_anew(
    cached: CachedEncoder, tmp_path: Path, blob: bytes
) -> None:
    """Too short, NaN, or not of unit length."""
    cached.encode(TEXTS[:20])
    with sqlite3.connect(only_file(tmp_path)) as connection:
        connection.execute("UPDATE vectors SET vector = ? WHERE rowid IN (3, 4)", (blob,))
    connection.close()
    again = CachedEncoder(FakeEncoder(), tmp_path)
    np.testing.assert_array_equal(again.encode(TEXTS[:20]), FakeEncoder().encode(TEXTS[:20]))
    assert len(inner(again).encoded) == 2


@pytest.mark.parametrize("damage", ["garbage", "cut", "middle", "foreign", "empty"])
def test_a_damaged_file_is_set_aside_and_rebuilt(
    cached: CachedEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    cached.encode(TEXTS)
    cached.close()
    path = only_file(tmp_path)
    content = bytearray(path.read_bytes())
    if damage == "garbage":
        path.write_bytes(b"this is no database " * 1000)
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "middle":
        content[4096:] = b"\xa5" * (len(content) - 4096)
        path.write_bytes(content)
    elif damage == "foreign":
        path.unlink()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE vectors (other INTEGER)")
        connection.close()
    else:
        path.write_bytes(b"")
    again = CachedEncoder(FakeEncoder(), tmp_path)
    np.testing.assert_array_equal(again.encode(TEXTS), FakeEncoder().encode(TEXTS))
    rebuilt = CachedEncoder(FakeEncoder(), tmp_path)
    rebuilt.encode(TEXTS)
    assert inner(rebuilt).encoded == []
    if damage != "empty":  # an empty file is a new database, not a damaged one
        assert "is damaged" in caplog.text
        assert len(list(tmp_path.glob("*.damaged-*"))) == 1


def test_a_file_of_another_encoder_is_not_read(
    cached: CachedEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cached.encode(TEXTS)
    cached.close()
    other = VectorFile(tmp_path, "other")
    only_file(tmp_path).rename(other.path)
    assert other.dim() is None
    assert "belongs to another encoder" in caplog.text


def test_a_folder_that_cannot_be_written_is_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    encoder = CachedEncoder(FakeEncoder(), tmp_path / "cache")
    np.testing.assert_array_equal(encoder.encode(TEXTS), FakeEncoder().encode(TEXTS))
    assert "going on without it" in caplog.text
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1


def test_hot_texts_need_no_file(cached: CachedEncoder, tmp_path: Path) -> None:
    first = cached.encode(["query"])
    cached.close()
    only_file(tmp_path).unlink()
    np.testing.assert_array_equal(cached.encode(["query"]), first)
    assert inner(cached).encoded == ["query"]


def test_changing_a_result_does_not_change_the_cache(cached: CachedEncoder) -> None:
    first = cached.encode(["query"])
    expected = first.copy()
    first[:] = 7
    np.testing.assert_array_equal(cached.encode(["query"]), expected)


def test_nothing_missing_loads_no_model(cached: CachedEncoder, tmp_path: Path) -> None:
    class Unloadable(FakeEncoder):
        @property
        def dim(self) -> int:
            raise AssertionError("the model was loaded")

    expected = cached.encode(TEXTS)
    np.testing.assert_array_equal(CachedEncoder(Unloadable(), tmp_path).encode(TEXTS), expected)


def _encode_in_process(folder: Path, start: int) -> int:
    encoder = CachedEncoder(FakeEncoder(), folder, chunk=20)
    texts = [f"shared {i}" for i in range(start, start + 400)]
    right = np.array_equal(encoder.encode(texts), FakeEncoder().encode(texts))
    return len(inner(encoder).encoded) if right else -1


def test_processes_share_one_cache(tmp_path: Path) -> None:
    """Four processes with overlapping texts, none fails, and all that they wrote is there."""
    starts = [0, 200, 0, 300]
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        counts = pool.starmap(_encode_in_process, [(tmp_path, start) for start in starts])
    assert min(counts) >= 0
    encoder = CachedEncoder(FakeEncoder(), tmp_path)
    encoder.encode([f"shared {i}" for i in range(700)])
    assert inner(encoder).encoded == []
    assert not list(tmp_path.glob("*.damaged-*"))


def test_a_fork_uses_its_own_connection(cached: CachedEncoder, tmp_path: Path) -> None:
    cached.encode(TEXTS)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(_encode_in_process, (tmp_path, 0)) == 400
    np.testing.assert_array_equal(cached.encode(TEXTS), FakeEncoder().encode(TEXTS))


def test_a_writer_waits_for_another(cached: CachedEncoder, tmp_path: Path) -> None:
    """A lock that another process holds for a while delays a commit; it does not fail it."""
    cached.encode(["open the file"])
    other = sqlite3.connect(only_file(tmp_path), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, other.execute, ["COMMIT"])
    started = time.monotonic()
    release.start()
    cached.encode(["waits"])
    assert time.monotonic() - started > 0.25
    release.join()
    other.close()
    again = CachedEncoder(FakeEncoder(), tmp_path)
    again.encode(["waits"])
    assert inner(again).encoded == []
