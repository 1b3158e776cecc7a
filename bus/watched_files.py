"""Tables of a deployment's folder while it is edited: a file that changed is read again, a bad one changes nothing."""

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

    def look(self, *, at_once: bool = False) -> bool:
        """Read what changed, and say whether the tables did.

        A file is read once it was the same at two looks: half of a file may be a table, too. Never raises for a file.

        Args:
            at_once: Somebody says that what was written is whole.
        """
        there = {path.stem: path for path in files(self._folder)}
        changed = [self._take(name, path, at_once=at_once) for name, path in there.items()]
        for name in self._seen.keys() - there.keys():
            if self._seen[name] != GONE:
                self._seen[name] = GONE
                self._refuse(name, f"lookups/{name}.csv: is gone; its rows stand until the process starts again")
        return any(changed)

    def _take(self, name: str, path: Path, *, at_once: bool) -> bool:
        signature = _signature(path)
        if signature == self._seen.get(name) or signature == GONE:
            self._changing.pop(name, None)
            return False
        if self._changing.get(name) != signature and not at_once:
            self._changing[name] = signature
            return False
        self._changing.pop(name, None)
        self._seen[name] = signature
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
