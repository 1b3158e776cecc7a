"""A TCP proxy in front of PostgreSQL that loses what networks lose; the product's ODBC connection goes through it."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Annotated, Literal

import msgspec

from sandbox.dynamics_gp import wire

LOG = logging.getLogger("dynamics_gp.proxy")
CHUNK = 1 << 16

Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class ProxyFaults(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong on the way to the database; counts go down as faults are played."""

    #: `refuse`: nobody listens; `stall`: connections stay open and nothing moves
    mode: Literal["ok", "refuse", "stall"] = "ok"
    #: the next n commits reach the server, the client never hears of it
    lose_commit_answers: Count = 0
    #: the next n commits never reach the server, which rolls back
    lose_commits: Count = 0
    #: the next n commits meet a server that crashes: it warns the client and is gone
    crash_at_commits: Count = 0
    #: count only commits of transactions that ran a statement with this text
    commit_of: str = ""
    #: every chunk a client sends waits this long
    latency_ms: Annotated[int, msgspec.Meta(ge=0, le=600_000)] = 0


class Proxy:
    """Listens on one port, forwards to the database, and plays `faults`."""

    def __init__(self, *, port: int, database: tuple[str, int], host: str = "127.0.0.1") -> None:
        self._host, self._port = host, port
        self._database = database
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.WriteTransport] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._conversations: set[asyncio.Task[None]] = set()
        self.faults = ProxyFaults()

    @property
    def connections(self) -> int:
        return len(self._conversations)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, self._host, self._port, limit=CHUNK)

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        self._stop_listening()
        self.drop()
        conversations = list(self._conversations)
        for conversation in conversations:
            conversation.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)

    async def apply(self, faults: ProxyFaults) -> None:
        """From now on these faults and no others."""
        if faults.mode == "refuse":
            self._stop_listening()
        else:
            await self.start()
        if faults.mode == "stall":
            self._flowing.clear()
        else:
            self._flowing.set()
        self.faults = faults

    def drop(self) -> int:
        """Cut every connection; how many there were."""
        dropped = len(self._conversations)
        for transport in list(self._open):
            transport.abort()
        return dropped

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        transports = [to_client.transport]
        self._open.add(to_client.transport)
        try:
            first = await self._first_packet(client, to_client)
            database, to_database = await self._reach_database()
            transports.append(to_database.transport)
            self._open.add(to_database.transport)
            to_database.write(first)
            await self._converse(client, to_client, database, to_database)
        except (OSError, EOFError, wire.ProtocolError) as error:
            LOG.info("connection ended: %s", type(error).__name__)
        finally:
            for transport in transports:
                transport.abort()
                self._open.discard(transport)
            self._conversations.discard(task)

    async def _reach_database(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._database
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}", limit=CHUNK)
        return await asyncio.open_connection(host, port, limit=CHUNK)

    async def _first_packet(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> bytes:
        """The start-up packet; encryption is declined, so that commits can be read."""
        while True:
            head = await client.readexactly(8)
            length, code = int.from_bytes(head[:4]), int.from_bytes(head[4:])
            if code in {wire.SSL_REQUEST, wire.GSS_REQUEST} and length == 8:
                to_client.write(b"N")
                continue
            if not 8 <= length <= CHUNK:
                raise wire.ProtocolError("no start-up packet")
            return head + await client.readexactly(length - 8)

    async def _converse(
        self,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        database: asyncio.StreamReader,
        to_database: asyncio.StreamWriter,
    ) -> None:
        """Both directions at once; the first that ends, ends both."""
        conversation = wire.Conversation()
        directions: list[Awaitable[None]] = [
            self._to_database(client, to_client, to_database, conversation),
            self._to_client(database, to_client, conversation),
        ]
        tasks = [asyncio.ensure_future(direction) for direction in directions]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _to_database(
        self,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        to_database: asyncio.StreamWriter,
        conversation: wire.Conversation,
    ) -> None:
        messages = wire.Messages()
        while data := await client.read(CHUNK):
            await self._flowing.wait()
            if self.faults.latency_ms:
                await asyncio.sleep(self.faults.latency_ms / 1000)
            passed: list[bytes] = []
            for message, raw in messages.feed(data):
                conversation.said(message)
                if wire.asks_to_commit(message) and self._take("lose_commits", conversation):
                    LOG.info("a commit was lost on its way")
                    to_database.write(b"".join(passed))
                    return
                if wire.asks_to_commit(message) and self._take("crash_at_commits", conversation):
                    LOG.info("the server crashed at a commit")
                    to_database.write(b"".join(passed))
                    to_client.write(wire.CRASH_WARNING)
                    await to_client.drain()
                    to_client.close()
                    return
                passed.append(raw)
            to_database.write(b"".join(passed))
            await to_database.drain()

    async def _to_client(
        self, database: asyncio.StreamReader, to_client: asyncio.StreamWriter, conversation: wire.Conversation
    ) -> None:
        messages = wire.Messages()
        while data := await database.read(CHUNK):
            await self._flowing.wait()
            passed: list[bytes] = []
            for message, raw in messages.feed(data):
                if wire.says_committed(message) and self._take("lose_commit_answers", conversation):
                    LOG.info("the answer to a commit was lost")
                    to_client.write(b"".join(passed))
                    return
                if wire.ends_transaction(message):
                    conversation.transaction_ended()
                passed.append(raw)
            to_client.write(b"".join(passed))
            await to_client.drain()

    def _take(
        self, fault: Literal["lose_commits", "lose_commit_answers", "crash_at_commits"], conversation: wire.Conversation
    ) -> bool:
        left: int = getattr(self.faults, fault)
        if left == 0 or not conversation.has_run(self.faults.commit_of):
            return False
        setattr(self.faults, fault, left - 1)
        return True
