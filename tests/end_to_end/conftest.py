"""The whole bus of this checkout, running on its local stack."""

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from bus.settings import load
from operations.demo.start import company_dsn, wait_until_ready
from operations.stack.addresses import Addresses
from tests.end_to_end.outside import ROOT, Outside, pids, towpath

#: Lines a process wrote last; the failure of a test is told with them, as nobody finds the logs of CI afterwards.
LAST_LINES = 15


@pytest.fixture(scope="session")
def bus(local_stack: Addresses) -> Iterator[Outside]:
    """Everything running on this checkout's own stack, as parts of it are stopped; what ran before runs on."""
    towpath("sandbox", "up")
    for words in (("migrate",), ("topics", "apply"), ("connectors", "apply")):
        towpath(*words)
    ran_before = bool(pids("gateway"))
    if not ran_before:
        towpath("run", "all", "--detach", "--no-wait")
    wait_until_ready(load(os.environ, ROOT), company_dsn(ROOT), print)
    outside = Outside(json.loads(towpath("info", "--json")))
    yield outside
    outside.close()
    if not ran_before:
        towpath("stop")
        towpath("sandbox", "down")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failure: what each process of the bus said last."""
    report = yield
    if report.failed and item.path.is_relative_to(Path(__file__).parent):
        for log in sorted((ROOT / ".towpath").glob("*/logs/*.log")):
            lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:]
            report.sections.append((f"end of {log.name}", "\n".join(line[:400] for line in lines)))
    return report
