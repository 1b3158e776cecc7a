"""How commands speak: JSON or text on stdout, errors on stderr, colour and progress on a terminal only."""

import sys
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
    encoded = msgspec.json.encode(value, enc_hook=_as_text)
    sys.stdout.write(msgspec.json.format(encoded, indent=2).decode() + "\n")


def _as_text(value: object) -> str:
    """What JSON has no form for and people write as text."""
    if isinstance(value, PurePath):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} has no form in JSON")


def fail(error: BusError, hint: str = "") -> None:
    """Say an error and what to do about it on stderr; its message may hold brackets that are no markup."""
    said = f"{error.message.removesuffix('.')}. {hint}" if hint else error.message
    err().print(f"towpath: {said}", markup=False, style="red")
