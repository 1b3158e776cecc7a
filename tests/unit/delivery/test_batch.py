"""What the events of one batch mean to each other."""

from hypothesis import given
from hypothesis import strategies as st

from delivery.batch import sorted_out
from delivery.ports import Arrival
from delivery.states import Kind, State

KEY = ("s:1", "item")


def an_arrival(offset: int, *, key: str = "s:1", version: int = 0, replaces_with: State | None = None) -> Arrival:
    return Arrival(
        topic="t",
        topic_id="id",
        partition=0,
        offset=offset,
        root=f"id/0/{offset}",
        root_key=key,
        message_key=key,
        record="item",
        kind=Kind.STATE if replaces_with else Kind.DOCUMENT,
        replaces_with=replaces_with,
        source_version=version,
        payload=b"",
        payload_digest="",
    )


arrivals = st.lists(
    st.tuples(
        st.sampled_from(["s:1", "s:2"]), st.integers(0, 4), st.sampled_from([None, State.SUPERSEDED, State.MERGED])
    )
).map(
    lambda made: [
        an_arrival(offset, key=key, version=version, replaces_with=replaces)
        for offset, (key, version, replaces) in enumerate(made)
    ]
)


@given(arrivals, st.integers(0, 4))
def test_every_event_is_queued_or_ended_and_order_is_kept(made: list[Arrival], known: int) -> None:
    batch = sorted_out(made, {KEY: known} if known else {})

    offsets = [one.offset for one in batch.queued]
    assert offsets == sorted(offsets)
    assert sorted(offsets + [end.arrival.offset for end in batch.ended]) == [one.offset for one in made]


@given(arrivals, st.integers(0, 4))
def test_newest_of_a_record_is_never_ended(made: list[Arrival], known: int) -> None:
    batch = sorted_out(made, {KEY: known} if known else {})

    queued = {one.message_key: one for one in batch.queued}
    for key in ("s:1", "s:2"):
        versions = [one.source_version for one in made if one.message_key == key]
        if versions and max(versions) >= (known if key == "s:1" else 0):
            newest = [one for one in made if one.message_key == key and one.source_version == max(versions)][-1]
            assert queued[key].offset >= newest.offset
    for end in batch.ended:
        assert end.code == "older" or end.merged_into in {one.root for one in batch.queued}


def test_all_replaced_ones_point_to_the_one_that_is_delivered() -> None:
    batch = sorted_out([an_arrival(n, replaces_with=State.MERGED) for n in range(3)], {})

    assert [(end.arrival.offset, end.merged_into) for end in batch.ended] == [(0, "id/0/2"), (1, "id/0/2")]
    assert batch.replacing == {KEY: an_arrival(2, replaces_with=State.MERGED)}


def test_older_one_replaces_nothing() -> None:
    batch = sorted_out([an_arrival(0, version=3), an_arrival(1, version=2, replaces_with=State.SUPERSEDED)], {})

    assert ([one.offset for one in batch.queued], batch.replacing, batch.versions) == ([0], {}, {KEY: (3, 0)})
