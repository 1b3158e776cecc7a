"""Brings the schema of a connection's store to this version's tables, and refuses to work on any other.

For `towpath migrate` and for workers about to start.
"""

import re

import msgspec
import psycopg

from delivery.schema_steps import ENVIRONMENT, SchemaSteps, Wire
from errors import ConfigurationError, RetryableError

#: Names of connections as they may stand in topics and schemas; PostgreSQL cuts identifiers after 63 bytes.
CONNECTION = re.compile(r"[a-z][a-z0-9-]{0,55}")


def schema_of(connection: str) -> str:
    """The PostgreSQL schema of a connection's store: `store_gp_two` for `gp-two`.

    Raises:
        ConfigurationError: the name cannot be a connection's.
    """
    if not CONNECTION.fullmatch(connection):
        raise ConfigurationError(f"connections.{connection}", "small letters, digits and hyphens, at most 56")
    return "store_" + connection.replace("-", "_")


def migrate(dsn: str, connection: str) -> list[str]:
    """Bring a connection's store to the newest version; several processes may try at once.

    Returns:
        The steps taken, as `store_gp_two: 0001`; empty when there was nothing to do.

    Raises:
        ConfigurationError: the store is newer than this code.
        RetryableError: PostgreSQL cannot be reached.
    """
    with _connect(dsn, schema_of(connection)) as wire:
        return _steps(connection).take(wire)


def migrate_schema(dsn: str, connection: str, schema: str, revision: str | None) -> None:
    """Make a connection's tables in a schema of another name, as they were at a version; None: the newest.

    Raises:
        ConfigurationError: this code does not know that version.
        RetryableError: PostgreSQL cannot be reached.
    """
    steps = msgspec.structs.replace(_steps(connection), schema=schema)
    with _connect(dsn, schema) as wire:
        steps.take(wire, revision)


def check_version(dsn: str, connection: str) -> None:
    """Refuse a store of another version than this code's.

    Raises:
        ConfigurationError: it is missing, older or newer.
        RetryableError: PostgreSQL cannot be reached.
    """
    with _connect(dsn, schema_of(connection)) as wire:
        _steps(connection).check(wire)


def _steps(connection: str) -> SchemaSteps:
    return SchemaSteps(
        folder=ENVIRONMENT / "versions", schema=schema_of(connection), named=f"connections.{connection}.store"
    )


def _connect(dsn: str, schema: str) -> Wire:
    try:
        return psycopg.connect(dsn, connect_timeout=10, options=f"-c search_path={schema}")
    except psycopg.OperationalError as error:
        raise RetryableError("store_unavailable", "PostgreSQL cannot be reached") from error
