"""Brings the projection's tables to this version and empties them for a rebuild; for commands and the projector."""

from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from errors import ConfigurationError, RetryableError

MIGRATIONS = Path(__file__).parent / "migrations"
SCHEMA = "projection"
VERSION_TABLE = "schema_version"
#: Everything that topics can tell again; `closed_hours` stays, as topics are shorter than what it remembers.
REBUILT = ("positions", "arrivals", "roots", "records", "outcomes", "deliveries", "dead_letters", "cross_references")

Wire = psycopg.Connection[tuple[Any, ...]]


def steps() -> list[str]:
    """All versions, oldest first."""
    return sorted(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def migrate(dsn: str, schema: str = SCHEMA) -> list[str]:
    """Bring the projection to the newest version; says which steps were taken.

    Raises:
        ConfigurationError: the projection is newer than this code.
        RetryableError: PostgreSQL cannot be reached.
    """
    with connect(dsn, schema) as wire:
        wire.autocommit = True
        wire.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [schema])
        before = version(wire)
        _refuse_newer(before)
        if before == steps()[-1]:
            return []
        wire.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        _upgrade(wire, schema)
    return [f"{schema}: {step}" for step in steps() if before is None or step > before]


def check_version(wire: Wire) -> None:
    """Refuse a projection of another version than this code's.

    Raises:
        ConfigurationError: it is missing, older or newer.
    """
    found = version(wire)
    _refuse_newer(found)
    if found != steps()[-1]:
        raise ConfigurationError(
            "projection", f"it is at version {found or 'none'}, this code needs {steps()[-1]}: run towpath migrate"
        )


def empty(dsn: str, schema: str = SCHEMA) -> None:
    """Forget everything read so far; the projector reads the topics again from their beginning."""
    with connect(dsn, schema) as wire:
        check_version(wire)
        # the projector's own transactions hold these locks only for moments, and find their positions gone afterwards
        wire.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(sql.Identifier(name) for name in REBUILT)))


def connect(dsn: str, schema: str = SCHEMA) -> Wire:
    """A connection that finds the projection's tables by their bare names.

    Raises:
        RetryableError: PostgreSQL cannot be reached.
    """
    try:
        return psycopg.connect(dsn, connect_timeout=10, options=f"-c search_path={schema} -c timezone=UTC")
    except psycopg.OperationalError as error:
        raise RetryableError("projection.away", "the projection's database cannot be reached") from error


def version(wire: Wire) -> str | None:
    """The version of the tables that are there."""
    known = wire.execute("SELECT to_regclass(%s)", [VERSION_TABLE]).fetchone()
    if known is None or known[0] is None:
        return None
    found = wire.execute(sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(VERSION_TABLE))).fetchone()
    return None if found is None else str(found[0])


def _refuse_newer(found: str | None) -> None:
    if found is not None and found not in steps():
        raise ConfigurationError("projection", f"it is at version {found}, unknown to this older code")


def _upgrade(wire: Wire, schema: str) -> None:
    # a second's import, which whoever has nothing to migrate need not pay
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy import create_engine  # noqa: PLC0415
    from sqlalchemy.pool import StaticPool  # noqa: PLC0415

    wire.autocommit = False
    engine = create_engine("postgresql+psycopg://", creator=lambda: wire, poolclass=StaticPool)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as connection:
        config.attributes.update(connection=connection, schema=schema, version_table=VERSION_TABLE)
        command.upgrade(config, "head")
        connection.commit()
