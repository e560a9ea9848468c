"""Keys: who may do what, how often, and what is kept of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tiny_world
from polyscene.errors import DataError, NotFoundError, SettingsError
from polyscene.server.auth import Guard, add_key, needed_role, revoke_key
from polyscene.server.run import serve as run
from polyscene.storage import Store
from served import Served, eventually

from .conftest import Server

ASK = "/v1/recommend?scenario=shop"
KEYS: dict[str, str] = {}


def make_keys(path: Path) -> None:
    with Store.open(f"sqlite:///{path / 'store.db'}") as store:
        for role in ("read", "write", "admin"):
            KEYS[role] = add_key(store, f"for {role}", role)[1]


def bearer(role: str) -> dict[str, str]:
    return {"authorization": f"Bearer {KEYS[role]}"}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Served:
    from served import served

    path = tmp_path_factory.mktemp("locked")
    tiny_world.make(path).close()
    make_keys(path)
    with served(path) as opened:
        yield opened  # type: ignore[misc]


def test_without_a_key_only_health_is_told(locked: Served) -> None:
    for path in (ASK, "/v1/items/tea-1", "/metrics", "/v1/nothing"):
        answer = locked.get(path)
        assert answer.status_code == 401, path
        assert answer.json()["error"]["type"] == "AuthenticationError"
    assert locked.get("/health/live").status_code == 200
    assert locked.get("/health/ready").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", ASK, "read"),
        ("GET", "/metrics", "read"),
        ("PUT", "/v1/items/tea-1", "write"),
        ("POST", "/v1/events", "write"),
        ("DELETE", "/v1/items/none", "write"),
        ("DELETE", "/v1/users/none", "admin"),
        ("GET", "/v1/exports/ann", "admin"),
        ("POST", "/v1/models/fit", "admin"),
    ],
)
def test_each_role_may_do_its_own_and_what_is_below(
    locked: Served, method: str, path: str, role: str
) -> None:
    roles = ("read", "write", "admin")
    for own in roles:
        status = locked.request(method, path, headers=bearer(own), content=b"{").status_code
        assert (status == 403) == (roles.index(own) < roles.index(role)), own


def test_a_key_is_taken_in_both_headers_and_no_other_is(locked: Served) -> None:
    good = KEYS["read"]
    assert locked.get(ASK, headers={"x-api-key": good}).status_code == 200
    for bad in (good[:-1], good + "x", "ps_00000000_x", "ps", "", "\u00ff", good.swapcase()):
        headers = {"x-api-key": bad.encode("latin-1")}
        assert locked.get(ASK, headers=headers).status_code == 401, bad


def test_of_a_key_only_a_digest_is_kept(tmp_path: Path, store: Store) -> None:
    _, text = add_key(store, "for the shop", "read")
    secret = text.split("_", 2)[2]
    assert re.fullmatch(r"ps_[0-9a-f]{8}_[\w-]{43}", text)
    held = b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))
    assert secret.encode() not in held


def test_a_revoked_key_opens_nothing_and_leaves_the_door_closed(serve: Server) -> None:
    """Also when it was the last: a service that had keys is never open again."""
    client = serve(after=make_keys)
    assert client.get(ASK, headers=bearer("read")).status_code == 200
    store = client.service.workspace.store
    for key in store.service_keys():
        revoke_key(store, key.key_id)
    eventually(lambda: client.get(ASK, headers=bearer("read")).status_code == 401)
    assert client.get(ASK).status_code == 401
    with pytest.raises(NotFoundError, match="no key"):
        revoke_key(store, store.service_keys()[0].key_id)


def test_a_key_may_send_as_many_requests_as_it_is_allowed(serve: Server) -> None:
    """Three a minute: the fourth is told when to come again."""

    def limited(path: Path) -> None:
        with Store.open(f"sqlite:///{path / 'store.db'}") as store:
            KEYS["limited"] = add_key(store, "slow", "read", 3)[1]

    client = serve(after=limited)
    statuses = [client.get(ASK, headers=bearer("limited")).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = client.get(ASK, headers=bearer("limited"))
    assert 15 <= int(refused.headers["retry-after"]) <= 21
    assert refused.json()["error"]["type"] == "RateLimitError"


def test_without_keys_only_this_machine_is_answered(world: Served) -> None:
    """A page of another site cannot reach it through the browser of somebody here."""
    for host in ("127.0.0.1", "localhost:8000", "[::1]:8000", "[::1]"):
        assert world.get("/health/live", headers={"host": host}).status_code == 200, host
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil:80", ""):
        assert world.get("/health/live", headers={"host": host}).status_code == 403, host


def test_without_keys_it_listens_here_only(tmp_path: Path) -> None:
    tiny_world.make(tmp_path, fit=False).close()
    (tmp_path / "polyscene.toml").write_text('version = 1\n[scenarios.shop]\npreset = "shop"\n')
    with pytest.raises(SettingsError, match=r"polyscene keys add"):
        run(tmp_path, host="0.0.0.0")


def test_wrong_keys_are_not_made(store: Store) -> None:
    for name, role, rate in (("", "read", None), ("a", "owner", None), ("a", "read", 0.0)):
        with pytest.raises(DataError):
            add_key(store, name, role, rate)


def test_what_is_unknown_needs_at_least_to_write() -> None:
    assert needed_role("POST", "/v2/anything") == "write"
    assert needed_role("GET", "/health/live") is None
    assert Guard().open
