"""One start of the stack: all parts at once, each as soon as those it needs are ready, undone if one of them dies."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import psutil

from bus.settings import Run
from errors import FatalError
from operations.stack import processes, state
from operations.stack.parts import Ground, Part, PartName
from operations.stack.ports import LOOPBACK, require_free
from operations.stack.postgresql import BUS_ROLE, SUPERUSER, Credentials
from operations.stack.progress import Progress
from operations.stack.registry import API
from operations.stack.settings import PortName
from operations.stack.state import Database, PartState, StackState

POLL_S = 0.1
#: From the shell's fork until the program's own command line can be seen.
VISIBLE_WITHIN_S = 5.0
#: What captures changes for the way back leaves the processor to the way in (decision 0068), whatever deployment runs.
GIVE_WAY, GIVES_WAY_BY = frozenset({PartName.CONNECT}), Run().way_back_niceness


class Start:
    """Starts the wanted parts that do not run; used once."""

    def __init__(
        self,
        *,
        ground: Ground,
        credentials: Credentials,
        parts: tuple[Part, ...],
        wanted: tuple[PartName, ...],
        ready_within_s: float,
        progress: Progress,
    ) -> None:
        self._ground = ground
        self._credentials = credentials
        self._parts = [part for part in parts if part.name in wanted]
        self._ready_within_s = ready_within_s
        self._progress = progress
        self._ready = {part.name: threading.Event() for part in self._parts}
        self._failed = threading.Event()
        self._started: list[psutil.Process] = []
        known = state.load(ground.places.root)
        self._states: dict[str, PartState] = dict(known.parts) if known else {}
        self._lock = threading.Lock()

    def run(self) -> StackState:
        """Start everything, wait until it is ready.

        Raises:
            ConfigurationError: a port is taken.
            FatalError: a part died or was not ready in time; everything this start started is stopped again.
        """
        for part in self._parts:  # before anything is started that would have to be stopped again
            if not self._running(part):
                for listener in part.listeners:
                    require_free(listener, self._ground.ports[listener])
        try:
            with ThreadPoolExecutor(len(self._parts)) as pool:
                futures = [pool.submit(self._guarded, part) for part in self._parts]
                self._wait_for_all(futures)
        except KeyboardInterrupt:
            self._undo()
            raise
        failures = [error for error in (future.exception() for future in futures) if error is not None]
        if failures:
            self._undo()
            # the first that failed by itself; others only gave up waiting for it
            raise next((each for each in failures if not isinstance(each, _GaveUpError)), failures[0])
        return self._save()

    def _wait_for_all(self, futures: list[Future[None]]) -> None:
        try:
            wait(futures)
        except KeyboardInterrupt:
            self._failed.set()  # lets the threads give up
            raise

    def _guarded(self, part: Part) -> None:
        try:
            self._start(part)
        except BaseException:
            self._failed.set()
            raise

    def _start(self, part: Part) -> None:
        for name in part.after:
            if name in self._ready:
                self._wait_for(self._ready[name].is_set)
        running = self._running(part)
        if running:
            process = running[0]
        else:
            self._progress.part(part.name, "preparing")
            self._prepare(part)
            process = self._launch(part)
        self._note(part, process)
        self._await_ready(part, process)
        part.complete()
        self._ready[part.name].set()
        self._progress.part(part.name, "ready")

    def _running(self, part: Part) -> list[psutil.Process]:
        return processes.search(self._ground.places.marker(part.name))

    def _prepare(self, part: Part) -> None:
        try:
            part.prepare()
        except subprocess.CalledProcessError as error:
            raise self._died(
                part, f"could not be prepared ({Path(error.cmd[0]).name} gave {error.returncode})"
            ) from error

    def _launch(self, part: Part) -> psutil.Process:
        self._progress.part(part.name, "starting")
        launch = part.launch()
        process_id = processes.start_daemon(launch)
        deadline = time.monotonic() + VISIBLE_WITHIN_S
        while time.monotonic() < deadline and psutil.pid_exists(process_id):
            process = processes.find(process_id, self._ground.places.marker(part.name))
            if process is not None:
                if part.name in GIVE_WAY:
                    processes.be_nicer(process.pid, GIVES_WAY_BY)
                self._started.append(process)
                return process
            time.sleep(0.01)
        raise self._died(part, "did not start")

    def _await_ready(self, part: Part, process: psutil.Process) -> None:
        deadline = time.monotonic() + self._ready_within_s
        while not part.is_ready():
            if processes.find(process.pid, self._ground.places.marker(part.name)) is None:
                raise self._died(part, "died while starting")
            if time.monotonic() > deadline:
                hint = f"`towpath stack restart {part.name}` stops and starts it"
                raise self._died(part, f"was not ready within {self._ready_within_s:.0f} s ({hint})")
            if self._failed.is_set():
                raise _GaveUpError("gave-up", "another part failed")
            time.sleep(POLL_S)

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if self._failed.is_set():
                raise _GaveUpError("gave-up", "another part failed")
            time.sleep(POLL_S / 2)

    def _died(self, part: Part, how: str) -> FatalError:
        log = self._ground.places.log(part.name)
        message = f"{part.name} {how}; the end of its log {log}:\n{processes.last_lines(log)}"
        return FatalError("stack-part-died", message, part=part.name, log=str(log))

    def _note(self, part: Part, process: psutil.Process) -> None:
        """Write a part down as soon as it runs, so that `status` sees it even if this command is killed."""
        with self._lock:
            self._states[part.name] = PartState(
                pid=process.pid,
                started=process.create_time(),
                port=self._ground.ports[part.listeners[0]],
                log=str(self._ground.places.log(part.name)),
            )
            self._save()

    def _save(self) -> StackState:
        ground = self._ground
        made = StackState(
            kafka=ground.address(PortName.KAFKA),
            registry=f"http://{ground.address(PortName.REGISTRY)}{API}",
            connect=f"http://{ground.address(PortName.CONNECT)}",
            bus=Database(
                host=LOOPBACK,
                port=ground.ports[PortName.BUS],
                user=BUS_ROLE,
                password=self._credentials.bus,
                database=BUS_ROLE,
            ),
            sandbox=Database(
                host=LOOPBACK,
                port=ground.ports[PortName.SANDBOX],
                user=SUPERUSER,
                password=self._credentials.superuser,
            ),
            ports={name.value: port for name, port in ground.ports.items()},
            parts=self._states,
        )
        state.save(ground.places, made)
        return made

    def _undo(self) -> None:
        for process in self._started:
            self._progress.part("stack", "stopping what was started")
            processes.stop(process, signal.SIGTERM, within_s=20)


class _GaveUpError(FatalError):
    """This part did not fail itself: another one did."""
