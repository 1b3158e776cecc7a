"""The way an event takes, told from the tables of contents of the three stages."""

import msgspec

from consumers import routes as consumers
from producers import routes as producers
from streams import routes as streams


class Arrow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a table of contents."""

    stage: str
    #: A webhook's path, a poll, or a topic.
    source: str
    #: Who does it: a module of this tree.
    by: str
    #: A topic, or the system that is written to.
    target: str
    record: str


def arrows() -> tuple[Arrow, ...]:
    """All arrows of the map, in the order an event takes them."""
    return (*_producers(), *_streams(), *_consumers())


def way_of(record: str) -> tuple[Arrow, ...]:
    """Those a record has a part in, followed from topic to topic in both directions."""
    known = arrows()
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


def _streams() -> tuple[Arrow, ...]:
    return tuple(
        Arrow(
            stage="streams",
            source=each.source.name,
            by=f"{each.mapping.id} v{each.mapping.version}",
            target=each.target.name,
            record=each.record,
        )
        for each in streams.ROUTES
    )


def _consumers() -> tuple[Arrow, ...]:
    return tuple(
        Arrow(stage="consumers", source=each.source.name, by=_place(each.sink), target=each.system, record=each.record)
        for each in consumers.ROUTES
    )


def _place(worker: type) -> str:
    return f"{worker.__module__.replace('.', '/')}.py {worker.__name__}"
