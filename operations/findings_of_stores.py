"""What needs somebody in the stores of connections: restored ones, strangers behind them, pauses, fullness; pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from delivery.incarnation import Incarnation, refusal
from operations.findings import Finding, Kind, Severity, clock, events, lasting
from operations.projection.queues import Pause, Position, StoreStanding
from operations.sentences import sentence
from schemas.topics import CLARITY_CHANGES

#: Topics of what a census counts.
LISTED_AT_THEIR_SOURCE = frozenset({CLARITY_CHANGES.name})
#: What a topic that was made anew lost; longer than topics of changes keep anything.
TOLD_FOR = timedelta(days=14)


def of_stores(stores: Iterable[StoreStanding], announced: Mapping[str, Incarnation]) -> Iterator[Finding]:
    """Stores that do not know what they have announced: their connections stand still; pure."""
    for store in stores:
        why = refusal(store.connection, store.incarnation, announced.get(store.connection))
        if why is None:
            continue
        said = sentence(why.code, {"connection": store.connection})
        yield Finding(
            severity=Severity.ALARM,
            kind=Kind.STORE,
            about=store.connection,
            headline=said.happened,
            to_do=said.to_do,
        )


def of_strangers(stores: Iterable[StoreStanding]) -> Iterator[Finding]:
    """Connections behind which another system is than is remembered, or an older copy of it; pure."""
    for store in stores:
        if store.stranger is None:
            continue
        said = sentence(store.stranger.code, store.stranger.values | {"connection": store.connection})
        yield Finding(
            severity=Severity.ALARM,
            kind=Kind.STRANGER,
            about=store.connection,
            headline=said.happened,
            since=store.stranger.since,
            to_do=said.to_do,
        )


def of_recreated(
    stores: Iterable[StoreStanding],
    topic_ids: Mapping[str, str],
    projected: Mapping[tuple[str, int], int],
    now: datetime,
    counted: Collection[str] = (),
) -> Iterator[Finding]:
    """Topics that were deleted and made anew, and what of the old ones was never taken in; pure.

    Args:
        stores: Their positions, those of the old topics among them.
        topic_ids: Of the topics as they are now, by name.
        projected: (topic id, partition) to how far the projector had read, the old topics too: there were so many.
        now: What is long past is not told any more.
        counted: Connections a census is taken of: their pollers bring again what a topic of changes held.
    """
    old: dict[tuple[str, str], list[Position]] = {}
    for store in stores:
        for each in store.stood:
            if topic_ids.get(each.topic, each.topic_id) != each.topic_id and now - each.moved_at < TOLD_FOR:
                old.setdefault((store.connection, each.topic), []).append(each)
    for (connection, topic), positions in old.items():
        lost = sum(max(projected.get((each.topic_id, each.partition), 0) - each.next, 0) for each in positions)
        again = topic in LISTED_AT_THEIR_SOURCE and connection in counted
        yield Finding(
            severity=Severity.ALARM if lost and not again else Severity.NOTE,
            kind=Kind.TOPIC,
            about=connection,
            headline=f"{topic} was deleted and made anew; {connection} reads it from its beginning. Of the old one "
            + (f"{events(lost)} were never taken in." if lost else "all that is known of was taken in."),
            count=lost,
            since=max(each.moved_at for each in positions),
            to_do=_after_loss(again=again) if lost else "Nothing to do.",
        )


def _after_loss(*, again: bool) -> str:
    if again:
        return "Nothing to do: the poller brings them again, and the next census tells whether any is missing."
    return (
        "`towpath ledger --explain` names those that never came to an end; `towpath census` fetches what a store lists "
        "as changed and nobody has."
    )


def of_pauses(stores: Iterable[StoreStanding], now: datetime) -> Iterator[Finding]:
    """Connections somebody paused; both queues of one command are one pause; pure."""
    for store in stores:
        by_command: dict[str, Pause] = {each.command_id: each for each in store.pauses}
        for pause in by_command.values():
            queues_of_it = sorted(each.queue for each in store.pauses if each.command_id == pause.command_id)
            until = f"until {clock(pause.until, now)}" if pause.until is not None else "until resumed"
            why = f': "{pause.why}"' if pause.why else ""
            yield Finding(
                severity=Severity.NOTE if pause.until is not None else Severity.WARNING,
                kind=Kind.PAUSE,
                about=store.connection,
                headline=f"{store.connection} was paused by {pause.who} {until} ({', '.join(queues_of_it)}){why}.",
                since=pause.since,
                to_do=("It goes on then. Sooner: " if pause.until is not None else "When it may go on: ")
                + f"`towpath resume {store.connection}`.",
            )


def of_full(stores: Iterable[StoreStanding], now: datetime) -> Iterator[Finding]:
    """Queues that take nothing more in, as they hold as much as they may; pure."""
    for store in stores:
        for each in store.full:
            held = (
                f"{events(each.rows)} at work or due, of {each.most_rows} it may hold"
                if each.rows > each.most_rows
                else f"{each.bytes} bytes at work or due, of {each.most_bytes} it may hold"
            )
            yield Finding(
                severity=lasting(each.since, now),
                kind=Kind.FULL,
                about=store.connection,
                headline=f"{store.connection} is full ({each.queue}): {held}. Nothing more is taken in; the topics "
                "keep what waits.",
                count=each.rows,
                since=each.since,
                to_do=f"It goes on by itself when half is free. Until then: see that {store.connection} works and "
                f"{each.queue}@{store.connection} runs; `towpath lag` tells what waits.",
            )
