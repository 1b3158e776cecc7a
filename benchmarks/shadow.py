"""How long does a shadow run over a hundred thousand orders take, beside reading them alone?

Usage: python -m benchmarks.shadow [--events 100000] [--changed]
Needs a stack whose addresses are given as for tests (`TOWPATH_TEST_KAFKA`, ...). Orders of the example, each with an id
of its own, are written to a topic of the script's own; `--changed` compares with a version in which a field of every
order differs, which is the dearest case.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
import time
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from confluent_kafka.cimpl import NewTopic

from bus.codec import Codecs
from bus.producer import BusProducer
from bus.registry import Registry
from bus.settings import ROOT, Settings, demo
from operations import read_topics, topics
from operations.offsets import admin_of, describe
from operations.shadow_run import shadow
from operations.stack.addresses import from_environment
from schemas.bus.fetched import Fetched
from schemas.topics import CLARITY_ORDERS, Topic

LIVE = ROOT / "streams" / "orders" / "from_clarity.yaml"
EXAMPLE = ROOT / "schemas" / "examples" / CLARITY_ORDERS.name / "full_order.json"
AT_ONCE = 5000


def main() -> int:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--changed", action="store_true")
    told = parser.parse_args()
    addresses = from_environment(os.environ)
    if addresses is None:
        sys.exit("set the addresses of a stack: TOWPATH_TEST_KAFKA, TOWPATH_TEST_REGISTRY, ...")
    settings = msgspec.structs.replace(demo(), kafka=addresses.kafka, registry=addresses.registry)
    topic = msgspec.structs.replace(CLARITY_ORDERS, name=f"benchmark-{uuid.uuid4().hex[:8]}")
    admin = admin_of(settings.kafka)
    topics.create(admin, [NewTopic(topic.name, topic.partitions, 1)])
    try:
        asyncio.run(_fill(settings, topic, told.events))
        since = datetime.now(UTC) - timedelta(hours=1)
        reading_s = _reading(settings, topic, since)
        with TemporaryDirectory() as folder:
            new = Path(folder) / "new.yaml"
            text = LIVE.read_text(encoding="utf-8")
            new.write_text(_changed(text) if told.changed else text, encoding="utf-8")
            began, worked = time.perf_counter(), _processor_s()
            found = shadow(settings, str(new), since, lambda _done, _whole: None, topic=topic.name)
            took_s, worked = time.perf_counter() - began, _processor_s() - worked
    finally:
        admin.delete_topics([topic.name])[topic.name].result()
    result = {
        "events": found.events,
        "compared": found.compared,
        "differ": found.differ,
        "reading_s": round(reading_s, 2),
        "shadow_s": round(took_s, 2),
        # of all processes together: what others do on the machine changes it little
        "processor_s": round(worked, 2),
        "ratio": round(took_s / reading_s, 1),
        "processors": os.cpu_count(),
        "load": [round(each, 1) for each in os.getloadavg()],
    }
    print(json.dumps(result))
    return 0 if found.compared == told.events else 1


def _processor_s() -> float:
    """Seconds of processors this process and those that ended have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _changed(text: str) -> str:
    """A version in which the note of every order differs."""
    before = next(line for line in text.splitlines() if line.startswith("  note:"))
    return text.replace(before, "  note: \"'another'\"").replace("version: 3", "version: 4")


async def _fill(settings: Settings, topic: Topic, events: int) -> None:
    body = EXAMPLE.read_bytes()
    with closing(Registry(settings.registry)) as registry:
        codec = Codecs(registry).of(CLARITY_ORDERS)
        async with BusProducer(settings.kafka, delivery_timeout_s=60) as producer:
            for first in range(0, events, AT_ONCE):
                orders = (
                    Fetched(
                        connection="clarity-main", id=str(at), read_at=datetime.now(UTC), source_version=at, body=body
                    )
                    for at in range(first, min(first + AT_ONCE, events))
                )
                await asyncio.gather(
                    *(producer.send(topic, f"clarity-main:{each.id}", codec.encode(each)) for each in orders)
                )


def _reading(settings: Settings, topic: Topic, since: datetime) -> float:
    """Seconds for the same events, read and let go."""
    began = time.perf_counter()
    place = describe(admin_of(settings.kafka), [topic.name])[topic.name]
    for _ in read_topics.read(settings.kafka, topic, read_topics.span(settings.kafka, place, since)):
        pass
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
