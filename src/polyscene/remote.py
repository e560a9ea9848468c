"""A client of services that speak the OpenAI HTTP interface: retries, rate limit, no leaked key.

The key comes from an environment variable and goes into one request header. It is never part of
a log line, a `repr` or an error message, even when the service repeats it in its answer.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from polyscene.errors import RemoteError, SettingsError
from polyscene.logs import get_logger

if TYPE_CHECKING:
    import httpx

__all__ = ["Limiter", "RemoteClient"]

log = get_logger(__name__)

RETRY_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
LONGEST_RETRY_AFTER_S = 120.0
MESSAGE_LENGTH = 200


class RemoteClient:
    """Posts JSON to one service. Safe to share between threads.

    A request that fails with a passing status (408, 409, 425, 429, 5xx), a transport error or an
    unreadable answer is sent again. Before attempt k+1 it waits 0.5·2^k seconds, at most 30, times
    a random factor in [0.5, 1]; a `Retry-After` of the service replaces that wait.

    Args:
        base_url: Where the interface starts, such as "http://127.0.0.1:8080/v1".
        api_key_env: Name of the environment variable with the key; None sends no key.
        timeout_s: How long to wait for a connection, and for each part of an answer.
        retries: How often a failed request is sent again.
        requests_per_minute: Upper limit of requests, evenly spaced; None for no limit.
        transport: Replaces the network in tests.
        sleep: Replaces `time.sleep` in tests.
        clock: Replaces `time.monotonic` in tests.

    Raises:
        SettingsError: When the URL is not plain http(s), or the variable is missing or unusable.
    """

    def __init__(
        self,
        base_url: str,
        api_key_env: str | None = None,
        timeout_s: float = 60.0,
        retries: int = 4,
        requests_per_minute: float | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        import httpx  # here because it takes longer to import than the rest of the package

        self.base_url = _checked_url(base_url)
        self._api_key_env = api_key_env
        self._key = _read_key(api_key_env)
        self._retries = retries
        self._sleep = sleep
        self._limiter = Limiter(requests_per_minute, sleep, clock)
        self._jitter = random.Random()
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._http = httpx.Client(headers=headers, timeout=timeout_s, transport=transport)

    def __repr__(self) -> str:
        return f"RemoteClient({self.base_url!r}, api_key_env={self._api_key_env!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def post(self, path: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The service's answer, an object.

        Args:
            path: Path below the base URL, such as "embeddings".
            payload: What is sent as JSON.

        Raises:
            RemoteError: When the service refuses, or still fails after every retry.
        """
        url = f"{self.base_url}/{path.lstrip('/')}"
        for attempt in range(self._retries + 1):
            self._limiter.wait()
            answer = self._attempt(url, payload)
            if not isinstance(answer, _Failure):
                return answer
            wait = self._wait_before_retry(answer, attempt)
            if wait is None:
                times = "1 attempt" if attempt == 0 else f"{attempt + 1} attempts"
                raise RemoteError(f"{url} failed after {times}: {answer.message}", answer.status)
            log.warning("%s: %s; trying again in %.1f s", url, answer.message, wait)
            self._sleep(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _attempt(self, url: str, payload: Mapping[str, Any]) -> dict[str, Any] | _Failure:
        import httpx

        try:
            response = self._http.post(url, json=payload)
        except httpx.TransportError as error:
            reason = self._redacted(str(error)) or "no answer"
            return _Failure(f"{type(error).__name__}: {reason}", None, passing=True)
        if not response.is_success:
            status = response.status_code
            return _Failure(
                f"HTTP {status}: {self._redacted(_server_message(response))}",
                status,
                passing=status in RETRY_STATUS,
                retry_after=_retry_after(response.headers.get("retry-after")),
            )
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if isinstance(answer, dict):
            return answer
        came = self._redacted(response.text) or "an empty body"
        return _Failure(f"expected a JSON object, got {came}", response.status_code, passing=True)

    def _wait_before_retry(self, failure: _Failure, attempt: int) -> float | None:
        """Seconds to wait before the next attempt, or None when there is none."""
        if not failure.passing or attempt == self._retries:
            return None
        if failure.retry_after is not None:
            if failure.retry_after > LONGEST_RETRY_AFTER_S:
                failure.message += f" (asked to wait {failure.retry_after:.0f} s)"
                return None
            return failure.retry_after
        longest: float = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0**attempt)
        return longest * self._jitter.uniform(0.5, 1.0)

    def _redacted(self, text: str) -> str:
        """`text` on one line, without the key, shortened."""
        if self._key:
            text = text.replace(self._key, "***")
        text = " ".join(text.split())
        return text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 1] + "…"


class _Failure:
    """Why an attempt failed, and whether another may succeed."""

    def __init__(
        self, message: str, status: int | None, *, passing: bool, retry_after: float | None = None
    ) -> None:
        self.message = message
        self.status = status
        self.passing = passing
        self.retry_after = retry_after


class Limiter:
    """Spaces what several threads send evenly.

    Args:
        per_minute: How much may be sent; None for no limit.
        sleep: Replaces `time.sleep` in tests.
        clock: Replaces `time.monotonic` in tests.
    """

    def __init__(
        self,
        per_minute: float | None,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self._gap_s = 60.0 / per_minute if per_minute else 0.0
        self._sleep = sleep
        self._clock = clock
        self._lock = threading.Lock()
        self._next_s = 0.0

    def wait(self, amount: float = 1.0) -> None:
        """Return when the next `amount` may be sent, such as one request or its tokens."""
        if not self._gap_s:
            return
        with self._lock:
            now = self._clock()
            due = max(now, self._next_s)
            self._next_s = due + self._gap_s * amount
        if due > now:
            self._sleep(due - now)


def _checked_url(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"base_url: got {base_url!r}; expected http://HOST/... or https://...")
    if parts.username or parts.password or parts.query or parts.fragment:
        # The URL itself is not shown: it may hold a secret.
        raise SettingsError(
            "base_url: expected no user, password or query in the URL; put the key into an "
            "environment variable and name it in api_key_env"
        )
    return base_url.rstrip("/")


def _read_key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise SettingsError(
            f"api_key_env: the environment variable {variable!r} is not set; set it to the "
            "service's key, or leave api_key_env out if the service needs none"
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise SettingsError(
            f"api_key_env: the environment variable {variable!r} holds characters that no key "
            "can have (spaces, line ends or non-ASCII)"
        )
    return key


def _server_message(response: httpx.Response) -> str:
    """What the service says went wrong, from the usual places."""
    try:
        body = response.json()
    except ValueError:
        return response.text or response.reason_phrase
    for name in ("error", "message", "detail"):
        found = body.get(name) if isinstance(body, dict) else None
        if isinstance(found, dict):
            found = found.get("message", found)
        if found:
            return str(found)
    return response.text


def _retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header, which holds seconds or a date; None if neither."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
