"""How commands that act are given: who and why, the plan before anything dangerous, the answers afterwards."""

import getpass
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from bus.settings import Settings
from operations import commands
from operations.acting import By, Plan
from operations.cli.amounts import money
from operations.cli.output import err, out, print_json
from operations.cli.tables import print_table
from schemas.bus.command import Act

Why = Annotated[str, typer.Option("--why", help="Kept with every outcome.")]
Reason = Annotated[str, typer.Option("--why", help="Needed: kept with every outcome.")]
Who = Annotated[str, typer.Option("--as", help="Who acts; default: the operating-system user.")]
PlanOnly = Annotated[bool, typer.Option("--plan", help="Say what it would reach, and stop.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before many, or before what cannot be undone.")]
Wait = Annotated[
    float,
    typer.Option("--wait", min=0, help="Seconds to wait for the answer: exit code 1 without one; 0: do not wait."),
]
Rate = Annotated[int, typer.Option("--per-minute", min=0, help="So many of a queue in a minute; 0: all at once.")]

WAIT_S = 15.0
#: What cannot be taken back.
FINAL = frozenset({Act.SKIP.value, Act.DISCARD.value})
#: Answers that say no.
REFUSALS = frozenset(
    {
        *("identity.still_held", "command.unknown", "command.failed_again", "dead_letters.gone"),
        *("ask.no_way", "ask.away", "recall.gone", "recall.not_made", "recall.refused"),
        "recall.same_mapping",
    }
)


def by(who: str, why: str) -> By:
    """Who asks, now."""
    return By(who=who or getpass.getuser(), why=why, at=datetime.now(UTC))


def need_reason(why: str) -> None:
    """Refuse what needs a reason and has none.

    Raises:
        typer.BadParameter: it is missing.
    """
    if not why.strip():
        raise typer.BadParameter("say why: it is kept with every outcome", param_hint="'--why'")


def carry_out(settings: Settings, plan: Plan, *, plan_only: bool, yes: bool, wait_s: float, as_json: bool) -> None:
    """Show the plan, ask where that is due, send the commands, tell the answers."""
    if plan_only:
        _show(plan, as_json=as_json)
        return
    if not (yes or plan.named) and (plan.count > 1 or plan.act in FINAL):
        _confirm(plan)
    last_s = max((written_s for written_s, _ in commands.paced(plan.commands)), default=0.0)
    if last_s > 1:
        err().print(
            f"Letters that hold no key are asked for one by one: the last in {last_s / 60:.1f} minutes. "
            "Whoever ends this before leaves the rest as they are.",
            style="yellow",
        )
    answered = commands.ask(settings, plan.commands, wait_s)
    if plan.later:
        err().print(f"{plan.later} more that hold no key are left: say it once more for the next", style="yellow")
    tell(answered, as_json=as_json)


def tell(answered: commands.Answers, *, as_json: bool) -> None:
    """What was answered, and who has not yet.

    Raises:
        typer.Exit: with 1, as an answer says no or none came.
    """
    refused = [answer for answer in answered.answers if answer.code in REFUSALS]
    if as_json:
        print_json(
            {"asked": answered.asked, "rows": answered.rows, "answers": answered.answers, "silent": answered.silent}
        )
    else:
        for answer in answered.answers:
            to = err() if answer in refused else out()
            to.print(f"{answer.queue}@{answer.connection}: {answer.says}", markup=False)
    tell_silent(answered)
    if refused:
        raise typer.Exit(1)


def tell_silent(answered: commands.Answers) -> None:
    """Say who has not answered, and what becomes of what was asked.

    Raises:
        typer.Exit: with 1, as they were waited for: nobody knows it to be done.
    """
    for silent in answered.silent:
        err().print(_of(silent, answered), style="yellow", markup=False)
    if answered.unread:
        err().print(
            f"The projector has {answered.unread} outcomes before it, and the answer may be among them: "
            "see that it runs, `towpath status`",
            style="yellow",
        )
    if answered.silent and answered.waited_s:
        raise typer.Exit(1)


def _of(silent: str, answered: commands.Answers) -> str:
    if not answered.waited_s:
        return f"Written for {silent}, and not waited for: `towpath outcomes` tells the answer"
    nobody = f"{silent} has not answered in {answered.waited_s:g} s"
    if answered.question:
        return f"{nobody}: see that it runs, `towpath run {silent}`, then ask again"
    return (
        f"{nobody}: nothing is known to be done. The command is kept, and carried out once and in its turn as soon as "
        f"it runs: `towpath run {silent}`; `towpath outcomes` tells the answer then"
    )


def _show(plan: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json({"act": plan.act, "rows": plan.count, "reached": plan.reached, "without_key": plan.without_key})
        return
    print_table(
        ("where", "cause", "rows", "money"),
        ((each.queue, each.cause, each.count, money(each.money)) for each in plan.reached),
    )
    if plan.without_key:
        err().print(f"{plan.without_key} more hold no key and are left as they are", style="yellow")


def is_asked() -> bool:
    """Whether somebody sits there who can answer."""
    return sys.stdin.isatty()


def _confirm(plan: Plan) -> None:
    """Ask on a terminal; elsewhere only what can be taken back goes on unasked.

    Raises:
        typer.BadParameter: nobody can be asked.
    """
    if not is_asked():
        if plan.act in FINAL:
            raise typer.BadParameter(f"{plan.act} cannot be taken back: look with --plan, then add --yes")
        return
    _show(plan, as_json=False)
    typer.confirm(f"{plan.act} {plan.count}?", abort=True)
