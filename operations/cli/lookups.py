"""`towpath lookups`: the rows mappings look things up in, set while everything runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bus.settings import Settings
from errors import NotFoundError
from operations import acting, commands, lookups
from operations.cli import acts
from operations.cli.amounts import money
from operations.cli.deployment import settings
from operations.cli.output import AsJson, err, out, print_json
from operations.cli.tables import print_table
from operations.cli.times import ahead
from operations.dead_letters import Count
from operations.lookups import Drop, RowTold
from schemas.bus.command import Act, Command

app = typer.Typer(help="The tables mappings look things up in.", no_args_is_help=True)

Table = Annotated[str, typer.Argument(metavar="TABLE", help="As its file is called, without `.csv`.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="Of the row.")]
Until = Annotated[str, typer.Option("--until", help="From then on the file speaks again: `2h`, `2026-11-21T15:00`.")]
Redrive = Annotated[bool, typer.Option("--redrive", help="Try again the dead letters it cures, without asking.")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every table: its rows, and how many of them are laid over the file's."""
    found, aside = lookups.listed(settings())
    if as_json:
        print_json({"tables": found, "put_aside": aside})
    else:
        print_table(
            ("table", "rows", "in file", "laid over", "of them as the file"),
            ((each.table, each.rows, each.in_file, each.laid_over, each.as_the_file) for each in found),
        )
        if any(each.as_the_file for each in found):
            err().print("What is laid over hides later edits of a file: `towpath lookups export TABLE --settle`")
    problems = [each.problem for each in found if each.problem]
    problems += [f"{each.table} {each.key}: put aside{each.who}, {each.why}" for each in aside]
    for problem in problems:
        err().print(problem, style="red", markup=False)
    if problems:
        raise typer.Exit(1)


@app.command()
def show(
    table: Table,
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="Only this row.")] = None,
    over: Annotated[bool, typer.Option("--laid-over", help="Only rows that are laid over the file's.")] = False,
    as_json: AsJson = False,
) -> None:
    """The rows of a table as they stand, and who set those that are not the file's."""
    found = lookups.shown(settings(), table, key)
    found = tuple(each for each in found if each.who or not over)
    if as_json:
        print_json({"rows": found})
        return
    print_table(
        ("key", "value", "file says", "note", "set by", "why", "at", "until"),
        (
            (
                each.key,
                _said(each.value),
                "" if not each.who else _said(each.file_says),
                each.note,
                each.who,
                each.why,
                each.at,
                each.until,
            )
            for each in found
        ),
    )


@app.command("set")
def set_(
    table: Table,
    key: Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="What it says from now on.")],
    until: Until = "",
    new_table: Annotated[bool, typer.Option("--new-table", help="There is no such table yet.")] = False,
    redrive: Redrive = False,
    why: acts.Reason = "",
    who: acts.Who = "",
    wait: acts.Wait = acts.WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Set a row for every process at once, and try again the dead letters that waited for it.

    It is laid over the file, which stays as it is: `towpath lookups export` writes it there.
    """
    _lay_over(table, key, value, until, who, why, new_table, redrive=redrive, wait_s=wait, as_json=as_json)


@app.command()
def remove(
    table: Table,
    key: Key,
    until: Until = "",
    why: acts.Reason = "",
    who: acts.Who = "",
    as_json: AsJson = False,
) -> None:
    """Take a row away for every process at once, whatever the file says."""
    _lay_over(table, key, None, until, who, why, False, redrive=False, wait_s=0, as_json=as_json)


@app.command()
def export(
    table: Table,
    to: Annotated[
        str, typer.Option("--to", help="Another file; `-`: print it. Default: the table's file of the deployment.")
    ] = "",
    settle: Annotated[
        bool,
        typer.Option(
            "--settle",
            help="Then take off the topic what the deployment's file says as well. Not before every machine has it.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a table as it stands back to its CSV file; what was set for a time only is left out."""
    if settle and to:
        raise typer.BadParameter("it is the deployment's own file that has to say it: leave out --to")
    given = settings()
    found = lookups.exported(given, table)
    path = Path(to) if to else given.folder / "lookups" / f"{table}.csv"
    if to == "-":
        out().file.write(found.text)
        return
    lookups.write(path, found.text)
    settled = lookups.settle(given, table) if settle else ()
    if as_json:
        print_json({"table": table, "file": path, "rows": found.rows, "left_out": found.left_out, "settled": settled})
        return
    out().print(f"{path}: {found.rows} rows", markup=False)
    if found.left_out:
        err().print(f"left out, as set for a time only: {', '.join(found.left_out)}", style="yellow", markup=False)
    if settled:
        out().print(f"taken off the topic, as the file says so now: {', '.join(settled)}", markup=False)


@app.command()
def drop(table: Table, key: Key, plan: acts.PlanOnly = False, yes: acts.Yes = False, as_json: AsJson = False) -> None:
    """Take a row off the topic that is put aside, as a process cannot map by it; `towpath lookups list` names them.

    Where only some put it aside, the others map by it: for them it is another row then, and that is asked before.
    """
    given = settings()
    found = lookups.to_drop(given, table, key)
    if not as_json and (plan or found.changes):
        out().print(_plan_of(found), markup=False)
    if found.changes and not (plan or yes):
        _confirm_change()
        # what is laid there anew is as old as the question
        if lookups.to_drop(given, table, key) != found:
            raise typer.BadParameter("the row changed while you were asked: look at it again")
    if not plan:
        lookups.drop(given, found)
    aside = found.aside
    if as_json:
        change = {"says": found.says, "then": found.then} if found.changes else None
        print_json({"would_drop" if plan else "dropped": aside, "changes": change})
    elif not plan:
        out().print(f"{table}: {key} is taken off the topic; it was put aside{aside.who}, as {aside.why}", markup=False)


def _plan_of(row: Drop) -> str:
    """What taking it off changes."""
    name = f"{row.aside.table}: {row.aside.key}"
    if not row.changes:
        return f"{name} is put aside{row.aside.who}, as {row.aside.why}: taking it off the topic changes nothing."
    return (
        f"{name} is put aside{row.aside.who} only. Everywhere else it is at work, and changes there as well: "
        f"from {_said(row.says)} to {_said(row.then)}."
    )


def _confirm_change() -> None:
    """Ask on a terminal.

    Raises:
        typer.BadParameter: nobody can be asked.
    """
    if not acts.is_asked():
        raise typer.BadParameter("it changes what others map by: add --yes, or `towpath lookups set` what all can")
    typer.confirm("Take it off for all?", abort=True)


def _lay_over(
    table: str,
    key: str,
    value: str | None,
    until: str,
    who: str,
    why: str,
    new_table: bool,
    *,
    redrive: bool,
    wait_s: float,
    as_json: bool,
) -> None:
    acts.need_reason(why)
    by = acts.by(who, why)
    ends = ahead(until, by.at) if until else None
    if ends is not None and ends <= datetime.now(UTC):
        raise typer.BadParameter("is over already", param_hint="'--until'")
    given = settings()
    row = lookups.row_by(table, key, value, by, ends)
    before = _before(given, table, key, new_table=new_table)
    changes = (before.value, before.until) != (value, ends)
    if changes:
        for lacks in lookups.refuse_impossible(given, row):
            err().print(f"not at work yet: {lacks}", style="yellow", markup=False)
        lookups.lay_over(given, [row])
    after = msgspec.structs.replace(before, value=value, who=by.who, why=why, at=by.at, until=ends)
    cured = lookups.cures(given, table, key) if value is not None else ()
    if as_json:
        answers = commands.ask(given, _redrives(given, cured, by), wait_s) if redrive and cured else None
        print_json({"row": after if changes else before, "before": before.value, "cures": cured, "redriven": answers})
        if answers is not None:
            acts.tell_silent(answers)
        return
    was = f"was {_said(before.value)}" if changes else "so it was already: nothing is written"
    out().print(f"{table}: {key} = {_said(value)} ({was})", markup=False)
    if cured:
        _offer(given, cured, by, redrive=redrive, wait_s=wait_s)


def _before(given: Settings, table: str, key: str, *, new_table: bool) -> RowTold:
    """The row as it stood.

    Raises:
        NotFoundError: no such table, and nobody said that it is a new one.
    """
    try:
        (found,) = lookups.shown(given, table, key)
    except NotFoundError as error:
        if new_table:
            return RowTold(table=table, key=key, value=None, file_says=None)
        raise NotFoundError(error.code, f"{error.message}, or add --new-table") from error
    return found


def _offer(given: Settings, cured: tuple[Count, ...], by: acting.By, *, redrive: bool, wait_s: float) -> None:
    """Say what waited for the row; tried again where somebody says so."""
    print_table(
        ("letters", "cause", "where", "money"),
        ((each.count, each.cause, f"{each.stage}@{each.connection}", money(each.money)) for each in cured),
    )
    if not redrive and acts.is_asked():
        redrive = typer.confirm(f"Try these {sum(each.count for each in cured)} again?")
    if redrive:
        acts.tell(commands.ask(given, _redrives(given, cured, by), wait_s), as_json=False)
        return
    for command in dict.fromkeys(each.then for each in cured):
        out().print(f"Waited for it: {command}", markup=False)


def _redrives(given: Settings, cured: tuple[Count, ...], by: acting.By) -> list[Command]:
    causes = dict.fromkeys(each.cause for each in cured)
    return [
        command for cause in causes for command in acting.on_causes(given, Act.REDRIVE, {"cause": cause}, by).commands
    ]


def _said(value: str | None) -> str:
    return "(no row)" if value is None else value
