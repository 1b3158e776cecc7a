"""`towpath dead-letters`: events that cannot go on, and why."""

import base64
from datetime import UTC, datetime
from typing import Annotated

import typer

from operations import dead_letters
from operations.cli.deployment import settings
from operations.cli.filters import require_known, stages
from operations.cli.output import AsJson, out, print_json
from operations.cli.tables import print_table
from operations.cli.times import Since, Until, moment

app = typer.Typer(help="Events that cannot go on, and why.", no_args_is_help=True)


@app.command("list")
def list_(
    since: Since = "30d",
    until: Until = "now",
    connection: Annotated[str, typer.Option(help="Only of this connection.")] = "",
    stage: Annotated[str, typer.Option(help="Only of this stage.")] = "",
    code: Annotated[str, typer.Option(help="Only with this code.")] = "",
    key: Annotated[str, typer.Option(help="Only of this root key.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Dead letters, newest first, and how many there are by code."""
    now, deployment = datetime.now(UTC), settings()
    require_known("--connection", connection, deployment.connections)
    require_known("--stage", stage, stages() if stage else ())
    given = {"connection": connection, "stage": stage, "code": code, "root_key": key}
    filters = {name: value for name, value in given.items() if value}
    found = dead_letters.dead_letters(deployment, filters, moment(since, now), moment(until, now), limit)
    if as_json:
        print_json(found)
        return
    print_table(("stage", "code", "letters"), ((each.stage, each.code, each.count) for each in found.counts))
    if found.letters:
        out().print()
        print_table(
            ("at", "id", "key", "stage", "says"),
            (
                (each.letter.at, each.letter.id[:8], each.letter.root_key, each.letter.stage, each.happened)
                for each in found.letters
            ),
        )


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of the dead letter, or how it begins.")],
    payload: Annotated[bool, typer.Option("--payload", help="Show its bytes; they may hold customer data.")] = False,
    as_json: AsJson = False,
) -> None:
    """One dead letter: what happened, what to do, where it came from."""
    given = settings()
    told = dead_letters.dead_letter(given, id_)
    original = dead_letters.payload(given, told.letter) if payload else None
    if as_json:
        print_json({"dead_letter": told, "payload": original})
        return
    letter = told.letter
    print_table(
        ("what", "value"),
        [
            ("happened", told.happened),
            ("to do", told.to_do),
            ("id", letter.id),
            ("died", letter.at),
            ("key", letter.root_key),
            ("stage", letter.stage),
            ("code", letter.code),
            *((f"  {name}", value) for name, value in sorted(letter.code_values.items())),
            ("connection", letter.connection),
            ("record", letter.record),
            ("original", _original(letter.topic, letter.source_partition, letter.source_offset)),
            ("size", f"{letter.size_bytes} bytes"),
            ("mapping", letter.mapping),
            ("code version", letter.code_version),
            ("reference", letter.reference),
        ],
    )
    if original is not None:
        out().print()
        print_table(("header", "value"), ((name, _readable(value)) for name, value in original.headers.items()))
        out().print(f"key: {_readable(original.key)}\n{_readable(original.value)}", markup=False)


def _original(topic: str, partition: int, offset: int) -> str:
    """Where the original lies; a request that reached no topic lies nowhere else."""
    return f"{topic}/{partition}/{offset}" if topic else "the request itself, kept in the dead letter"


def _readable(value: bytes) -> str:
    """Text as text, anything else in base64; what would command the terminal is escaped, for a sender wrote it."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode() for each in text
    )
