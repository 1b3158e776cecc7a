"""A company database that is swapped, restored or set back under the bus gets nothing until a person says so."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bus.secret import Secret
from bus.settings import Connection
from connect import identity as connect_identity
from connect.identity import StrangerError
from connect.systems.dynamics_gp.client import GpClient, GpTransaction
from consumers.dynamics_gp.sink import SalesOrderSink
from consumers.routes import SALES_ORDER
from delivery import identity
from delivery.acts import Acts
from delivery.identity import Watch
from delivery.store import Store
from errors import RetryableError
from operations.findings_of_stores import of_strangers
from operations.projection import queues
from schemas.bus.command import Act
from schemas.systems.dynamics_gp.receipt import Receipt
from schemas.topics import COMMANDS
from tests.integration.delivery.cluster import Cluster
from tests.integration.delivery.rows import QUEUE, arrival, command, history, look, outcomes, take_in
from tests.integration.delivery.running import deliverer, running
from tests.integration.dynamics_gp.company import Sandbox
from tests.integration.sinks.gp_sales_order import CODEC, LOOKUPS, NOON, SalesOrders

RECEIPTS = Path(__file__).parents[3] / "connect" / "systems" / "dynamics_gp" / "receipts_postgresql.sql"


class Company:
    """A company database of its own, which can be copied, and swapped for its copy."""

    def __init__(self, sandbox: Sandbox, cluster_dsn: str) -> None:
        self._cluster_dsn = cluster_dsn
        self._origin = str(conninfo_to_dict(sandbox.superuser_dsn)["dbname"])
        self._name = f"{self._origin}_ERP"
        self._copy(self._origin, self._name)
        there = msgspec.structs.replace(
            sandbox,
            superuser_dsn=make_conninfo(sandbox.superuser_dsn, dbname=self._name),
            proxied=sandbox.proxied.replace(f"Database={self._origin}", f"Database={self._name}"),
        )
        self.dsn = there.superuser_dsn
        self.orders = SalesOrders(there)
        self.odbc = there.proxied

    def back_up(self) -> None:
        """A copy of it as it is now."""
        self._copy(self._name, f"{self._name}_COPY")

    def restore(self) -> None:
        """The copy takes its place."""
        with psycopg.connect(self._cluster_dsn, autocommit=True) as wire:
            wire.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self._name)))
            wire.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(f"{self._name}_COPY"), sql.Identifier(self._name)
                )
            )

    def sessions(self) -> set[int]:
        """Of everybody who is connected."""
        with psycopg.connect(self._cluster_dsn) as wire:
            found = wire.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", [self._name]).fetchall()
        return {pid for (pid,) in found}

    def remove(self) -> None:
        with psycopg.connect(self._cluster_dsn, autocommit=True) as wire:
            for name in (self._name, f"{self._name}_COPY"):
                wire.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _copy(self, name: str, to: str) -> None:
        with psycopg.connect(self._cluster_dsn, autocommit=True) as wire:
            allow = "ALTER DATABASE {} ALLOW_CONNECTIONS {}"
            wire.execute(sql.SQL(allow).format(sql.Identifier(name), sql.SQL("false")))
            wire.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])
            wire.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(to), sql.Identifier(name)))
            wire.execute(sql.SQL(allow).format(sql.Identifier(name), sql.SQL("true")))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that met a stranger is tried again soon: a second proves nothing more."""
    monkeypatch.setattr(connect_identity, "_AGAIN_S", 0.1)


@pytest.fixture
def company(sandbox: Sandbox, cluster_dsn: str) -> Iterator[Company]:
    company = Company(sandbox, cluster_dsn)
    yield company
    company.remove()


class Worker:
    """A process at work for the connection."""

    def __init__(self, store: Store, client: GpClient, watch: Watch) -> None:
        self.store = store
        self.client = client
        self.watch = watch


@asynccontextmanager
async def at_work(store: Store, odbc: str, sessions: int = 4) -> AsyncIterator[Worker]:
    async with aclosing(GpClient(odbc, "postgresql", in_flight=sessions)) as client:
        watch = Watch(store, QUEUE, client)
        await watch.begin()
        sink = SalesOrderSink(client, CODEC, SALES_ORDER, LOOKUPS, lambda: NOON, 15.0)
        async with running(deliverer(store, {"order": sink}, probe=client.probe, estranged=watch.estranged)):
            yield Worker(store, client, watch)
        await watch.end()


class Orders:
    """Takes orders in, one after the other."""

    def __init__(self, store: Store, dsn: str, there: SalesOrders) -> None:
        self._store = store
        self._dsn = dsn
        self._there = there
        self._offset = 0

    async def take_in(self) -> Callable[[], int]:
        """One order more; how many documents there are of it."""
        event = self._there.event()
        await take_in(self._store, arrival(self._offset, event.message_key, payload=event.payload))
        self._offset += 1
        return lambda: self._there.effects(event)["documents"]

    def settled(self) -> list[str]:
        return [str(row["state"]) for row in history(self._dsn, self._store.connection)]

    async def delivered(self) -> Callable[[], int]:
        count = await self.take_in()
        await until(lambda: len(self.settled()) == self._offset)
        assert self.settled()[-1] == "delivered"
        return count


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition that a database has to be asked for, without holding up the work meanwhile."""
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.05)


def held(dsn: str, store: Store) -> str:
    found = look(dsn, store.connection, "SELECT held FROM identity")
    return str(found[0]["held"]) if found else ""


def told(dsn: str, store: Store, state: str) -> list[str]:
    return [one.code for one in outcomes(dsn, store.connection) if one.state == state]


def settings(name: str, dsn: str) -> Connection:
    return Connection(name=name, system="dynamics-gp", store_dsn=Secret(dsn))


def write_receipt(gp: GpTransaction, number: int, *, commits: bool) -> None:
    gp.add_receipt(
        Receipt(
            reference=f"shop:{number}",
            operation="create",
            record="order",
            document_type=2,
            document_number=f"ORD{number}",
            digest="",
        )
    )
    if commits:
        gp.commit()


async def test_restored_company_gets_nothing_until_it_is_accepted(store: Store, bus_dsn: str, company: Company) -> None:
    orders = Orders(store, bus_dsn, company.orders)
    acts = Acts(store, QUEUE, COMMANDS.name)
    async with at_work(store, company.odbc):
        await orders.delivered()
        company.back_up()
        lost = await orders.delivered()
        assert (lost(), held(bus_dsn, store)) == (1, "")

        company.restore()
        waiting = await orders.take_in()
        await until(lambda: held(bus_dsn, store) == "identity.other")

        # whoever starts now, or comes with a plain resume, changes nothing
        async with at_work(store, company.odbc) as other:
            with pytest.raises(StrangerError):
                await other.client.probe()
            await acts.carry_out(command(Act.RESUME, id_="c-1"))
            assert (lost(), waiting(), held(bus_dsn, store)) == (0, 0, "identity.other")
        assert told(bus_dsn, store, "identity") == ["identity.other"]
        (alarm,) = of_strangers([queues.standing(settings(store.connection, bus_dsn))])
        assert alarm.headline.startswith("Another database than before is behind")
        assert f"towpath resume {store.connection} --accept-identity" in alarm.to_do

        await acts.carry_out(command(Act.ACCEPT, id_="c-2"))
        await until(lambda: waiting() == 1)
        await acts.carry_out(command(Act.ACCEPT, id_="c-3"))
    assert told(bus_dsn, store, "answered") == ["identity.still_held", "identity.accepted", "identity.not_held"]
    assert held(bus_dsn, store) == ""


async def test_company_set_back_under_living_sessions_gets_nothing(
    store: Store, bus_dsn: str, company: Company
) -> None:
    orders = Orders(store, bus_dsn, company.orders)
    # one, so that no new session is there to ask
    async with at_work(store, company.odbc, sessions=1) as worker:
        for _ in range(3):
            await orders.delivered()
        sessions = company.sessions()
        with psycopg.connect(company.dsn) as wire:
            # as it is after its tables were restored from a dump
            newest = wire.execute("SELECT max(id) FROM towpath.receipts").fetchone()
            wire.execute("DELETE FROM towpath.receipts WHERE id > %s - 2", newest)
            wire.execute("SELECT setval(pg_get_serial_sequence('towpath.receipts', 'id'), %s - 2)", newest)

        waiting = [await orders.take_in() for _ in range(6)]
        await until(lambda: held(bus_dsn, store) == "identity.behind")
        assert company.sessions() & sessions

        # its proofs are as they were: nobody has to accept anything
        assert [count() for count in waiting] == [0] * 6
        with psycopg.connect(company.dsn) as wire:
            wire.execute("SELECT setval(pg_get_serial_sequence('towpath.receipts', 'id'), %s + 20)", newest)
            wire.execute(
                "INSERT INTO towpath.receipts (reference, operation, record, document_type, document_number, digest)"
                " VALUES ('r', 'o', 'order', 2, 'ORD', '')"
            )
        await worker.watch.ask()
        await until(lambda: [count() for count in waiting] == [1] * 6)
    assert told(bus_dsn, store, "identity") == ["identity.behind", "identity.recognised"]


async def test_sandbox_that_is_emptied_is_the_same_company(store: Store, bus_dsn: str, sandbox: Sandbox) -> None:
    """All documents and receipts are deleted there, and the numbers go on."""
    orders = Orders(store, bus_dsn, SalesOrders(sandbox))
    async with at_work(store, sandbox.proxied) as worker:
        await orders.delivered()
        sandbox.control.post("/control/reset").raise_for_status()
        await worker.watch.ask()
        await orders.delivered()
    assert (held(bus_dsn, store), told(bus_dsn, store, "identity")) == ("", [])


async def test_company_whose_server_crashed_is_the_same(store: Store, sandbox: Sandbox) -> None:
    cluster = Cluster()
    try:
        with psycopg.connect(cluster.dsn, autocommit=True) as wire:
            wire.execute('CREATE SCHEMA dbo; CREATE TABLE dbo."SOP30200" ("MSTRNUMB" integer)')
            wire.execute(RECEIPTS.read_bytes())
        where = conninfo_to_dict(cluster.dsn)
        server = f"Server=127.0.0.1;Port={where['port']};Database=postgres"
        odbc = f"Driver={{PostgreSQL Unicode}};{server};Uid=towpath;Protocol=7.4-1"
        async with aclosing(GpClient(odbc, "postgresql", in_flight=2)) as client:
            watch = Watch(store, QUEUE, client)
            await watch.begin()
            for number in range(40):
                await client.in_transaction(partial(write_receipt, number=number, commits=number % 3 == 0))
            cluster.crash()
            cluster.start()
            with pytest.raises(RetryableError, match="away"):
                await client.probe()

            await watch.ask()
            await client.in_transaction(partial(write_receipt, number=100, commits=True))
            await watch.end()
        known = await identity.look(store)
        assert known is not None
        assert (known.held, known.known.system.newest) == ("", "ORD100")
    finally:
        cluster.remove()
