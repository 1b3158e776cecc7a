"""`towpath pause` and `towpath resume`: every outage begins with it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer

from errors import RetryableError
from operations import acting
from operations.cli import acts
from operations.cli.deployment import settings
from operations.cli.filters import require_known
from operations.cli.output import AsJson, err
from operations.cli.times import ahead
from operations.commands import new_id
from operations.projection import queues
from schemas.bus.command import Act, Command

ConnectionArgument = Annotated[str, typer.Argument(metavar="CONNECTION", help="The connection.")]


def pause(
    connection: ConnectionArgument,
    until: Annotated[
        str, typer.Option(help="End: `2h` from now, `2026-11-21T22:00` (UTC); default: until resumed.")
    ] = "",
    why: acts.Why = "",
    who: acts.Who = "",
    wait: acts.Wait = acts.WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Start nothing new at a connection; what is under way ends, what arrives waits in order."""
    now = datetime.now(UTC)
    ends = ahead(until, now) if until else None
    if ends is not None and ends <= now:
        raise typer.BadParameter("it is over already", param_hint="'--until'")
    _switch(Act.PAUSE, connection, ends, acts.by(who, why), wait, as_json=as_json)


def resume(
    connection: ConnectionArgument,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept-identity", help="The restored or other database behind it is the right one from now on."
        ),
    ] = False,
    why: acts.Why = "",
    who: acts.Who = "",
    yes: acts.Yes = False,
    wait: acts.Wait = acts.WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Go on where a pause stopped it, or where another database than is remembered did.

    Exit code 1 if it stays stopped.
    """
    if not accept:
        _switch(Act.RESUME, connection, None, acts.by(who, why), wait, as_json=as_json)
        return
    acts.need_reason(why)
    stranger = _stranger(connection)
    if not yes and acts.is_asked():
        typer.confirm(_question(connection, stranger), abort=True)
    shown = {name: stranger[name] for name in ("seen", "seen_newest") if name in stranger}
    _switch(Act.ACCEPT, connection, None, acts.by(who, why), wait, shown=shown, as_json=as_json)


def _question(connection: str, stranger: Mapping[str, str]) -> str:
    if not stranger:
        return f"{connection} is not known to have another database behind it. Accept whichever is there?"
    return (
        f"Behind {connection} is {stranger['seen']}, our newest document in it {stranger['seen_newest']}; "
        f"remembered is {stranger['known']} with {stranger['known_newest']}. Accept it?"
    )


def _stranger(connection: str) -> Mapping[str, str]:
    """Who is behind it in place of the system that is remembered; empty: nobody, or it cannot be told from here."""
    given = settings()
    require_known("CONNECTION", connection, given.connections)
    try:
        found = queues.standing(given.connections[connection]).stranger
    except RetryableError as error:
        err().print(f"{error.message}: whoever is there now is accepted", style="yellow", markup=False)
        return {}
    return found.values if found is not None else {}


def _switch(
    act: Act,
    connection: str,
    until: datetime | None,
    by: acting.By,
    wait_s: float,
    *,
    shown: Mapping[str, str] | None = None,
    as_json: bool,
) -> None:
    given = settings()
    require_known("CONNECTION", connection, given.connections)
    command = Command(
        id=new_id(),
        at=by.at,
        who=by.who,
        why=by.why,
        connection=connection,
        act=act.value,
        until=until,
        values=dict(shown or {}),
    )
    plan = acting.Plan(act=act, reached=(), commands=(command,))
    acts.carry_out(given, plan, plan_only=False, yes=True, wait_s=wait_s, as_json=as_json)
