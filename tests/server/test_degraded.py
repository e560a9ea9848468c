"""What is down leaves an answer that says so, never an error."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest

from polyscene.component import Vectors
from polyscene.errors import EncoderError, WorkspaceError
from polyscene.fitting.past import Known, StorePast
from polyscene.logs import NO_PROGRESS, Progress
from polyscene.server.soft import PatientEncoder
from polyscene.storage import Changes, Watch
from polyscene.testing.word_encoder import WordEncoder, WordEncoderConfig
from served import Served, eventually, get, ids

from .conftest import Server


class Fragile(WordEncoder):
    """A word encoder that can be taken down, or made slow."""

    broken = False

    def __init__(self, config: WordEncoderConfig) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        """It answers when this is set, or after half a minute."""
        self.ready.set()

    def encode(self, texts: Sequence[str], progress: Progress = NO_PROGRESS) -> Vectors:
        if self.broken:
            raise EncoderError("the service of the encoder is down")
        self.ready.wait(30)
        return super().encode(texts, progress)


@pytest.fixture
def fragile() -> Fragile:
    return Fragile(WordEncoderConfig(dims=256))


def degraded(client: Served, why: str) -> bool:
    sign = f'polyscene_degraded_answers_total{{why="{why}"}}'
    return sign in client.get("/metrics").text


def test_without_the_encoder_behaviour_still_counts(serve: Server, fragile: Fragile) -> None:
    """Ann has tags and a history: the history answers. When the encoder is back, so are tags."""
    client = serve(encoder=fragile)
    fragile.broken = True
    body = get(client, "/v1/recommend", scenario="shop", user="ann", n=3)
    assert "the encoder is slow or down: the answer leaves texts out" in body["notes"]
    assert set(ids(body)) & {"tea-3", "tea-4"}
    assert degraded(client, "encoder")
    assert get(client, "/v1/search", scenario="shop", q="maps")["items"] == []
    assert get(client, "/v1/recommend", scenario="shop", text="maps")["items"]
    fragile.broken = False
    assert not get(client, "/v1/recommend", scenario="shop", user="ann", n=3)["notes"]


def test_new_items_wait_for_the_encoder(serve: Server, fragile: Fragile) -> None:
    """What cannot be encoded is stored, and recommended once it can be."""
    client = serve(encoder=fragile)
    fragile.broken = True
    assert client.put("/v1/items/map-9", json={"title": "Old map of Porto"}).status_code == 200
    time.sleep(0.2)
    assert get(client, "/v1/recommend", scenario="shop", user="bo")["items"]
    fragile.broken = False
    eventually(lambda: "map-9" in ids(get(client, "/v1/recommend", scenario="shop", user="bo")))


def test_a_slow_encoder_is_not_waited_for(fragile: Fragile) -> None:
    """Once that happened, it is hardly waited for at all until it has had its rest."""
    told: list[str] = []
    patient = PatientEncoder(fragile, told.append, patience_s=0.1)
    fragile.ready.clear()
    assert not patient.encode(["maps"]).any()
    patient._patience = 60  # longer than the encoder is slow
    assert not patient.encode(["maps"]).any()
    assert not fragile.ready.is_set()
    fragile.ready.set()
    assert len(told) == 2
    patient.close()


def test_what_is_encoded_in_time_is_what_the_encoder_gives(fragile: Fragile) -> None:
    patient = PatientEncoder(fragile, pytest.fail, patience_s=60)
    found = patient.encode(["maps"])
    assert found.any()
    assert found.shape == (1, 256)
    assert found.dtype == np.float32
    patient.close()


def test_what_is_new_is_not_waited_for_where_the_store_is_slow(
    serve: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bo acts; what was written cannot be read in time: the answer before stands, and says so."""
    client = serve()
    before = get(client, "/v1/recommend", scenario="shop", user="bo", n=2)
    past, look, done = client.service._past, Watch.look, threading.Event()

    def wait(watch: Watch) -> Changes | None:
        done.wait(30)
        return look(watch)

    monkeypatch.setattr(Watch, "look", wait)
    past._patience = 0.1
    bought = {"user_id": "bo", "item_id": ids(before)[0], "action": "purchase", "scenario": "shop"}
    assert client.post("/v1/events", json=bought).status_code == 200
    for _ in range(2):  # it is not kept
        began = time.monotonic()
        body = get(client, "/v1/recommend", scenario="shop", user="bo", n=2)
        assert time.monotonic() - began < 10
        assert body["notes"] == ["the store is slow or down: the answer may lack the latest events"]
        assert ids(body) == ids(before)
    assert degraded(client, "store")
    done.set()
    past._patience = 30
    eventually(lambda: past._looking is None or past._looking.done())
    after = get(client, "/v1/recommend", scenario="shop", user="bo", n=2)
    assert not after["notes"]
    assert ids(before)[0] not in ids(after)


@pytest.mark.parametrize("kind", ["down", "slow"])
def test_without_the_store_an_answer_rests_on_what_was_known(
    serve: Server, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bo was read before, and must be read anew; the store fails, and bo gets maps all the same."""
    client = serve()
    before = get(client, "/v1/recommend", scenario="shop", user="bo", n=2)
    past, read, done = client.service._past, StorePast.of, threading.Event()
    assert client.patch("/v1/users/bo", json={"language": "en"}).status_code == 200

    def fail(store: StorePast, user_id: str | None) -> Known:
        if kind == "slow":
            done.wait(30)
            return read(store, user_id)
        raise WorkspaceError("the store is down")

    # Of all, for a look at what is new may put another in the place of the one that is there.
    monkeypatch.setattr(StorePast, "of", fail)
    past._patience = 0.2
    body = get(client, "/v1/recommend", scenario="shop", user="bo", n=2)
    assert any("the store is slow or down" in note for note in body["notes"])
    assert ids(body) == ids(before)
    assert degraded(client, "store")
    stranger = get(client, "/v1/recommend", scenario="shop", user="di", n=2)
    assert stranger["items"]
    done.set()
    monkeypatch.undo()
    past._patience = 30
    assert not get(client, "/v1/recommend", scenario="shop", user="bo", n=2)["notes"]
