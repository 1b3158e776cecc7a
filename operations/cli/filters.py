"""Filters only a few values are right for: a misspelt one is refused, as its empty answer would look like good news."""

from collections.abc import Iterable
from typing import Annotated

import typer

Connection = Annotated[str, typer.Option("--connection", help="Only of this connection.")]
Code = Annotated[str, typer.Option("--code", help="Only with this code.")]


def require_known(option: str, value: str, known: Iterable[str]) -> None:
    """Refuse a value nothing can ever have; empty is no filter.

    Raises:
        typer.BadParameter: names the values there are.
    """
    names = list(known)
    if value and value not in names:
        raise typer.BadParameter(f"no {value!r}; there are {', '.join(names)}", param_hint=f"'{option}'")


def stages() -> tuple[str, ...]:
    """The stages of the bus, in the order of an event's way."""
    from operations.route_table import arrows  # noqa: PLC0415  the routes bring every system's client

    return tuple(dict.fromkeys(arrow.stage for arrow in arrows()))
