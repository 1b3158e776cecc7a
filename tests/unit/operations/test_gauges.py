"""Findings and remainders as metrics."""

from datetime import UTC, datetime, timedelta

import msgspec
from prometheus_client import Gauge

from bus import metrics
from operations.findings import Finding, Kind, Severity
from operations.gauges import Measured, Shown
from operations.ledger import DeliveryLine, IntakeLine, Ledger
from operations.projection.census import CensusTold
from operations.projection.queues import Open, OpenCount
from operations.projection.replay_accounts import ReplayLine

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LOST = Finding(severity=Severity.ALARM, kind=Kind.LOST, about="streams", headline="", count=7, to_do="")
BOOKS = Ledger(
    since=NOW,
    until=NOW,
    as_of=NOW,
    balanced=False,
    intake=(
        IntakeLine(topic="clarity.changes.v1", hour=NOW, remainder=2),
        IntakeLine(topic="clarity.changes.v1", hour=NOW + timedelta(hours=1), remainder=1),
    ),
    delivery=(DeliveryLine(record="order", target="gp-two", hour=NOW),),
    replays=(ReplayLine(replay="r-1", target="gp-two", begun_at=NOW, taken_in=5, delivered=4, remainder=1),),
    intake_total=IntakeLine(topic="", hour=NOW),
    delivery_total=DeliveryLine(record="", target="", hour=NOW),
    unaccounted=(),
    uncounted={"bus.outcomes.v1": 4},
)
WAITS = Open(
    counts=(OpenCount(queue="consumers", state="parked", cause="refused", count=3),),
    oldest_taken_in_at={"consumers": NOW - timedelta(minutes=5)},
)
CENSUS = CensusTold(connection="shop", at=NOW, since=NOW, until=NOW, listed=9, uncaptured=2)
MEASURED = Measured(
    at=NOW, findings=(LOST, LOST), open={"gp-two": WAITS, "shop": WAITS}, ledger=BOOKS, census=(CENSUS,)
)


def lines() -> set[str]:
    shown = (
        *(metrics.FINDINGS, metrics.FINDINGS_EVENTS, metrics.REMAINDER, metrics.UNCOUNTED, metrics.OPEN),
        *(metrics.OLDEST_OPEN_SECONDS, metrics.UNCAPTURED),
    )
    return {
        f"{sample.name.removeprefix('towpath_')} {' '.join(sample.labels.values())} {sample.value:g}"
        for gauge in shown
        for told in gauge.collect()
        for sample in told.samples
    }


def taken_at(gauge: Gauge, label: str) -> float:
    return float(gauge.labels(label)._value.get())


def test_what_status_and_ledger_tell_is_told_as_metrics_and_goes_away_with_them() -> None:
    shown = Shown()

    shown.show(MEASURED)

    assert lines() == {
        "findings alarm lost streams 2",
        "findings_events alarm lost streams 14",
        "ledger_remainder intake clarity.changes.v1  3",
        # a number that is not there raises no alarm
        "ledger_remainder delivery order gp-two 0",
        "ledger_remainder replay r-1 gp-two 1",
        "ledger_uncounted bus.outcomes.v1 4",
        "open gp-two consumers parked refused 3",
        "open shop consumers parked refused 3",
        "oldest_open_seconds gp-two consumers 300",
        "oldest_open_seconds shop consumers 300",
        "uncaptured shop 2",
    }

    assert taken_at(metrics.CENSUS_SECONDS, "shop") == NOW.timestamp()

    later, idle = NOW + timedelta(minutes=1), Open(counts=(), oldest_taken_in_at={})
    shown.show(msgspec.structs.replace(MEASURED, at=later, findings=(), open={"shop": idle}, ledger=None, census=()))

    # what was not asked stays as it was: the ledger, and the one store that is away
    assert lines() == {
        "ledger_remainder intake clarity.changes.v1  3",
        "ledger_remainder delivery order gp-two 0",
        "ledger_remainder replay r-1 gp-two 1",
        "ledger_uncounted bus.outcomes.v1 4",
        "open gp-two consumers parked refused 3",
        "oldest_open_seconds gp-two consumers 300",
    }
    for what, at in {"ledger": NOW, "store of gp-two": NOW, "store of shop": later, "status": later}.items():
        assert taken_at(metrics.MEASURED_SECONDS, what) == at.timestamp()
