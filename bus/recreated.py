"""A topic that was deleted and made anew has the old name, another id and other events: whoever reads it begins again.

Offsets are kept by name, by Kafka's groups and inside a running consumer; beyond the old position they would skip new
events, before it drop them as repeats, both without a word. So a process watches the ids of its topics and ends when
one is another; the next start reads a store's position by the topic's id, and a group's offset only if it was committed
for that id.
"""

import asyncio
from collections.abc import Mapping

import structlog

from bus.faust_app import BusApp
from bus.verify import admin_of, topic_ids
from errors import FatalError, RetryableError

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 5.0


async def watch_topics(app: BusApp, look_every_s: float = LOOK_EVERY_S) -> None:
    """Stop the app when one of its topics is not the one it began to read; until cancelled."""
    admin = admin_of(app.kafka)
    while True:
        await asyncio.sleep(look_every_s)
        try:
            found = await asyncio.to_thread(topic_ids, app.kafka, app.topic_ids, admin)
        except RetryableError:
            continue
        if changed := made_anew(app.topic_ids, found):
            await app.die(
                FatalError(
                    "topic_recreated",
                    f"{', '.join(changed)} was deleted and made anew: it is read from its beginning",
                    topic=changed[0],
                )
            )
            return


def made_anew(known: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Topics of another id than before; one that is not there may come back as it was, as brokers start."""
    return sorted(name for name, id_ in found.items() if name in known and known[name] != id_)
