"""`towpath trace`: one business key's story."""

from typing import Annotated

import typer

from operations.cli.deployment import settings
from operations.cli.output import AsJson, out, print_json
from operations.cli.tables import print_table
from operations.made_of import Made, Target, made_of
from operations.trace import Step, folded
from operations.trace import trace as tell


def trace(
    key: Annotated[str, typer.Argument(help="A root key, an order's number, a document's number or a message key.")],
    fields: Annotated[
        bool, typer.Option("--fields", help="Also each field of its records, beside where its value stands elsewhere.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """One business key's story, across systems, topics, mappings and people, in the order of time.

    With --fields the records themselves are read: they may hold customer data.
    """
    given = settings()
    stories = tell(given, key)
    made = made_of(given, key) if fields else ()
    if as_json:
        print_json({"stories": stories, "records": made} if fields else {"stories": stories})
        return
    for story in stories:
        out().print(story.key, style="bold", markup=False)
        print_table(
            ("at", "what", "where", "position", "mapping", "says"), (_row(step) for step in folded(story.steps))
        )
    for each in made:
        _print(each)


def _row(step: Step) -> tuple[object, ...]:
    position = f"{step.topic}/{step.partition}/{step.offset}" if step.offset >= 0 else ""
    says = step.sentence + (f" ({step.times} times)" if step.times > 1 else "")
    if step.who:
        says += f" By {step.who}" + (f": {step.why}" if step.why else ".")
    where = f"{step.stage}@{step.connection}" if step.stage and step.connection else step.stage or step.connection
    return step.at, step.state or step.what, where, position, step.mapping.partition("+")[0], says


def _print(made: Made) -> None:
    out().print()
    out().print(f"{made.message_key} at {made.position}", style="bold", markup=False)
    out().print(f"Made by {made.mapping} of {made.source or 'a document that is not known any more'}.", markup=False)
    for target in made.targets:
        out().print(_went_to(target), markup=False)
    for why in made.missing:
        out().print(f"Not shown: {why}", style="yellow", markup=False)
    print_table(
        ("field", "value", "same value in the source", "same value in the document"),
        ((each.field, each.value, ", ".join(each.source), ", ".join(each.target)) for each in made.fields),
    )


def _went_to(target: Target) -> str:
    number = f" {target.document_number}" if target.document_number else ""
    said = (
        f"Delivered to {target.connection}{number} by {target.delivered_with or 'its sink'}."
        if target.delivered
        else f"Not delivered to {target.connection}."
    )
    if target.shown_with and target.shown_with != target.delivered_with:
        said += f" The document here is made anew by {target.shown_with}."
    return said
