"""The encoder that asks a service, against a real server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from polyscene.encoders import Encoder, RemoteEncoder
from polyscene.encoders.base import unit_rows
from polyscene.encoders.remote import RemoteConfig
from polyscene.errors import RemoteError, SettingsError
from polyscene.testing.encoder_contract import EncoderContract
from polyscene.testing.fake_encoder import hashed_vectors
from polyscene.testing.fake_server import FakeAnswer, FakeServer

opened: list[RemoteEncoder] = []


@pytest.fixture(autouse=True)
def _closing() -> Iterator[None]:
    yield
    while opened:
        opened.pop().close()


@pytest.fixture(scope="module")
def module_server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


def encoder_for(server: FakeServer, **options: Any) -> RemoteEncoder:
    config = RemoteConfig(base_url=server.url, model="m", **options)
    encoder = RemoteEncoder(config, sleep=lambda _: None)
    opened.append(encoder)
    return encoder


class TestRemote(EncoderContract):
    @pytest.fixture(autouse=True)
    def _use(self, module_server: FakeServer) -> None:
        self.server = module_server

    def make(self) -> Encoder:
        return encoder_for(self.server, batch_size=5)


def test_vectors_follow_the_index_not_the_order(server: FakeServer) -> None:
    """The fake answers in reverse; the vectors still belong to their texts."""
    texts = [f"text {i}" for i in range(7)]
    vectors = encoder_for(server, batch_size=3, concurrency=2).encode(texts)
    np.testing.assert_allclose(vectors, unit_rows(hashed_vectors(texts, 16)), atol=1e-6)
    assert sorted(len(request.payload["input"]) for request in server.requests) == [1, 3, 3]


def test_answers_without_an_index_are_in_order(server: FakeServer) -> None:
    def without_index(answer: dict[str, Any]) -> dict[str, Any]:
        data = [{"embedding": entry["embedding"]} for entry in answer["data"]]
        return {"data": data[::-1]}

    server.answer_with(FakeAnswer(change=without_index))
    vectors = encoder_for(server).encode(["a", "b", "c"])
    np.testing.assert_allclose(vectors, unit_rows(hashed_vectors(["a", "b", "c"], 16)), atol=1e-6)


def test_blank_texts_are_not_sent(server: FakeServer) -> None:
    encoder_for(server).encode(["", "a", "  "])
    assert [request.payload["input"] for request in server.requests] == [["a"]]


def test_dim_is_learned_once(server: FakeServer) -> None:
    encoder = encoder_for(server)
    assert encoder.dim == encoder.dim == 16
    assert len(server.requests) == 1


def test_dimensions_are_asked_for(server: FakeServer) -> None:
    encoder = encoder_for(server, dimensions=4)
    assert encoder.dim == 4
    assert not server.requests
    assert encoder.encode(["a"]).shape == (1, 4)
    assert server.requests[0].payload["dimensions"] == 4
    assert encoder.id != encoder_for(server).id


def test_it_recovers_from_passing_errors(server: FakeServer) -> None:
    server.answer_with(FakeAnswer(503), FakeAnswer(429), FakeAnswer(body=b"{broken"))
    assert encoder_for(server).encode(["a"]).shape == (1, 16)
    assert len(server.requests) == 4


def test_it_gives_up_after_its_retries(server: FakeServer) -> None:
    server.answer_with(*[FakeAnswer(503)] * 3)
    with pytest.raises(RemoteError, match="after 3 attempts") as caught:
        encoder_for(server, retries=2).encode(["a"])
    assert caught.value.status == 503


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda answer: {"data": answer["data"][1:]}, "got 1 vectors for 2 texts"),
        (lambda answer: {"data": None}, "no list of objects"),
        (lambda answer: {"data": [{**entry, "index": 0} for entry in answer["data"]]}, "indexes"),
        (lambda answer: {"data": [{**e, "index": [0]} for e in answer["data"]]}, "indexes"),
        (lambda answer: {"data": [{"index": 0}, answer["data"][0]]}, "number lists"),
        (
            lambda answer: {"data": [{**e, "embedding": [1.0]} for e in answer["data"]]},
            "got vectors of 1 components; expected 16",
        ),
    ],
)
def test_wrong_answers_are_errors(server: FakeServer, change: Any, message: str) -> None:
    encoder = encoder_for(server)
    assert encoder.dim == 16
    server.answer_with(FakeAnswer(change=change))
    with pytest.raises(RemoteError, match=message):
        encoder.encode(["a", "b"])


def test_a_missing_key_is_a_settings_error(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(SettingsError, match="'NO_SUCH_KEY' is not set"):
        encoder_for(server, api_key_env="NO_SUCH_KEY").encode(["a"])


def test_the_key_is_sent_and_not_part_of_the_id(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_KEY", "secret-key")
    encoder = encoder_for(server, api_key_env="SERVICE_KEY")
    encoder.encode(["a"])
    assert server.requests[0].headers["authorization"] == "Bearer secret-key"
    assert "secret-key" not in encoder.id + repr(encoder)
