"""Where SQL Server, on which GP runs, and the sandbox's PostgreSQL differ; the client knows no other difference.

Both accept double-quoted names and `?` parameters, so that most statements are one text for both (`statements.py`).
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

import msgspec
import pyodbc

from errors import BusError, ConfigurationError, FatalError, RefusedError, RetryableError, UnknownOutcomeError

RECEIPT_COLUMNS = '"reference", "operation", "record", "document_type", "document_number", "digest"'

Parameter = str | int | Decimal | date | datetime | None


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """SQL with its parameters, never with values inside."""

    text: str
    parameters: tuple[Parameter, ...] = ()


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """An output parameter of a procedure: its T-SQL name without the @ and its type."""

    name: str
    type: str


#: Every eConnect node procedure ends with these two.
NODE_OUTPUTS = (Output(name="O_iErrorState", type="int"), Output(name="oErrString", type="varchar(255)"))


class Dialect(Protocol):
    """How one database is spoken to."""

    @property
    def snapshot(self) -> tuple[str, ...]:
        """Statements that open a transaction in which all reads see one moment."""

    @property
    def after_snapshot(self) -> tuple[str, ...]:
        """Statements that make the session's next transaction an ordinary one again."""

    @property
    def now(self) -> str:
        """The database's clock, UTC without a zone."""

    @property
    def add_receipt(self) -> str:
        """Adds a receipt and answers its number."""

    @property
    def who(self) -> str:
        """One row: the database's name, 1 if it has our receipts, the values of `parts` or NULL where not readable."""

    @property
    def parts(self) -> tuple[str, ...]:
        """What another database, or this one once restored, has otherwise, and a failover that lost nothing has not."""

    @property
    def newest_receipt(self) -> str:
        """Number and document of the newest receipt that is committed; no row where there is none."""

    @property
    def last_drawn(self) -> str:
        """The last number drawn for a receipt, kept or not."""

    def call(self, procedure: str, parameters: Mapping[str, Parameter], outputs: tuple[Output, ...]) -> Statement:
        """Call an eConnect procedure by parameter name; its one result row holds the outputs in their order."""

    def set_up(self, connection: pyodbc.Connection, timeout_s: int, code_page: str) -> None:
        """Make a new connection ready: no statement runs longer, texts are sent as the company keeps them."""

    def kind_of(self, sql_state: str, number: int) -> type[BusError] | None:
        """What an error means; None: the connection was lost or timed out, the caller knows how far it was."""


class SqlServer:
    """The product's own database."""

    snapshot = ("SET TRANSACTION ISOLATION LEVEL SNAPSHOT",)
    #: Here the level is the session's, not the transaction's.
    after_snapshot = ("SET TRANSACTION ISOLATION LEVEL READ COMMITTED",)
    now = "SYSUTCDATETIME()"
    add_receipt = f'INSERT INTO towpath."receipts" ({RECEIPT_COLUMNS}) OUTPUT inserted."id" VALUES (?, ?, ?, ?, ?, ?)'  # noqa: S608
    # A restore begins a new recovery fork. Not database_guid: each replica of an availability group has its own.
    who = (
        "SELECT DB_NAME(), CASE WHEN OBJECT_ID('towpath.receipts') IS NULL THEN 0 ELSE 1 END, "
        "CONVERT(varchar(36), d.service_broker_guid), CONVERT(varchar(36), r.recovery_fork_guid) "
        "FROM sys.databases AS d LEFT JOIN sys.database_recovery_status AS r ON r.database_id = d.database_id "
        "WHERE d.database_id = DB_ID()"
    )
    parts = ("broker", "recovery fork")
    # Nobody waits here for documents that are being written: what is committed is enough.
    newest_receipt = 'SELECT TOP (1) "id", "document_number" FROM towpath."receipts" WITH (READPAST) ORDER BY "id" DESC'
    last_drawn = (
        "SELECT COALESCE(CAST(last_value AS bigint), 0) FROM sys.identity_columns "
        "WHERE object_id = OBJECT_ID('towpath.receipts')"
    )

    _RETRY = frozenset({1205, 1222, 3960})
    _REFUSED = frozenset({547, 515, 8152, 2628, 245, 8115})
    _DUPLICATE = frozenset({2627, 2601})
    #: A procedure, or what somebody hung into it, ended our transaction.
    _UNKNOWN = frozenset({266, 3903})
    _FATAL = frozenset({208, 207, 2812, 201, 8144, 8145, 18456, 4060, 229, 3952})

    def call(self, procedure: str, parameters: Mapping[str, Parameter], outputs: tuple[Output, ...]) -> Statement:
        """One batch, since ODBC's `{CALL}` brings no output parameters back."""
        declared = ", ".join(f"@{output.name} {output.type}" for output in outputs)
        given = [f"@{name} = ?" for name in parameters] + [
            f"@{output.name} = @{output.name} OUTPUT" for output in outputs
        ]
        selected = ", ".join(f"@{output.name}" for output in outputs)
        text = f"SET NOCOUNT ON; DECLARE {declared}; EXEC dbo.{procedure} {', '.join(given)}; SELECT {selected}"
        return Statement(text=text, parameters=tuple(parameters.values()))

    def set_up(self, connection: pyodbc.Connection, timeout_s: int, code_page: str) -> None:
        """The driver's own time-out; texts narrow, as a Unicode parameter has the server convert every key it meets."""
        connection.timeout = timeout_s
        connection.setencoding(encoding=code_page, ctype=pyodbc.SQL_CHAR)

    def kind_of(self, sql_state: str, number: int) -> type[BusError] | None:
        """By number, never by text: texts differ between servers and languages."""
        if number in self._RETRY:
            return RetryableError
        if number in self._DUPLICATE:
            return DuplicateKeyError
        if number in self._REFUSED:
            return RefusedError
        if number in self._UNKNOWN:
            return UnknownOutcomeError
        if number in self._FATAL or sql_state == "28000":
            return FatalError
        return None


class PostgreSql:
    """The sandbox: the vendor's names on PostgreSQL, a procedure's parameters as one jsonb argument."""

    snapshot = ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",)
    after_snapshot: tuple[str, ...] = ()
    now = "(clock_timestamp() AT TIME ZONE 'UTC')"
    add_receipt = f'INSERT INTO towpath."receipts" ({RECEIPT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) RETURNING "id"'  # noqa: S608
    # Not the timeline, which is another after a failover that lost nothing.
    who = (
        "SELECT current_database(), CASE WHEN to_regclass('towpath.receipts') IS NULL THEN 0 ELSE 1 END, "
        "CAST((SELECT system_identifier FROM pg_control_system()) AS varchar(40)), CAST(d.oid AS varchar(40)) "
        "FROM pg_database AS d WHERE d.datname = current_database()"
    )
    parts = ("cluster", "database")
    newest_receipt = 'SELECT "id", "document_number" FROM towpath."receipts" ORDER BY "id" DESC LIMIT 1'
    last_drawn = (
        "SELECT COALESCE(pg_sequence_last_value(CAST(pg_get_serial_sequence('towpath.receipts', 'id') AS regclass)), 0)"
    )

    _RETRY_CLASSES = ("40",)
    _FATAL_CLASSES = ("28", "3D", "42")
    _REFUSED_CLASSES = ("22", "23")
    #: The server is stopping, starting or full: connection failures, though the state is the server's own.
    _AWAY = frozenset({"57P01", "57P02", "57P03", "53300", "55P03"})

    def call(self, procedure: str, parameters: Mapping[str, Parameter], outputs: tuple[Output, ...]) -> Statement:
        """PostgreSQL functions take at most 100 arguments, eConnect's procedures up to 117: hence one object."""
        columns = ", ".join(f'"{output.name}"' for output in outputs)
        text = f'SELECT {columns} FROM dbo."{procedure}"(CAST(? AS jsonb))'  # noqa: S608 - names of ours
        return Statement(text=text, parameters=(msgspec.json.encode(dict(parameters)).decode(),))

    def set_up(self, connection: pyodbc.Connection, timeout_s: int, code_page: str) -> None:  # noqa: ARG002 - UTF-8 always
        """The server's setting, as this driver has none of its own."""
        connection.execute(f"SET statement_timeout = {timeout_s * 1000}")
        connection.commit()

    def kind_of(self, sql_state: str, number: int) -> type[BusError] | None:  # noqa: ARG002 - PostgreSQL has states only
        """By the class of the SQLSTATE."""
        if sql_state in self._AWAY or sql_state.startswith(("08", "HY")):
            return None
        if sql_state == "23505":
            return DuplicateKeyError
        for classes, kind in (
            (self._RETRY_CLASSES, RetryableError),
            (self._FATAL_CLASSES, FatalError),
            (self._REFUSED_CLASSES, RefusedError),
        ):
            if sql_state.startswith(classes):
                return kind
        return None


class DuplicateKeyError(RetryableError):
    """A unique key is taken: somebody has done it already, or is doing it now.

    Of our receipt it says that the operation was carried out. Inside eConnect it is a race for a new customer or the
    day's batch, which the next try finds there; as a refusal it would leave an order to a person for nothing.
    """


def dialect_of(name: str) -> Dialect:
    """The dialect a deployment names.

    Raises:
        ConfigurationError: no such dialect.
    """
    known: dict[str, Dialect] = {"sql-server": SqlServer(), "postgresql": PostgreSql()}
    if name not in known:
        raise ConfigurationError("dialect", f"{name!r} is not one of {', '.join(sorted(known))}")
    return known[name]
