"""Brings the projection's tables to this version and empties them for a rebuild; for commands and the projector."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from delivery.schema_steps import SchemaSteps
from errors import ConfigurationError, FatalError, RetryableError

VERSIONS = Path(__file__).parent / "migrations" / "versions"
SCHEMA = "projection"
#: Everything that topics can tell again; closed hours stay, as topics are shorter than what they remember.
REBUILT = (
    *("positions", "arrivals", "roots", "records", "outcomes", "deliveries", "dead_letters", "cross_references"),
    *("intake_accounts", "delivery_accounts", "letter_states"),
)

Wire = psycopg.Connection[tuple[Any, ...]]


def migrate(dsn: str, schema: str = SCHEMA) -> list[str]:
    """Bring the projection to the newest version; says which steps were taken.

    Raises:
        ConfigurationError: the projection is newer than this code.
        RetryableError: PostgreSQL cannot be reached.
    """
    with connect(dsn, schema) as wire:
        return _steps(schema).take(wire)


def check_version(wire: Wire) -> None:
    """Refuse a projection of another version than this code's.

    Raises:
        ConfigurationError: it is missing, older or newer.
    """
    _steps().check(wire)


def keep_version(wire: Wire) -> None:
    """Within a transaction that writes: hold `migrate` off until its end, and write to no tables it has changed.

    Raises:
        FatalError: it has; the projector begins again with the code the tables are for.
    """
    _steps().keep(wire)
    try:
        check_version(wire)
    except ConfigurationError as error:
        raise FatalError(
            "projection.migrated",
            f"`towpath migrate` has changed the projection's tables while the projector ran ({error.message}): its "
            "supervisor starts it again; without one, `towpath run projector`",
        ) from error


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


@contextmanager
def opened(dsn: str, statement_within_ms: int = 0) -> Iterator[Wire]:
    """The projection, to read from.

    Args:
        dsn: Of its database.
        statement_within_ms: Give up on a statement that takes longer; 0: never.

    Raises:
        ConfigurationError: it is of another version.
        RetryableError: it cannot be read; says why.
    """
    try:
        with connect(dsn) as wire:
            check_version(wire)
            wire.commit()
            wire.execute(f"SET statement_timeout = {statement_within_ms:d}")
            wire.commit()
            yield wire
    except psycopg.errors.QueryCanceled as error:
        raise RetryableError("projection.slow", "the projection does not answer in time") from error
    except psycopg.OperationalError as error:
        raise RetryableError("projection.away", "the projection's database cannot be read") from error


def _steps(schema: str = SCHEMA) -> SchemaSteps:
    return SchemaSteps(folder=VERSIONS, schema=schema, named="projection")
