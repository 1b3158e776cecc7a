"""The whole bus of this checkout, brought up as `towpath demo` does, and ended again; whose processor time is whose."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping

import msgspec

from benchmarks.harness.processes import cpu_s
from benchmarks.harness.rounds import say
from bus.settings import Settings
from errors import ConfigurationError
from operations import processes, sandbox
from operations.cli.stack_progress import shown
from operations.demo import start
from operations.processes import SUPERVISOR
from operations.stack import lifecycle
from operations.stack import settings as stack_settings
from operations.stack.parts import PartName
from operations.stack.settings import REPOSITORY_ROOT


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """A bus at work."""

    settings: Settings
    #: Of the company's database in the GP sandbox.
    company_dsn: str

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds so far by process of ours, server and simulator."""
        root = self.settings.root
        pids: dict[str, list[int]] = {name: list(found) for name, found in processes.running(root).items()}
        # its children have names of their own
        pids.pop(SUPERVISOR, None)
        pids |= {_of_stack(each.name): [each.pid] for each in lifecycle.status(_stack()) if each.pid is not None}
        pids |= {f"sandbox {each.name}": [each.pid] for each in sandbox.status(root) if each.pid is not None}
        return {name: sum(cpu_s(pid) for pid in found) for name, found in pids.items()}


def _of_stack(part: PartName) -> str:
    return f"PostgreSQL, {part}" if part in {PartName.BUS, PartName.SANDBOX} else part.value


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Processor seconds between two readings; one that was started again meanwhile is counted from its start."""
    return {name: now - before.get(name, 0.0) if now >= before.get(name, 0.0) else now for name, now in after.items()}


@contextlib.contextmanager
def whole_bus() -> Iterator[Whole]:
    """Up and at work; the bus is stopped when the context ends, and the simulators where they did not run before.

    Raises:
        ConfigurationError: a bus runs here already: what it does beside would be measured, too.
    """
    root = REPOSITORY_ROOT
    if processes.running(root):
        raise ConfigurationError("run", "the bus runs here already: `towpath stop` first")
    played = any(each.running for each in sandbox.status(root))
    # whoever ends the benchmark ends what it started
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with shown() as progress:
            settings = start.bring_up(root, progress, say)
        dsn = start.company_dsn(root)
        start.wait_until_ready(settings, dsn, say)
        yield Whole(settings=settings, company_dsn=dsn)
    finally:
        processes.stop(root)
        if not played:
            sandbox.down(root)


def _stack() -> stack_settings.StackSettings:
    return stack_settings.load(REPOSITORY_ROOT, os.environ)
