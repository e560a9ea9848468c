"""The client of remote services: what it sends, when it tries again, what it never says."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from email.utils import formatdate

import httpx
import pytest

from polyscene.errors import RemoteError, SettingsError
from polyscene.remote import RemoteClient
from polyscene.testing.fake_server import FakeAnswer, FakeServer

KEY = "sk-very-secret-0123456789"
Handler = Callable[[httpx.Request], httpx.Response]


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def client_of(handler: Handler, clock: Clock | None = None, **options: object) -> RemoteClient:
    clock = clock or Clock()
    return RemoteClient(
        "http://service.test/v1/",
        transport=httpx.MockTransport(handler),
        sleep=clock.sleep,
        clock=clock,
        **options,  # type: ignore[arg-type]
    )


def answers(*statuses: int, **headers: str) -> tuple[Handler, list[httpx.Request]]:
    """A handler that gives these statuses in turn, and the requests it got."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        status = statuses[min(len(seen), len(statuses) - 1)]
        seen.append(request)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"ok": True} if status == 200 else {"error": {"message": f"failed {status}"}}
        return httpx.Response(status, json=body, headers=named if status != 200 else {})

    return handle, seen


def test_posts_json_below_the_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_KEY", f" {KEY}\n")
    handle, seen = answers(200)
    with client_of(handle, api_key_env="SERVICE_KEY") as client:
        assert client.post("/embeddings", {"input": ["水"]}) == {"ok": True}
    assert str(seen[0].url) == "http://service.test/v1/embeddings"
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert seen[0].read() == '{"input":["水"]}'.encode()


def test_without_a_key_no_header_is_sent() -> None:
    handle, seen = answers(200)
    client_of(handle).post("embeddings", {})
    assert "authorization" not in seen[0].headers


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_passing_failures_are_tried_again(status: int) -> None:
    handle, seen = answers(status, status, 200)
    clock = Clock()
    assert client_of(handle, clock).post("x", {}) == {"ok": True}
    assert len(seen) == 3
    assert len(clock.slept) == 2


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 422])
def test_refusals_are_not_tried_again(status: int) -> None:
    handle, seen = answers(status)
    with pytest.raises(RemoteError, match=f"after 1 attempt: HTTP {status}: failed") as caught:
        client_of(handle).post("x", {})
    assert len(seen) == 1
    assert caught.value.status == status


def test_waits_double_with_jitter_and_are_bounded() -> None:
    """Before attempt k+1: between half of and 0.5·2^k seconds, at most 30."""
    handle, seen = answers(503)
    clock = Clock()
    with pytest.raises(RemoteError, match="after 9 attempts"):
        client_of(handle, clock, retries=8).post("x", {})
    assert len(seen) == 9
    for wait, longest in zip(clock.slept, [0.5, 1, 2, 4, 8, 16, 30, 30], strict=True):
        assert longest / 2 <= wait <= longest


def test_retries_zero_means_one_attempt() -> None:
    handle, seen = answers(503)
    with pytest.raises(RemoteError, match="1 attempt:"):
        client_of(handle, retries=0).post("x", {})
    assert len(seen) == 1


def test_retry_after_in_seconds_replaces_the_wait() -> None:
    handle, _ = answers(429, 200, Retry_After="7")
    clock = Clock()
    client_of(handle, clock).post("x", {})
    assert clock.slept == [7.0]


def test_retry_after_as_a_date() -> None:
    handle, _ = answers(503, 200, Retry_After=formatdate(time.time() + 20, usegmt=True))
    clock = Clock()
    client_of(handle, clock).post("x", {})
    assert 15 < clock.slept[0] <= 20


def test_a_too_long_retry_after_ends_it() -> None:
    handle, seen = answers(429, Retry_After="3600")
    with pytest.raises(RemoteError, match="asked to wait 3600 s"):
        client_of(handle).post("x", {})
    assert len(seen) == 1


def test_an_unreadable_retry_after_is_ignored() -> None:
    handle, _ = answers(429, 200, Retry_After="soon")
    clock = Clock()
    client_of(handle, clock).post("x", {})
    assert clock.slept[0] <= 0.5


def test_transport_errors_are_tried_again() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(RemoteError, match="after 3 attempts: ConnectError: refused") as caught:
        client_of(handle, retries=2).post("x", {})
    assert caught.value.status is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1, 2]", b'{"cut": '])
def test_answers_that_are_no_object_are_tried_again(body: bytes) -> None:
    count = 0

    def handle(request: httpx.Request) -> httpx.Response:
        nonlocal count
        count += 1
        return httpx.Response(200, content=body if count == 1 else b'{"ok": 1}')

    assert client_of(handle).post("x", {}) == {"ok": 1}
    assert count == 2


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error": {"message": "too  long\\n input"}}', "HTTP 400: too long input"),
        (b'{"error": "plain"}', "HTTP 400: plain"),
        (b'{"detail": "from a proxy"}', "HTTP 400: from a proxy"),
        (b"not json", "HTTP 400: not json"),
        (b"", "HTTP 400: Bad Request"),
        (b"y" * 5000, "HTTP 400: " + "y" * 199 + "…"),
    ],
)
def test_the_services_message_is_shown_shortened(body: bytes, expected: str) -> None:
    with pytest.raises(RemoteError) as caught:
        client_of(lambda _: httpx.Response(400, content=body)).post("x", {})
    assert str(caught.value).endswith(expected)


def test_requests_are_spaced_evenly() -> None:
    """30 a minute is one each 2 seconds; the time that passes in between counts."""
    handle, _ = answers(200)
    clock = Clock()
    client = client_of(handle, clock, requests_per_minute=30)
    client.post("x", {})
    client.post("x", {})
    clock.now += 1.5
    client.post("x", {})
    assert clock.slept == pytest.approx([2.0, 0.5])


def test_retries_count_as_requests() -> None:
    handle, _ = answers(500, 200, Retry_After="0")
    clock = Clock()
    client_of(handle, clock, requests_per_minute=6).post("x", {})
    assert clock.slept == [0.0, 10.0]


@pytest.mark.parametrize("value", ["", "   "])
def test_a_missing_variable_is_a_settings_error(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("SERVICE_KEY", value)
    with pytest.raises(SettingsError, match="'SERVICE_KEY' is not set"):
        client_of(answers(200)[0], api_key_env="SERVICE_KEY")


@pytest.mark.parametrize("value", ["two words secret", "line\nsecret", "schlüssel-secret"])
def test_an_unusable_key_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("SERVICE_KEY", value)
    with pytest.raises(SettingsError) as caught:
        client_of(answers(200)[0], api_key_env="SERVICE_KEY")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["service.test", "ftp://service.test", "http://", ""])
def test_a_wrong_url_is_a_settings_error(url: str) -> None:
    with pytest.raises(SettingsError, match="base_url"):
        RemoteClient(url)


@pytest.mark.parametrize(
    "url", [f"http://user:{KEY}@service.test/v1", f"http://service.test/v1?key={KEY}"]
)
def test_secrets_in_the_url_are_refused_without_showing_them(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        RemoteClient(url)
    assert KEY not in str(caught.value)


def test_the_key_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in logs, reprs and errors, even when the service repeats it."""
    monkeypatch.setenv("SERVICE_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    with FakeServer() as server:
        server.answer_with(
            FakeAnswer(429, f"key {KEY} is over its limit", {"Retry-After": "0"}),
            FakeAnswer(200, body=KEY.encode()),
            FakeAnswer(401, f"wrong key {KEY}"),
        )
        with RemoteClient(server.url, "SERVICE_KEY", sleep=lambda _: None) as client:
            with pytest.raises(RemoteError) as caught:
                client.post("embeddings", {"model": "m", "input": ["a"]})
            shown = [repr(client), repr(vars(client)["_http"].headers), str(caught.value)]
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert len(server.requests) == 3
    assert "over its limit" in caplog.text
    assert all(KEY not in text for text in [*shown, repr(caught.value), caplog.text])


def test_slow_answers_time_out() -> None:
    with FakeServer() as server:
        server.answer_with(FakeAnswer(delay_s=0.5))
        with (
            RemoteClient(server.url, timeout_s=0.05, retries=0) as client,
            pytest.raises(RemoteError, match="ReadTimeout"),
        ):
            client.post("embeddings", {"model": "m", "input": ["a"]})
