"""A connection's schema in PostgreSQL as one process reaches it: a pool, transactions, foreign errors made ours.

For the store (`store.py`) and for the edges (`edges.py`). One `Database` a process and connection; one PostgreSQL
schema a connection (`migrate.py`). RetryableError means that PostgreSQL could not be asked or its answer was lost, and
that the same call may be made again.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, LiteralString, TypeAlias

import psycopg
from psycopg import sql
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from delivery import arrays, columns, statements
from delivery.incarnation import Incarnation, is_same_or_later, refusal
from delivery.migrate import schema_of
from errors import FatalError, RetryableError

Parameters: TypeAlias = Mapping[str, object]
Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]

#: How long a call waits for a connection before it says that the store is away.
PATIENCE_S: Final = 5.0

SESSION: Final[LiteralString] = """
SELECT set_config('search_path', %s, false), set_config('timezone', 'UTC', false), set_config('jit', 'off', false),
    set_config('plan_cache_mode', %s, false), set_config('enable_seqscan', 'off', false),
    set_config('enable_mergejoin', 'off', false), set_config('idle_in_transaction_session_timeout', '60s', false)
"""
#: Statements reach each row by its index, and are planned for each batch: a plan made while a table was almost empty
#: must not read all of it when it holds a million rows.
PLAN_ANEW: Final = "force_custom_plan"
#: For statements that are right whatever the tables hold: planning takes longer than a small batch.
PLAN_ONCE: Final = "force_generic_plan"
_SET_PLAN: Final[LiteralString] = "SELECT set_config('plan_cache_mode', %s, true)"
#: Connections for these: for what is claimed, what is intended and what is settled.
AT_ONCE: Final = 3


class Database:
    """One connection's schema."""

    def __init__(self, dsn: str, connection: str, *, pool_size: int) -> None:
        """Build, without connecting.

        Raises:
            ConfigurationError: the connection's name cannot be a schema's.
        """
        self.dsn = dsn
        self.connection = connection
        self.schema = schema_of(connection)
        #: How far the store had come when it was last looked at, here or by Kafka.
        self._known: Incarnation | None = None
        self._pool = self._pool_of(1, pool_size, PLAN_ANEW, prepare_after=5)
        self._planned = self._pool_of(0, AT_ONCE, PLAN_ONCE, prepare_after=0)

    async def open(self) -> None:
        """Connect.

        Raises:
            RetryableError: PostgreSQL cannot be reached.
        """
        await self._pool.open()
        await self._planned.open()
        await self.execute("SELECT 1", {})

    async def close(self) -> None:
        """Give the connections back."""
        await self._pool.close()
        await self._planned.close()

    async def recognise(self, announced: Incarnation | None) -> None:
        """Make sure that the store knows all it has announced; from here on every work begun in it is held to that.

        Args:
            announced: What Kafka had heard of before this call.

        Raises:
            FatalError: it was restored or replaced, or is being recovered: nobody may work on it.
        """
        self._known = known = announced or self._known
        found = await self.fetch(statements.INCARNATION, {})
        self.met(found[0][0], known)

    @property
    def known(self) -> Incarnation | None:
        """How far the store is known to have come; to be kept before a statement that tells more of it, for `met`."""
        return self._known

    def met(self, values: Sequence[str] | None, known: Incarnation | None) -> Incarnation:
        """What a statement read of the store's incarnation, held against what was known when it began.

        What became known since would make a statement look restored that had begun before and took its time.

        Raises:
            FatalError: as `recognise`.
        """
        found = None if values is None else Incarnation(store_id=values[0], counter=int(values[1]), held=values[2])
        if (why := refusal(self.connection, found, known)) is not None:
            raise why
        if found is None:
            raise FatalError("store_schema", f"the store of {self.connection} does not say which one it is")
        if self._known is None or is_same_or_later(found, self._known):
            self._known = found
        return found

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction on a connection of the pool; foreign errors become ours."""
        async with self._wire(self._pool) as wire, wire.transaction():
            yield wire

    @contextlib.asynccontextmanager
    async def in_one_go(self) -> AsyncIterator[Connection]:
        """A transaction that goes out without waiting for the answers of its statements, until one is read.

        For statements that are right whatever the tables hold. It needs no BEGIN and no COMMIT: to PostgreSQL all that
        comes before a pipeline's next synchronisation is one transaction.
        """
        async with self._wire(self._planned) as wire, wire.pipeline():
            try:
                yield wire
            except BaseException:
                # the end of the pipeline would commit what was sent of it
                await wire.close()
                raise

    @contextlib.asynccontextmanager
    async def in_steps(self) -> AsyncIterator[Connection]:
        """A transaction of a few exchanges: `begin` and `commit` stand in pipelines of the caller's; else it is undone.

        For statements that are right whatever the tables hold.
        """
        async with self._wire(self._pool) as wire:
            yield wire
            if wire.pgconn.transaction_status != TransactionStatus.IDLE:
                await wire.rollback()

    async def fetch_planned(self, statement: LiteralString, parameters: Parameters) -> list[tuple[Any, ...]]:
        """As `fetch`, for a statement that is right whatever the tables hold."""
        async with self._wire(self._planned) as wire:
            return await columns.rows(wire, statement, parameters)

    async def fetch(self, statement: LiteralString, parameters: Parameters) -> list[tuple[Any, ...]]:
        """What one statement answers, in a transaction of its own."""
        async with self._wire(self._pool) as wire:
            return await columns.rows(wire, statement, parameters)

    async def execute(self, statement: LiteralString, parameters: Parameters) -> int:
        """How many rows one statement changed, in a transaction of its own."""
        async with self._wire(self._pool) as wire:
            return (await wire.execute(statement, parameters)).rowcount

    def _pool_of(self, least: int, most: int, plan: str, *, prepare_after: int) -> AsyncConnectionPool[Connection]:
        async def configure(wire: Connection) -> None:
            arrays.register(wire)
            await wire.execute(SESSION, [sql.Identifier(self.schema).as_string(wire), plan])

        return AsyncConnectionPool(
            self.dsn,
            open=False,
            min_size=least,
            max_size=most,
            timeout=PATIENCE_S,
            reconnect_timeout=PATIENCE_S,
            configure=configure,
            kwargs={
                "autocommit": True,
                "connect_timeout": 5,
                "application_name": f"towpath {self.connection}",
                "prepare_threshold": prepare_after,
            },
        )

    @contextlib.asynccontextmanager
    async def _wire(self, pool: AsyncConnectionPool[Connection]) -> AsyncIterator[Connection]:
        """A connection of the pool; foreign errors become ours here."""
        try:
            async with pool.connection() as wire:
                try:
                    yield wire
                finally:
                    if wire.pgconn.pipeline_status != PipelineStatus.OFF:
                        # cancelled while a pipeline was being ended: whoever came next would speak into it
                        await wire.close()
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
            raise RetryableError("store_unavailable", "PostgreSQL did not answer", kind=type(error).__name__) from error
        except psycopg.DataError as error:
            # without its text, which may hold what was to be written
            raise FatalError("store_refused", "PostgreSQL refused a value", sql_state=error.sqlstate) from None
        except psycopg.errors.ReadOnlySqlTransaction as error:
            raise RetryableError("store_read_only", "PostgreSQL takes no writes now") from error
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise FatalError("store_schema", f"the store of {self.connection} has not this version's tables") from error


async def begin(wire: Connection) -> None:
    """Inside `in_steps`: its first statement."""
    await wire.execute("BEGIN")
    await wire.execute(_SET_PLAN, [PLAN_ONCE])


async def commit(wire: Connection) -> None:
    """Inside `in_steps`: its last statement."""
    await wire.execute("COMMIT")


@contextlib.asynccontextmanager
async def planned_anew(wire: Connection) -> AsyncIterator[None]:
    """Inside `in_one_go` or `in_steps`: statements that are not right whatever the tables hold."""
    await wire.execute(_SET_PLAN, [PLAN_ANEW])
    yield
    await wire.execute(_SET_PLAN, [PLAN_ONCE])
