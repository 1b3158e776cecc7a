"""ODBC connections to one GP company database, and what their errors mean; for the client alone."""

import asyncio
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from queue import Empty, LifoQueue
from typing import Any, TypeVar

import pyodbc

from connect.expected import Expected
from connect.identity import Seen
from connect.systems.dynamics_gp.dialect import Dialect, DuplicateKeyError, Statement
from errors import BusError, RefusedError, RetryableError, UnknownOutcomeError

T = TypeVar("T")

#: What SQL Server's driver puts behind its text: `... (2627) (SQLExecDirectW)`.
_NATIVE_NUMBER = re.compile(r"\((\d+)\) \(SQL\w+\)")
_LOGIN_TIMEOUT_S = 5
#: eConnect's procedures are slow at times (reference/dynamics-gp.md, 5.3).
_STATEMENT_TIMEOUT_S = 60
#: Statements a session keeps prepared, the least used given up first; the client has some thirty texts.
_PREPARED = 40
#: Whoever closes has stopped working before; what still runs then was given up by its caller.
_CLOSE_WITHIN_S = 10


class Session:
    """One connection, one transaction at a time; used by one thread at a time."""

    def __init__(self, connection: pyodbc.Connection, dialect: Dialect) -> None:
        self._connection = connection
        self._dialect = dialect
        self.broken = False
        #: Who is at its other end, once it was asked; a session stays with the database it began in.
        self.system: Seen | None = None
        #: On the monotonic clock: nothing is begun after it, so that nobody who gave up waiting is surprised later.
        self.deadline = math.inf
        #: By text, the last used last. A closed cursor's statement is prepared anew, two more round trips. So is
        #: that of an equal text which is another object, as pyodbc compares no letters: the first object is kept.
        self._cursors: OrderedDict[str, tuple[str, pyodbc.Cursor]] = OrderedDict()

    def query(self, statement: Statement) -> list[pyodbc.Row]:
        """All rows of the last result set, which is ours: what triggers and add-ons select comes before it.

        Raises:
            BusError: by kind, also where the error hides behind a result; a connection lost before COMMIT is
                RetryableError, as the server rolls back.
        """
        rows: list[pyodbc.Row] = []
        with self._executed(statement) as cursor:
            while True:
                if cursor.description is not None:
                    rows = list(cursor.fetchall())
                if not cursor.nextset():
                    return rows

    def execute(self, statement: Statement) -> None:
        """Run a statement that gives no rows."""
        with self._executed(statement) as cursor:
            while cursor.nextset():
                pass  # a trigger's error shows only when it is its turn

    @contextmanager
    def _executed(self, statement: Statement) -> Iterator[pyodbc.Cursor]:
        """The cursor with its results, all of which are to be read; its errors as ours."""
        self._in_time()
        try:
            # only what has parameters is prepared
            new = (statement.text, None)
            text, cursor = self._cursors.pop(statement.text, new) if statement.parameters else new
            # `closing`: pyodbc's own `with cursor` commits at its end
            with ExitStack() as unless_kept:
                cursor = unless_kept.enter_context(closing(cursor or self._connection.cursor()))
                cursor.execute(text, statement.parameters)
                yield cursor
                if statement.parameters:
                    unless_kept.pop_all()
                    self._keep(text, cursor)
        except pyodbc.Error as error:
            raise self._ours(error) from error
        except UnicodeEncodeError as error:
            raise _not_in_code_page(error) from None

    def _keep(self, text: str, cursor: pyodbc.Cursor) -> None:
        self._cursors[text] = text, cursor
        if len(self._cursors) > _PREPARED:
            _, (_, oldest) = self._cursors.popitem(last=False)
            oldest.close()

    def restore(self, texts: tuple[str, ...]) -> None:
        """Give the session back as it was, however late; where that fails it is not used again."""
        try:
            for text in texts if not self.broken else ():
                with closing(self._connection.cursor()) as cursor:
                    cursor.execute(text)
        except pyodbc.Error:
            self.broken = True

    def commit(self) -> None:
        """Make it stand.

        Raises:
            UnknownOutcomeError: the answer was lost, or the server had ended the transaction; find out first.
            RetryableError: too late, nothing was sent.
        """
        self._in_time()
        try:
            self._connection.commit()
            # psqlODBC reports success where it has noticed, behind a statement, that the connection is dead
            with closing(self._connection.cursor()) as cursor:
                cursor.execute("SELECT 1")
        except pyodbc.Error as error:
            self.broken = True
            state, number = _numbers(error)
            raise UnknownOutcomeError(
                "gp.commit_unknown", "the answer to COMMIT was lost", sql_state=state, number=number
            ) from error

    def rollback(self) -> None:
        """Undo; after a deadlock the server has done so already, which is not an error."""
        try:
            self._connection.rollback()
        except pyodbc.Error:
            self.broken = True

    def close(self) -> None:
        """Hang up; a dead connection is closed all the same."""
        try:
            self._connection.close()
        except pyodbc.Error:
            self.broken = True

    def _in_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise RetryableError("gp.too_slow", "the GP database took too long, all of it is undone")

    def _ours(self, error: pyodbc.Error) -> BusError:
        state, number = _numbers(error)
        kind = self._dialect.kind_of(state, number)
        if kind is None:
            self.broken = True
            return RetryableError("gp.away", "the GP database does not answer", sql_state=state, number=number)
        code = "gp.duplicate" if kind is DuplicateKeyError else "gp.sql_error"
        return kind(code, f"the GP database refused a statement ({state}, {number})", sql_state=state, number=number)


class Sessions:
    """A few connections, each used by one thread at a time; opened when needed, thrown away when broken.

    None is used before it has said which database it is with, where somebody wants to know (`expected`).
    """

    def __init__(
        self,
        odbc: str,
        dialect: Dialect,
        *,
        in_flight: int,
        code_page: str,
        who: Callable[[Session], Seen],
        expected: Expected,
    ) -> None:
        self._who = who
        self._expected = expected
        self._odbc = odbc
        self._dialect = dialect
        self._code_page = code_page
        self._idle: LifoQueue[Session] = LifoQueue()
        self._threads = ThreadPoolExecutor(max_workers=in_flight, thread_name_prefix="gp")
        self._running: set[Future[Any]] = set()
        self._closed = False

    async def run(self, work: Callable[[Session], T], within_s: float) -> T:
        """Do `work` in a thread with a session of its own; whatever it left uncommitted is rolled back.

        The thread goes on when its caller is cancelled, but commits nothing after `within_s`.
        """
        deadline = time.monotonic() + within_s
        running = self._threads.submit(self._run, work, deadline)
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return await asyncio.wrap_future(running)

    async def who(self, within_s: float) -> Seen:
        """Which database new sessions come to, asked by one that is used for nothing else."""
        deadline = time.monotonic() + within_s
        return await asyncio.wrap_future(self._threads.submit(self._ask, deadline))

    async def aclose(self) -> None:
        """Let running work end, for a while, then hang up; what is still at it then hangs up by itself."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(wait, tuple(self._running), _CLOSE_WITHIN_S)
        await asyncio.to_thread(self._hang_up)

    def _run(self, work: Callable[[Session], T], deadline: float) -> T:
        with self._session() as session:
            session.deadline = deadline
            return work(session)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        session = self._take()
        try:
            yield session
        finally:
            session.rollback()
            if session.broken:
                session.close()
            else:
                self._idle.put(session)
            if session.broken or self._closed:
                # its neighbours were connected to the same dead server
                self._hang_up()

    def _ask(self, deadline: float) -> Seen:
        with closing(self._open()) as session:
            session.deadline = deadline
            return self._who(session)

    def _take(self) -> Session:
        self._expected.still()
        while True:
            try:
                session = self._idle.get_nowait()
            except Empty:
                return self._admitted()
            if self._expected.is_still(session.system):
                return session
            session.close()

    def _admitted(self) -> Session:
        session = self._open()
        if not self._expected.watched:
            return session
        try:
            proven = self._expected.high_water
            session.system = self._who(session)
            self._expected.admit(session.system, proven)
        except BusError:
            session.close()
            raise
        # a transaction that has begun would keep its isolation level
        session.rollback()
        return session

    def _open(self) -> Session:
        try:
            connection = pyodbc.connect(self._odbc, autocommit=False, timeout=_LOGIN_TIMEOUT_S)
            self._dialect.set_up(connection, _STATEMENT_TIMEOUT_S, self._code_page)
        except pyodbc.Error as error:
            state, number = _numbers(error)
            kind = self._dialect.kind_of(state, number) or RetryableError
            code = "gp.away" if kind is RetryableError else "gp.sign_in"
            raise kind(code, "cannot connect to the GP database", sql_state=state, number=number) from error
        return Session(connection, self._dialect)

    def _hang_up(self) -> None:
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return


def _not_in_code_page(error: UnicodeEncodeError) -> RefusedError:
    character = error.object[error.start : error.start + 1]
    return RefusedError("gp.code_page", "GP has no such letter", letter=ascii(character), code_page=error.encoding)


def _numbers(error: pyodbc.Error) -> tuple[str, int]:
    """SQLSTATE and the server's own number; the text is kept out of everything, it may hold data."""
    state = str(error.args[0]) if error.args else ""
    found = _NATIVE_NUMBER.search(str(error.args[1])) if len(error.args) > 1 else None
    return state, int(found.group(1)) if found else 0
