"""`towpath run` and `towpath stop`: the processes of the bus."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import structlog
import typer

from bus.logs import set_up
from bus.settings import Settings
from errors import ConfigurationError
from operations import processes
from operations.cli.deployment import settings
from operations.cli.output import AsJson, err, out, print_json

log = structlog.get_logger(__name__)

Names = Annotated[list[str], typer.Argument(help="Processes, `fetchers@CONNECTION` for one connection, or `all`.")]


def run(
    names: Names,
    detach: Annotated[bool, typer.Option("--detach", help="Run them in the background.")] = False,
    wait: Annotated[bool, typer.Option(help="With --detach: until they are really at work.")] = True,
    supervised: Annotated[
        bool, typer.Option("--supervised", hidden=True, help="Supervise even a single process.")
    ] = False,
) -> None:
    """Run processes of the bus until told to stop; several are supervised and started again when they end.

    There are gateway, pollers, fetchers, streams, consumers and projector.
    """
    given = settings()
    try:
        wanted = processes.check(names, list(given.connections))
    except ConfigurationError as error:
        raise typer.BadParameter(error.message) from error
    if len(wanted) == 1 and not (detach or supervised):
        from operations.workers import run_one  # noqa: PLC0415  the process itself needs it, its supervisor does not

        raise typer.Exit(run_one(given, wanted[0]))
    processes.require_gateway_address(given.root, wanted, given.gateway.host, given.gateway.port)
    if detach:
        pid = processes.detach(given.root, wanted)
        if wait:
            _wait(given, wanted)
        out().print(f"running in the background under process {pid}: {', '.join(wanted)}")
        return
    nicer = {name: processes.niceness(name, given.pairs, given.run.way_back_niceness) for name in wanted}
    raise typer.Exit(processes.supervise(given.root, nicer, _restart_connectors, _Told()))


def _wait(given: Settings, wanted: Sequence[str]) -> None:
    from operations import readiness  # noqa: PLC0415  brings Kafka's client, and the supervisor stays small

    readiness.wait_for_processes(given, wanted, lambda told: err().print(told, style="dim", markup=False))


def stop(as_json: AsJson = False) -> None:
    """Stop the processes that run here, in order; what they work on stays as it is."""
    stopped = processes.stop(_root())
    if as_json:
        print_json({"stopped": stopped})
        return
    out().print(f"stopped {', '.join(stopped)}" if stopped else "nothing runs")


def _root() -> Path:
    from operations.stack.settings import REPOSITORY_ROOT  # noqa: PLC0415  stopping works without any deployment

    return REPOSITORY_ROOT


def _restart_connectors() -> Sequence[str]:
    from operations import connectors  # noqa: PLC0415  the supervisor stays small

    return connectors.restart_failed(settings())


class _Told(processes.Watcher):
    """Logs what the supervisor does, as the processes log what they do."""

    def __init__(self) -> None:
        set_up(processes.SUPERVISOR)

    def started(self, name: str, pid: int) -> None:
        log.info("process.started", name=name, pid=pid)

    def ended(self, name: str, code: int, again_in_s: float) -> None:
        log.warning("process.ended", name=name, exit_code=code, again_in_s=round(again_in_s, 1))

    def restarted_connectors(self, names: Sequence[str]) -> None:
        log.warning("connectors.restarted", names=list(names))

    def cannot_restart_connectors(self, why: str) -> None:
        log.warning("connectors.not_looked_after", why=why)
