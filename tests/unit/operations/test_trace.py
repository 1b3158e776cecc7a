"""A story is told in the order of time, and at one moment in the order of the way."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from operations.projection.stories import Known, OutcomeTold, RecordTold, RootTold
from operations.trace import Step, folded, in_order

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def heard(seconds: float, cause: str = "webhook") -> RootTold:
    return RootTold(
        topic="clarity.changes.v1",
        topic_id="id",
        partition=0,
        event_offset=1,
        arrived_at=after(seconds),
        root_key="shop:1001",
        connection="shop",
        record="order",
        cause=cause,
        source_version=0,
        delivery_id="",
        facts=0,
    )


def record(seconds: float, topic: str) -> RecordTold:
    return RecordTold(
        topic=topic,
        partition=0,
        event_offset=1,
        at=after(seconds),
        root="id/0/1",
        root_key="shop:1001",
        message_key="shop:1001",
        mapping="",
        origin="shop",
        source_version=0,
    )


def outcome(seconds: float, code: str, **fields: str) -> OutcomeTold:
    texts = dict.fromkeys(
        (
            *(
                "stage",
                "state",
                "connection",
                "topic",
                "root",
                "root_key",
                "message_key",
                "record",
                "cause",
                "reference",
            ),
            *("document_number", "mapping_in", "mapping_out", "command_id", "currency", "merged_into", "who", "why"),
        ),
        "",
    )
    return OutcomeTold(
        at=after(seconds),
        code=code,
        code_values={},
        source_partition=0,
        source_offset=1,
        attempts=1,
        amount=Decimal(0),
        **(texts | {"stage": "consumers", "state": "delivered"} | fields),
    )


def test_order_from_webhook_to_document() -> None:
    known = Known(
        canonical_id="shop:1001",
        connection="erp",
        record="sales_order",
        id_there="ORD0000012",
        since=after(3),
        root="id/0/1",
        mapping="",
    )

    steps = in_order(
        [heard(0)],
        [record(2, "canonical.orders.v1"), record(1, "clarity.orders.v1")],
        [outcome(3, "created", document_number="ORD0000012", connection="erp")],
        [],
        [known],
    )

    assert [step.what for step in steps] == ["heard", "read", "mapped", "outcome", "known as"]
    assert steps[0].sentence == "shop told of order by webhook."
    assert steps[3].sentence == "ORD0000012 was created."


def test_steps_of_one_moment_are_told_in_the_order_of_the_way() -> None:
    steps = in_order([heard(0)], [record(0, "canonical.orders.v1"), record(0, "clarity.orders.v1")], [], [], [])

    assert [step.what for step in steps] == ["heard", "read", "mapped"]


def test_captured_row_is_told_by_its_table() -> None:
    row = RootTold(
        topic="dynamics-gp.cdc.SOP10200.v1",
        topic_id="id",
        partition=0,
        event_offset=1,
        arrived_at=NOW,
        root_key="",
        connection="",
        record="",
        cause="cdc",
        source_version=0,
        delivery_id="",
        facts=0,
    )

    (step,) = in_order([row], [], [], [], [])

    assert (step.what, step.sentence) == ("captured", "A row of SOP10200 changed.")


def test_what_happened_several_times_in_a_row_is_told_once() -> None:
    def merged(seconds: float) -> Step:
        return Step(at=after(seconds), what="outcome", sentence="Covered.", topic="t", state="merged", offset=1)

    other = Step(at=after(2), what="read", sentence="Read.", topic="t")

    told = folded([merged(0), merged(1), other, merged(3)])

    assert [(step.sentence, step.times) for step in told] == [("Covered.", 2), ("Read.", 1), ("Covered.", 1)]


def test_outcome_of_a_replay_says_who_asked_for_it_and_why() -> None:
    again = outcome(3, "equal", replay="r-1")

    (live, replayed) = in_order([], [], [outcome(1, "equal"), again], [], [], {"r-1": ("mara", "GP was restored")})

    assert replayed.sentence == f"Replayed by mara (GP was restored): {live.sentence}"
    assert (replayed.replay, replayed.who, replayed.why) == ("r-1", "mara", "GP was restored")
