"""The command `towpath`: its groups of commands, and how every error ends it."""

import sys
from typing import Any

import typer
import typer.main

from errors import BusError
from operations.cli.lazy import LazyCommand
from operations.cli.output import fail

HERE = "Run it here"
DEPLOYMENT = "Deployment"
LOOK = "Look into it"
ACT = "Act"

#: Command, module, what of the module, help line, panel; in the order of `towpath --help`.
COMMANDS = (
    ("stack", "stack", "app", "The local stack: Kafka, registry, Connect, two PostgreSQL clusters.", HERE),
    ("sandbox", "sandbox", "app", "The simulated store and ERP, as processes of their own.", HERE),
    ("run", "run", "run", "Run processes of the bus: gateway, pollers, fetchers, streams, consumers, projector.", HERE),
    ("stop", "run", "stop", "Stop the processes that run here.", HERE),
    ("demo", "demo", "demo", "All of it with real traffic, both ways, compared row by row at the end.", HERE),
    ("info", "info", "info", "Every address, and the sandbox's credentials.", HERE),
    ("down", "down", "down", "Stop everything that runs here: processes, sandbox, stack.", HERE),
    ("check", "check", "check", "Check the deployment without touching a target.", DEPLOYMENT),
    ("routes", "check", "routes", "The way an event takes.", DEPLOYMENT),
    ("mapping", "mapping", "app", "Mappings: tried with the examples, explained step by step, compared.", DEPLOYMENT),
    ("topics", "topics", "app", "Topics and their schemas.", DEPLOYMENT),
    ("connectors", "connectors", "app", "Change data capture in Kafka Connect.", DEPLOYMENT),
    ("discover", "discover", "discover", "A system's own records, and what changed in them.", DEPLOYMENT),
    (
        "migrate",
        "migrate",
        "migrate",
        "Bring the tables of all stores and of the projection to this version.",
        DEPLOYMENT,
    ),
    ("store", "store", "app", "The stores of connections: copy them, bring them back to work.", DEPLOYMENT),
    ("projection", "projection", "app", "The books that commands read: status and rebuilding.", DEPLOYMENT),
    ("status", "status", "status", "What needs somebody, worst first, in money and age.", LOOK),
    ("explain", "explain", "explain", "Why a key is where it is, and what would move it.", LOOK),
    ("trace", "trace", "trace", "One business key's story, across systems and topics.", LOOK),
    ("ledger", "ledger", "ledger", "Everything accepted, and where it ended or is.", LOOK),
    ("recount", "recount", "recount", "An hour of the books, counted once more from the raw topics.", LOOK),
    ("census", "census", "census", "What a source lists as changed, compared with what arrived.", LOOK),
    ("statement", "statement", "statement", "A store's orders of a day, and what became of them at its ERP.", LOOK),
    ("outcomes", "outcomes", "outcomes", "What became of events, newest first.", LOOK),
    ("dead-letters", "dead_letters", "app", "Events that cannot go on: why, and trying them again.", ACT),
    ("replay", "replay", "app", "Events of the past once more into one connection, effects and cost first.", ACT),
    ("parked", "parked", "app", "Keys that wait: for what, and letting them go.", ACT),
    ("lookups", "lookups", "app", "The tables mappings look things up in: rows set while everything runs.", ACT),
    ("pause", "pause", "pause", "Start nothing new at a connection.", ACT),
    ("resume", "pause", "resume", "Go on where a pause stopped it.", ACT),
    ("lag", "lag", "lag", "How far each process is behind.", LOOK),
)

app = typer.Typer(
    name="towpath",
    help="An integration bus that keeps web stores and ERPs in step, both ways.",
    no_args_is_help=True,
    # a traceback with local variables would print payloads and passwords
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def towpath() -> None:
    """An integration bus that keeps web stores and ERPs in step, both ways."""


def command() -> Any:
    """The whole command with every group hung in; groups are imported when they are entered."""
    root = typer.main.get_command(app)
    for name, module, attribute, help_line, panel in COMMANDS:
        root.commands[name] = LazyCommand(name, f"operations.cli.{module}", attribute, help_line, panel)  # type: ignore[attr-defined]  # a group, as it has a callback
    return root


def main() -> None:
    """Run one command: 0 done, 1 something wrong (said on stderr), 2 used wrongly."""
    try:
        command()(prog_name="towpath")
    except BusError as error:
        from operations.cli.hints import hint  # noqa: PLC0415  keeps `towpath --help` fast

        fail(error, hint(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
