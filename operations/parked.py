"""Parked keys: what waits for what, since when, with how much money; each head with its sentence."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from bus.settings import Settings
from errors import NotFoundError
from operations.projection import parked, stories
from operations.projection.migrate import opened
from operations.projection.parked import Group, ParkedTold
from operations.sentences import sentence


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A parked event and what it means."""

    event: ParkedTold
    happened: str
    to_do: str


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """Parked events that wait for one thing."""

    connection: str
    stage: str
    cause: str
    code: str
    #: The missing thing, where they wait for one: `item:SKU-77`.
    waits_for: str
    count: int
    money: dict[str, Decimal]
    oldest: datetime
    #: A root key of them.
    sample: str


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """What is parked, by what it waits for, and those parked longest themselves."""

    waiting: tuple[Waiting, ...]
    events: tuple[Told, ...]


def parked_events(settings: Settings, filters: Mapping[str, str], limit: int) -> Listing:
    """What is parked; `filters` are columns: connection, stage, root_key, record, cause, code, waits_for."""
    with opened(settings.projection_dsn.reveal()) as wire:
        return Listing(
            waiting=waiting_of(parked.grouped(wire, filters)),
            events=tuple(tell(each) for each in parked.listed(wire, filters, limit)),
        )


def of_key(settings: Settings, text: str) -> tuple[Told, ...]:
    """Parked events of a key, at all connections.

    Raises:
        NotFoundError: nothing of it is parked.
    """
    with opened(settings.projection_dsn.reveal()) as wire:
        keys = stories.root_keys(wire, text, list(settings.connections))
        found = [each for key in keys for each in parked.listed(wire, {"root_key": key}, 100)]
    if not found:
        raise NotFoundError("parked.none", f"nothing of {text!r} is parked: look at `towpath trace {text}`")
    return tuple(tell(each) for each in found)


def waiting_of(groups: Iterable[Group]) -> tuple[Waiting, ...]:
    """Groups of several currencies as one line each, most events first; pure."""
    by_thing: dict[tuple[str, ...], list[Group]] = {}
    for group in groups:
        thing = (group.connection, group.stage, group.cause, group.code, group.waits_for)
        by_thing.setdefault(thing, []).append(group)
    return tuple(sorted((_waiting(listed) for listed in by_thing.values()), key=lambda each: -each.count))


def _waiting(groups: Sequence[Group]) -> Waiting:
    first = min(groups, key=lambda group: group.since)
    return Waiting(
        connection=first.connection,
        stage=first.stage,
        cause=first.cause,
        code=first.code,
        waits_for=first.waits_for,
        count=sum(group.count for group in groups),
        money={group.currency: group.amount for group in groups if group.currency},
        oldest=first.since,
        sample=first.sample,
    )


def tell(event: ParkedTold) -> Told:
    """A parked event with its sentence."""
    values = event.code_values | {"document_number": event.document_number, "connection": event.connection}
    said = sentence(event.code, {name: value for name, value in values.items() if value})
    return Told(event=event, happened=said.happened, to_do=said.to_do)
