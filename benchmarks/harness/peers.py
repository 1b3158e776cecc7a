"""The environment of the peers: their libraries and ours do not fit into one, so they have their own (`make bench`)."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from operations.stack.settings import REPOSITORY_ROOT

ENVIRONMENT: Final = REPOSITORY_ROOT / ".cache" / "bench"
LOCK: Final = REPOSITORY_ROOT / "requirements" / "bench.txt"
SET_UP: Final = REPOSITORY_ROOT / "operations" / "setup_environment.py"


def python() -> Path:
    """Its Python; made from `requirements/bench.txt` where it is not there or not of this lock.

    Raises:
        CalledProcessError: it cannot be made; said on stderr.
    """
    # the Python below ours has the pip whose settings say where packages come from
    subprocess.run([Path(sys.executable).resolve(), SET_UP, "bench"], check=True)  # noqa: S603 - ours
    return ENVIRONMENT / "bin" / "python"


def locked(*libraries: str) -> str:
    """Their versions in that environment."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    names = tuple(f"{library}==" for library in libraries)
    return ", ".join(line.split()[0] for line in lines if line.startswith(names))
