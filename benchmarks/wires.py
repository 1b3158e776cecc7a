"""Processor time of one call to a store: httpx above aiohttp's connections, beside httpx with its own.

`python -m benchmarks.wires`: GETs of 4 KB from a server in this process that only answers, eight at once. The server's
part is in all figures.
"""

import asyncio
import statistics
import time
from typing import Final

import httpx

from connect.wires import Wires

CALLS, AT_ONCE, ROUNDS = 2_000, 8, 5
BODY: Final = b'{"Total": 1}' * 350
ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY


class Server(asyncio.Protocol):
    """Answers each piece it is sent; requests this small come whole."""

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]  # as for every stream
        """As asyncio calls it."""
        self._transport = transport

    def data_received(self, _data: bytes) -> None:
        """As asyncio calls it."""
        self._transport.write(ANSWER)


async def main() -> None:
    """Measure in turn, print the medians and their ratio."""
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    own = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=AT_ONCE + 1), trust_env=False)
    spent: dict[str, list[float]] = {}
    async with (
        httpx.AsyncClient(base_url=base, transport=own, trust_env=False) as theirs,
        httpx.AsyncClient(base_url=base, transport=Wires(AT_ONCE + 1), trust_env=False) as ours,
    ):
        for _ in range(ROUNDS):
            for name, http in (("httpx, its own", theirs), ("httpx, aiohttp's", ours)):
                spent.setdefault(name, []).append(await _us_a_call(http))
    server.close()
    for name, found in spent.items():
        print(f"{name:20} {statistics.median(found):6.0f} us CPU/call  {min(found):.0f} to {max(found):.0f}")
    theirs_us, ours_us = (statistics.median(found) for found in spent.values())
    print(f"aiohttp's / its own  {ours_us / theirs_us:6.2f}")


async def _us_a_call(http: httpx.AsyncClient) -> float:
    async def some() -> None:
        for _ in range(CALLS // AT_ONCE):
            answer = await http.get("/Ordering/SalesOrder/ID/1", headers={"Accept": "application/json"})
            assert answer.content == BODY

    began = time.process_time()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return (time.process_time() - began) / CALLS * 1e6


if __name__ == "__main__":
    asyncio.run(main())
