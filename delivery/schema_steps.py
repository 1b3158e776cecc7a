"""Brings the tables of one PostgreSQL schema to this code's version; for connections' stores and for the projection.

The steps are Alembic's; it is only imported when there is one to take, so that looking at a dozen schemas that are up
to date costs milliseconds.
"""

from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from errors import ConfigurationError

#: What Alembic runs, for the steps of any folder.
ENVIRONMENT = Path(__file__).parent / "migrations"
VERSION_TABLE = "schema_version"

#: A connection whose search path is the schema and nothing else.
Wire = psycopg.Connection[tuple[Any, ...]]


class SchemaSteps(msgspec.Struct, frozen=True, kw_only=True):
    """All versions of a schema's tables."""

    #: A file for each step.
    folder: Path
    schema: str
    #: What errors say it is.
    named: str

    def names(self) -> list[str]:
        """Oldest first: the first part of each file's name."""
        return sorted(path.name.split("_")[0] for path in self.folder.glob("[0-9]*.py"))

    def take(self, wire: Wire, revision: str | None = None) -> list[str]:
        """Bring the schema to the newest version, or to an earlier one; several processes may try at once.

        Returns:
            The steps taken, as `store_gp_two: 0001`; empty when there was nothing to do.

        Raises:
            ConfigurationError: it is newer than this code.
        """
        wire.autocommit = True
        # one at a time per schema; released with the connection
        wire.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [self.schema])
        before = _version(wire)
        self._refuse_newer(before)
        self._refuse_newer(revision)
        if before == (revision or self.names()[-1]):
            return []
        wire.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(self.schema)))
        self._upgrade(wire, revision or "head")
        until = revision or self.names()[-1]
        return [
            f"{self.schema}: {name}" for name in self.names() if (before is None or name > before) and name <= until
        ]

    def keep(self, wire: Wire) -> None:
        """Have steps wait until this transaction ends; it waits itself for those that are being taken."""
        wire.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(current_schema(), 0))")

    def check(self, wire: Wire) -> None:
        """Refuse a schema of another version than this code's.

        Raises:
            ConfigurationError: it is missing, older or newer.
        """
        found, newest = _version(wire), self.names()[-1]
        self._refuse_newer(found)
        if found != newest:
            raise ConfigurationError(
                self.named, f"it is at version {found or 'none'}, this code needs {newest}: run towpath migrate"
            )

    def _refuse_newer(self, found: str | None) -> None:
        if found is not None and found not in self.names():
            raise ConfigurationError(self.named, f"it is at version {found}, unknown to this older code")

    def _upgrade(self, wire: Wire, revision: str) -> None:
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415
        from sqlalchemy import create_engine  # noqa: PLC0415
        from sqlalchemy.pool import StaticPool  # noqa: PLC0415

        wire.autocommit = False
        engine = create_engine("postgresql+psycopg://", creator=lambda: wire, poolclass=StaticPool)
        config = Config()
        config.set_main_option("script_location", str(ENVIRONMENT))
        # folders may have spaces in their names
        config.set_main_option("path_separator", "newline")
        config.set_main_option("version_locations", str(self.folder))
        with engine.connect() as connection:
            config.attributes.update(connection=connection, schema=self.schema, version_table=VERSION_TABLE)
            command.upgrade(config, revision)
            connection.commit()


def _version(wire: Wire) -> str | None:
    known = wire.execute("SELECT to_regclass(%s)", [VERSION_TABLE]).fetchone()
    if known is None or known[0] is None:
        return None
    found = wire.execute(sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(VERSION_TABLE))).fetchone()
    return None if found is None else str(found[0])
