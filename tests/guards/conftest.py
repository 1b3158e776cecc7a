"""What the guards' scenarios run on, and the table at the end that says what each guard is for."""

import pytest

from tests.guards.report import LINES
from tests.integration.delivery.conftest import bus_dsn, connection, migrated, store
from tests.integration.dynamics_gp.conftest import cluster_dsn, sandbox

__all__ = ["bus_dsn", "cluster_dsn", "connection", "migrated", "sandbox", "store"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Guard by guard: what is said with it, and without it."""
    terminalreporter.section("guards")
    terminalreporter.write_line(
        "(0, 1): partition 0, offset 1; ('s:2', 1): key s:2, offset 1; s:2 [3, 0]: its offsets as sent"
    )
    for line in LINES:
        terminalreporter.write_line(line)
