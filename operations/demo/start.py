"""Brings everything up that a demonstration needs, and waits until every part of it is really at work."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from bus.settings import Settings, load
from errors import ConfigurationError, RetryableError
from operations import connectors, local, migrate, processes, sandbox, topics
from operations.demo import company
from operations.offsets import admin_of, away
from operations.readers import FETCHERS_GROUP, STREAMS_GROUP, readers
from operations.stack import lifecycle
from operations.stack import settings as stack_settings
from operations.stack import state as stack_state
from operations.stack.progress import Progress

READY_WITHIN_S = 240.0
LOOK_EVERY_S = 0.3
CONSUMERS_GROUP = "towpath.consumers.{connection}"

#: Told what is being done.
Say = Callable[[str], None]


def bring_up(root: Path, progress: Progress, say: Say) -> Settings:
    """Stack, simulators, tables, topics, capture, processes: what runs already is left alone.

    Raises:
        BusError: a part does not come up; says which.
    """
    say("the stack: Kafka, registry, Connect, two PostgreSQL clusters")
    lifecycle.up(stack_settings.load(root, os.environ), progress)
    local.write_stack(root)
    say("the simulated store and ERP")
    sandbox.up(root, progress)
    settings = load(os.environ, root)
    say("tables and topics")
    migrate.migrate(settings)
    topics.apply(settings)
    say("change data capture")
    connectors.apply(settings)
    if processes.SUPERVISOR not in processes.running(root):
        say("the bus")
        processes.detach(root, processes.check(["all"], list(settings.connections)))
    return settings


def company_dsn(root: Path) -> str:
    """How to read GP's tables past the product.

    Raises:
        ConfigurationError: the stack was never started here.
    """
    stack = stack_state.load(root)
    if stack is None:
        raise ConfigurationError("stack", "there is none here: `towpath stack up` first")
    return stack.sandbox.dsn.rsplit("/", 1)[0] + f"/{company.DATABASE}"


def wait_until_ready(settings: Settings, dsn: str, say: Say) -> None:
    """Until every process reads what it has to read, and GP's log is followed.

    Raises:
        RetryableError: not in time; says what is missing.
    """
    deadline = time.monotonic() + READY_WITHIN_S
    admin = admin_of(settings.kafka)
    told = ""
    while missing := _missing(settings, admin, dsn):
        if missing != told:
            say(f"waiting for {missing}")
            told = missing
        if time.monotonic() > deadline:
            raise RetryableError("demo.not_ready", f"not ready within {READY_WITHIN_S:.0f} s: {missing}")
        time.sleep(LOOK_EVERY_S)


def _missing(settings: Settings, admin: AdminClient, dsn: str) -> str:
    """The first thing that is not ready; empty when all is."""
    try:
        return next(not_ready(settings, admin, dsn), "")
    except RetryableError as error:
        return error.message


def not_ready(settings: Settings, admin: AdminClient, dsn: str) -> Iterator[str]:
    """What is not ready yet, one after the other."""
    for process in processes.states(settings.root, list(settings.connections)):
        if not process.running:
            yield f"the process {process.name}"
    if not _gateway_is_ready(settings):
        yield "the gateway"
    yield from _without_all_partitions(settings, admin)
    for connector in connectors.status(settings):
        if connector.state != "RUNNING" or any(task.state != "RUNNING" for task in connector.tasks):
            yield f"the connector {connector.connector}"
    if not company.slot_is_read(dsn):
        yield "change data capture to follow GP's log"


def _gateway_is_ready(settings: Settings) -> bool:
    address = f"http://{settings.gateway.host}:{settings.gateway.port}/ready"
    try:
        return httpx.get(address, timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _without_all_partitions(settings: Settings, admin: AdminClient) -> Iterator[str]:
    """Consumer groups that are still dividing their partitions."""
    wanted = _topics_of_groups(settings)
    try:
        found = {name: future.result() for name, future in admin.describe_consumer_groups(list(wanted)).items()}
    except KafkaException as error:
        raise away(error) from error
    for group, names in wanted.items():
        assigned = {
            (place.topic, place.partition)
            for member in found[group].members
            for place in member.assignment.topic_partitions
        }
        partitions = sum(1 for topic, _ in assigned if topic in names)
        expected = sum(each.partitions for each in topics.wanted(settings) if each.name in names)
        if found[group].state is not ConsumerGroupState.STABLE or partitions < expected:
            yield f"{group} to read all its partitions"


def _topics_of_groups(settings: Settings) -> dict[str, set[str]]:
    """Consumer group to the topics it has to read."""
    wanted: dict[str, set[str]] = {}
    for reader in readers(settings):
        if reader.queue == "consumers":
            group = CONSUMERS_GROUP.format(connection=reader.connection)
        elif reader.process == "streams":
            group = STREAMS_GROUP
        else:
            group = FETCHERS_GROUP.format(connection=reader.connection)
        wanted.setdefault(group, set()).add(reader.topic)
    return wanted
