"""The demonstration with everything that can go wrong in it: what it reports, and that it ends well."""

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.end_to_end.outside import Outside

ROOT = Path(__file__).parents[2]
ORDERS = 30


@pytest.mark.timeout(400)
def test_everything_agrees_after_a_bad_day(bus: "Outside", tmp_path: Path) -> None:
    file = tmp_path / "report.json"

    ran = subprocess.run(
        [str(ROOT / "towpath"), "demo", "--orders", str(ORDERS), "--per-second", "10", "--report", str(file)],
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
        stdin=subprocess.DEVNULL,
    )

    assert file.exists(), ran.stdout + ran.stderr
    report: dict[str, Any] = json.loads(file.read_bytes())
    assert report["differences"] == []
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert report["orders_placed"] == report["orders_accepted"] == ORDERS
    by_story = {line["story"]: line for line in report["orders"]}
    # one order's goods are unknown to GP, and one was perhaps cancelled before GP had it
    created = ORDERS - 1 - (by_story["cancels_at_once"]["document"] == "")
    assert report["documents_created"] == created
    assert [report[name] for name in ("documents_duplicated", "order_violations", "echoes")] == [0, 0, 0]
    assert [report[name] for name in ("ledger_remainder", "uncaptured")] == [0, 0]
    codes = sorted(letter["code"] for letter in report["dead_letter_list"])
    assert codes == ["gateway.malformed", "gp.90023", "gp.too_late"]
    assert report["dead_letters"] == 3
    answers = {each["kind"]: each["status"] for each in report["hostile_webhooks"]}
    assert answers == {"bad_signature": 401, "unsigned": 401, "stale": 401, "broken_json": 400}
    assert report["gp_away_s"] > 0
    assert set(report["latency_ms"]) == {"orders", "shipments", "order_statuses", "inventory_levels"}
    for flow, latency in report["latency_ms"].items():
        assert latency["count"] > 0, flow
        assert 0 < latency["p50"] <= latency["p99"], flow
    assert by_story["webhook_never"]["document"]
    assert by_story["never_seen"]["outcome"] == "created"
    assert by_story["edits"]["outcome"] == "updated"
