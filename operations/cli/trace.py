"""`towpath trace`: one business key's story."""

from typing import Annotated

import typer

from operations.cli.deployment import settings
from operations.cli.output import AsJson, out, print_json
from operations.cli.tables import print_table
from operations.trace import Step, folded
from operations.trace import trace as tell


def trace(
    key: Annotated[str, typer.Argument(help="A root key, an order's number, a document's number or a message key.")],
    as_json: AsJson = False,
) -> None:
    """One business key's story, across systems and topics, in the order of time."""
    stories = tell(settings(), key)
    if as_json:
        print_json({"stories": stories})
        return
    for story in stories:
        out().print(story.key, style="bold", markup=False)
        print_table(("at", "what", "where", "position", "says"), (_row(step) for step in folded(story.steps)))


def _row(step: Step) -> tuple[object, ...]:
    position = f"{step.topic}/{step.partition}/{step.offset}" if step.offset >= 0 else ""
    says = step.sentence + (f" ({step.times} times)" if step.times > 1 else "")
    where = f"{step.stage}@{step.connection}" if step.stage and step.connection else step.stage or step.connection
    return step.at, step.state or step.what, where, position, says
