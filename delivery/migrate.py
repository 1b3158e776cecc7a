"""Brings the schema of a connection's store to this version's tables, and refuses to work on any other.

For `towpath migrate` and for workers about to start. The steps are Alembic's (`migrations/versions/`); Alembic is only
imported when there is a step to take, so that looking at a dozen stores that are up to date costs milliseconds.
"""

import re
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from errors import ConfigurationError, RetryableError

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "schema_version"
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


def steps() -> list[str]:
    """All versions, oldest first: the first part of each file's name."""
    return sorted(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def migrate(dsn: str, connection: str) -> list[str]:
    """Bring a connection's store to the newest version; several processes may try at once.

    Returns:
        The steps taken, as `store_gp_two: 0001`; empty when there was nothing to do.

    Raises:
        ConfigurationError: the store is newer than this code.
        RetryableError: PostgreSQL cannot be reached.
    """
    schema = schema_of(connection)
    with _connect(dsn) as wire:
        # One at a time per schema; released with the connection.
        wire.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [schema])
        before = _version(wire, schema)
        _refuse_newer(before, connection)
        if before == steps()[-1]:
            return []
        wire.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        _upgrade(wire, schema)
    return [f"{schema}: {step}" for step in steps() if before is None or step > before]


def check_version(dsn: str, connection: str) -> None:
    """Refuse a store of another version than this code's.

    Raises:
        ConfigurationError: it is missing, older or newer.
        RetryableError: PostgreSQL cannot be reached.
    """
    with _connect(dsn) as wire:
        found = _version(wire, schema_of(connection))
    _refuse_newer(found, connection)
    if found != steps()[-1]:
        raise ConfigurationError(
            f"connections.{connection}.store",
            f"the store is at version {found or 'none'}, this code needs {steps()[-1]}: run towpath migrate",
        )


def _refuse_newer(found: str | None, connection: str) -> None:
    if found is not None and found not in steps():
        raise ConfigurationError(
            f"connections.{connection}.store", f"the store is at version {found}, unknown to this older code"
        )


def _connect(dsn: str) -> psycopg.Connection[tuple[Any, ...]]:
    try:
        return psycopg.connect(dsn, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise RetryableError("store_unavailable", "PostgreSQL cannot be reached") from error


def _version(wire: psycopg.Connection[tuple[Any, ...]], schema: str) -> str | None:
    table = sql.Identifier(schema, VERSION_TABLE)
    known = wire.execute("SELECT to_regclass(%s)", [table.as_string(wire)]).fetchone()
    if known is None or known[0] is None:
        return None
    found = wire.execute(sql.SQL("SELECT version_num FROM {}").format(table)).fetchone()
    return None if found is None else str(found[0])


def _upgrade(wire: psycopg.Connection[tuple[Any, ...]], schema: str) -> None:
    # A second's import, which workers with nothing to migrate need not pay.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy import create_engine  # noqa: PLC0415
    from sqlalchemy.pool import StaticPool  # noqa: PLC0415

    wire.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
    wire.autocommit = False
    engine = create_engine("postgresql+psycopg://", creator=lambda: wire, poolclass=StaticPool)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as connection:
        config.attributes.update(connection=connection, schema=schema, version_table=VERSION_TABLE)
        command.upgrade(config, "head")
        connection.commit()
