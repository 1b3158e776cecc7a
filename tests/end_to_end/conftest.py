"""The whole bus of this checkout, running on its local stack."""

import json
import os
from collections.abc import Iterator

import pytest

from operations.stack.addresses import Addresses
from tests.end_to_end.outside import Outside, pids, ready, towpath, until


@pytest.fixture(scope="session")
def bus(stack: Addresses) -> Iterator[Outside]:
    """Everything running on this checkout's local stack; what ran before goes on running afterwards."""
    if any(name.startswith("TOWPATH_TEST_") for name in os.environ):
        pytest.skip("end-to-end tests run on the local stack alone, as they stop and start its parts")
    towpath("sandbox", "up")
    for words in (("migrate",), ("topics", "apply"), ("connectors", "apply")):
        towpath(*words)
    ran_before = bool(pids("gateway"))
    if not ran_before:
        towpath("run", "all", "--detach")
    outside = Outside(json.loads(towpath("info", "--json")))
    until(lambda: ready(outside), within_s=90, what="all processes ready")
    yield outside
    outside.close()
    if not ran_before:
        towpath("stop")
        towpath("sandbox", "down")
