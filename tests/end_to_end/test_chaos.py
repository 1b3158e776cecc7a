"""Whatever is killed, stopped or troubled in mid-flow: nothing is lost, doubled or reordered; the short form."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.outside import ROOT

ORDERS, STOCK_CHANGES = 40, 80
#: One hit for each process, server and simulator, and half of the simulators' troubles.
FAULTS = 24
ZEROS = ("lost", "second_documents", "order_violations", "ledger_remainder", "uncaptured", "dead_letters")


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("bus")
def test_nothing_is_lost_doubled_or_reordered_while_everything_is_hit(tmp_path: Path) -> None:
    asked = {"--orders": ORDERS, "--stock": STOCK_CHANGES, "--faults": FAULTS, "--seed": 1, "--results": tmp_path}

    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "operations.chaos",
            "--no-once",
            *(str(word) for pair in asked.items() for word in pair),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=380,
        check=False,
        stdin=subprocess.DEVNULL,
    )

    file = tmp_path / "chaos.json"
    assert file.exists(), ran.stdout + ran.stderr
    report: dict[str, Any] = json.loads(file.read_bytes())
    assert {name: report[name] for name in ZEROS} == dict.fromkeys(ZEROS, 0), report["differences"]
    assert report["waiting"] == ""
    assert [each for each in report["happened"] if each["failed"]] == []
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert report["events"] == ORDERS + STOCK_CHANGES
    assert sum(report["faults"].values()) == len(report["happened"]) >= FAULTS
    assert "Nothing was lost" in (tmp_path / "chaos.md").read_text()
