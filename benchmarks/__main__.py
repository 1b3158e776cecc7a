"""All questions, one after the other, and the page that tells their answers (`make bench`, `make bench-quick`).

python -m benchmarks [--quick] [QUESTION …]
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.harness import peers
from benchmarks.harness.rounds import say
from operations import processes
from operations.stack.settings import REPOSITORY_ROOT

HERE: Final = Path(__file__).parent
#: In the order they are asked; the longest last.
QUESTIONS: Final = (
    "transform",
    "gateway",
    "delivery",
    "mapping",
    "recovery",
    "cost",
    "catch_up",
    "end_to_end",
    "growth",
)


def main() -> int:
    """1 where a question has no answer, or not the one that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help="and no others")
    parser.add_argument("--quick", action="store_true", help="minutes for all; kept results stay as they are")
    given = parser.parse_args()
    if unknown := [name for name in given.questions if not _script(name).exists()]:
        parser.error(f"there is no question {', '.join(unknown)}: {', '.join(_there())}")
    if processes.running(REPOSITORY_ROOT):
        parser.error("the bus runs here and would be measured, too: `./towpath stop` first")
    begun = time.monotonic()
    failed = [name for name in given.questions or _there() if not _asked(name, quick=given.quick)]
    if not given.quick:
        subprocess.run([peers.python(), "-m", "benchmarks.page"], check=True, cwd=REPOSITORY_ROOT)  # noqa: S603 - ours
    say(f"== all in {time.monotonic() - begun:.0f} s" + (f"; not as wanted: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def _there() -> list[str]:
    return [name for name in QUESTIONS if _script(name).exists()]


def _script(name: str) -> Path:
    return HERE / f"{name}.py"


def _asked(name: str, *, quick: bool) -> bool:
    """Ask one question; whether its answer is as wanted."""
    say(f"== {name}")
    begun = time.monotonic()
    command = [sys.executable, "-m", f"benchmarks.{name}", *(["--quick"] if quick else [])]
    code = subprocess.run(command, check=False, cwd=REPOSITORY_ROOT).returncode  # noqa: S603 - ours
    say(f"== {name}: {time.monotonic() - begun:.0f} s")
    return code == 0


if __name__ == "__main__":
    sys.exit(main())
