from __future__ import annotations

from collections.abc import Iterator

import pytest

from polyscene.errors import LanguageModelError
from polyscene.llm import ChatModel
from polyscene.llm.remote import RemoteModel
from polyscene.settings import LlmSettings
from polyscene.testing.fake_llm import FakeChatServer
from polyscene.testing.fake_server import FakeAnswer
from polyscene.testing.llm_contract import QUESTION, ChatModelContract


@pytest.fixture
def server() -> Iterator[FakeChatServer]:
    with FakeChatServer() as started:
        yield started


def make(server: FakeChatServer, **options: object) -> RemoteModel:
    settings = {"provider": "openai", "model": "m", "base_url": server.url, **options}
    return RemoteModel(LlmSettings.model_validate(settings), sleep=lambda _: None)


class TestRemoteModel(ChatModelContract):
    @pytest.fixture(autouse=True)
    def _serve(self, server: FakeChatServer) -> Iterator[None]:
        server.say(always='{"genres": ["war"], "sure": true}')
        self.model = make(server)
        yield
        self.model.close()

    def make(self) -> ChatModel:
        return self.model


def test_what_is_sent(server: FakeChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "k-1")
    model = make(server, api_key_env="THE_KEY", seed=3, options={"top_p": 0.5})
    model.answer(QUESTION)
    model.close()
    sent = server.requests[0]
    assert sent.path == "/v1/chat/completions"
    assert sent.headers["authorization"] == "Bearer k-1"
    assert sent.payload["response_format"]["json_schema"]["schema"] == QUESTION.schema
    assert sent.payload["response_format"]["json_schema"]["strict"] is True
    assert (sent.payload["model"], sent.payload["temperature"]) == ("m", 0)
    assert (sent.payload["seed"], sent.payload["top_p"]) == (3, 0.5)
    assert [one["role"] for one in sent.payload["messages"]] == ["system", "user"]


@pytest.mark.parametrize(
    ("structured", "expected"), [("json_object", {"type": "json_object"}), ("none", None)]
)
def test_services_without_schemas(
    server: FakeChatServer, structured: str, expected: dict[str, str] | None
) -> None:
    model = make(server, structured=structured)
    model.answer(QUESTION)
    model.close()
    assert server.requests[0].payload.get("response_format") == expected


def test_passing_failures_are_asked_again(server: FakeChatServer) -> None:
    """Too many requests, an error, and a body that is no JSON: the fourth attempt counts."""
    server.answer_with(
        FakeAnswer(429, headers={"Retry-After": "0"}),
        FakeAnswer(500),
        FakeAnswer(body=b"{nonsense"),
    )
    model = make(server)
    assert model.answer(QUESTION).complete
    model.close()
    assert len(server.requests) == 4


@pytest.mark.parametrize(("status", "refused"), [(400, True), (401, False), (503, False)])
def test_lasting_failures(server: FakeChatServer, status: int, refused: bool) -> None:
    """A refusal is about the one request; the others mean that all will fail."""
    server.answer_with(FakeAnswer(status, "no"), FakeAnswer(status, "no"))
    model = make(server, retries=1)
    with pytest.raises(LanguageModelError, match=str(status)) as caught:
        model.answer(QUESTION)
    model.close()
    assert caught.value.refused is refused
    assert caught.value.unanswered is False


def test_a_service_that_is_too_slow(server: FakeChatServer) -> None:
    server.answer_with(FakeAnswer(delay_s=0.4))
    model = make(server, timeout_s=0.1, retries=0)
    with pytest.raises(LanguageModelError, match="Timeout") as caught:
        model.answer(QUESTION)
    model.close()
    assert caught.value.unanswered


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": []}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": ["a"]}}]}',
        b'{"choices": [{"message": {"content": "{}"}}], "usage": {"prompt_tokens": -9}}',
        b'{"choices": "all"}',
    ],
)
def test_answers_of_another_interface(server: FakeChatServer, body: bytes) -> None:
    server.answer_with(FakeAnswer(body=body))
    model = make(server)
    with pytest.raises(LanguageModelError, match="the answer"):
        model.answer(QUESTION)
    model.close()
