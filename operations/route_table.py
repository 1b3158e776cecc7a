"""The way an event takes, told from the tables of contents of the three stages."""

from collections.abc import Mapping

import msgspec

from consumers import routes as consumers
from mapping.data import DataMapping
from mapping.overlay import NONE
from producers import routes as producers
from streams import routes as streams


class Arrow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a table of contents."""

    stage: str
    #: A webhook's path, a poll, or a topic.
    source: str
    #: Who does it: a module of this tree, or a mapping.
    by: str
    #: A topic, or the system that is written to.
    target: str
    record: str


def arrows(files: Mapping[str, bytes] = NONE) -> tuple[Arrow, ...]:
    """All arrows of the map, in the order an event takes them.

    Args:
        files: A deployment's own mappings, which are named where they stand for ours.

    Raises:
        BrokenMappingError: one of them cannot be run.
    """
    return (*_producers(), *_streams(files), *_consumers(files))


def way_of(record: str, files: Mapping[str, bytes] = NONE) -> tuple[Arrow, ...]:
    """Those a record has a part in, followed from topic to topic in both directions; raises as `arrows`."""
    known = arrows(files)
    touched = {arrow for arrow in known if record in {arrow.record, arrow.source, arrow.target}}
    while True:
        sources, targets = {arrow.source for arrow in touched}, {arrow.target for arrow in touched}
        more = {arrow for arrow in known if arrow.target in sources or arrow.source in targets}
        if more <= touched:
            return tuple(arrow for arrow in known if arrow in touched)
        touched |= more


def _producers() -> tuple[Arrow, ...]:
    webhooks = (
        Arrow(
            stage="gateway",
            source=f"POST /webhooks/<a {each.system} connection>",
            by="producers/gateway",
            target=each.target.name,
            record=each.record,
        )
        for each in producers.WEBHOOKS
    )
    polls = (
        Arrow(
            stage="pollers",
            source=f"{each.system}, modified since",
            by=f"producers/pollers/{each.system.replace('-', '_')}.py",
            target=each.target.name,
            record=each.record,
        )
        for each in producers.POLLS
    )
    captured = (
        Arrow(
            stage="router",
            source=each.source.name,
            by="producers/fetchers/router.py",
            target=each.target.name,
            record=each.record,
        )
        for each in producers.CAPTURED
    )
    fetches = (
        Arrow(
            stage="fetchers",
            source=each.source.name,
            by=_place(each.by),
            target=each.target.name,
            record=each.record,
        )
        for each in producers.FETCHES
    )
    return (*webhooks, *polls, *captured, *fetches)


def _streams(files: Mapping[str, bytes]) -> tuple[Arrow, ...]:
    return tuple(
        Arrow(
            stage="streams",
            source=each.source.name,
            by=_named(each.mapping),
            target=each.target.name,
            record=each.record,
        )
        for each in streams.deployed(files)
    )


def _consumers(files: Mapping[str, bytes]) -> tuple[Arrow, ...]:
    return tuple(
        Arrow(
            stage="consumers",
            source=each.source.name,
            by=f"{_named(each.mapping)}, {_place(each.sink)}",
            target=each.system,
            record=each.record,
        )
        for each in consumers.deployed(files)
    )


def _named(mapping: DataMapping) -> str:
    return f"{mapping.id} v{mapping.version}"


def _place(worker: type) -> str:
    return f"{worker.__module__.replace('.', '/')}.py {worker.__name__}"
