"""`towpath pause` and `towpath resume`: every outage begins with it."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from operations import acting
from operations.cli import acts
from operations.cli.deployment import settings
from operations.cli.filters import require_known
from operations.cli.output import AsJson
from operations.cli.times import ahead
from operations.commands import new_id
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
    wait: acts.Wait = acts.WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Go on where a pause stopped it, or where another database than is remembered did.

    Exit code 1 if it stays stopped.
    """
    if accept:
        acts.need_reason(why)
    _switch(Act.ACCEPT if accept else Act.RESUME, connection, None, acts.by(who, why), wait, as_json=as_json)


def _switch(act: Act, connection: str, until: datetime | None, by: acting.By, wait_s: float, *, as_json: bool) -> None:
    given = settings()
    require_known("CONNECTION", connection, given.connections)
    command = Command(id=new_id(), at=by.at, who=by.who, why=by.why, connection=connection, act=act.value, until=until)
    plan = acting.Plan(act=act, reached=(), commands=(command,))
    acts.carry_out(given, plan, plan_only=False, yes=True, wait_s=wait_s, as_json=as_json)
