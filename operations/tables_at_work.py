"""Lookup tables as they stand for all that maps: files, what is laid over them, and what of that is put aside."""

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime

import msgspec

from bus.codec import Codecs
from bus.laid_over import Aside, Faults, Rows, fitting, put_aside
from bus.live_lookups import lookups_now
from bus.lookup_topic import LookupTopic
from bus.registry import Registry
from bus.settings import Connection, Settings
from consumers import tables as consumers
from mapping import tables as mappings
from mapping.port import Lookups, Unfit
from streams.routes import deployed


class OnTopic(msgspec.Struct, frozen=True, kw_only=True):
    """What lies on the topic."""

    #: The newest of each key, whatever they say.
    rows: Rows
    #: Those at work; in the place of one that any process puts aside what stood before it.
    at_work: Rows
    aside: tuple[Aside, ...]
    #: Message keys of those whose record is none of ours: they need not be as we write them.
    strange: Mapping[tuple[str, str], str] = {}


def unfit(settings: Settings, lookups: Lookups) -> list[Unfit]:
    """What some process of the deployment cannot map by.

    Raises:
        BrokenMappingError: one of the deployment's own mappings cannot be run.
        ConfigurationError: what a connection says of its site cannot be.
    """
    streams = mappings.unfit((each.mapping for each in deployed(settings.mappings)), lookups)
    told = (*streams, *consumers.unfit(settings, settings.connections.values(), lookups))
    return list({each.why: each for each in told}.values())


def on_topic(settings: Settings) -> OnTopic:
    """Read the topic to its end.

    Raises:
        BrokenMappingError: one of the deployment's own mappings cannot be run.
        ConfigurationError: the registry has not the topic's schema.
        RetryableError: Kafka or the registry does not answer.
    """
    with closing(Registry(settings.registry)) as registry, LookupTopic(settings.kafka, Codecs(registry)) as topic:
        topic.read_to(topic.end())
    files, now = settings.lookups.rows(), datetime.now(UTC)
    laid = topic.laid
    rows, aside = fitting(files, laid.rows, laid.former, now, lambda tables: unfit(settings, tables))
    if aside:
        # each process knows only what it maps
        aside = put_aside(files, laid, now, processes(settings))
    return OnTopic(
        rows=laid.rows,
        at_work=rows,
        aside=(*topic.aside.values(), *aside),
        strange={(each.table, each.key): key for key, each in topic.aside.items()},
    )


def processes(settings: Settings) -> dict[str, Faults]:
    """Those that map, and what each cannot map by."""

    def of_target(connection: Connection) -> Faults:
        return lambda lookups: consumers.unfit(settings, [connection], lookups)

    return {
        "streams": lambda lookups: mappings.unfit((each.mapping for each in deployed(settings.mappings)), lookups),
        **{f"consumers@{name}": of_target(each) for name, each in settings.connections.items()},
    }


def with_lookups_now(settings: Settings) -> Settings:
    """The deployment with its tables as they stand.

    Raises:
        BrokenMappingError: one of the deployment's own mappings cannot be run.
        ConfigurationError: a file is no table.
        RetryableError: Kafka or the registry does not answer.
    """
    found = lookups_now(settings, lambda tables: unfit(settings, tables))
    return msgspec.structs.replace(settings, lookups=found)
