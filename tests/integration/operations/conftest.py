"""A deployment whose books are its own."""

import uuid
from collections.abc import Iterator

import msgspec
import psycopg
import pytest

from bus.secret import Secret
from bus.settings import Gateway, Settings
from mapping.port import Lookups
from operations.projection import migrate
from operations.stack.addresses import Addresses
from operations.stack.settings import REPOSITORY_ROOT


@pytest.fixture(scope="session")
def without_books(stack: Addresses) -> Settings:
    """A deployment that has no projection: for what never asks one, and should not wait for one to be made."""
    return Settings(
        root=REPOSITORY_ROOT,
        deployment="test",
        folder=REPOSITORY_ROOT,
        time_zone="UTC",
        kafka=stack.kafka,
        registry=stack.registry,
        connect=stack.connect,
        projection_dsn=Secret(""),
        gateway=Gateway(),
        connections={},
        pairs=(),
        lookups=Lookups({}),
        code_version="0",
    )


@pytest.fixture
def settings(stack: Addresses, without_books: Settings) -> Iterator[Settings]:
    """A deployment whose projection is empty; in the cluster where we may make databases."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(stack.sandbox_dsn, autocommit=True) as wire:
        wire.execute(f"CREATE DATABASE {name}")
        dsn = psycopg.conninfo.make_conninfo(stack.sandbox_dsn, dbname=name)
        try:
            migrate.migrate(dsn)
            yield msgspec.structs.replace(without_books, projection_dsn=Secret(dsn))
        finally:
            wire.execute(f"DROP DATABASE {name} WITH (FORCE)")
