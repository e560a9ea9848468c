"""Any service with an OpenAI-compatible /v1/chat/completions, remote or self-hosted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from polyscene.errors import LanguageModelError, RemoteError
from polyscene.llm.base import ChatReply, ChatRequest
from polyscene.remote import RemoteClient
from polyscene.settings import LlmSettings

if TYPE_CHECKING:
    import httpx

__all__ = ["RemoteModel", "read_reply"]

REFUSALS = frozenset({400, 413, 422})
"""Statuses about the one request, such as text that is too long."""

DEFAULT_CONCURRENCY = 4
HINTS: dict[int | None, str] = {
    None: "; is the service running, and is llm.base_url right?",
    401: "; llm.api_key_env names the environment variable that holds the key",
    403: "; llm.api_key_env names the environment variable that holds the key",
    404: "; llm.base_url ends before /chat/completions, and llm.model is one of the service's",
}
"""What to look at when a request fails, by status; None where nothing answered."""


class RemoteModel:
    """Asks a service.

    Its id names the service, the model and the options: a service that changes its model behind an
    unchanged name cannot be noticed.

    Args:
        settings: Where it is, and its options.
        transport: Replaces the network in tests.
        sleep: Replaces `time.sleep` in tests.
    """

    def __init__(
        self,
        settings: LlmSettings,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._settings = settings
        self._seams: dict[str, Any] = {"transport": transport}
        if sleep is not None:
            self._seams["sleep"] = sleep
        self._lock = threading.Lock()
        self._client: RemoteClient | None = None

    @property
    def id(self) -> str:
        """Service, model and options."""
        settings = self._settings
        options = json.dumps(settings.options, sort_keys=True, ensure_ascii=False)
        return (
            f"openai {settings.base_url.rstrip('/')} {settings.model} "
            f"structured={settings.structured} temperature={settings.temperature:g} "
            f"seed={settings.seed} options={options}"
        )

    @property
    def concurrency(self) -> int:
        """As set, or 4."""
        return self._settings.concurrency or DEFAULT_CONCURRENCY

    def answer(self, request: ChatRequest) -> ChatReply:
        """The service's answer.

        Raises:
            LanguageModelError: When it refuses, still fails after every retry, or answers in
                another form than that of the interface.
        """
        try:
            answer = self._opened().post("chat/completions", self._payload(request))
        except RemoteError as error:
            raise LanguageModelError(
                f"{error}{HINTS.get(error.status, '')}",
                refused=error.status in REFUSALS,
                unanswered=error.status is None,
            ) from error
        return read_reply(answer, f"{self._settings.base_url} ({self._settings.model})")

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None

    def _payload(self, request: ChatRequest) -> dict[str, Any]:
        settings = self._settings
        payload = {
            "model": settings.model,
            "messages": [{"role": one.role, "content": one.text} for one in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": settings.temperature,
            "seed": settings.seed,
        }
        if settings.structured == "json_schema":
            schema = {"name": "answer", "strict": True, "schema": request.schema}
            payload["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif settings.structured == "json_object":
            payload["response_format"] = {"type": "json_object"}
        return payload | settings.options

    def _opened(self) -> RemoteClient:
        settings = self._settings
        with self._lock:
            if self._client is None:
                self._client = RemoteClient(
                    settings.base_url,
                    settings.api_key_env,
                    settings.timeout_s,
                    settings.retries,
                    settings.requests_per_minute,
                    **self._seams,
                )
            return self._client


def read_reply(answer: dict[str, Any], where: str) -> ChatReply:
    """The reply in an answer of /chat/completions.

    Args:
        answer: The answer.
        where: Who gave it, for the message.

    Raises:
        LanguageModelError: When it has no text or no count of tokens.
    """
    try:
        choice = answer["choices"][0]
        text = choice["message"].get("content") or ""
        usage = answer.get("usage") or {}
        tokens_in, tokens_out = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
        complete = choice.get("finish_reason") != "length"
    except (KeyError, IndexError, TypeError, AttributeError):
        raise LanguageModelError(f"{where}: the answer has no choices[0].message") from None
    counts = all(isinstance(count, int) and count >= 0 for count in (tokens_in, tokens_out))
    if not isinstance(text, str) or not counts:
        raise LanguageModelError(f"{where}: the answer's content or usage has another form")
    return ChatReply(text, tokens_in, tokens_out, complete)
