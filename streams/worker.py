"""The process of the stage: settings, app, every route attached."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial

from bus import worker
from bus.codec import Codecs
from bus.faust_app import BusApp
from bus.read_one import read_letter
from bus.read_range import RangeReader, event_at, events_since
from bus.registry import Registry
from bus.settings import Settings
from bus.verify import verify
from mapping.tables import refuse_unfit, unfit
from schemas import topics
from streams import agents
from streams.redrive import Redrive, attach_redrive
from streams.routes import ROUTES, deployed

#: One group for all routes: processes of the stage share all its partitions, up to one process a partition.
GROUP = "towpath.streams"


def run(settings: Settings) -> int:
    """Run until told to stop; the exit code."""
    routes = deployed(settings.mappings)
    mappings = [each.mapping for each in routes]

    @asynccontextmanager
    async def build() -> AsyncIterator[BusApp]:
        with closing(Registry(settings.registry)) as registry:
            used = {topic.name: topic for route in routes for topic in (route.source, route.target)}
            others = (topics.OUTCOMES, topics.DEAD_LETTERS, topics.COMMANDS, topics.LOOKUPS)
            used |= {topic.name: topic for topic in others}
            app = BusApp(GROUP, settings.kafka, verify(settings.kafka, registry, used.values()))
            codecs = Codecs(registry)
            async with worker.lookups_of(app, settings, codecs, partial(unfit, mappings)) as lookups:
                refuse_unfit(mappings, (each.mapping for each in ROUTES), lookups.current())
                ways = {
                    f"{route.record}|{route.source.name}": agents.attach(
                        app, route, codecs, lookups, settings.code_version
                    )
                    for route in routes
                }
                read = partial(read_letter, settings.kafka, app.topic_ids)
                with RangeReader(settings.kafka) as reader:
                    read_event = partial(event_at, reader, app.topic_ids)
                    read_since = partial(events_since, reader, app.topic_ids)
                    redrive = Redrive(ways, codecs, read, lookups.catch_up, read_event, read_since)
                    attach_redrive(app, redrive, codecs, settings.code_version)
                    yield app

    return worker.run(build)
