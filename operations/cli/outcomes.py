"""`towpath outcomes`: what became of events."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from operations.cli.deployment import settings
from operations.cli.filters import require_known, stages
from operations.cli.output import AsJson, print_json
from operations.cli.tables import print_table
from operations.cli.times import Since, Until, moment
from operations.outcomes import STATES
from operations.outcomes import outcomes as listed


def outcomes(
    since: Since = "24h",
    until: Until = "now",
    connection: Annotated[str, typer.Option(help="Only of this connection.")] = "",
    stage: Annotated[str, typer.Option(help="Only of this stage: gateway, router, fetchers, streams, consumers.")] = "",
    state: Annotated[str, typer.Option(help="Only in this state: delivered, parked, circuit …")] = "",
    code: Annotated[str, typer.Option(help="Only with this code.")] = "",
    key: Annotated[str, typer.Option(help="Only of this root key.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """What became of events, newest first."""
    now, deployment = datetime.now(UTC), settings()
    require_known("--connection", connection, deployment.connections)
    require_known("--stage", stage, stages() if stage else ())
    require_known("--state", state, STATES)
    given = {"connection": connection, "stage": stage, "state": state, "code": code, "root_key": key}
    filters = {name: value for name, value in given.items() if value}
    found = listed(deployment, filters, moment(since, now), moment(until, now), limit)
    if as_json:
        print_json({"outcomes": found})
        return
    print_table(
        ("at", "key", "state", "where", "says"),
        (
            (
                each.outcome.at,
                each.outcome.message_key or each.outcome.root_key,
                each.outcome.state,
                f"{each.outcome.stage}@{each.outcome.connection}",
                each.happened,
            )
            for each in found
        ),
    )
