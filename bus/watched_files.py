"""Tables of a deployment's folder while it is edited: a file that changed is read again, a bad one changes nothing."""

from collections.abc import Collection
from pathlib import Path

import structlog

from bus import metrics
from bus.lookups import FileRow, files, rows, values
from errors import ConfigurationError

log = structlog.get_logger(__name__)

#: Of a file as it lay there: time of the last change in nanoseconds, size, inode; empty: it is gone.
Signature = tuple[int, ...]
GONE: Signature = ()


class WatchedFiles:
    """The tables as the files said when they last could be read."""

    def __init__(self, folder: Path) -> None:
        """Read all of them.

        Raises:
            ConfigurationError: a file is no table.
        """
        self._folder = folder
        #: As it was when it was read, or refused.
        self._seen: dict[str, Signature] = {}
        #: Changed, and perhaps still being written.
        self._changing: dict[str, Signature] = {}
        self.tables: dict[str, dict[str, str]] = {}
        #: Table to what is wrong with its file; the rows from before stand.
        self.faults: dict[str, str] = {}
        for path in files(folder):
            self._seen[path.stem] = _signature(path)
            self.tables[path.stem] = values(rows(path))

    def look(self) -> bool:
        """Read what changed, and say whether the tables did.

        A file is read once it was the same at two looks: half of a file may be a table, too. Never raises for a file.
        """
        there = {path.stem: path for path in files(self._folder)}
        changed = [self._read(name, path) for name, path in there.items() if self._rests(name, path)]
        for name in self._seen.keys() - there.keys():
            if self._seen[name] != GONE:
                self._seen[name] = GONE
                self._refuse(name, f"lookups/{name}.csv: is gone; its rows stand until the process starts again")
        return any(changed)

    def read_now(self, tables: Collection[str]) -> bool:
        """As `look`, at files somebody says are whole."""
        there = {path.stem: path for path in files(self._folder) if path.stem in tables}
        return any([self._read(name, path) for name, path in there.items() if self._is_new(name, path)])  # noqa: C419 - all of them

    @property
    def changing(self) -> bool:
        """Whether a file is not as it was read."""
        return any(self._is_new(path.stem, path) for path in files(self._folder))

    def _is_new(self, name: str, path: Path) -> bool:
        return _signature(path) not in (self._seen.get(name), GONE)

    def _rests(self, name: str, path: Path) -> bool:
        """Whether it has changed, and no more since the last look."""
        if not self._is_new(name, path):
            self._changing.pop(name, None)
            return False
        signature = _signature(path)
        before, self._changing[name] = self._changing.get(name), signature
        return before == signature

    def _read(self, name: str, path: Path) -> bool:
        self._changing.pop(name, None)
        self._seen[name] = _signature(path)
        try:
            read = values(rows(path))
        except ConfigurationError as error:
            self._refuse(name, error.message)
            return False
        if self.faults.pop(name, None) is not None:
            metrics.LOOKUPS_REFUSED.labels(table=name).set(0)
        changed = self.tables.get(name) != read
        self.tables[name] = read
        return changed

    def _refuse(self, name: str, why: str) -> None:
        """Say it once for each content."""
        self.faults[name] = why
        metrics.LOOKUPS_REFUSED.labels(table=name).set(1)
        log.error("lookups.refused", table=name, reason=why)


def notes(folder: Path, table: str) -> dict[str, FileRow] | None:
    """A table as its file has it; None where there is no such file.

    Raises:
        ConfigurationError: it is no table.
    """
    path = folder / f"{table}.csv"
    return rows(path) if path.exists() else None


def _signature(path: Path) -> Signature:
    try:
        found = path.stat()
    except OSError:
        return GONE
    return found.st_mtime_ns, found.st_size, found.st_ino
