"""`towpath discover`: the records of a system as it tells them itself, and what changed since somebody last looked."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from operations.cli.deployment import settings
from operations.cli.filters import require_known
from operations.cli.output import AsJson, err, out, print_json
from operations.cli.tables import print_table
from operations.discover import Discovery
from operations.discover import discover as discovered
from operations.discover import write as write_to
from operations.discovery import type_of

#: Nobody looks through more files.
MOST_FILES = 200


def discover(
    connection: Annotated[str, typer.Argument(metavar="CONNECTION", help="Its name in the deployment.")],
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Records of these names: `SOP1*`; repeatable. All are kept.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write proposed records, .avsc and Struct, into this folder.")
    ] = None,
    description: Annotated[
        Path | None,
        typer.Option(
            "--description", help="Read this file of what it says of itself instead: OpenAPI, or OData `$metadata`."
        ),
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option("--samples", help="Look at this document, or a folder of documents of one record, instead."),
    ] = None,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Look at documents the bus has read there, instead of asking.")
    ] = False,
    seen: Annotated[
        Path | None,
        typer.Option(
            "--seen",
            help="Keep what was seen beside this file; default: `discovered/CONNECTION.json` of the deployment.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read a system's schema: its SQL catalogue, OpenAPI, OData metadata, else documents of it; tell what changed.

    Only names and types are kept and written, never a value.
    """
    given = settings()
    require_known("CONNECTION", connection, given.connections)
    kept_in = seen or given.folder / "discovered" / f"{connection}.json"
    if err().is_terminal:
        err().print(f"looking at what {connection} says of itself …", style="dim", markup=False)
    found = discovered(
        given, connection, kept_in, only=only or (), description=description, documents=samples, recorded=recorded
    )
    if write is not None and len(found.records) > MOST_FILES:
        raise typer.BadParameter(f"{len(found.records)} records: choose with --only", param_hint="'--write'")
    written, left = write_to(found, write) if write is not None else ([], [])
    if as_json:
        print_json({**msgspec.structs.asdict(found), "written": written, "left_alone": left})
        return
    _print(found, detailed=bool(only))
    for path in written:
        out().print(f"written: {path}", markup=False)
    for path in left:
        err().print(f"left alone, as it is there and says something else: {path}", style="yellow", markup=False)


def _print(found: Discovery, *, detailed: bool) -> None:
    fields = sum(len(each.fields) for each in found.records)
    out().print(
        f"{found.connection} ({found.system}), by {found.how}: {len(found.records)} records, {fields} fields; "
        f"kept in {found.kept_in}",
        markup=False,
    )
    if detailed:
        print_table(
            ("record", "field", "type", "key", "always there", "may be nothing"),
            (
                (
                    record.name,
                    field.name,
                    type_of(field),
                    "key" if field.name in record.key else "",
                    "yes" if field.required else "",
                    "yes" if field.nullable else "",
                )
                for record in found.records
                for field in record.fields
            ),
        )
    if found.since is None:
        out().print("Nobody looked so before: next time it is told what changed.")
        return
    if not found.changes:
        out().print(f"Nothing changed since {found.since:%Y-%m-%d %H:%M}Z.")
        return
    out().print()
    print_table(
        ("record", "field", "changed", "before", "now", "may break"),
        (
            (each.record, each.field, each.what, each.before, each.after, "yes" if each.breaks else "")
            for each in found.changes
        ),
    )
