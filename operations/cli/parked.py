"""`towpath parked`: keys that wait, for what, and letting them go."""

from collections.abc import Mapping
from typing import Annotated

import typer

from bus.settings import Settings
from delivery.states import ParkedFor
from operations import acting, commands
from operations import parked as parked_keys
from operations.cli import acts
from operations.cli.amounts import money, money_of
from operations.cli.deployment import settings
from operations.cli.filters import Code, Connection, require_known
from operations.cli.output import AsJson, out, print_json
from operations.cli.tables import print_table
from schemas.bus.command import Act

app = typer.Typer(help="Keys that wait: for a missing thing, for a person, for the next try.", no_args_is_help=True)

KeyArgument = Annotated[str, typer.Argument(metavar="[KEY]", help="The key whose first event waits.")]
Cause = Annotated[str, typer.Option("--cause", help=f"Only for this: {', '.join(each.value for each in ParkedFor)}.")]
Thing = Annotated[str, typer.Option("--for", metavar="THING", help="Only what waits for this: item:SKU-77.")]


@app.command("list")
def list_(
    connection: Connection = "",
    cause: Cause = "",
    code: Code = "",
    thing: Thing = "",
    key: Annotated[str, typer.Option(help="Only of this root key.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many keys; what they wait for is all told.")] = 20,
    as_json: AsJson = False,
) -> None:
    """What waits for what, most first; then the keys that wait longest."""
    given = settings()
    found = parked_keys.parked_events(given, _filters(given, connection, cause, code, thing, key), limit)
    if as_json:
        print_json(found)
        return
    print_table(
        ("events", "waits for", "where", "oldest", "money"),
        (
            (
                each.count,
                each.waits_for or f"{each.cause} ({each.code})",
                f"{each.stage}@{each.connection}",
                each.oldest,
                money(each.money),
            )
            for each in found.waiting
        ),
    )
    if found.events:
        out().print()
        _print(found.events)


@app.command()
def show(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Root key, order number or document number.")],
    as_json: AsJson = False,
) -> None:
    """What waits of one key, why, and what to do."""
    found = parked_keys.of_key(settings(), key)
    if as_json:
        print_json({"events": found})
        return
    for told in found:
        event = told.event
        print_table(
            ("what", "value"),
            [
                ("happened", told.happened),
                ("to do", told.to_do),
                ("key", event.root_key),
                ("record", event.record),
                ("where", f"{event.stage}@{event.connection}"),
                ("waits for", event.code_values.get("waits_for") or event.cause),
                ("code", event.code),
                *((f"  {name}", value) for name, value in sorted(event.code_values.items())),
                ("since", event.at),
                ("attempts", event.attempts),
                ("document", event.document_number),
                ("money", money_of(event.amount, event.currency)),
            ],
        )


@app.command()
def release(
    key: KeyArgument = "",
    connection: Connection = "",
    cause: Cause = "",
    code: Code = "",
    thing: Thing = "",
    per_minute: acts.Rate = 0,
    why: acts.Why = "",
    who: acts.Who = "",
    plan: acts.PlanOnly = False,
    yes: acts.Yes = False,
    wait: acts.Wait = acts.WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Try what waits now instead of later; what may have been sent is looked for first. Dead letters are redriven."""
    given = settings()
    planned = acting.on_parked(
        given, Act.RELEASE, _chosen(given, connection, cause, code, thing, key), acts.by(who, why), per_minute
    )
    acts.carry_out(given, planned, plan_only=plan, yes=yes, wait_s=wait, as_json=as_json)


@app.command()
def ask(
    thing: Annotated[str, typer.Argument(metavar="THING", help="What is waited for: item:SKU-77, order:shop:1001.")],
    of: Annotated[str, typer.Option("--of", metavar="CONNECTION", help="Who is asked; default: who owns it.")] = "",
    why: acts.Why = "",
    who: acts.Who = "",
    wait: acts.Wait = acts.WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Ask the system that owns a missing thing for it; what is there goes the ordinary way once more."""
    given = settings()
    require_known("--of", of, given.connections)
    answered = commands.ask(given, acting.on_missing(given, thing, of, acts.by(who, why)), wait)
    acts.tell(answered, as_json=as_json)


def _ends(act: Act, says: str) -> None:
    """Add the command of an act that ends what is parked."""

    @app.command(act.value, help=says)
    def end(
        key: KeyArgument = "",
        connection: Connection = "",
        cause: Cause = "",
        code: Code = "",
        thing: Thing = "",
        why: acts.Reason = "",
        who: acts.Who = "",
        plan: acts.PlanOnly = False,
        yes: acts.Yes = False,
        wait: acts.Wait = acts.WAIT_S,
        as_json: AsJson = False,
    ) -> None:
        acts.need_reason(why)
        given = settings()
        planned = acting.on_parked(given, act, _chosen(given, connection, cause, code, thing, key), acts.by(who, why))
        acts.carry_out(given, planned, plan_only=plan, yes=yes, wait_s=wait, as_json=as_json)


_ends(Act.SKIP, "Leave what waits dead, bytes kept, and let its key go on with what waits behind it.")
_ends(Act.DISCARD, "End what waits for good.")


def _chosen(given: Settings, connection: str, cause: str, code: str, thing: str, key: str) -> Mapping[str, str]:
    filters = _filters(given, connection, cause, code, thing, key)
    if not filters:
        raise typer.BadParameter("say which: a key, --for, --connection, --cause or --code")
    return filters


def _filters(given: Settings, connection: str, cause: str, code: str, thing: str, key: str) -> Mapping[str, str]:
    require_known("--connection", connection, given.connections)
    require_known("--cause", cause, [each.value for each in ParkedFor])
    chosen = {"connection": connection, "cause": cause, "code": code, "waits_for": thing, "root_key": key}
    return {name: value for name, value in chosen.items() if value}


def _print(events: tuple[parked_keys.Told, ...]) -> None:
    print_table(
        ("since", "key", "where", "waits for", "says"),
        (
            (
                told.event.at,
                told.event.root_key,
                f"{told.event.stage}@{told.event.connection}",
                told.event.code_values.get("waits_for") or told.event.cause,
                told.happened,
            )
            for told in events
        ),
    )
