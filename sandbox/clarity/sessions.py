"""Who is signed in at the API; kept in memory as ServiceStack's default cache is: a restart ends all sessions."""

import hmac
import secrets
import time
from typing import NamedTuple

_LIFETIME_S = 14 * 24 * 3600.0


class Credentials(NamedTuple):
    user: str
    password: str


class Session(NamedTuple):
    temporary: str
    permanent: str
    user: str
    expires_at: float


class Sessions:
    """Sessions by both of their cookies, ss-id and ss-pid."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._by_token: dict[str, Session] = {}

    def sign_in(self, user: str, password: str) -> Session | None:
        wanted = self._credentials
        right_user = hmac.compare_digest(user.encode(), wanted.user.encode())
        if not (hmac.compare_digest(password.encode(), wanted.password.encode()) and right_user):
            return None
        session = Session(secrets.token_urlsafe(15), secrets.token_urlsafe(15), user, time.monotonic() + _LIFETIME_S)
        self._by_token |= {session.temporary: session, session.permanent: session}
        return session

    def find(self, cookies: dict[str, str]) -> Session | None:
        """The session of a request's cookies; which of the two counts is said by ss-opt."""
        name = "ss-pid" if cookies.get("ss-opt") == "perm" else "ss-id"
        session = self._by_token.get(cookies.get(name, ""))
        return session if session is not None and session.expires_at > time.monotonic() else None

    def sign_out(self, session: Session) -> None:
        for token in (session.temporary, session.permanent):
            self._by_token.pop(token, None)

    def expire_all(self) -> int:
        """End every session; how many there were."""
        ended = len(self._by_token) // 2
        self._by_token.clear()
        return ended
