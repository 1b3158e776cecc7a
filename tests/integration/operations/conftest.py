"""A deployment whose books are its own."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from bus.secret import Secret
from bus.settings import Gateway, Settings
from mapping.port import Lookups
from operations.projection import migrate
from operations.stack.addresses import Addresses
from operations.stack.settings import REPOSITORY_ROOT


@pytest.fixture
def settings(stack: Addresses) -> Iterator[Settings]:
    """A deployment whose projection is empty; in the cluster where we may make databases."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(stack.sandbox_dsn, autocommit=True) as wire:
        wire.execute(f"CREATE DATABASE {name}")
        dsn = psycopg.conninfo.make_conninfo(stack.sandbox_dsn, dbname=name)
        try:
            migrate.migrate(dsn)
            yield Settings(
                root=REPOSITORY_ROOT,
                deployment="test",
                folder=REPOSITORY_ROOT,
                time_zone="UTC",
                kafka=stack.kafka,
                registry=stack.registry,
                connect=stack.connect,
                projection_dsn=Secret(dsn),
                gateway=Gateway(),
                connections={},
                pairs=(),
                lookups=Lookups({}),
                code_version="0",
            )
        finally:
            wire.execute(f"DROP DATABASE {name} WITH (FORCE)")
