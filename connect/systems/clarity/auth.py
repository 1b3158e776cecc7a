"""How the bus proves to a Clarity site who it is: session cookies, OAuth 2.0, a fixed bearer token or an API key.

Which one a site takes is part of its configuration (reference/clarity-ecommerce.md, 3).
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol

import httpx
import msgspec

from errors import ConfigurationError, FatalError, RetryableError

Headers = Mapping[str, str]


class Strategy(Protocol):
    """One way to prove who asks."""

    async def obtain(self, http: httpx.AsyncClient) -> Headers:
        """Headers that prove it from now on; called again when the site no longer accepts them.

        Raises:
            RetryableError: the site could not be asked.
            FatalError: it does not know us.
        """


class SessionCookies:
    """ServiceStack's session: a service user signs in and is known by cookies."""

    def __init__(self, provider: str, user: str, password: str) -> None:
        self._path = f"/auth/{provider}"
        self._user = user
        self._password = password

    async def obtain(self, http: httpx.AsyncClient) -> Headers:
        answer = await _ask(http, self._path, json={"UserName": self._user, "Password": self._password})
        cookies = {name: value for name, value in answer.cookies.items() if value}
        if not cookies:
            raise FatalError("clarity.credentials", "the store signed us in without a session cookie")
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


class ClientCredentials:
    """OAuth 2.0 for machines: a client id and its secret are exchanged for a bearer token."""

    def __init__(self, token_url: str, client_id: str, client_secret: str) -> None:
        self._token_url = token_url
        self._client = httpx.BasicAuth(client_id, client_secret)

    async def obtain(self, http: httpx.AsyncClient) -> Headers:
        answer = await _ask(http, self._token_url, data={"grant_type": "client_credentials"}, auth=self._client)
        try:
            token = msgspec.json.decode(answer.content, type=_Token)
        except msgspec.DecodeError as error:
            raise FatalError("clarity.credentials", "the token endpoint answered without a token") from error
        return {"Authorization": f"Bearer {token.access_token}"}


class FixedHeader:
    """A secret that is sent as it is: `Authorization: Bearer ...` or an API key in a header of the site's choice."""

    def __init__(self, name: str, value: str) -> None:
        self._headers = {name: value}

    async def obtain(self, http: httpx.AsyncClient) -> Headers:  # noqa: ARG002 -- nobody needs to be asked
        return self._headers


class _Token(msgspec.Struct, frozen=True):
    access_token: str


class SignIn:
    """The proof in use. However many requests find it stale at once, it is renewed once."""

    def __init__(self, http: httpx.AsyncClient, strategy: Strategy) -> None:
        self._http = http
        self._strategy = strategy
        self._lock = asyncio.Lock()
        self._headers: Headers | None = None

    async def headers(self) -> Headers:
        """What to send along; signs in where nobody has yet."""
        return self._headers if self._headers is not None else await self.renewed(None)

    async def renewed(self, stale: Headers | None) -> Headers:
        """Other headers than the stale ones, from whoever renews them first."""
        async with self._lock:
            if self._headers is None or self._headers is stale:
                self._headers = await self._strategy.obtain(self._http)
            return self._headers


def strategy_from(user: str, password: str, options: Mapping[str, str]) -> Strategy:
    """The strategy a connection's options name: `auth` is credentials (default), oauth, bearer or api-key."""
    match options.get("auth", "credentials"):
        case "credentials":
            return SessionCookies(options.get("auth_provider", "credentials"), user, password)
        case "oauth":
            if "token_url" not in options:
                raise ConfigurationError("options.token_url", "needed where auth is oauth")
            return ClientCredentials(options["token_url"], user, password)
        case "bearer":
            return FixedHeader("Authorization", f"Bearer {password}")
        case "api-key":
            return FixedHeader(options.get("api_key_header", "X-Api-Key"), password)
        case other:
            raise ConfigurationError("options.auth", f"{other!r} is none of credentials, oauth, bearer, api-key")


async def _ask(
    http: httpx.AsyncClient,
    url: str,
    *,
    json: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
    auth: httpx.BasicAuth | None = None,
) -> httpx.Response:
    try:
        answer = await http.post(url, json=json, data=data, auth=auth or httpx.USE_CLIENT_DEFAULT)
    except httpx.HTTPError as error:
        # Signing in changes nothing at the store: whatever happened, it may be tried again.
        raise RetryableError("clarity.away", f"could not sign in: {type(error).__name__}") from error
    if answer.is_success:
        return answer
    if answer.status_code in {httpx.codes.BAD_REQUEST, httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise FatalError("clarity.credentials", "the store does not accept our credentials", status=answer.status_code)
    raise RetryableError("clarity.away", "could not sign in", status=answer.status_code)
