"""A connection's store on a real PostgreSQL, another one for each test."""

import itertools
import os
import uuid
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from delivery.migrate import migrate, schema_of
from delivery.store import Store
from tests.integration.delivery.cluster import Cluster

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def bus_dsn() -> Iterator[str]:
    """The database given in the environment, else one of our own: the rest of the stack is not needed here."""
    given = os.environ.get("TOWPATH_TEST_BUS_DSN")
    if given:
        yield given
        return
    cluster = Cluster()
    yield cluster.dsn
    cluster.remove()


@pytest.fixture
def connection() -> str:
    """A connection nobody else has."""
    return f"test-{uuid.uuid4().hex[:8]}-{next(_numbers)}"


@pytest.fixture
def migrated(bus_dsn: str, connection: str) -> Iterator[str]:
    """The connection, its store made and, afterwards, dropped."""
    migrate(bus_dsn, connection)
    yield connection
    with psycopg.connect(bus_dsn, autocommit=True) as wire:
        wire.execute(f"DROP SCHEMA {schema_of(connection)} CASCADE")


@pytest.fixture
async def store(bus_dsn: str, migrated: str) -> AsyncIterator[Store]:
    """An open store."""
    store = Store(bus_dsn, migrated)
    await store.open()
    yield store
    await store.close()
