"""A contender that is a program: started, its processor time and memory asked of the system, and ended."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil


class DiedError(Exception):
    """A program that was to go on has ended; says what it last said."""


class NotInTimeError(Exception):
    """What was waited for did not happen."""


class Started:
    """One program that runs, with whatever it starts itself."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log
        self._seen = psutil.Process(process.pid)

    @property
    def pid(self) -> int:
        """Of the program itself."""
        return self.process.pid

    def cpu_s(self) -> float:
        """Processor seconds so far, user and system, of the program and all it has started."""
        return cpu_s(self.pid)

    def memory_mb(self) -> float:
        """Resident now."""
        return float(self._seen.memory_info().rss) / 2**20

    def require_alive(self) -> None:
        """Look whether it still runs.

        Raises:
            DiedError: it does not.
        """
        if (code := self.process.poll()) is not None:
            raise DiedError(f"ended with {code}: {self.log.read_text(errors='replace')[-2000:]}")

    def said(self) -> str:
        """All it wrote so far, both streams."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """At once, with all it started: `kill -9`."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self, within_s: float = 20.0) -> int:
        """By SIGTERM, and by force where that is not enough; the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return int(self.process.returncode)


@contextlib.contextmanager
def started(command: Sequence[str], environ: Mapping[str, str] | None = None) -> Iterator[Started]:
    """A program in a session of its own, killed with all it started when the context ends."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603 - commands of ours
                command,
                env={**os.environ, **(environ or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running = Started(process, log)
        try:
            yield running
        finally:
            running.kill()


def cpu_s(pid: int) -> float:
    """Processor seconds so far of a process and all below it, those that ended and were waited for included."""
    total = 0.0
    try:
        whole = psutil.Process(pid)
        family = [whole, *whole.children(recursive=True)]
    except psutil.NoSuchProcess:
        return total
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def wait_until(
    true: Callable[[], bool], what: str, *, within_s: float, programs: Sequence[Started] = (), every_s: float = 0.05
) -> None:
    """Ask until it is so.

    Raises:
        NotInTimeError: it is not so in time; names `what`.
        DiedError: one of the programs that were to go on has ended.
    """
    until = time.monotonic() + within_s
    while not true():
        for each in programs:
            each.require_alive()
        if time.monotonic() > until:
            last = "".join(each.said()[-1000:] for each in programs)
            raise NotInTimeError(f"{what}: not within {within_s:g} s {last}")
        time.sleep(every_s)
