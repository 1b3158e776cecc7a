"""`towpath lag`: how far each process is behind."""

from typing import Annotated

import typer

from operations.cli.deployment import settings
from operations.cli.output import AsJson, out, print_json
from operations.cli.tables import print_table
from operations.lag import Lag
from operations.lag import lag as behind


def lag(
    everything: Annotated[bool, typer.Option("--all", help="Also what is not behind at all.")] = False,
    as_json: AsJson = False,
) -> None:
    """How far each process is behind: records not read, and rows its store still works on."""
    shown = [line for line in behind(settings()) if everything or line.behind or line.open or line.lost]
    if as_json:
        print_json({"lag": shown})
        return
    if not shown:
        out().print("nobody is behind")
        return
    print_table(
        ("process", "topic", "behind", "open", "oldest unread", "says"),
        ((line.process, line.topic, line.behind, line.open, line.since, _says(line)) for line in shown),
    )


def _says(line: Lag) -> str:
    said = ["full"] if line.full else []
    said += [f"{line.lost} deleted before they were read"] if line.lost else []
    said += [f"forgotten from {line.forgotten_at:%Y-%m-%d %H:%M}Z on"] if line.forgotten_at is not None else []
    return ", ".join(said)
