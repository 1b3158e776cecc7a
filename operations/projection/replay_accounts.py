"""The account of each replay: what its reader counted, and where each of those events ended or is.

Beside the live books, which a replay never moves. The reader's count and its outcomes are told independently; what
nobody knows of is the remainder, and an alarm.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec

from delivery.announcements import place_of
from delivery.states import ENDS
from operations.projection.books import Event
from operations.projection.migrate import Wire
from operations.projection.open_work import OpenReplay


class ReplayLine(msgspec.Struct, frozen=True, kw_only=True):
    """One replay; columns as of the delivery book."""

    replay: str
    target: str
    begun_at: datetime
    taken_in: int = 0
    delivered: int = 0
    superseded: int = 0
    suppressed: int = 0
    merged: int = 0
    filtered: int = 0
    discarded: int = 0
    dead: int = 0
    parked: int = 0
    in_flight: int = 0
    remainder: int = 0


ENDED = """
SELECT d.state, count(*) FROM deliveries d
JOIN unnest(%(topic_ids)s::text[], %(partitions)s::int[], %(nexts)s::bigint[]) AS f (topic_id, partition, next)
    USING (topic_id, partition)
WHERE d.replay = %(replay)s AND d.connection = %(connection)s AND d.event_offset < f.next AND d.state = ANY(%(ends)s)
GROUP BY 1
"""
ENDED_OF = """
SELECT d.topic_id, d.partition, d.event_offset FROM deliveries d
JOIN unnest(%(topic_ids)s::text[], %(partitions)s::int[], %(offsets)s::bigint[])
    AS e (topic_id, partition, event_offset) USING (topic_id, partition, event_offset)
WHERE d.replay = %(replay)s AND d.connection = %(connection)s AND d.state = ANY(%(ends)s)
"""


def account_of(wire: Wire, replay: OpenReplay) -> ReplayLine:
    """The line of a replay, once the projector has read past everything told until the store was looked at."""
    about = {"replay": replay.id, "connection": replay.connection, "ends": list(ENDS)}
    events = [*replay.rows, *(replay.announced - replay.rows.keys())]
    places = list(replay.following)
    with wire.transaction():
        ended = wire.execute(
            ENDED,
            {
                **about,
                "topic_ids": [topic_id for topic_id, _ in places],
                "partitions": [partition for _, partition in places],
                "nexts": list(replay.following.values()),
            },
        ).fetchall()
        ended_of = wire.execute(
            ENDED_OF,
            {
                **about,
                "topic_ids": [event[0] for event in events],
                "partitions": [event[1] for event in events],
                "offsets": [event[2] for event in events],
            },
        ).fetchall()
    return line_of(replay, dict(ended), {(event[0], event[1], event[2]) for event in ended_of})


def line_of(replay: OpenReplay, ended: Mapping[str, int], ended_of: Collection[Event]) -> ReplayLine:
    """Put every event of a replay where it is; pure.

    Args:
        replay: At the moment its store was looked at.
        ended: State to events that had come to that end by then.
        ended_of: Of those that were open or on their way then, the ones that ended since.
    """
    places = dict(ended)
    for event, (state, cause) in replay.rows.items():
        if event not in ended_of:
            place = place_of(state, cause)
            places[place] = places.get(place, 0) + 1
    on_their_way = replay.announced - replay.rows.keys() - set(ended_of)
    places["in_flight"] = places.get("in_flight", 0) + len(on_their_way)
    return ReplayLine(
        replay=replay.id,
        target=replay.connection,
        begun_at=replay.begun_at,
        taken_in=replay.taken_in,
        remainder=replay.taken_in - sum(places.values()),
        **places,
    )
