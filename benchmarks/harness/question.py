"""How a question is asked: the options all scripts share, the stack they run on, and what they ran in."""

import argparse
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

import msgspec
import psutil

from operations.stack import lifecycle
from operations.stack.addresses import Addresses, from_environment, of_local_stack
from operations.stack.settings import REPOSITORY_ROOT, load

#: Rounds of a result that is kept, and of a short look.
REPEATS: Final = 5
QUICK_REPEATS: Final = 1


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How a question was asked."""

    quick: bool
    repeats: int
    #: Contenders whose names begin as this pattern says, and nothing else; empty: all.
    only: str
    started: datetime

    @property
    def kept(self) -> bool:
        """Whether the answer takes the place of the last one."""
        return not self.quick and not self.only and self.repeats >= REPEATS

    def wants(self, name: str) -> bool:
        """Whether a contender is to run."""
        return re.match(self.only, name) is not None


def ask(about: str | None, arguments: list[str] | None = None) -> Asked:
    """Read the options every script has; `about` is its docstring."""
    parser = parser_of(about)
    return asked(parser.parse_args(arguments))


def parser_of(about: str | None) -> argparse.ArgumentParser:
    """For a script with options of its own; what it reads goes to `asked`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="well under a minute; the kept result stays as it is")
    parser.add_argument("--repeats", type=int, help=f"rounds; {REPEATS}, with --quick {QUICK_REPEATS}")
    parser.add_argument("--only", default="", help="contenders whose names begin so, a|b; the kept result stays")
    return parser


def asked(given: argparse.Namespace) -> Asked:
    """What was read."""
    return Asked(
        quick=given.quick,
        repeats=given.repeats or (QUICK_REPEATS if given.quick else REPEATS),
        only=given.only,
        started=datetime.now(UTC),
    )


def stack() -> Addresses:
    """Where the servers answer: those given as `TOWPATH_TEST_*`, else this checkout's own, started where it is not."""
    given = from_environment(os.environ)
    return given or of_local_stack(lifecycle.up(load(REPOSITORY_ROOT, os.environ)))


def environment(question: str, asked: Asked, *libraries: str, **more: Any) -> dict[str, Any]:
    """What a result was made by and on.

    Args:
        question: Its script.
        asked: How.
        libraries: Whose versions matter.
        more: Whatever else is to be known: sizes, settings.
    """
    return {
        "command": shlex.join(["python", "-m", f"benchmarks.{question}", *sys.argv[1:]]),
        "commit": commit(),
        "at": asked.started.isoformat(timespec="seconds"),
        "took_s": round((datetime.now(UTC) - asked.started).total_seconds()),
        "repeats": asked.repeats,
        "python": platform.python_version(),
        **versions(*libraries),
        "machine": machine(),
        "load_at_end": [round(load, 1) for load in os.getloadavg()],
        **more,
    }


def versions(*libraries: str) -> Mapping[str, str]:
    """Of those installed here."""
    return {name: version(name) for name in libraries}


def machine() -> str:
    """What it ran on, without its name."""
    memory = round(psutil.virtual_memory().total / 2**30)
    return f"{platform.machine()}, {os.cpu_count()} processors, {memory} GiB, {platform.system()} {platform.release()}"


def commit() -> str:
    """The code that was measured."""
    return _git("rev-parse", "--short=12", "HEAD") + (" with changes" if _git("status", "--porcelain") else "")


def _git(*arguments: str) -> str:
    try:
        told = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)  # noqa: S603, S607 - ours
        return told.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
