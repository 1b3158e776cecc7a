"""Checks a deployment's connections and routes without touching a target; lists sinks, mappings and lookup tables."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from bus.lookups import is_name
from bus.settings import Connection, Settings
from consumers import routes as consumers
from delivery.migrate import schema_of
from delivery.promises import refused
from errors import ConfigurationError
from mapping import overlay, round_trip
from mapping.data import DataMapping
from mapping.messages import BrokenMappingError
from mapping.spec import Spec
from mapping.tables import doubled, missing
from operations import connectors, mapping_files, mapping_versions
from operations.route_table import arrows
from producers import routes as producers
from schemas import topics

#: What a connection of a system must have, beyond what every connection has.
NEEDED = {"clarity": ("url", "user", "password"), "dynamics-gp": ("odbc",)}
NEEDED_OPTIONS = {"dynamics-gp": ("document_id", "site", "tax_schedule", "tax_detail")}


class SinkTold(msgspec.Struct, frozen=True, kw_only=True):
    """What is promised when the same operation reaches a target twice."""

    connection: str
    system: str
    record: str
    sink: str
    #: `atomic`, `keyed`, `probed` or `repeatable`; `docs/how-to/repeats.md` says what each promises.
    repeats: str


class MappingTold(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping as it would run."""

    id: str
    version: int
    digest: str
    source: str
    target: str


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What was found; nothing is wrong where `problems` is empty."""

    deployment: str
    problems: tuple[str, ...]
    sinks: tuple[SinkTold, ...]
    mappings: tuple[MappingTold, ...]
    #: Table to rows; whether a mapping finds what it asks for is known only with a record in hand.
    lookups: dict[str, int]


def check(settings: Settings, unread: Iterable[str] = ()) -> Check:
    """Everything that can be told without asking anybody outside.

    Args:
        settings: The deployment, as far as it can be read.
        unread: What hinders its being read.
    """
    mappings, broken = _mappings(settings)
    return Check(
        deployment=settings.deployment,
        problems=(
            *unread,
            *_pairs(settings),
            *(problem for each in settings.connections.values() for problem in _connection(each)),
            *_captures(settings),
            *settings.lookup_faults,
            *_routes(),
            *refused((route.record, route.sink) for route in consumers.ROUTES),
            *broken,
        ),
        sinks=tuple(
            SinkTold(
                connection=connection.name,
                system=route.system,
                record=route.record,
                sink=route.sink.__name__,
                repeats=str(getattr(route.sink, "repeats", "")),
            )
            for route in consumers.ROUTES
            for connection in settings.of_system(route.system)
        ),
        mappings=mappings,
        lookups={name: len(rows) for name, rows in settings.lookups.rows().items() if is_name(name)},
    )


def _mappings(settings: Settings) -> tuple[tuple[MappingTold, ...], list[str]]:
    """What runs, and what is wrong with it: ours or the deployment's own broken, or not what its version says."""
    ours, own_files = [each.mapping for each in mapping_files.ours()], settings.folder / mapping_versions.OWN
    problems = [*_versions(ours, mapping_versions.OURS)]
    try:
        running = mapping_files.running(settings)
        # a file that cannot be read was told
        unreadable = tuple(f"{fault.partition(': ')[0]}: " for fault in settings.lookup_faults)
        for each in (*running, *mapping_files.ways_back(settings)):
            told_of = (*missing(each.mapping, settings.lookups), *doubled(each.mapping, settings.lookups))
            problems += [problem for problem in told_of if not problem.startswith(unreadable)]
        told = tuple(
            MappingTold(
                id=each.mapping.id,
                version=each.mapping.version,
                digest=each.mapping.digest,
                source=each.source.name if each.source is not None else "",
                target=each.target.name if each.target is not None else each.system,
            )
            for each in running
        )
        own = (*mapping_files.own(settings), *mapping_files.ways_back(settings))
        problems += _versions([each.mapping for each in own], own_files)
        back = {spec.id: spec for spec in overlay.ways_back(settings.mappings).values()}
        problems += _ways_back([each.mapping.spec for each in running], back)
    except BrokenMappingError as error:
        return (), [*map(str, error.messages), *problems]
    return told, problems


def _ways_back(specs: list[Spec], besides: Mapping[str, Spec]) -> Iterable[str]:
    known = {**besides, **{spec.id: spec for spec in specs}}
    return [str(message) for spec in specs for message in round_trip.misfits(spec, known)]


def _versions(mappings: list[DataMapping], file: Path) -> Iterable[str]:
    try:
        standing = mapping_versions.sealed(file)
    except ConfigurationError as error:
        return [error.message]
    return [*mapping_versions.altered(mappings, standing), *mapping_versions.unsealed(mappings, standing)]


def _pairs(settings: Settings) -> Iterable[str]:
    paired = {name for pair in settings.pairs for name in (pair.store, pair.erp)}
    for name in settings.connections.keys() - paired:
        yield f"connections.{name}: stands in no pair, so nothing is brought to it"


def _connection(connection: Connection) -> Iterable[str]:
    named = f"connections.{connection.name}"
    if connection.system not in NEEDED:
        yield f"{named}.system: {connection.system!r} is not known; there are {', '.join(sorted(NEEDED))}"
        return
    for name in NEEDED[connection.system]:
        if not getattr(connection, name):
            yield f"{named}.{name}: missing"
    for option in NEEDED_OPTIONS.get(connection.system, ()):
        if option not in connection.options:
            yield f"{named}.options.{option}: missing"
    if not connection.currency:
        yield f"{named}.currency: missing; amounts without one are refused"
    if any(each.system == connection.system for each in producers.WEBHOOKS) and not connection.webhook_secrets:
        yield f"{named}.webhook_secrets: missing; without a secret the gateway takes no webhook of it"
    try:
        schema_of(connection.name)
    except ConfigurationError as error:
        yield error.message


def _captures(settings: Settings) -> Iterable[str]:
    for connection in settings.connections.values():
        needs = any(each.system == connection.system for each in producers.CAPTURED)
        if needs and connection.capture is None:
            yield f"connections.{connection.name}.capture: missing; its changes are not heard of"
        if connection.capture is not None:
            try:
                connectors.configuration(settings, connection)
            except ConfigurationError as error:
                yield error.message


def _routes() -> Iterable[str]:
    """Every arrow begins and ends somewhere."""
    known = {topic.name for topic in topics.TOPICS}
    read = {arrow.source for arrow in arrows()}
    for topic in topics.TOPICS:
        if topic.written_by is not topics.Stage.BUS and topic.name not in read:
            yield f"{topic.name}: nobody reads it"
    for arrow in arrows():
        for name in (arrow.source, arrow.target):
            if name.endswith(".v1") and name not in known:
                yield f"{name}: no such topic, but {arrow.by} names it"
