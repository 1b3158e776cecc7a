"""`towpath run` and `towpath stop`: the processes of the bus."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from operations import processes
from operations.cli.deployment import settings
from operations.cli.output import AsJson, err, out, print_json

Names = Annotated[list[str], typer.Argument(help="Processes, `fetchers@CONNECTION` for one connection, or `all`.")]


def run(
    names: Names,
    detach: Annotated[bool, typer.Option("--detach", help="Run them in the background.")] = False,
    supervised: Annotated[
        bool, typer.Option("--supervised", hidden=True, help="Supervise even a single process.")
    ] = False,
) -> None:
    """Run processes of the bus until told to stop; several are supervised and started again when they end.

    There are gateway, pollers, fetchers, streams, consumers and projector.
    """
    given = settings()
    wanted = processes.check(names, list(given.connections))
    if detach:
        pid = processes.detach(given.root, wanted)
        out().print(f"running in the background under process {pid}: {', '.join(wanted)}")
        return
    if len(wanted) == 1 and not supervised:
        from operations.workers import run_one  # noqa: PLC0415  the process itself needs it, its supervisor does not

        raise typer.Exit(run_one(given, wanted[0]))
    raise typer.Exit(processes.supervise(given.root, wanted, _restart_connectors, _Told()))


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
    """Says on stderr what the supervisor does."""

    def started(self, name: str, pid: int) -> None:
        err().print(f"{name} started, process {pid}")

    def ended(self, name: str, code: int, again_in_s: float) -> None:
        err().print(f"{name} ended with {code}, starts again in {again_in_s:.1f} s", style="yellow")

    def restarted_connectors(self, names: Sequence[str]) -> None:
        err().print(f"restarted what had failed of {', '.join(names)}", style="yellow")
