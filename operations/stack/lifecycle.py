"""Starts, stops, repairs and shows the local stack of one checkout; the functions behind `towpath stack`."""

import contextlib
import fcntl
import shutil
import signal
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum

import msgspec
import psutil

from errors import ConfigurationError, RetryableError
from operations.stack import identity as identities
from operations.stack import ports as port_choice
from operations.stack import processes, state
from operations.stack.artifacts import read_lock
from operations.stack.connect import Connect
from operations.stack.kafka import Kafka
from operations.stack.parts import Ground, Part, PartName
from operations.stack.places import Places
from operations.stack.postgresql import Credentials, bus_cluster, claim_home, sandbox_cluster
from operations.stack.progress import Progress, Silent
from operations.stack.registry import Registry
from operations.stack.settings import PortName, StackSettings
from operations.stack.software import install
from operations.stack.start import Start
from operations.stack.state import StackState

STOP_WITHIN_S = 30.0
#: Longer than a first `up` with its downloads takes on a slow line.
LOCK_WITHIN_S = 900.0

#: The listener by which a part is known to its clients.
MAIN_LISTENER = {
    PartName.BUS: PortName.BUS,
    PartName.SANDBOX: PortName.SANDBOX,
    PartName.KAFKA: PortName.KAFKA,
    PartName.REGISTRY: PortName.REGISTRY,
    PartName.CONNECT: PortName.CONNECT,
}
CLUSTERS = frozenset({PartName.BUS, PartName.SANDBOX})


class Health(StrEnum):
    """How a part is."""

    RUNNING = "running"
    DOWN = "down"


class Ending(StrEnum):
    """How a part is stopped."""

    ORDERLY = "orderly"  # what it has is written down and its clients are told
    CRASH = "crash"  # as in a power cut: PostgreSQL "immediate", the others killed


class PartStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `towpath stack status`."""

    name: PartName
    health: Health
    address: str | None
    pid: int | None
    memory_bytes: int
    log: str


def up(settings: StackSettings, progress: Progress | None = None) -> StackState:
    """Start what does not run yet, and give the addresses of all of it once it is ready.

    Raises:
        ConfigurationError: a prescribed or kept port is taken, or differs from the one of a running part.
        FatalError: a part died at its start (what this call started is stopped again), or a download is not genuine.
        RetryableError: a download failed, or another command holds the stack for too long.
    """
    progress = progress or Silent()
    with _locked(Places(root=settings.root)):
        return _start(settings, tuple(PartName), progress)


def down(settings: StackSettings, progress: Progress | None = None) -> None:
    """Stop every process of this checkout's stack; the data stays."""
    places = Places(root=settings.root)
    with _locked(places):
        _stop_all(places, progress or Silent())


def purge(settings: StackSettings, progress: Progress | None = None) -> None:
    """Stop the stack and drop its data, wherever it lies."""
    places = Places(root=settings.root)
    with _locked(places):
        _stop_all(places, progress or Silent())
        for folder in (places.postgresql_home, places.home):
            shutil.rmtree(folder, ignore_errors=True)
        places.state_file.unlink(missing_ok=True)


def restart(
    settings: StackSettings, name: PartName, ending: Ending = Ending.ORDERLY, progress: Progress | None = None
) -> StackState:
    """Stop one part, in good order or as in a power cut, and start it again on its data.

    Raises:
        ConfigurationError, FatalError, RetryableError: see `up`.
    """
    progress = progress or Silent()
    places = Places(root=settings.root)
    with _locked(places):
        _stop_part(places, name, ending, progress)
        return _start(settings, (name,), progress)


def status(settings: StackSettings) -> list[PartStatus]:
    """How each part is, also where the stack never ran."""
    places = Places(root=settings.root)
    known = state.load(settings.root)
    return [_status_of(places, name, known) for name in PartName]


def _status_of(places: Places, name: PartName, known: StackState | None) -> PartStatus:
    part = known.parts.get(name) if known else None
    process = processes.find(part.pid, places.marker(name)) if part else None
    port = known.ports.get(MAIN_LISTENER[name]) if known else None
    return PartStatus(
        name=name,
        health=Health.RUNNING if process else Health.DOWN,
        address=f"{port_choice.LOOPBACK}:{port}" if port else None,
        pid=process.pid if process else None,
        memory_bytes=_memory_of(process) if process else 0,
        log=str(places.log(name)),
    )


def _memory_of(process: psutil.Process) -> int:
    """Resident memory of a part and its children; what they share counts once where we may see how much that is."""
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_full_info().pss
        except psutil.AccessDenied:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _start(settings: StackSettings, names: tuple[PartName, ...], progress: Progress) -> StackState:
    places = Places(root=settings.root)
    software = install(read_lock(), settings.cache, settings.maven, progress)
    identity = identities.establish(places)
    ports = _choose_ports(settings, places)
    ground = Ground(places=places, software=software, ports=ports, identity=identity)
    credentials = claim_home(places, identity)
    start = Start(
        ground=ground,
        credentials=credentials,
        parts=_parts(ground, credentials),
        wanted=names,
        ready_within_s=settings.ready_within_s,
        progress=progress,
    )
    return start.run()


def _parts(ground: Ground, credentials: Credentials) -> tuple[Part, ...]:
    return (
        bus_cluster(ground, credentials),
        sandbox_cluster(ground, credentials),
        Kafka(ground=ground),
        Registry(ground=ground, credentials=credentials),
        Connect(ground=ground),
    )


def _choose_ports(settings: StackSettings, places: Places) -> dict[PortName, int]:
    """The ports of this start; those of running parts cannot change under their clients.

    Raises:
        ConfigurationError: another port is prescribed than the one a part runs on.
    """
    known = state.load(settings.root)
    kept = {PortName(name): port for name, port in known.ports.items()} if known else {}
    running = {name for name in PartName if processes.search(places.marker(name))}
    for name, port in settings.ports.items():
        part = PartName(name.split("-")[0])
        if part in running and kept.get(name, port) != port:
            message = f"set to {port}, but {part} runs on {kept[name]}; run `towpath stack down` first"
            raise ConfigurationError(name.variable, message)
    return port_choice.choose(settings.ports, kept, zlib.crc32(places.digest.encode()), port_choice.is_free)


def _stop_all(places: Places, progress: Progress) -> None:
    # clients first: a registry or worker whose servers vanish only fills its log
    for names in ((PartName.CONNECT, PartName.REGISTRY), (PartName.KAFKA, PartName.BUS, PartName.SANDBOX)):
        with ThreadPoolExecutor(len(names)) as pool:
            for future in [pool.submit(_stop_part, places, name, Ending.ORDERLY, progress) for name in names]:
                future.result()


def _stop_part(places: Places, name: PartName, ending: Ending, progress: Progress) -> None:
    # by marker, not by the written process id: this finds also what an interrupted start did not write down
    for process in processes.search(places.marker(name)):
        progress.part(name, "stopping")
        processes.stop(process, _signal_for(name, ending), STOP_WITHIN_S)
        progress.part(name, "stopped")


def _signal_for(name: PartName, ending: Ending) -> signal.Signals:
    if name in CLUSTERS:  # PostgreSQL's "fast" and "immediate" shutdown
        return signal.SIGINT if ending is Ending.ORDERLY else signal.SIGQUIT
    return signal.SIGTERM if ending is Ending.ORDERLY else signal.SIGKILL


@contextlib.contextmanager
def _locked(places: Places) -> Iterator[None]:
    """Only one command at a time changes the stack of a checkout.

    Raises:
        RetryableError: another one holds it for too long.
    """
    places.lock_file.parent.mkdir(parents=True, exist_ok=True)
    with places.lock_file.open("ab") as file:
        deadline = time.monotonic() + LOCK_WITHIN_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    message = f"another command has been changing this stack for {LOCK_WITHIN_S:.0f} s"
                    raise RetryableError("stack-locked", message) from error
                time.sleep(0.1)
        yield
