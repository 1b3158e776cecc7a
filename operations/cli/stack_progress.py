"""Draws the stack's progress on a terminal; says nothing anywhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from operations.cli.output import err
from operations.stack.progress import Progress, Silent


class _Drawn:
    """A bar for the download, a line for each part."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._download: TaskID | None = None

    def downloading(self, size_bytes: int) -> None:
        self._download = self._bars.add_task("download", total=size_bytes)

    def received(self, size_bytes: int) -> None:
        if self._download is not None:
            self._bars.advance(self._download, size_bytes)

    def part(self, name: str, says: str) -> None:
        self._bars.console.print(f"{name:9} {says}", style="dim")


@contextmanager
def shown() -> Iterator[Progress]:
    """A progress display for the time of a command, on stderr so that stdout holds the result alone."""
    console = err()
    if not console.is_terminal:
        yield Silent()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        yield _Drawn(bars)
