"""Our own processes: what `towpath run` can start, and how `run all` supervises them and is stopped."""

import contextlib
import errno
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import psutil

from bus.settings import Pair
from errors import BusError, ConfigurationError, RetryableError
from operations.stack.processes import be_nicer, last_lines

#: In the order they are started; each is one process, more of the same may run elsewhere.
NAMES = ("gateway", "pollers", "fetchers", "streams", "consumers", "projector")
#: Those that can run for one connection alone: `consumers@gp-two`.
PER_CONNECTION = frozenset({"fetchers", "consumers"})

SUPERVISOR = "supervisor"
#: A process that lived this long was healthy: its next restart is immediate again.
HEALTHY_S = 30.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
#: From SIGTERM to SIGKILL; the workers drain within five seconds.
STOP_WITHIN_S = 30.0
LOOK_EVERY_S = 0.2
RESTART_CONNECTORS_EVERY_S = 15.0


class ProcessState(msgspec.Struct, frozen=True, kw_only=True):
    """One of our processes."""

    name: str
    pids: tuple[int, ...]
    running: bool
    log: Path
    #: Where each of them shows its metrics.
    metrics: tuple[str, ...] = ()


class Watcher:
    """Told what the supervisor does; says nothing itself."""

    def started(self, name: str, pid: int) -> None:
        """A process was started."""

    def ended(self, name: str, code: int, again_in_s: float) -> None:
        """A process ended by itself and is started again after a pause."""

    def restarted_connectors(self, names: Sequence[str]) -> None:
        """Failed Debezium tasks were restarted."""

    def cannot_restart_connectors(self, why: str) -> None:
        """Connect or the deployment's files do not let us look; said once until it changes."""


class Child:
    """One supervised process: when it was started, and when it may be again."""

    def __init__(self, name: str, command: Sequence[str], log: Path, nicer_by: int = 0) -> None:
        self.name = name
        self._nicer_by = nicer_by
        self._command = command
        self._log = log
        self._pause_s = FIRST_PAUSE_S
        self._started = 0.0
        self.due = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, now: float, directory: Path) -> int:
        self._started = now
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            # a session of its own: Ctrl-C reaches the supervisor alone, which then stops them in order; and where the
            # system shares the processor by session, each has as much as a broker or a database
            self.process = subprocess.Popen(  # noqa: S603  our own command
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory,
                start_new_session=True,
            )
        be_nicer(self.process.pid, self._nicer_by)
        return self.process.pid

    def ended(self, now: float) -> tuple[int, float] | None:
        """Exit code and pause before the next start, if it has ended since."""
        if self.process is None or (code := self.process.poll()) is None:
            return None
        self.process = None
        self._pause_s = pause_after(now - self._started, self._pause_s)
        self.due = now + self._pause_s
        return code, self._pause_s


def niceness(name: str, pairs: Sequence[Pair], way_back: int) -> int:
    """How much nicer than others a process is: the way back to the stores, and its books, give way to the way in."""
    back = {f"fetchers@{pair.erp}" for pair in pairs} | {f"consumers@{pair.store}" for pair in pairs}
    return way_back if name in back | {"projector"} else 0


def pause_after(lived_s: float, last_pause_s: float) -> float:
    """How long to wait before a process that ended by itself is started again."""
    if lived_s >= HEALTHY_S:
        return FIRST_PAUSE_S
    return min(last_pause_s * 2, LONGEST_PAUSE_S)


def check(names: Sequence[str], connections: Sequence[str]) -> tuple[str, ...]:
    """The processes meant by the words of a command line; `all` is all of them, `consumers` one for each connection.

    Raises:
        ConfigurationError: no such process, or no such connection.
    """
    wanted = [each for name in names for each in (NAMES if name == "all" else (name,))]
    for name in wanted:
        process, _, connection = name.partition("@")
        if process not in NAMES:
            raise ConfigurationError("process", f"no {process!r}; there are {', '.join(NAMES)}")
        if connection and process not in PER_CONNECTION:
            raise ConfigurationError("process", f"{process} cannot run for one connection")
        if connection and connection not in connections:
            raise ConfigurationError("connection", f"no {connection!r}; there are {', '.join(sorted(connections))}")
    return tuple(dict.fromkeys(each for name in wanted for each in _each_connection(name, connections)))


def every(connections: Sequence[str]) -> tuple[str, ...]:
    """All processes of a deployment."""
    return tuple(each for name in NAMES for each in _each_connection(name, connections))


def _each_connection(name: str, connections: Sequence[str]) -> tuple[str, ...]:
    """One process works for one connection; without a name, one for each is meant."""
    if name in PER_CONNECTION:
        return tuple(f"{name}@{connection}" for connection in sorted(connections))
    return (name,)


def folder(root: Path) -> Path:
    """Process id files and logs."""
    return root / ".towpath" / "run"


def log_of(root: Path, name: str) -> Path:
    return folder(root) / "logs" / f"{name}.log"


def pid_file(root: Path, name: str, pid: int) -> Path:
    """One file a process, so that more of the same can run beside each other."""
    return folder(root) / f"{name}.{pid}.pid"


def metrics_port(first: int, name: str, connections: Sequence[str]) -> int:
    """The port a process shows its metrics on; those of connections come last, so that few move with one more."""
    if not first:
        return 0
    alone = [each for each in NAMES if each not in PER_CONNECTION]
    of_connections = [f"{each}@{of}" for of in sorted(connections) for each in NAMES if each in PER_CONNECTION]
    known = [*alone, *of_connections]
    return first + known.index(name) if name in known else 0


def announce(root: Path, name: str, metrics: str = "") -> Path:
    """Write down that this very process runs under a name; who ends orderly removes the file again.

    Args:
        root: Of the checkout.
        name: Of the process.
        metrics: Address of its metrics.
    """
    path = pid_file(root, name, os.getpid())
    path.parent.mkdir(parents=True, exist_ok=True)
    # in one step: a half-written file would be taken for one of a dead process
    half = path.with_suffix(".new")
    half.write_text(f"{psutil.Process().create_time()}\n{metrics}\n", encoding="ascii")
    half.replace(path)
    return path


def running(root: Path) -> dict[str, tuple[int, ...]]:
    """The living processes by name; files of dead ones are removed on the way.

    A dead supervisor's stays until it is stopped or another one starts: nothing else shows that it was killed.
    """
    found: dict[str, list[int]] = {}
    for path in sorted(folder(root).glob("*.pid")):
        name, pid, _ = path.name.rsplit(".", 2)
        if _is_alive(int(pid), path):
            found.setdefault(name, []).append(int(pid))
        elif name != SUPERVISOR:
            path.unlink(missing_ok=True)
    return {name: tuple(pids) for name, pids in found.items()}


def _supervisor_files(root: Path) -> list[Path]:
    return list(folder(root).glob(f"{SUPERVISOR}.*.pid"))


def states(root: Path, connections: Sequence[str]) -> tuple[ProcessState, ...]:
    """All processes of a deployment, running or not, whatever else was started under a name, and their supervisor."""
    alive = running(root)
    known = every(connections)
    names = [*known, *sorted(name for name in alive if name not in known and name != SUPERVISOR)]
    if _supervisor_files(root):
        names.append(SUPERVISOR)
    pids = {name: alive.get(name, ()) for name in names}
    for name in PER_CONNECTION:
        # the name alone stands for all of its kind
        pids[name] = tuple(pid for each, found in alive.items() if each.partition("@")[0] == name for pid in found)
    return tuple(
        ProcessState(
            name=name,
            pids=pids[name],
            running=bool(pids[name]),
            log=log_of(root, name),
            metrics=_metrics(root, name, pids[name]),
        )
        for name in names
    )


def _metrics(root: Path, name: str, pids: Sequence[int]) -> tuple[str, ...]:
    """What these processes wrote down when they began."""
    told = []
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):
            told.append(pid_file(root, name, pid).read_text(encoding="ascii").partition("\n")[2].strip())
    return tuple(each for each in told if each)


def supervise(
    root: Path,
    names: Mapping[str, int],
    restart_connectors: Callable[[], Sequence[str]],
    watcher: Watcher,
) -> int:
    """Run processes as children until SIGTERM or SIGINT; those that end by themselves are started again.

    Args:
        root: Of the checkout.
        names: Of the processes, each with how much nicer it is than others.
        restart_connectors: Starts failed tasks of Connect again; says of which connectors.
        watcher: Told what is done.

    Order: told to stop, all children get SIGTERM at once and SIGKILL after thirty seconds. Connectors' failed tasks
    are restarted beside it: Connect may take a minute to answer, and neither children nor SIGTERM can wait for that.

    Raises:
        RetryableError: one of these processes is supervised or left over here; says which.
    """
    require_none_runs(root, list(names))
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda which, _frame: told.append(which))
    _forget_supervisor(root)
    mark = announce(root, SUPERVISOR)
    children = [Child(name, command_of(root, name), log_of(root, name), nicer) for name, nicer in names.items()]
    # a daemon: the supervisor ends while Connect still thinks
    threading.Thread(target=_restart_now_and_then, args=(restart_connectors, watcher), daemon=True).start()
    try:
        while not told:
            _keep_running(root, children, watcher)
            time.sleep(LOOK_EVERY_S)
    finally:
        _end([child.process for child in children if child.process is not None])
        mark.unlink(missing_ok=True)
    return 0


def detach(root: Path, names: Sequence[str], within_s: float = 20.0) -> int:
    """Start a supervisor of its own session and return its process id once it has written itself down.

    Raises:
        RetryableError: one runs already, or it did not come up; says what its log ends with.
    """
    if SUPERVISOR in running(root):
        raise RetryableError("run.already", "the processes run already: `towpath stop` first")
    require_none_runs(root, names)
    log = log_of(root, SUPERVISOR)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  our own command
            [str(root / "towpath"), "run", *names, "--supervised"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=root,
            start_new_session=True,
        )
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if process.pid in running(root).get(SUPERVISOR, ()):
            return process.pid
        time.sleep(0.1)
    raise RetryableError("run.failed", f"the supervisor did not start:\n{last_lines(log)}")


def require_none_runs(root: Path, names: Sequence[str]) -> None:
    """Refuse to start what runs here: a killed supervisor leaves its children at work, and a second of each would
    only compete with them.

    Raises:
        RetryableError: says what runs.
    """
    alive = running(root)
    if left := [name for name in names if name in alive]:
        raise RetryableError("run.already", f"{', '.join(left)} run already: `towpath stop` first")


def require_gateway_address(root: Path, names: Sequence[str], host: str, port: int) -> None:
    """Refuse to start a gateway on an address another program has: it would be tried again and again, into a log.

    Raises:
        ConfigurationError: the address cannot be had; in the gateway's own words.
    """
    # not by the gateway's own function: its libraries would stay in the supervisor's memory
    if "gateway" not in names or "gateway" in running(root):
        return
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        why = "is in use by another process" if error.errno == errno.EADDRINUSE else error.strerror
        raise ConfigurationError("gateway.port", f"{host}:{port} {why}") from error


def stop(root: Path, within_s: float = STOP_WITHIN_S + 5.0) -> tuple[str, ...]:
    """Stop everything `run` started here: the supervisor first, as it would start the others again.

    Returns the names of what was stopped.
    """
    before = running(root)
    _stop_processes(before.get(SUPERVISOR, ()), within_s)
    _stop_processes([pid for pids in running(root).values() for pid in pids], within_s)
    running(root)
    _forget_supervisor(root)
    return tuple(name for name in before if name != SUPERVISOR)


def _forget_supervisor(root: Path) -> None:
    """Remove what a killed supervisor left behind."""
    alive = running(root).get(SUPERVISOR, ())
    for path in _supervisor_files(root):
        if int(path.name.rsplit(".", 2)[1]) not in alive:
            path.unlink(missing_ok=True)


def drop_logs(root: Path) -> None:
    """Remove the logs of processes that do not run."""
    alive = running(root)
    for log in (folder(root) / "logs").glob("*.log"):
        if log.stem not in alive:
            log.unlink(missing_ok=True)


def command_of(root: Path, name: str) -> tuple[str, ...]:
    """How one process is started."""
    return (str(root / "towpath"), "run", name)


def _keep_running(root: Path, children: Sequence[Child], watcher: Watcher) -> None:
    now = time.monotonic()
    for child in children:
        if (end := child.ended(now)) is not None:
            watcher.ended(child.name, *end)
        if child.process is None and now >= child.due:
            watcher.started(child.name, child.start(now, root))


def _restart_now_and_then(restart_connectors: Callable[[], Sequence[str]], watcher: Watcher) -> None:
    """Look after the connectors for as long as the process lives."""
    said = ""
    while True:
        time.sleep(RESTART_CONNECTORS_EVERY_S)
        try:
            restarted = restart_connectors()
        except Exception as error:  # noqa: BLE001  whatever it is, this look must not be the last
            why = str(error) if isinstance(error, BusError) else type(error).__name__
            if why != said:
                watcher.cannot_restart_connectors(why)
            said = why
            continue
        said = ""
        if restarted:
            watcher.restarted_connectors(restarted)


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.terminate()
    deadline = time.monotonic() + STOP_WITHIN_S
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _stop_processes(pids: Sequence[int], within_s: float) -> None:
    processes = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            process.terminate()
        except psutil.NoSuchProcess:
            continue
        processes.append(process)
    _, stubborn = psutil.wait_procs(processes, timeout=within_s)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=5)


def _is_alive(pid: int, path: Path) -> bool:
    """Whether the process that wrote the file still lives; its id alone may belong to another by now."""
    try:
        process = psutil.Process(pid)
        began = float(path.read_text(encoding="ascii").split("\n")[0])
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - began) < 1.0
    except (psutil.NoSuchProcess, FileNotFoundError, ValueError):
        return False
