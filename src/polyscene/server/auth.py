"""Who may do what: keys with roles, kept as digests, each with its own rate.

A key is `ps_<id>_<secret>`; the store has the SHA-256 of the secret, which has 256 bits of chance,
so that a slow hash would add nothing. Where no key was ever made, everybody may do everything, and
the service listens on this machine only.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from polyscene.errors import DataError, NotFoundError
from polyscene.storage import Key, Store

__all__ = ["ROLES", "Guard", "Refusal", "Role", "add_key", "needed_role", "revoke_key"]

Role = Literal["read", "write", "admin"]
"""read: ask; write: also events, items, users, relations; admin: also models, exports, reviews,
erasures."""
ROLES: tuple[Role, ...] = get_args(Role)

_OPEN = ("/health/", "/openapi.json", "/docs", "/redoc", "/dashboard")
"""Open to all without a key; the dashboard asks for one itself."""
_ADMIN = ("/v1/models", "/v1/exports", "/v1/review")
_ASKING = ("/v1/recommend", "/api/session/recommend")
_LOCAL = {b"127.0.0.1", b"localhost", b"[::1]"}
_UNKNOWN = hashlib.sha256(b"no key of this id").hexdigest()


def add_key(
    store: Store, name: str, role: str, requests_per_minute: float | None = None
) -> tuple[Key, str]:
    """Make a key; its text is returned here and nowhere else.

    Args:
        store: The store that keeps it.
        name: What it is for.
        role: read, write or admin.
        requests_per_minute: Upper limit of requests; None for no limit.

    Raises:
        DataError: When the role is unknown, the name is empty or the limit is not above 0.
    """
    if role not in ROLES:
        raise DataError(f"unknown role {role!r}; allowed: {', '.join(ROLES)}")
    if not name.strip() or len(name) > 256:
        raise DataError("a key has a name of 1 to 256 characters, such as what it is for")
    if requests_per_minute is not None and not requests_per_minute > 0:
        raise DataError(f"the limit is a number above 0; got {requests_per_minute}")
    key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    key = Key(key_id, name, role, _digest(secret), requests_per_minute, time.time())
    with store.write() as writer:
        writer.add_key(key)
    return key, f"ps_{key_id}_{secret}"


def revoke_key(store: Store, key_id: str) -> None:
    """Take a key out of use.

    Raises:
        NotFoundError: When no key of that id is in use.
    """
    with store.write() as writer:
        if not writer.revoke_key(key_id, time.time()):
            raise NotFoundError(f"no key {key_id!r} is in use; see: polyscene keys list")


def needed_role(method: str, path: str) -> Role | None:
    """The role that a request needs; None for what is open to all."""
    if path.startswith(_OPEN):
        return None
    if path.startswith("/v1/models"):
        return "read" if method == "GET" else "admin"
    if path.startswith(_ADMIN) or (
        method == "DELETE" and path.startswith(("/v1/users/", "/api/user/"))
    ):
        return "admin"
    if method in ("GET", "HEAD") or path in _ASKING:
        return "read"
    return "write"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered."""

    status: int
    message: str
    why: str
    """One word, for the counter."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Held:
    """A key in use, and what is left of its rate."""

    key: Key
    left: float
    since: float

    def take(self, now: float) -> float:
        """Take one request; how many seconds are missing until it may come, 0 for none."""
        limit = self.key.requests_per_minute
        if limit is None:
            return 0.0
        most = max(1.0, limit)
        self.left = min(most, self.left + (now - self.since) * limit / 60)
        self.since = now
        if self.left < 1:
            return (1 - self.left) * 60 / limit
        self.left -= 1
        return 0.0


class Guard:
    """Knows the keys. Made in the thread that uses it.

    Args:
        keys: All keys, those out of use too.
    """

    def __init__(self, keys: Sequence[Key] = ()) -> None:
        self._held: dict[str, _Held] = {}
        self.open = True
        """Whether no key was ever made."""
        self.use(keys)

    def use(self, keys: Sequence[Key]) -> None:
        """Go by these keys from now on; what is left of their rates stays."""
        held = {}
        for key in keys:
            if key.revoked_at is None:
                old = self._held.get(key.key_id)
                most = max(1.0, key.requests_per_minute or 1.0)
                left, since = (old.left, old.since) if old else (most, time.monotonic())
                held[key.key_id] = _Held(key, left, since)
        self._held, self.open = held, not keys

    def refusal(self, method: str, path: str, headers: Mapping[bytes, bytes]) -> Refusal | None:
        """Why a request is refused; None where it may pass."""
        needed = needed_role(method, path)
        if self.open:
            return self._of_strangers(headers)
        if needed is None:
            return None
        held = self._key(headers)
        if held is None:
            return Refusal(
                401,
                "send a key as: Authorization: Bearer ps_...; make one with: polyscene keys add",
                "key",
                {"www-authenticate": "Bearer"},
            )
        missing = held.take(time.monotonic())
        if missing:
            wait = str(int(missing) + 1)
            limit = held.key.requests_per_minute
            message = f"this key may send {limit:g} requests a minute; send again in {wait} s"
            return Refusal(429, message, "rate", {"retry-after": wait})
        if ROLES.index(held.key.role) < ROLES.index(needed):
            role = held.key.role
            return Refusal(403, f"this needs a key of role {needed}; this one has {role}", "role")
        return None

    def known(self, text: str) -> str | None:
        """The id of a key by its text; None where it is no key in use."""
        held = self._named(text)
        return None if held is None else held.key.key_id

    def caller(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The name of the key that a request came with; "" where it came with none."""
        held = self._key(dict(headers))
        return "" if held is None else held.key.name

    def name(self, key_id: str) -> str:
        """The name of a key; "" where it is not in use."""
        held = self._held.get(key_id)
        return "" if held is None else held.key.name

    def role(self, key_id: str) -> str | None:
        """The role of a key; None where it is not in use."""
        held = self._held.get(key_id)
        return None if held is None else held.key.role

    def _of_strangers(self, headers: Mapping[bytes, bytes]) -> Refusal | None:
        """Without keys, pages of other sites must not reach the service through a browser."""
        host = headers.get(b"host", b"").lower()
        name = host if host.endswith(b"]") else host.rpartition(b":")[0] or host
        if name in _LOCAL:
            return None
        return Refusal(403, "without keys, this service is for this machine only", "host")

    def _key(self, headers: Mapping[bytes, bytes]) -> _Held | None:
        given = headers.get(b"x-api-key", b"")
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer":
            given = token.strip()
        return self._named(given.decode("latin-1"))

    def _named(self, text: str) -> _Held | None:
        _, key_id, secret = [*text.split("_", 2), "", "", ""][:3]
        held = self._held.get(key_id)
        digest = _UNKNOWN if held is None else held.key.digest
        same = hmac.compare_digest(_digest(secret), digest)
        return held if same else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
