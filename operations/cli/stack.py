"""`towpath stack`: the local stack, without Docker."""

import os
from typing import Annotated

import msgspec
import typer

from operations import local, processes, sandbox
from operations.cli.output import AsJson, out, print_json
from operations.cli.stack_progress import shown
from operations.stack import lifecycle
from operations.stack.lifecycle import Ending, Health, PartStatus
from operations.stack.parts import PartName
from operations.stack.settings import REPOSITORY_ROOT, StackSettings, load
from operations.stack.state import StackState

app = typer.Typer(help="The local stack: Kafka, registry, Connect, two PostgreSQL clusters.", no_args_is_help=True)


@app.command()
def up(as_json: AsJson = False) -> None:
    """Start what does not run yet, and wait until all of it is ready."""
    with shown() as progress:
        started = lifecycle.up(_settings(), progress)
    local.write_stack(REPOSITORY_ROOT)
    _print_state(started, as_json=as_json)


@app.command()
def down(
    purge: Annotated[
        bool, typer.Option("--purge", help="Drop data, addresses and logs, the simulators' as well.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Stop every process of the stack; its data stays unless --purge is given."""
    if purge:
        # GP's documents go with the stack: a store that remembers its orders would no longer fit them
        sandbox.purge(REPOSITORY_ROOT)
    with shown() as progress:
        (lifecycle.purge if purge else lifecycle.down)(_settings(), progress)
    if purge:
        # the simulated ERP lives in the stack's cluster; the gateway's port stays, as senders know it
        for name in (local.STACK, sandbox.KEPT):
            local.forget(REPOSITORY_ROOT, name)
        processes.drop_logs(REPOSITORY_ROOT)
    if as_json:
        print_json({"down": True, "purged": purge})


@app.command()
def status(as_json: AsJson = False) -> None:
    """How each part is; exit code 1 if one is down."""
    parts = lifecycle.status(_settings())
    if as_json:
        print_json(parts)
    else:
        for part in parts:
            out().print(_line(part))
    if any(part.health is not Health.RUNNING for part in parts):
        raise typer.Exit(1)


@app.command()
def restart(
    part: Annotated[PartName, typer.Argument(help="The part to stop and start again.")],
    crash: Annotated[bool, typer.Option("--crash", help="Stop it as in a power cut.")] = False,
    as_json: AsJson = False,
) -> None:
    """Stop one part and start it again on its data."""
    with shown() as progress:
        started = lifecycle.restart(_settings(), part, Ending.CRASH if crash else Ending.ORDERLY, progress)
    _print_state(started, as_json=as_json)


def _settings() -> StackSettings:
    return load(REPOSITORY_ROOT, os.environ)


def _print_state(started: StackState, *, as_json: bool) -> None:
    if as_json:
        print_json(without_passwords(started))
        return
    out().print(f"kafka     {started.kafka}")
    out().print(f"registry  {started.registry}")
    out().print(f"connect   {started.connect}")
    out().print(f"bus       {started.bus.address}")
    out().print(f"sandbox   {started.sandbox.address}")


def without_passwords(started: StackState) -> dict[str, object]:
    """The state for printing; who needs the passwords reads them from the file, which only its owner can."""
    printed = msgspec.to_builtins(started)
    for cluster in ("bus", "sandbox"):
        del printed[cluster]["password"]
    return {**printed, "file": str(REPOSITORY_ROOT / ".towpath" / "stack.json")}


def _line(part: PartStatus) -> str:
    memory = f"{part.memory_bytes / 2**20:6.0f} MiB" if part.pid else ""
    return f"{part.name:9} {part.health:8} {part.address or '-':22} {part.pid or '-':>8} {memory}"
