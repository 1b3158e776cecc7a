"""`towpath topics`: what exists on the broker, and bringing it to what the code says."""

from typing import Annotated

import typer

from operations import topics
from operations.cli.deployment import settings
from operations.cli.output import AsJson, out, print_json
from operations.cli.tables import print_table

app = typer.Typer(help="Topics and their schemas.", no_args_is_help=True)


@app.command()
def apply(
    replication: Annotated[int, typer.Option(min=1, help="Copies of each new topic.")] = 1, as_json: AsJson = False
) -> None:
    """Create what is missing, correct settings, register schemas; a second time does nothing."""
    changes = topics.apply(settings(), replication)
    if as_json:
        print_json({"changes": changes})
        return
    for change in changes:
        out().print(f"{change.topic}: {change.what} {change.detail}", markup=False)
    if not changes:
        out().print("topics and schemas are as they should be")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every topic: who writes it, its key, how many records it holds."""
    states = topics.states(settings())
    if as_json:
        print_json({"topics": states})
        return
    print_table(
        ("topic", "records", "partitions", "written by", "key", "wrong"),
        ((each.name, each.records, each.partitions, each.written_by, each.key, _wrong(each)) for each in states),
    )


def _wrong(state: topics.TopicState) -> str:
    return ", ".join(state.differs) if state.exists else "absent"
