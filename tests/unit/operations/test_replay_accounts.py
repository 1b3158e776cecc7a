"""Every event of a replay is in one place of its account."""

from datetime import UTC, datetime

from operations.projection.open_work import OpenReplay
from operations.projection.replay_accounts import line_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_what_ended_since_the_store_was_looked_at_counts_once() -> None:
    rows = {
        ("t", 0, 1): ("ready", ""),
        ("t", 0, 2): ("parked", "refused"),
        ("t", 0, 3): ("parked", "dependency"),
        ("t", 0, 4): ("sending", ""),
    }
    replay = OpenReplay(
        id="r-1",
        connection="erp",
        begun_at=NOW,
        taken_in=9,
        following={("t", 0): 100},
        rows=rows,
        # one that ended at once, one that is parked and told of so
        announced=frozenset({("t", 0, 5), ("t", 0, 3)}),
    )

    line = line_of(replay, {"delivered": 2, "superseded": 2}, {("t", 0, 4)})

    places = (line.delivered, line.superseded, line.dead, line.parked, line.in_flight, line.remainder)
    assert places == (2, 2, 1, 1, 2, 1)
