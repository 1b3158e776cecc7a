"""Whether processes that were started are really at work: alive, listening, and reading all they have to read."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import httpx
from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from bus.settings import Settings
from errors import RetryableError
from operations import processes, topics
from operations.offsets import admin_of, away
from operations.readers import FETCHERS_GROUP, STREAMS_GROUP, readers

READY_WITHIN_S = 240.0
LOOK_EVERY_S = 0.3
ASK_WITHIN_S = 30.0
CONSUMERS_GROUP = "towpath.consumers.{connection}"

#: Told what is being done or waited for.
Say = Callable[[str], None]


def wait(missing: Callable[[], Iterable[str]], say: Say, within_s: float = READY_WITHIN_S) -> None:
    """Until nothing is missing any more; says what is, whenever that changes.

    Raises:
        RetryableError: not in time; says what is missing.
    """
    deadline = time.monotonic() + within_s
    told = ""
    while first := _first(missing):
        if first != told:
            say(f"waiting for {first}")
            told = first
        if time.monotonic() > deadline:
            raise RetryableError("run.not_ready", f"not ready within {within_s:.0f} s: {first}")
        time.sleep(LOOK_EVERY_S)


def wait_for_processes(settings: Settings, names: Sequence[str], say: Say, within_s: float = READY_WITHIN_S) -> None:
    """Until the processes are at work.

    Raises:
        RetryableError: not in time; says what is missing.
    """
    admin = admin_of(settings.kafka)
    wait(lambda: not_ready(settings, admin, names), say, within_s)


def not_ready(settings: Settings, admin: AdminClient, names: Sequence[str]) -> Iterator[str]:
    """What of the processes is not ready yet, one after the other."""
    alive = processes.running(settings.root)
    for name in names:
        if name not in alive:
            yield f"{name}; it writes to {processes.log_of(settings.root, name)}"
    if "gateway" in names and not _gateway_is_ready(settings):
        yield "the gateway to take webhooks"
    yield from _without_all_partitions(settings, admin, names)


def _first(missing: Callable[[], Iterable[str]]) -> str:
    try:
        return next(iter(missing()), "")
    except RetryableError as error:
        return error.message


def _gateway_is_ready(settings: Settings) -> bool:
    address = f"http://{settings.gateway.host}:{settings.gateway.port}/ready"
    try:
        return httpx.get(address, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _without_all_partitions(settings: Settings, admin: AdminClient, names: Sequence[str]) -> Iterator[str]:
    """Consumer groups that are still dividing their partitions."""
    wanted = _topics_of_groups(settings, names)
    if not wanted:
        return
    try:
        found = {
            name: future.result()
            for name, future in admin.describe_consumer_groups(list(wanted), request_timeout=ASK_WITHIN_S).items()
        }
    except KafkaException as error:
        raise away(error) from error
    for group, read in wanted.items():
        assigned = {
            (place.topic, place.partition)
            for member in found[group].members
            for place in member.assignment.topic_partitions
        }
        partitions = sum(1 for topic, _ in assigned if topic in read)
        expected = sum(each.partitions for each in topics.wanted(settings) if each.name in read)
        if found[group].state is not ConsumerGroupState.STABLE or partitions < expected:
            yield f"{group} to read all its partitions"


def _topics_of_groups(settings: Settings, names: Sequence[str]) -> dict[str, set[str]]:
    """Consumer group to the topics it has to read, of these processes."""
    wanted: dict[str, set[str]] = {}
    for reader in readers(settings):
        if reader.process not in names:
            continue
        if reader.queue == "consumers":
            group = CONSUMERS_GROUP.format(connection=reader.connection)
        elif reader.process == "streams":
            group = STREAMS_GROUP
        else:
            group = FETCHERS_GROUP.format(connection=reader.connection)
        wanted.setdefault(group, set()).add(reader.topic)
    return wanted
