"""Bodies too large or too deep, paths that try to leave, odd ids: errors of theirs, never ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from polyscene.server.gate import MOST_BYTES
from served import Served

DEEP = b"[" * 100_000
BODIES = [
    ("POST", "/v1/events"),
    ("POST", "/v1/recommend"),
    ("PUT", "/v1/items/deep"),
    ("PATCH", "/v1/items/tea-1"),
    ("PUT", "/v1/users/deep"),
    ("PUT", "/v1/relations"),
    ("POST", "/api/feedback"),
    ("POST", "/api/item"),
]
PATHS = [
    "/v1/items/..%2f..%2fetc%2fpasswd",
    "/v1/items/%00",
    "/v1/items/%ff%fe",
    "/v1/models/..%2f..%2fx/promote",
    "/v1/similar/../../x?scenario=shop",
    "//v1/recommend",
    "/v1//recommend?scenario=shop",
    "/v1/recommend/?scenario=shop",
    "/dashboard/static/..%2f..%2fapp.py",
    "/dashboard/static/../../../pyproject.toml",
    "/v1/exports/..%2f..%2fstore.db",
    "/v1/pages/..%2fhome",
]


def refused(answer: object) -> bool:
    """Whether an answer is an error of the caller, with the one body."""
    status, body = answer.status_code, answer.json()  # type: ignore[attr-defined]
    return 400 <= status < 500 and body["error"].keys() >= {"type", "message"}


@pytest.mark.parametrize(("method", "path"), BODIES)
@pytest.mark.parametrize(
    "body",
    [DEEP, b'{"a":' * 50_000, b"\xff\xfe", b'{"a": NaN}'],
    ids=["lists", "objects", "bytes", "nan"],
)
def test_a_body_that_is_no_json_of_ours(world: Served, method: str, path: str, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    assert refused(world.request(method, path, content=body, headers=headers))


@pytest.mark.parametrize("path", ["/v1/events", "/v1/recommend"])
def test_a_body_that_is_too_large(world: Served, path: str) -> None:
    """Whether it says so before or not."""

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(MOST_BYTES // (1 << 20) + 1):
            yield b" " * (1 << 20)

    for content in (b" " * (MOST_BYTES + 1), parts()):
        answer = world.post(path, content=content)
        assert answer.status_code == 413
        assert refused(answer)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_path_that_tries_to_leave(world: Served, method: str, path: str) -> None:
    answer = world.request(method, path)
    assert answer.status_code < 500
    assert "root:" not in answer.text
    assert "[project]" not in answer.text
    if answer.status_code >= 400 and not path.startswith("/dashboard"):
        assert refused(answer)


@pytest.mark.parametrize("name", ["ü/茶 1", "a\u202eb", "🙂", "..", "x" * 200, "' OR 1=1 --"])
def test_an_odd_id_is_an_id(world: Served, name: str) -> None:
    """Unknown here, so 404 or nothing known; never an error of ours."""
    assert refused(world.get(f"/v1/similar/{quote(name, safe='')}?scenario=shop"))
    answer = world.get("/v1/recommend", params={"scenario": "shop", "user": name})
    assert answer.status_code == 200
    assert answer.json()["user_id"] == name
