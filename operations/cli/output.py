"""How commands speak: JSON or text on stdout, errors on stderr, colour and progress on a terminal only."""

import sys
from decimal import Decimal
from pathlib import PurePath
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from errors import BusError

#: The option every command takes.
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]


def out() -> Console:
    """Where results go; rich leaves colours out where it is no terminal."""
    return Console(file=sys.stdout, soft_wrap=True, highlight=False)


def err() -> Console:
    """Where errors and progress go."""
    return Console(file=sys.stderr, soft_wrap=True, highlight=False)


def print_json(value: object) -> None:
    """Print a value as indented JSON, never coloured and never wrapped."""
    encoded = msgspec.json.encode(value, enc_hook=_plain)
    sys.stdout.write(msgspec.json.format(encoded, indent=2).decode() + "\n")


def _plain(value: object) -> str | int | float:
    """What the encoder has no form for: paths, and kinds of their own of a text or a number."""
    if isinstance(value, str | Decimal | PurePath):
        return str(value)
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    raise NotImplementedError(f"{type(value).__name__} has no form in JSON")


def in_letters(text: str) -> str:
    """A text of a stranger's making: what would command the terminal is escaped."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else each.encode("unicode_escape").decode() for each in text
    )


def fail(error: BusError, hint: str = "") -> None:
    """Say an error and what to do about it on stderr; its message may hold brackets that are no markup."""
    said = f"{error.message.removesuffix('.')}. {hint}" if hint else error.message
    err().print(f"towpath: {said}", markup=False, style="red")
