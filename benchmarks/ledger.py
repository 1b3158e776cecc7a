"""How long does the ledger take for a window over ten million events? Writes benchmarks/results/ledger.json.

Usage: python -m benchmarks.ledger [--events 10000000] [--runs 20] [--quick]
Rows are made in the projection's own tables, in a PostgreSQL of its own that is thrown away. Half of the events are
source events, half canonical records on their way to a target. Timed is what the ledger does once Kafka and the stores
have answered: reading both books in one snapshot and putting everything without an end where it is. Beside it: the same
sums counted from the rows, as before accounts were kept, and what keeping them costs the projector.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import psutil
import psycopg

from operations.ledger import Ledger, Standing, balance
from operations.projection import books, migrate
from operations.projection.open_work import Event
from operations.readers import Routed
from tests.integration.delivery.cluster import Cluster

#: As the step counts that brought the accounts to a projection with rows.
COUNT: str = import_module("operations.projection.migrations.versions.0006_accounts").COUNT
PARTITIONS = 12
HOURS = 24
UNTIL = datetime(2026, 11, 21, tzinfo=UTC)
SINCE = UNTIL - timedelta(hours=HOURS)
WAYS = [Routed(topic="canonical.orders.v1", record="order", owner="shop", target="erp")]
#: One in so many has not come to its end: a dead letter, or waiting behind one.
PARKED_ONE_IN = 5_000
UNTOLD_ONE_IN = 50_000
#: Arrived after the ledger began to ask.
BEHIND_THE_CUT = 50

#: A number to its partition, offset and time: offsets of a partition follow each other evenly through the window.
PLACED = """
SELECT n, (n %% {partitions})::int AS partition, n / {partitions} AS event_offset,
    %(since)s::timestamptz + (n::double precision / %(events)s) * interval '{hours} hours' AS at
FROM generate_series(0, %(events)s - 1) AS n
"""
ROOTS = """
INSERT INTO roots (topic_id, partition, event_offset, topic, arrived_at, root_key, connection, record, cause, facts)
SELECT 'changes', partition, event_offset, 'clarity.changes.v1', at, 'shop:' || n, 'shop', 'order', 'webhook',
    CASE WHEN n %% {untold} = 7 THEN 32 WHEN n %% 100 = 3 THEN 36 ELSE 33 END FROM ({placed}) AS p
"""
RECORDS = """
INSERT INTO records
SELECT 'orders', partition, event_offset, 'canonical.orders.v1', at, 'changes/' || partition || '/' || event_offset,
    'shop:' || n, 'shop:' || n, 'streams/orders/from_clarity@1+abcdef012345', 'shop', n FROM ({placed}) AS p
"""
DELIVERIES = """
INSERT INTO deliveries (connection, topic_id, partition, event_offset, stage, state, cause, code, at, root_key, record,
    amount, currency)
SELECT 'erp', 'orders', partition, event_offset, 'consumers',
    CASE WHEN n %% {parked} = 11 THEN 'parked' WHEN n %% 50 = 1 THEN 'superseded' ELSE 'delivered' END,
    CASE WHEN n %% {parked} = 11 THEN 'refused' ELSE '' END, 'created', at + interval '1 second', 'shop:' || n, 'order',
    99.90, 'USD' FROM ({placed}) AS p WHERE n %% {untold} <> 7
"""
COUNTED_FROM_ROWS = """
SELECT r.topic, date_trunc('hour', r.at, 'UTC'), coalesce(d.state, ''), count(*)
FROM records r LEFT JOIN deliveries d USING (topic_id, partition, event_offset)
WHERE r.at >= %(since)s AND r.at < %(until)s GROUP BY 1, 2, 3
UNION ALL SELECT topic, date_trunc('hour', arrived_at, 'UTC'), facts::text, count(*) FROM roots
WHERE arrived_at >= %(since)s AND arrived_at < %(until)s GROUP BY 1, 2, 3
"""


def main() -> None:
    """Make the rows, time the ledger, say and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="200 000 events, and nothing is written.")
    given = parser.parse_args()
    each = (200_000 if given.quick else given.events) // 2 // PARTITIONS * PARTITIONS
    cluster = Cluster()
    try:
        _for_speed(cluster)
        migrate.migrate(cluster.dsn)
        with migrate.connect(cluster.dsn) as wire:
            fill(wire, each)
            result = measure(wire, each, given.runs)
    finally:
        cluster.remove()
    print(json.dumps(result, indent=2))
    if not given.quick:
        Path(__file__).parent.joinpath("results").mkdir(exist_ok=True)
        Path(__file__).parent.joinpath("results", "ledger.json").write_text(json.dumps(result, indent=2) + "\n")


def _for_speed(cluster: Cluster) -> None:
    """A server that may lose what it holds fills faster; its cache is that of a small production server."""
    with psycopg.connect(cluster.dsn, autocommit=True) as wire:
        for setting in ("fsync = off", "full_page_writes = off", "max_wal_size = '16GB'", "shared_buffers = '2GB'"):
            wire.execute(f"ALTER SYSTEM SET {setting}")
        wire.execute("ALTER SYSTEM SET work_mem = '64MB'")
        wire.execute("ALTER SYSTEM SET maintenance_work_mem = '512MB'")
    cluster.crash()
    cluster.start()


def fill(wire: migrate.Wire, each: int) -> None:
    """The rows of so many source events and canonical records, and their accounts as the projector counts them."""
    parts = {"partitions": PARTITIONS, "hours": HOURS, "parked": PARKED_ONE_IN, "untold": UNTOLD_ONE_IN}
    values = {"since": SINCE, "events": each}
    placed = PLACED.format(**parts)
    for name, statement in (("roots", ROOTS), ("records", RECORDS), ("deliveries", DELIVERIES)):
        began = time.perf_counter()
        wire.execute(statement.format(placed=placed, **parts), values)
        wire.commit()
        _say(f"{each} {name} made in {time.perf_counter() - began:.0f} s")
    began = time.perf_counter()
    wire.execute(COUNT)
    wire.commit()
    wire.autocommit = True
    wire.execute("VACUUM ANALYZE")
    wire.autocommit = False
    _say(f"counted in {time.perf_counter() - began:.0f} s")


def measure(wire: migrate.Wire, each: int, runs: int) -> dict[str, object]:
    """Seconds of the ledger over all of it, of the same sums from the rows, and what was found."""
    seconds, found = [], None
    for _ in range(runs):
        began = time.perf_counter()
        found = ledger(wire, each)
        seconds.append(time.perf_counter() - began)
    assert found is not None
    began = time.perf_counter()
    wire.execute(COUNTED_FROM_ROWS, {"since": SINCE, "until": UNTIL}).fetchall()
    from_rows_s = time.perf_counter() - began
    wire.commit()
    intake, delivery = found.intake_total, found.delivery_total
    # exact: every event is in one column, the open ones were named
    assert intake.accepted == delivery.taken_in == each - BEHIND_THE_CUT * PARTITIONS
    assert delivery.dead + delivery.in_flight + delivery.delivered + delivery.superseded == delivery.taken_in
    assert found.balanced
    return {
        "command": " ".join(["python -m benchmarks.ledger", *sys.argv[1:]]),
        "commit": _commit(),
        "hardware": f"{psutil.cpu_count()} CPUs, {psutil.virtual_memory().total // 2**30} GiB, {platform.machine()}",
        "events": 2 * each,
        "window_hours": HOURS,
        "open": intake.in_flight + delivery.dead + delivery.parked + delivery.in_flight,
        "runs": runs,
        "seconds": {
            "min": round(min(seconds), 3),
            "median": round(statistics.median(seconds), 3),
            "max": round(max(seconds), 3),
        },
        "seconds_counted_from_the_rows": round(from_rows_s, 3),
    }


def ledger(wire: migrate.Wire, each: int) -> Ledger:
    """Both books over the whole window; the stores hold what has no end."""
    end = each // PARTITIONS - BEHIND_THE_CUT
    cuts = {(topic, number): end for topic in ("changes", "orders") for number in range(PARTITIONS)}
    found = books.read(wire, cuts, WAYS, SINCE, UNTIL, [])
    rows: dict[tuple[str, Event], tuple[str, str]] = {}
    for open_ in found.open_deliveries:
        rows["erp", open_.event] = ("ready", "")
    standing = Standing(
        unread_from={},
        open_roots=frozenset(root.root for root in found.open_roots),
        open_rows=rows,
        announced=frozenset(),
    )
    return balance(found, standing, since=SINCE, until=UNTIL, as_of=UNTIL)


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603  constant


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
