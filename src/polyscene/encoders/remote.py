"""Any service with an OpenAI-compatible /v1/embeddings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from polyscene.component import Vectors
from polyscene.encoders.base import Encoder, EncoderConfig
from polyscene.errors import RemoteError
from polyscene.remote import RemoteClient

if TYPE_CHECKING:
    import httpx

__all__ = ["RemoteConfig", "RemoteEncoder"]


class RemoteConfig(EncoderConfig):
    """Options of `remote`."""

    model: str = "default"
    """The model's name at the service."""
    base_url: str = "http://127.0.0.1:8080/v1"
    """Where the interface starts; /embeddings is added."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; unset for a service without one."""
    dimensions: int | None = Field(default=None, ge=1)
    """Components to ask for, for models that can shorten their vectors; unset: what it gives."""
    batch_size: int = Field(default=64, ge=1)
    """Texts in one request."""
    concurrency: int = Field(default=2, ge=1, le=64)
    """Requests under way at once."""
    timeout_s: float = Field(default=60.0, gt=0)
    """How long to wait for a connection, and for each part of an answer."""
    retries: int = Field(default=4, ge=0)
    """How often a failed request is sent again."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Upper limit of requests; unset for no limit."""


class RemoteEncoder(Encoder):
    """Asks a service for the vectors. Safe to share between threads.

    Its id names the service, the model and the options: a service that changes its model behind
    an unchanged name cannot be noticed.

    Args:
        config: The options; the defaults when omitted.
        transport: Replaces the network in tests.
        sleep: Replaces `time.sleep` in tests.
    """

    name = "remote"
    config_type = RemoteConfig
    config: RemoteConfig

    def __init__(
        self,
        config: RemoteConfig | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__(config)
        self._seams: dict[str, Any] = {"transport": transport}
        if sleep is not None:
            self._seams["sleep"] = sleep
        self._lock = threading.Lock()
        self._opened: RemoteClient | None = None
        self._dim = self.config.dimensions

    @property
    def id(self) -> str:
        """Service, model and options."""
        config = self.config
        dimensions = config.dimensions or "all"
        return (
            f"remote {config.base_url.rstrip('/')} {config.model} dimensions={dimensions} "
            f"chars={config.max_chars}"
        )

    @property
    def dim(self) -> int:
        """Number of components: `dimensions`, or learned from the first answer."""
        if self._dim is None:
            self._request(["dimension"])
        assert self._dim is not None
        return self._dim

    @property
    def batch(self) -> int:
        """As many texts as are under way at once."""
        return self.config.batch_size * self.config.concurrency

    def embed(self, texts: list[str]) -> Vectors:
        """Vectors of non-blank texts.

        Raises:
            RemoteError: When the service fails, or answers something other than one vector of
                `dim` components a text.
        """
        size = self.config.batch_size
        requests = [texts[start : start + size] for start in range(0, len(texts), size)]
        if len(requests) == 1:
            return self._request(requests[0])
        with ThreadPoolExecutor(self.config.concurrency) as pool:
            return np.concatenate(list(pool.map(self._request, requests)))

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
            self._opened = None

    def _client(self) -> RemoteClient:
        config = self.config
        with self._lock:
            if self._opened is None:
                self._opened = RemoteClient(
                    config.base_url,
                    config.api_key_env,
                    config.timeout_s,
                    config.retries,
                    config.requests_per_minute,
                    **self._seams,
                )
            return self._opened

    def _request(self, texts: list[str]) -> Vectors:
        payload: dict[str, Any] = {"model": self.config.model, "input": texts}
        if self.config.dimensions is not None:
            payload["dimensions"] = self.config.dimensions
        answer = self._client().post("embeddings", payload)
        vectors = _vectors_in_order(answer, len(texts), self._where)
        with self._lock:
            if self._dim is None:
                self._dim = vectors.shape[1]
        if vectors.shape[1] != self._dim:
            raise RemoteError(
                f"{self._where}: got vectors of {vectors.shape[1]} components; expected {self._dim}"
            )
        return vectors

    @property
    def _where(self) -> str:
        return f"{self.config.base_url} ({self.config.model})"


def _vectors_in_order(answer: dict[str, Any], n: int, where: str) -> Vectors:
    """The n vectors of an answer, in the order of the texts that were sent."""
    data = answer.get("data")
    if not isinstance(data, list) or not all(isinstance(entry, dict) for entry in data):
        raise RemoteError(f"{where}: the answer has no list of objects under 'data'")
    if len(data) != n:
        raise RemoteError(f"{where}: got {len(data)} vectors for {n} texts")
    order = [entry.get("index", place) for place, entry in enumerate(data)]
    if not all(isinstance(place, int) for place in order) or set(order) != set(range(n)):
        raise RemoteError(f"{where}: the indexes of the answer are not 0 to {n - 1}")
    try:
        vectors = np.array([entry.get("embedding") for entry in data], dtype=np.float32)
    except (TypeError, ValueError):
        raise RemoteError(f"{where}: the vectors are not number lists of one length") from None
    if vectors.ndim != 2 or vectors.shape[1] == 0:
        raise RemoteError(f"{where}: the vectors are not number lists of one length")
    in_order = np.empty_like(vectors)
    in_order[order] = vectors
    return in_order
