"""A connection's store in a file, and out of it again: every table of its schema as of one moment.

For whoever operates the store, on the machine of its database. Our own copy instead of pg_dump's: it needs no program
of the server's version, and it can be loaded beside the store that stands.

The file: a header of one line of JSON, filled up with blanks to `HEADER` bytes, then gzip. In it, for each table, a
line of JSON with its name and columns, its rows as PostgreSQL's COPY writes them, in pieces behind their length (four
bytes, big endian), and a length of nothing.
"""

import gzip
import hashlib
import os
import re
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final, cast

import msgspec
import psycopg
from psycopg import sql

from delivery.migrate import check_version, migrate_schema, schema_of
from delivery.schema_steps import Wire
from errors import ConfigurationError, FatalError, RetryableError

FORMAT: Final = 1
HEADER: Final = 8192
_LENGTH: Final = struct.Struct(">I")
_PIECE: Final = 1 << 18
_DAY: Final = re.compile(r"history_(\d{4})(\d\d)(\d\d)")
#: Made by the steps, with what they know of themselves.
_OF_STEPS: Final = "schema_version"

#: Told what is being done: table and bytes so far.
Say = Callable[[str, int], None]


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself."""

    format: int
    connection: str
    store_id: str
    counter: int
    #: Version of the tables.
    revision: str
    #: The moment all of it is of, by the database's clock.
    at: datetime
    #: Days of history that have a partition.
    days: tuple[str, ...]
    #: How far each sequence had come, by its name.
    sequences: dict[str, int]
    #: Of what follows the header.
    sha256: str
    size_bytes: int
    rows: dict[str, int]


def backup(dsn: str, connection: str, to: Path, say: Say) -> Header:
    """Write a store into a file that appears when it is whole; other work on the store goes on.

    Raises:
        ConfigurationError: the store is of another version than this code, or the file cannot be written.
        RetryableError: PostgreSQL cannot be reached.
    """
    check_version(dsn, connection)
    partial = to.with_name(f"{to.name}.partial")
    try:
        with _connect(dsn, schema_of(connection)) as wire, _private(partial) as file:
            header = _write(wire, connection, file, say)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(to)
    except OSError as error:
        raise ConfigurationError("--to", f"{to} cannot be written: {error.strerror}") from error
    except psycopg.OperationalError as error:
        raise RetryableError("store_unavailable", "PostgreSQL did not answer") from error
    finally:
        partial.unlink(missing_ok=True)
    return header


def header_of(path: Path) -> Header:
    """What a backup says of itself, after making sure that nothing in it changed.

    Raises:
        ConfigurationError: it is no backup, of a later format, or damaged.
    """
    try:
        with path.open("rb") as file:
            header = msgspec.json.decode(file.read(HEADER), type=Header)
            if header.format > FORMAT:
                raise ConfigurationError("--from", f"{path} is of a later version of towpath")
            if hashlib.file_digest(file, "sha256").hexdigest() != header.sha256:
                raise ConfigurationError("--from", f"{path} is damaged: its checksum differs")
    except OSError as error:
        raise ConfigurationError("--from", f"{path} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ConfigurationError("--from", f"{path} is no backup of a store") from error
    return header


def load(dsn: str, header: Header, path: Path, replaced: str, say: Say) -> None:
    """Put a backup in the place of a store; nobody may work on it until it has been recovered.

    It is loaded beside the store and takes its name at the end, so that an interrupted load leaves all as it was.

    Args:
        dsn: Of the database.
        header: Of the backup.
        path: Of the backup.
        replaced: Schema under which the store that stood there is kept.
        say: Told of the progress.

    Raises:
        ConfigurationError: the backup is of tables this code does not know.
        RetryableError: PostgreSQL cannot be reached.
    """
    schema = schema_of(header.connection)
    beside = beside_of(schema, "loading")
    try:
        with _connect(dsn, beside) as wire:
            wire.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(beside)))
        migrate_schema(dsn, header.connection, beside, header.revision)
        with _connect(dsn, beside) as wire, path.open("rb") as file:
            file.seek(HEADER)
            with wire.transaction():
                _read(wire, header, file, say)
        migrate_schema(dsn, header.connection, beside, None)
        with _connect(dsn, beside) as wire, wire.transaction():
            wire.execute("UPDATE incarnation SET held = 'recovering'")
            if _exists(wire, schema):
                _rename(wire, schema, replaced)
            _rename(wire, beside, schema)
    except psycopg.OperationalError as error:
        raise RetryableError("store_unavailable", "PostgreSQL did not answer") from error


def stands(dsn: str, connection: str) -> bool:
    """Whether the connection has a schema at all.

    Raises:
        RetryableError: PostgreSQL cannot be reached.
    """
    schema = schema_of(connection)
    try:
        with _connect(dsn, schema) as wire:
            return _exists(wire, schema)
    except psycopg.OperationalError as error:
        raise RetryableError("store_unavailable", "PostgreSQL cannot be reached") from error


def beside_of(schema: str, what: str) -> str:
    """A schema's name with something behind it, as long as PostgreSQL takes names."""
    return f"{schema[: 62 - len(what)]}_{what}"


def _write(wire: Wire, connection: str, file: IO[bytes], say: Say) -> Header:
    digest, rows = hashlib.sha256(), {}
    with wire.transaction():
        wire.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        (at, store_id, counter, revision) = _one(
            wire,
            "SELECT statement_timestamp(), i.store_id, i.counter, v.version_num FROM incarnation i, schema_version v",
        )
        file.write(b" " * HEADER)
        hashed = _Hashed(file, digest)
        with gzip.GzipFile(fileobj=cast("IO[bytes]", hashed), mode="wb", compresslevel=3, mtime=0) as packed:
            for table in _tables(wire):
                rows[table] = _copy_out(wire, table, packed, say)
        header = Header(
            format=FORMAT,
            connection=connection,
            store_id=store_id,
            counter=counter,
            revision=revision,
            at=at,
            days=tuple(_days(wire)),
            sequences=_sequences(wire),
            sha256=digest.hexdigest(),
            size_bytes=hashed.written,
            rows=rows,
        )
    encoded = msgspec.json.encode(header)
    if len(encoded) >= HEADER:
        raise FatalError("defect", "the header of the backup is too long")
    file.seek(0)
    file.write(encoded.ljust(HEADER - 1) + b"\n")
    return header


def _copy_out(wire: Wire, table: str, packed: gzip.GzipFile, say: Say) -> int:
    columns = _columns(wire, table)
    packed.write(msgspec.json.encode({"table": table, "columns": columns}) + b"\n")
    written = 0
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    with wire.cursor() as cursor:
        # a partitioned table cannot be copied as such
        copying = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(names, sql.Identifier(table))
        with cursor.copy(copying) as copy:
            pieces, size = [], 0
            for piece in copy:
                pieces.append(bytes(piece))
                size += len(piece)
                written += len(piece)
                if size >= _PIECE:
                    _put(packed, b"".join(pieces))
                    pieces, size = [], 0
                    say(table, written)
            if pieces:
                _put(packed, b"".join(pieces))
        count = max(cursor.rowcount, 0)
    packed.write(_LENGTH.pack(0))
    say(table, written)
    return count


def _put(packed: gzip.GzipFile, piece: bytes) -> None:
    packed.write(_LENGTH.pack(len(piece)))
    packed.write(piece)


def _read(wire: Wire, header: Header, file: IO[bytes], say: Say) -> None:
    for name in header.days:
        _make_day(wire, name)
    for name, reached in header.sequences.items():
        wire.execute("SELECT setval(quote_ident(%s)::regclass, %s)", [name, reached])
    with gzip.GzipFile(fileobj=file) as packed:
        while line := packed.readline():
            said = msgspec.json.decode(line, type=dict[str, Any])
            table, columns = said["table"], said["columns"]
            wire.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))  # what the steps put there
            names = sql.SQL(", ").join(map(sql.Identifier, columns))
            overriding = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
            with wire.cursor() as cursor, cursor.copy(overriding) as copy:
                loaded = 0
                for piece in _pieces(packed):
                    copy.write(piece)
                    loaded += len(piece)
                    say(table, loaded)


def _pieces(packed: gzip.GzipFile) -> Iterator[bytes]:
    while (length := _LENGTH.unpack(packed.read(_LENGTH.size))[0]) > 0:
        yield packed.read(length)


def _make_day(wire: Wire, name: str) -> None:
    found = _DAY.fullmatch(name)
    if found is None:
        return
    day = date(*map(int, found.groups()))
    first, last = (datetime.combine(each, datetime.min.time(), UTC) for each in (day, day + timedelta(days=1)))
    wire.execute(
        sql.SQL("CREATE TABLE {} PARTITION OF history FOR VALUES FROM ({}) TO ({})").format(
            sql.Identifier(name), sql.Literal(first), sql.Literal(last)
        )
    )


class _Hashed:
    """A file that is digested as it is written."""

    def __init__(self, file: IO[bytes], digest: Any) -> None:
        self._file = file
        self._digest = digest
        self.written = 0

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self.written += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def _private(path: Path) -> IO[bytes]:
    """For its owner alone: it holds what customers wrote."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b")


def _tables(wire: Wire) -> list[str]:
    """Without partitions, which are read through their parent."""
    found = wire.execute(
        """
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND c.relname <> %s
        ORDER BY 1
        """,
        [_OF_STEPS],
    )
    return [name for (name,) in found]


def _columns(wire: Wire, table: str) -> list[str]:
    found = wire.execute(
        """
        SELECT attname FROM pg_attribute
        WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
        """,
        [table],
    )
    return [name for (name,) in found]


def _days(wire: Wire) -> list[str]:
    found = wire.execute(
        """
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'history'::regclass AND c.relname <> 'history_default' ORDER BY 1
        """
    )
    return [name for (name,) in found]


def _sequences(wire: Wire) -> dict[str, int]:
    """Read behind the tables: a sequence shows what was drawn since, too, which does no harm."""
    found = wire.execute(
        "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = current_schema() AND last_value > 0"
    )
    return {str(name): int(reached) for name, reached in found}


def _exists(wire: Wire, schema: str) -> bool:
    return bool(_one(wire, "SELECT to_regnamespace(quote_ident(%s)) IS NOT NULL", schema)[0])


def _rename(wire: Wire, schema: str, name: str) -> None:
    wire.execute(sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(sql.Identifier(schema), sql.Identifier(name)))


def _one(wire: Wire, statement: str, *parameters: object) -> tuple[Any, ...]:
    found = wire.execute(cast("Any", statement), parameters).fetchone()
    assert found is not None
    return found


def _connect(dsn: str, schema: str) -> Wire:
    return psycopg.connect(
        dsn,
        autocommit=True,
        connect_timeout=10,
        application_name="towpath store",
        options=f"-c search_path={schema} -c timezone=UTC",
    )
