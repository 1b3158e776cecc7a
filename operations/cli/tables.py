"""Tables for people: aligned and coloured on a terminal, plain tab-separated lines for pipes."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from operations.cli.output import out

#: Words that say at a glance how something is.
STYLES = {
    "running": "green",
    "ready": "green",
    "RUNNING": "green",
    "delivered": "green",
    "mapped": "green",
    "created": "green",
    "down": "red",
    "absent": "red",
    "ABSENT": "red",
    "FAILED": "red",
    "dead": "red",
    "parked": "yellow",
    "unknown": "yellow",
    "PAUSED": "yellow",
}


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their columns, numbers to the right; without rows, a pipe gets the header and people `none`."""
    listed = [tuple(row) for row in rows]
    if not sys.stdout.isatty():
        for row in [columns, *listed]:
            sys.stdout.write("\t".join(text(value) for value in row) + "\n")
        return
    if not listed:
        out().print("none")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        numeric = all(isinstance(row[number], int | float) for row in listed)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        # Text, not markup: keys and messages may hold brackets
        table.add_row(*(Text(shown := text(value), style=STYLES.get(shown, "")) for value in row))
    out().print(table)


def text(value: object) -> str:
    """A value as people read it."""
    if value is None or value == "":
        return "-"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
    return str(value)
