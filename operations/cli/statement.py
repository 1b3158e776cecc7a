"""`towpath statement`: what a store's orders of a day became at its ERP, to the cent."""

import sys
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from bus.settings import Pair, Settings
from errors import ConfigurationError
from operations.cli.deployment import settings
from operations.cli.output import AsJson, err, out, print_json
from operations.statement import LISTED, Statement, bounds
from operations.statement import statement as drawn_up


class Form(StrEnum):
    """How it is written."""

    TEXT = "text"
    JSON = "json"
    PDF = "pdf"


def statement(
    pair: Annotated[str, typer.Argument(help="STORE/ERP; may be left out where there is one pair.")] = "",
    day: Annotated[str, typer.Option("--day", help="YYYY-MM-DD in the deployment's time zone; today, so far.")] = "",
    form: Annotated[Form, typer.Option("--format", help="How it is written.")] = Form.TEXT,
    output: Annotated[Path | None, typer.Option("--output", help="Write it to this file.", dir_okay=False)] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Orders named in each list of the appendix.")] = LISTED,
    wait_s: Annotated[float, typer.Option("--wait", help="Seconds to wait for the projector.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """A store's orders of a day and what became of them at its ERP; exit code 1 if something is missing."""
    given = settings()
    form = Form.JSON if as_json else form
    if form is Form.PDF and output is None and sys.stdout.isatty():
        raise typer.BadParameter("a PDF needs a file: add --output statement.pdf")
    bounds(date(2000, 1, 1), given.time_zone)
    of = _day(day, datetime.now(UTC).astimezone(ZoneInfo(given.time_zone)).date())
    found = drawn_up(given, _pair(given, pair), of, limit=limit, wait_s=wait_s)
    _write(found, form, output)
    if not found.balanced:
        raise typer.Exit(1)


def _pair(given: Settings, text: str) -> Pair:
    named = {f"{pair.store}/{pair.erp}": pair for pair in given.pairs}
    if not text and len(named) == 1:
        return next(iter(named.values()))
    if text not in named:
        raise ConfigurationError("PAIR", f"name one of {', '.join(sorted(named)) or 'none: there are no [[pairs]]'}")
    return named[text]


def _day(text: str, today: date) -> date:
    try:
        return date.fromisoformat(text) if text else today
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no day: write 2026-11-21", param_hint="--day") from error


def _write(found: Statement, form: Form, output: Path | None) -> None:
    if form is Form.JSON and output is None:
        print_json(found)
        return
    written = _bytes(found, form)
    if output is None:
        sys.stdout.buffer.write(written)
        return
    try:
        output.write_bytes(written)
    except OSError as error:
        raise ConfigurationError("--output", f"{output} cannot be written: {error.strerror}") from error
    out().print(f"written to {output}", markup=False)
    if not found.balanced:
        err().print("It does not add up, or something the store lists is missing.", style="red")


def _bytes(found: Statement, form: Form) -> bytes:
    from operations.statement_page import as_pdf, as_text, page  # noqa: PLC0415  the PDF library takes its time

    if form is Form.JSON:
        return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"
    return as_pdf(page(found)) if form is Form.PDF else as_text(page(found)).encode()
