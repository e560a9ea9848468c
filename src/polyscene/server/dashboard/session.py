"""Who is signed in: a signed cookie, with nothing kept on the server.

A session says the id of a key, a number of its own and when it ends. Its signature and the token
that every form sends back are HMAC-SHA256 with a secret of the service. The rights of a session are
those that its key has now: a key out of use opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from dataclasses import dataclass

__all__ = ["LASTS_S", "SECRET_VARIABLE", "Session", "Sessions"]

SECRET_VARIABLE = "POLYSCENE_SESSION_SECRET"
"""The environment variable with the secret that signs sessions; it is chance where it is unset."""
LASTS_S = 12 * 3600
"""How long a session lasts."""


@dataclass(frozen=True, slots=True)
class Session:
    """One browser; signed in where it has a key."""

    key_id: str
    """The key that it was opened with; "" for none."""
    number: str
    ends_at: int
    """Seconds since 1970-01-01 UTC."""

    @property
    def content(self) -> str:
        """What is signed."""
        return f"{self.key_id}.{self.number}.{self.ends_at}"


class Sessions:
    """Opens sessions and knows them again.

    Args:
        secret: What signs them; that of the environment, or a new one, when omitted.
    """

    def __init__(self, secret: str = "") -> None:
        secret = secret or os.environ.get(SECRET_VARIABLE, "") or secrets.token_hex(32)
        self._secret = secret.encode()

    def open(self, key_id: str = "") -> Session:
        """A new session, of a key or of nobody."""
        return Session(key_id, secrets.token_hex(16), int(time.time()) + LASTS_S)

    def cookie(self, session: Session) -> str:
        """The session as the text of a cookie."""
        return f"{session.content}.{self._sign('session', session)}"

    def known(self, cookie: str) -> Session | None:
        """The session of a cookie; None where it was not made here, or has ended."""
        key_id, number, ends_at, signature = [*cookie.split(".", 3), "", "", ""][:4]
        if not (ends_at.isascii() and ends_at.isdigit() and len(ends_at) < 12):
            return None
        session = Session(key_id, number, int(ends_at))
        if not _same(signature, self._sign("session", session)):
            return None
        return session if session.ends_at > time.time() else None

    def token(self, session: Session) -> str:
        """What every form of a session sends back, as no other site can know it."""
        return self._sign("form", session)

    def sent_back(self, token: str, session: Session) -> bool:
        """Whether a form is one of this session."""
        return _same(token, self.token(session))

    def _sign(self, use: str, session: Session) -> str:
        content = f"{use}:{session.content}".encode()
        return hmac.new(self._secret, content, hashlib.sha256).hexdigest()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
