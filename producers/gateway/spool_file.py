"""Accepted webhooks in a file on this machine, in order, each there for good once it is told so.

SQLite keeps the file: every commit is synced to the disk before it is told, what a crash tore off is rolled back at
the next opening (docs/decisions/0044-gateway-spool.md). One process writes; anybody may look how much waits.
"""

import contextlib
import fcntl
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from bus.events import Headers
from errors import ConfigurationError, FatalError, RetryableError
from schemas import topics

#: In memory, or as good as: what is written there is gone with the machine.
FLEETING: Final = frozenset({"tmpfs", "ramfs"})
TABLES: Final = """
CREATE TABLE IF NOT EXISTS spooled (
    -- never used twice, so that order is the order of acceptance
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    content BLOB NOT NULL,
    crc INTEGER NOT NULL,
    -- Why it can never be sent; kept for a person.
    refused TEXT
) STRICT
"""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record for one topic."""

    topic: str
    key: str
    value: msgspec.Struct
    headers: tuple[tuple[str, bytes], ...] = ()


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A record in the file; None: it is damaged."""

    id: int
    record: Record | None
    size_bytes: int


class Waits(msgspec.Struct, frozen=True, kw_only=True):
    """What a spool holds."""

    count: int = 0
    size_bytes: int = 0
    #: When the oldest was accepted.
    since: datetime | None = None
    #: Of them can never be sent.
    refused: int = 0


class _Kept(msgspec.Struct, array_like=True):
    topic: str
    key: str
    value: msgspec.Raw
    headers: list[tuple[str, bytes]]


class SpoolFile:
    """One connection's file, opened for writing."""

    def __init__(self, folder: Path, connection: str) -> None:
        """Open it, made where it is not there.

        Raises:
            ConfigurationError: the folder is not there or forgets, or another process has the file; names the setting.
        """
        setting = f"connections.{connection}.spool"
        check_folder(folder, setting)
        path = path_of(folder, connection)
        try:
            self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except BlockingIOError as error:
            os.close(self._lock)
            raise ConfigurationError(
                setting, f"{path} is another process's: give each gateway its own folder"
            ) from error
        except OSError as error:
            raise ConfigurationError(setting, f"{path} cannot be written: {error.strerror}") from error
        # used by one thread at a time, not always the same one
        self._wire = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            with _ours():
                self._wire.execute("PRAGMA journal_mode = WAL")
                self._wire.execute("PRAGMA synchronous = FULL")
                self._wire.execute(TABLES)
            _sync(folder)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the file back."""
        self._wire.close()
        os.close(self._lock)

    def append(self, records: Sequence[Record]) -> None:
        """Write them behind all others, together; they are on the disk when this returns.

        Raises:
            RetryableError: the disk takes no more; none was written.
        """
        now = datetime.now(UTC).timestamp()
        with _ours(), self._transaction():
            for record in records:
                content = encoded(record)
                self._wire.execute(
                    "INSERT INTO spooled (at, content, crc) VALUES (?, ?, ?)", (now, content, zlib.crc32(content))
                )

    def first(self, limit: int) -> list[Entry]:
        """Those that wait longest, in order."""
        with _ours():
            found = self._wire.execute(
                "SELECT id, content, crc FROM spooled WHERE refused IS NULL ORDER BY id LIMIT ?", (limit,)
            ).fetchall()
        return [
            Entry(id=id_, record=decoded(content) if zlib.crc32(content) == crc else None, size_bytes=len(content))
            for id_, content, crc in found
        ]

    def remove(self, ids: Iterable[int]) -> None:
        """The broker has them."""
        with _ours(), self._transaction():
            self._wire.executemany("DELETE FROM spooled WHERE id = ?", [(id_,) for id_ in ids])

    def refuse(self, id_: int, why: str) -> None:
        """It will never be sent: kept aside."""
        with _ours(), self._transaction():
            self._wire.execute("UPDATE spooled SET refused = ? WHERE id = ?", (why, id_))

    def waits(self) -> Waits:
        """How much there is."""
        with _ours():
            return _waits(self._wire)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._wire.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._wire.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._wire.execute("ROLLBACK")
            raise


def path_of(folder: Path, connection: str) -> Path:
    """A connection's file in its folder."""
    return folder / f"{connection}.spool"


def look(folder: Path, connection: str) -> Waits:
    """What waits in a connection's file, whoever has it open; nothing where there is none.

    Raises:
        FatalError: it is no spool, or damaged.
    """
    path = path_of(folder, connection)
    if not path.exists():
        return Waits()
    with _ours(), contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as wire:
        return _waits(wire)


def check_folder(folder: Path, setting: str) -> None:
    """Refuse a folder that is not there, or that forgets.

    Raises:
        ConfigurationError: names the setting.
    """
    if not folder.is_dir():
        raise ConfigurationError(setting, f"{folder} is no folder: mount a volume that outlives the machine there")
    kind = file_system_of(folder)
    if kind in FLEETING:
        raise ConfigurationError(setting, f"{folder} is on {kind}, which forgets: mount a volume there")


def file_system_of(folder: Path, mounts: str = "") -> str:
    """Kind of the file system a folder is on, by the kernel's table of mounts; empty where that is not told."""
    if not mounts:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
        except OSError:
            return ""
    real = folder.resolve()
    found = ("", "")
    for line in mounts.splitlines():
        _, mounted_on, kind, *_ = line.split(" ")
        mounted_on = mounted_on.replace("\\040", " ")
        if real.is_relative_to(mounted_on) and len(mounted_on) >= len(found[0]):
            found = (mounted_on, kind)
    return found[1]


def encoded(record: Record) -> bytes:
    """As the file keeps a record."""
    value = msgspec.Raw(msgspec.msgpack.encode(record.value))
    return msgspec.msgpack.encode(_Kept(topic=record.topic, key=record.key, value=value, headers=list(record.headers)))


def decoded(content: bytes) -> Record | None:
    """The record; None for what is none, as bytes can be right and of another version."""
    try:
        kept = msgspec.msgpack.decode(content, type=_Kept)
        record = topics.by_name(kept.topic).record
        if record is None:
            return None
        value = msgspec.msgpack.decode(kept.value, type=record)
    except (msgspec.DecodeError, KeyError):
        return None
    return Record(topic=kept.topic, key=kept.key, value=value, headers=tuple(kept.headers))


def as_record(topic: str, key: str, value: msgspec.Struct, headers: Headers) -> Record:
    """What is to be published, as it is kept."""
    return Record(topic=topic, key=key, value=value, headers=tuple((name, bytes(text)) for name, text in headers))


def _waits(wire: sqlite3.Connection) -> Waits:
    count, size_bytes, since, refused = wire.execute(
        "SELECT count(*), coalesce(sum(length(content)), 0), min(at), count(refused) FROM spooled"
    ).fetchone()
    oldest = datetime.fromtimestamp(since, UTC) if since is not None else None
    return Waits(count=count, size_bytes=size_bytes, since=oldest, refused=refused)


@contextlib.contextmanager
def _ours() -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise RetryableError(
            "gateway.spool_away", "the spool's disk takes or gives nothing", kind=str(error)
        ) from error
    except sqlite3.DatabaseError as error:
        raise FatalError("gateway.spool_broken", f"the spool's file is damaged: {error}") from error


def _sync(folder: Path) -> None:
    """The file's own name is on the disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
