"""Finds what a run of chaos hits, ends it or makes it stand still, and brings it back as an operator does."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
import psycopg

from bus.settings import Settings
from errors import BusError, FatalError
from operations import processes, sandbox
from operations.chaos.plan import Fault, Kind, Victims
from operations.processes import SUPERVISOR
from operations.stack import lifecycle
from operations.stack import settings as stack_settings
from operations.stack.parts import PartName

#: A supervisor starts again what died half a minute apart at the most.
BACK_WITHIN_S = 120.0
LOOK_EVERY_S = 0.2
STACK = "stack"


def all_of(settings: Settings, store: str, erp: str) -> Victims:
    """Every process of ours, every server, every simulator."""
    return Victims(
        processes=(*processes.every(list(settings.connections)), SUPERVISOR),
        servers=tuple(part.value for part in PartName),
        simulators=tuple(each.name for each in sandbox.SIMULATORS),
        store=store,
        erp=erp,
    )


class Grip:
    """Holds one checkout's processes by their ids."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._root: Path = settings.root
        self._servers = {part.value for part in PartName}
        self._simulators = {each.name for each in sandbox.SIMULATORS}

    def pids(self, target: str) -> tuple[int, ...]:
        """The living processes of a target, without their children."""
        if target in self._servers:
            return tuple(each.pid for each in lifecycle.status(self._stack()) if each.name == target and each.pid)
        if target in self._simulators:
            return tuple(each.pid for each in sandbox.status(self._root) if each.name == target and each.pid)
        return processes.running(self._root).get(target, ())

    def together(self, fault: Fault) -> str:
        """Under which name what must not be hit at the same time is hit.

        One command brings back all servers, and gives up when another one dies under its hands; a topic and a store
        need them, and nobody else starts processes while a store is put back.
        """
        needs_servers = fault.target in self._servers or fault.kind in {Kind.TOPIC_RECREATED, Kind.STORE_RESTORED}
        return STACK if needs_servers or fault.target == SUPERVISOR else fault.target

    def kill(self, target: str) -> tuple[int, ...]:
        """End it the hard way and see it gone, or it would be taken for one that is back; the ids of what ended."""
        pids = self.pids(target)
        ending = list(_those_of(pids))
        _signal(pids, signal.SIGKILL)
        psutil.wait_procs(ending, timeout=BACK_WITHIN_S)
        return pids

    def stop(self, target: str) -> tuple[int, ...]:
        """Make it and its children stand still; their ids. A supervisor's children are victims of their own."""
        family = self.pids(target) if target == SUPERVISOR else _with_children(self.pids(target))
        _signal(family, signal.SIGSTOP)
        return family

    def go_on(self, pids: Iterable[int]) -> None:
        """Let what stands still go on."""
        _signal(pids, signal.SIGCONT)

    def bring_back(self, target: str, before: tuple[int, ...]) -> None:
        """Wait for what its supervisor starts, start what nobody else does.

        Raises:
            FatalError: it did not come back.
        """
        deadline = time.monotonic() + BACK_WITHIN_S
        while True:
            try:
                if self._is_back(target, before):
                    return
                why = "nobody started it again"
            except (BusError, psycopg.Error) as error:  # another part it needs may be away just now, too
                why = str(error)
            if time.monotonic() > deadline:
                raise FatalError("chaos.not_back", f"{target} did not come back: {why}")
            time.sleep(LOOK_EVERY_S)

    def all_back(self) -> None:
        """Everything that must run does, whatever was hit last.

        Raises:
            FatalError: something did not come back.
        """
        for target in (PartName.KAFKA.value, sandbox.SIMULATORS[0].name, SUPERVISOR):
            # the three ways of bringing back bring back all that is alike
            self.bring_back(target, ())

    def _is_back(self, target: str, before: tuple[int, ...]) -> bool:
        if target in self._servers:
            lifecycle.up(self._stack())
            return True
        if target in self._simulators:
            sandbox.up(self._root)
            return True
        if target == SUPERVISOR:
            if SUPERVISOR not in processes.running(self._root):
                # its children work on without it, and a second of each would only compete with them
                processes.stop(self._root)
                processes.detach(self._root, processes.every(list(self._settings.connections)))
            return True
        return bool(set(processes.running(self._root).get(target, ())) - set(before))

    def _stack(self) -> stack_settings.StackSettings:
        return stack_settings.load(self._root, os.environ)


def _with_children(pids: Iterable[int]) -> tuple[int, ...]:
    family: list[int] = []
    for process in _those_of(pids):
        with contextlib.suppress(psutil.NoSuchProcess):
            family += [process.pid, *(child.pid for child in process.children(recursive=True))]
    return tuple(family)


def _those_of(pids: Iterable[int]) -> Iterator[psutil.Process]:
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            yield psutil.Process(pid)


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
