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
