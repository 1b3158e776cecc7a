"""Connections for the clients that speak HTTP: httpx above, aiohttp's pool and parser below (decision 0067)."""

import ssl

import aiohttp
import httpx
from yarl import URL

from connect import deadline

#: Of a line of an answer's head, and of all of one header: sites send long cookies and policies.
_LONGEST_HEADER = 65_536
#: A server that hangs up on quiet connections should do so before a request is on its way on one.
_IDLE_S = 4.0


class Wires(httpx.AsyncBaseTransport):
    """A pool of connections to a few hosts; each answer is read whole.

    Raises, as httpx names it:
        ConnectError, ConnectTimeout: there is no connection, so the request was surely not sent.
        ReadError, ReadTimeout: anything else, so that it may have been.
        UnsupportedProtocol: the address is none of ours.
    """

    def __init__(self, most: int, verify: ssl.SSLContext | None = None) -> None:
        """`most`: connections at a time. `verify`: whom to trust, in the place of what the system does."""
        self._most = most
        self._verify = verify
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As httpx calls it."""
        body = await request.aread()
        # no turn of the loop lies between here and a kept line, in which a limit that has passed could end this
        if deadline.is_over():
            raise httpx.ConnectTimeout("its time was over before it was sent", request=request)
        if request.url.scheme not in {"http", "https"}:
            raise httpx.UnsupportedProtocol(f"{request.url.scheme!r} is not HTTP", request=request)
        try:
            async with self._opened().request(
                request.method,
                _address(request.url),
                headers=request.headers,
                data=body or None,
                allow_redirects=False,
                timeout=_timeout(request),
            ) as answer:
                told = await answer.read()
                return httpx.Response(answer.status, headers=answer.raw_headers, content=told, request=request)
        except aiohttp.ConnectionTimeoutError as error:
            raise httpx.ConnectTimeout(str(error), request=request) from error
        except aiohttp.ClientConnectorError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        except aiohttp.InvalidURL as error:
            raise httpx.UnsupportedProtocol("no address", request=request) from error
        except TimeoutError as error:
            raise httpx.ReadTimeout(str(error), request=request) from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError(str(error), request=request) from error

    async def aclose(self) -> None:
        """Hang up."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        """The session belongs to the loop it is first used in."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._most,
                    keepalive_timeout=_IDLE_S,
                    ssl=self._verify or httpx.create_ssl_context(trust_env=False),
                ),
                # httpx keeps the cookies, unpacks the answers and follows nothing
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                max_line_size=_LONGEST_HEADER,
                max_field_size=_LONGEST_HEADER,
            )
            # it would send a PUT or DELETE twice; what is sent again, and when, is not for a pool to decide
            self._session._retry_connection = False  # noqa: SLF001  there is no other way to say so
        return self._session


def _address(url: httpx.URL) -> URL:
    """As httpx wrote it; whom a name and password stand for is in the headers by now."""
    return URL(str(url.copy_with(userinfo=b"") if url.userinfo else url), encoded=True)


def _timeout(request: httpx.Request) -> aiohttp.ClientTimeout:
    given = request.extensions.get("timeout", {})
    # `connect`: with the look-up of the name
    return aiohttp.ClientTimeout(connect=given.get("connect"), sock_read=given.get("read"))
