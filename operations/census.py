"""The census: what a store itself lists as changed in a time, compared with what arrived; beyond any ledger."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from bus.settings import Connection, Settings
from connect.systems.clarity.client import open_client
from errors import ConfigurationError
from operations.projection import migrate, stories
from producers.pollers.clarity import Orders
from producers.pollers.rounds import Listed
from producers.routes import FETCHES, POLLS, Poll
from schemas.types import root_key

#: Asked of the projection at once.
BATCH = 2000


class Uncaptured(msgspec.Struct, frozen=True, kw_only=True):
    """A document the source lists as changed, and of whose change nothing arrived."""

    connection: str
    record: str
    id: str
    root_key: str
    changed_at: datetime
    source_version: int
    #: When we last heard of it at all; None: never.
    last_heard_at: datetime | None


class CensusLine(msgspec.Struct, frozen=True, kw_only=True):
    """Documents of one source by the hour of their change."""

    connection: str
    record: str
    hour: datetime
    listed: int
    captured: int
    uncaptured: int


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What one store lists, and what of it is missing."""

    listed: int
    uncaptured: tuple[Uncaptured, ...]


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """What every source lists, against what arrived."""

    since: datetime
    until: datetime
    complete: bool
    lines: tuple[CensusLine, ...]
    uncaptured: tuple[Uncaptured, ...]


def census(settings: Settings, since: datetime, until: datetime) -> Census:
    """Ask every store we can ask.

    Args:
        settings: The deployment.
        since: By the source's own time of change.
        until: Exclusive; leave a poller's interval before now, or what is on its way counts as missing.

    Raises:
        BusError: by kind: the time ends before it begins, a store does not answer, the projection cannot be read.
    """
    if since >= until:
        raise ConfigurationError("--since", f"a census must begin before {until:%Y-%m-%dT%H:%M:%S}, where it ends")
    missing: list[Uncaptured] = []
    lines: list[CensusLine] = []
    for poll in POLLS:
        for connection in settings.of_system(poll.system):
            listed, lost = _compared(settings, poll, connection, since, until)
            missing += lost
            lines += by_hour(connection.name, poll.record, listed, {each.id for each in lost})
    return Census(since=since, until=until, complete=not missing, lines=tuple(lines), uncaptured=tuple(missing))


def of_connection(settings: Settings, name: str, since: datetime, until: datetime) -> Counted | None:
    """Ask one store; None where its system cannot be asked.

    Raises:
        BusError: by kind: the store does not answer, the projection cannot be read.
    """
    connection = settings.connection(name)
    polls = [poll for poll in POLLS if poll.system == connection.system]
    found = [_compared(settings, poll, connection, since, until) for poll in polls]
    if not found:
        return None
    return Counted(
        listed=sum(len(listed) for listed, _ in found),
        uncaptured=tuple(lost for _, missing in found for lost in missing),
    )


def _compared(
    settings: Settings, poll: Poll, connection: Connection, since: datetime, until: datetime
) -> tuple[list[Listed], list[Uncaptured]]:
    listed = asyncio.run(_listed(connection, since, until))
    heard = _heard(settings, topics_of(poll), [root_key(connection.name, each.id) for each in listed])
    return listed, uncaptured(connection.name, poll.record, listed, heard)


def topics_of(poll: Poll) -> list[str]:
    """Where a polled document is heard of and read; another system's records of its key count in their own way."""
    return [poll.target.name, *(fetch.target.name for fetch in FETCHES if fetch.source is poll.target)]


def uncaptured(
    connection: str,
    record: str,
    listed: Iterable[Listed],
    heard: Mapping[str, tuple[datetime | None, int]],
) -> list[Uncaptured]:
    """What is listed and did not arrive; pure.

    A change arrived if we know its version or a later one, or heard of the document after it changed: whoever hears
    reads the document whole, and so reads this change, too.
    """
    missing = []
    for each in listed:
        key = root_key(connection, each.id)
        last_heard_at, version = heard.get(key, (None, 0))
        if version >= each.source_version > 0 or (last_heard_at is not None and last_heard_at >= each.changed_at):
            continue
        missing.append(
            Uncaptured(
                connection=connection,
                record=record,
                id=each.id,
                root_key=key,
                changed_at=each.changed_at,
                source_version=each.source_version,
                last_heard_at=last_heard_at,
            )
        )
    return missing


def by_hour(connection: str, record: str, listed: Sequence[Listed], missing: set[str]) -> list[CensusLine]:
    """Counts by the hour of the change; pure."""
    hours: dict[datetime, list[str]] = {}
    for each in listed:
        hours.setdefault(each.changed_at.replace(minute=0, second=0, microsecond=0), []).append(each.id)
    return [
        CensusLine(
            connection=connection,
            record=record,
            hour=hour,
            listed=len(ids),
            captured=sum(1 for id_ in ids if id_ not in missing),
            uncaptured=sum(1 for id_ in ids if id_ in missing),
        )
        for hour, ids in sorted(hours.items())
    ]


async def _listed(connection: Connection, since: datetime, until: datetime) -> list[Listed]:
    async with open_client(connection) as client:
        changed: AsyncIterator[Listed] = Orders(client).changed_since(since)
        return [each async for each in changed if since <= each.changed_at < until]


def _heard(settings: Settings, topics: Sequence[str], keys: Sequence[str]) -> dict[str, tuple[datetime | None, int]]:
    heard: dict[str, tuple[datetime | None, int]] = {}
    with migrate.opened(settings.projection_dsn.reveal()) as wire:
        for start in range(0, len(keys), BATCH):
            heard |= stories.arrived(wire, topics, keys[start : start + BATCH])
    return heard


def window(now: datetime, since: datetime, settings: Settings) -> tuple[datetime, datetime]:
    """From when to when a census can be asked for now: the pollers must have had their turn twice."""
    polled = {poll.system for poll in POLLS}
    slowest_s = max(
        (each.poll_interval_s for each in settings.connections.values() if each.system in polled), default=0.0
    )
    return since, now - timedelta(seconds=2 * slowest_s)
