"""Creates the company database, its roles and its procedures, for the GP user process at its start; safe to repeat."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sandbox.dynamics_gp import schema, seed, tables

SQL_FILES = Path(__file__).parent / "sql"
#: read in this order: later files call what earlier ones define
CODE_FILES = ("engine.sql", "customers.sql", "lines.sql", "header.sql", "documents.sql", "user.sql")
#: one installer at a time; the number means nothing
INSTALL_LOCK = 4_820_100
SEARCH_PATH = "SET search_path = dbo, engine, sandbox, pg_temp"


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """Where the company database is and who may enter it."""

    #: a superuser of the cluster, in any database of it
    dsn: str
    database: str
    towpath_password: str
    debezium_password: str
    user_password: str
    #: appended to the role names, which are shared by all databases of a cluster
    role_suffix: str = ""
    catalogue: Path = Path(__file__).parent.parent / "catalogue.json"

    @property
    def superuser_dsn(self) -> str:
        return make_conninfo(self.dsn, dbname=self.database)

    @property
    def user_dsn(self) -> str:
        user = f"gpuser{self.role_suffix}"
        return make_conninfo(self.dsn, dbname=self.database, user=user, password=self.user_password)

    @property
    def roles(self) -> tuple[tuple[str, str, str], ...]:
        """Name, password and attributes of each role."""
        return (
            (f"towpath{self.role_suffix}", self.towpath_password, "LOGIN"),
            (f"debezium{self.role_suffix}", self.debezium_password, "LOGIN REPLICATION"),
            (f"gpuser{self.role_suffix}", self.user_password, "LOGIN"),
        )


def install(installation: Installation) -> None:
    """Bring the cluster to the state this code expects: roles, database, tables, procedures, seed."""
    with psycopg.connect(installation.dsn, autocommit=True) as connection:
        # held until this connection closes, so that two installers of a cluster take turns
        connection.execute("SELECT pg_advisory_lock(%s)", [INSTALL_LOCK])
        _create_roles(connection, installation)
        _create_database(connection, installation.database)
        with psycopg.connect(installation.superuser_dsn) as company:
            company.execute(SEARCH_PATH)
            if not _exists(company, "SELECT FROM pg_namespace WHERE nspname = 'dbo'"):
                _run(company, _table_script())
                seed.plant(company, installation.catalogue)
            _install_code(company)
            _grant(company, installation)


def seed_again(company: psycopg.Connection, catalogue: Path) -> None:
    """All documents gone, master data as seeded; numbers go on, so that no number is ever used twice."""
    company.execute(SEARCH_PATH)
    company.execute(_text((SQL_FILES / "reset.sql").read_text("utf-8")))
    seed.plant(company, catalogue)


def _create_roles(connection: psycopg.Connection, installation: Installation) -> None:
    for name, password, attributes in installation.roles:
        verb = "ALTER" if _exists(connection, "SELECT FROM pg_roles WHERE rolname = %s", name) else "CREATE"
        connection.execute(
            sql.SQL("{} ROLE {} {} PASSWORD {}").format(
                sql.SQL(_literal(verb)), sql.Identifier(name), sql.SQL(_literal(attributes)), sql.Literal(password)
            )
        )


def _create_database(connection: psycopg.Connection, name: str) -> None:
    if not _exists(connection, "SELECT FROM pg_database WHERE datname = %s", name):
        # PostgreSQL 17 and later bring this locale themselves: upper() knows every letter, whatever the machine has
        statement = (
            "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' "
            "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'"
        )
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


def _table_script() -> Iterator[str]:
    yield (SQL_FILES / "state.sql").read_text("utf-8")
    yield 'CREATE SCHEMA dbo; CREATE SCHEMA "DYNAMICS"; CREATE SCHEMA towpath'
    yield "CREATE TABLE sandbox.installed (digest text NOT NULL)"
    yield from schema.table_statements(tables.company_tables())
    yield (SQL_FILES / "stamps.sql").read_text("utf-8")
    yield from _row_code()


def _row_code() -> Iterator[str]:
    yield "CREATE SCHEMA engine"
    yield from schema.row_functions(tables.company_tables())


def _code() -> Iterator[str]:
    """Types and procedures; they hold no data and are made anew whenever their text changes."""
    yield "DROP SCHEMA engine CASCADE"
    yield from _row_code()
    yield from schema.argument_functions(tables.procedures())
    for name in CODE_FILES:
        yield (SQL_FILES / name).read_text("utf-8")
    yield from schema.procedure_wrappers(tables.procedures())


def _install_code(company: psycopg.Connection) -> None:
    statements = list(_code())
    digest = hashlib.sha256("\n".join(statements).encode()).hexdigest()
    if not _exists(company, "SELECT FROM sandbox.installed WHERE digest = %s", digest):
        _run(company, iter(statements))
        company.execute("DELETE FROM sandbox.installed")
        company.execute("INSERT INTO sandbox.installed VALUES (%s)", [digest])


def _grant(company: psycopg.Connection, installation: Installation) -> None:
    towpath, debezium, user = (sql.Identifier(name) for name, _, _ in installation.roles)
    script = (SQL_FILES / "grants.sql").read_text("utf-8")
    company.execute(sql.SQL(_literal(script)).format(towpath=towpath, debezium=debezium, user=user))


def _run(company: psycopg.Connection, statements: Iterator[str]) -> None:
    for statement in statements:
        company.execute(_text(statement))


def _exists(connection: psycopg.Connection, query: LiteralString, *values: str) -> bool:
    return connection.execute(query, list(values)).fetchone() is not None


def _text(statement: str) -> bytes:
    """Our own SQL; as bytes psycopg takes it as it stands, several statements at once included."""
    return statement.encode()


def _literal(text: str) -> LiteralString:
    """Our own SQL, read from a file of this package or built from its lists, never from a request."""
    return text
