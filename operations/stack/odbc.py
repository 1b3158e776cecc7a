"""How to name PostgreSQL's ODBC driver in a connection string on this machine; for whoever writes one."""

from pathlib import Path

from operations.stack.settings import REPOSITORY_ROOT

INSTALLED = "{PostgreSQL Unicode}"


def driver(root: Path = REPOSITORY_ROOT) -> str:
    """The value of `DRIVER=`: the name under which the system has it, else the path where set-up unpacked it.

    In the second case the process must have been started through `./towpath` or `operations/in_environment`, which tell
    the loader where unixODBC itself lies.
    """
    unpacked = root / ".venv" / "odbc" / "psqlodbcw.so"
    return str(unpacked) if unpacked.exists() else INSTALLED
