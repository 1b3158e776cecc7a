"""`towpath check` and `towpath routes`: whether a deployment holds together, and the way an event takes in it."""

from typing import Annotated

import typer

from operations.cli.deployment import examined
from operations.cli.filters import require_known
from operations.cli.output import AsJson, err, out, print_json
from operations.cli.tables import print_table


def check(as_json: AsJson = False) -> None:
    """Check settings and routes, and list sinks, mappings and lookups; exit code 1 if something is wrong."""
    from delivery.promises import PAGE  # noqa: PLC0415  the routes bring every system's client
    from operations.check import check as checked  # noqa: PLC0415  the routes bring every system's client

    found = checked(*examined())
    if as_json:
        print_json(found)
    else:
        print_table(
            ("target", "system", "record", "sink", "on a repeat"),
            ((each.connection, each.system, each.record, each.sink, each.repeats) for each in found.sinks),
        )
        out().print(f"What each promises when something is sent twice: {PAGE}", markup=False)
        out().print()
        print_table(
            ("mapping", "version", "digest", "target"),
            ((each.id, each.version, each.digest, each.target) for each in found.mappings),
        )
        out().print()
        print_table(("lookup table", "rows"), found.lookups.items())
        for problem in found.problems:
            err().print(problem, style="red", markup=False)
        if not found.problems:
            out().print(f"\nThe deployment {found.deployment} holds together.", markup=False)
    if found.problems:
        raise typer.Exit(1)


def routes(
    record: Annotated[str, typer.Argument(help="Only the way of a record or topic: `order`, `inventory_level`.")] = "",
    as_json: AsJson = False,
) -> None:
    """The way an event takes, from the outside to the outside, and who does each step."""
    from bus.settings import at_rest  # noqa: PLC0415
    from operations.route_table import arrows, way_of  # noqa: PLC0415  the routes bring every system's client

    files = at_rest().mappings
    found = way_of(record, files) if record else arrows(files)
    if not found:
        require_known("RECORD", record, dict.fromkeys(each.record for each in arrows()))
    if as_json:
        print_json({"routes": found})
        return
    print_table(
        ("stage", "from", "by", "to", "record"),
        ((each.stage, each.source, each.by, each.target, each.record) for each in found),
    )
