"""Brings everything up that a demonstration needs, and waits until every part of it is really at work."""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from bus.settings import Settings, load
from errors import ConfigurationError
from operations import connectors, local, migrate, processes, readiness, sandbox, topics
from operations.demo import company
from operations.offsets import admin_of
from operations.readiness import Say
from operations.stack import lifecycle
from operations.stack import settings as stack_settings
from operations.stack import state as stack_state
from operations.stack.progress import Progress


def bring_up(root: Path, progress: Progress, say: Say) -> Settings:
    """Stack, simulators, tables, topics, capture, processes: what runs already is left alone.

    Raises:
        BusError: a part does not come up, or the deployment names other systems than the simulators; says which.
    """
    say("the stack: Kafka, registry, Connect, two PostgreSQL clusters")
    lifecycle.up(stack_settings.load(root, os.environ), progress)
    local.write_stack(root)
    say("the simulated store and ERP")
    sandbox.up(root, progress)
    settings = load(os.environ, root)
    require_simulators(settings)
    say("tables and topics")
    migrate.migrate(settings)
    topics.apply(settings)
    say("change data capture")
    connectors.apply(settings)
    if processes.SUPERVISOR not in processes.running(root):
        say("the bus")
        names = processes.check(["all"], list(settings.connections))
        processes.require_gateway_address(root, names, settings.gateway.host, settings.gateway.port)
        processes.detach(root, names)
    return settings


def require_simulators(settings: Settings) -> None:
    """Refuse a deployment that names anything but what runs here: the demonstration's orders would reach it.

    Raises:
        ConfigurationError: names the first address that is not one of the local stack's or the simulators'.
    """
    here = local.read(settings.root, local.STACK) | local.read(settings.root, sandbox.KEPT)
    for name, value, variable in _addresses(settings):
        if value != here.get(variable):
            raise ConfigurationError(
                name, f"the demonstration plays with simulators only: env:{variable}, as `towpath sandbox up` wrote it"
            )


def _addresses(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Setting, its value, and the variable under which this machine's own is kept."""
    yield "kafka.bootstrap", settings.kafka, "TOWPATH_KAFKA"
    yield "registry.url", settings.registry, "TOWPATH_REGISTRY"
    yield "connect.url", settings.connect, "TOWPATH_CONNECT"
    yield "projection.dsn", settings.projection_dsn.reveal(), "TOWPATH_PROJECTION_DSN"
    for each in settings.connections.values():
        named = f"connections.{each.name}"
        yield f"{named}.store_dsn", each.store_dsn.reveal(), "TOWPATH_STORE_DSN"
        if each.url:
            yield f"{named}.url", each.url, "TOWPATH_CLARITY_URL"
        if each.odbc is not None:
            yield f"{named}.odbc", each.odbc.reveal(), "TOWPATH_GP_ODBC"
        if each.capture is not None:
            yield f"{named}.capture.host", each.capture.host, "TOWPATH_GP_CDC_HOST"
            yield f"{named}.capture.port", str(each.capture.port), "TOWPATH_GP_CDC_PORT"


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
    admin = admin_of(settings.kafka)
    names = processes.every(list(settings.connections))
    readiness.wait(
        lambda: chain(readiness.not_ready(settings, admin, names), _capture_not_ready(settings, dsn)),
        say,
    )


def _capture_not_ready(settings: Settings, dsn: str) -> Iterator[str]:
    for connector in connectors.status(settings):
        if connector.state != "RUNNING" or any(task.state != "RUNNING" for task in connector.tasks):
            yield f"the connector {connector.connector}"
    if not company.slot_is_read(dsn):
        yield "change data capture to follow GP's log"
