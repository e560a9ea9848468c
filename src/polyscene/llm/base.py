"""What every language model answers to, whoever runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

__all__ = ["ChatModel", "ChatReply", "ChatRequest", "Message"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a model is asked."""

    messages: Sequence[Message]
    schema: Mapping[str, Any]
    """JSON schema of the answer."""
    max_tokens: int
    """Where the answer is cut."""


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What it answered."""

    text: str
    tokens_in: int
    """Tokens of the request, as the model counted them."""
    tokens_out: int
    """Tokens of the answer."""
    complete: bool
    """False where `max_tokens` cut it."""


@runtime_checkable
class ChatModel(Protocol):
    """A language model. Safe to share between threads; see `testing.llm_contract`."""

    @property
    def id(self) -> str:
        """Names the model and every option that changes its answers; part of the cache's key."""

    @property
    def concurrency(self) -> int:
        """How many requests it takes at once."""

    def answer(self, request: ChatRequest) -> ChatReply:
        """The answer to one request.

        Raises:
            LanguageModelError: When there is none, after all retries.
        """

    def close(self) -> None:
        """Free what it holds; the next use opens it again."""
