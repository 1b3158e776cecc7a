"""Every address of what runs here, and the sandbox's credentials; its shape is a contract with programs."""

from collections.abc import Mapping
from typing import Any

import msgspec

from bus.settings import Connection, Settings
from operations import local, processes
from operations.processes import ProcessState
from operations.projection import queues
from operations.projection.queues import StoreStanding
from operations.sentences import sentence
from operations.side_by_side import Question, wait_for


class WebhookTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Where a store sends its webhooks, and what it signs them with."""

    url: str
    secrets: tuple[str, ...]


class GatewayInfo(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    webhooks: dict[str, WebhookTarget]


class ConnectionInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How to reach one installed system."""

    system: str
    url: str = ""
    user: str = ""
    password: str = ""
    odbc: str = ""
    #: Why nothing is delivered to it: another system is behind it than is remembered. Not told where its store is away.
    stopped: str = ""


class SandboxInfo(msgspec.Struct, frozen=True, kw_only=True):
    control_url: str


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. Fields are added, never renamed."""

    deployment: str
    kafka: str
    registry: str
    connect: str
    gateway: GatewayInfo
    connections: dict[str, ConnectionInfo]
    sandbox: dict[str, SandboxInfo]
    processes: dict[str, ProcessState]


#: For the stores; whoever asks wants the addresses.
ASK_WITHIN_S = 2.0
#: Simulator to the variable its control API's address is kept in.
CONTROLS = {"clarity": "TOWPATH_CLARITY_CONTROL", "dynamics-gp": "TOWPATH_GP_CONTROL"}


def info(settings: Settings) -> Info:
    """What runs here and where; secrets only where the sandbox itself made them."""
    made_here = local.read(settings.root, "sandbox")
    known = frozenset(made_here.values())
    address = f"http://{settings.gateway.host}:{settings.gateway.port}"
    stopped = _stopped(settings)
    return Info(
        deployment=settings.deployment,
        kafka=settings.kafka,
        registry=settings.registry,
        connect=settings.connect,
        gateway=GatewayInfo(
            url=address,
            webhooks={
                each.name: WebhookTarget(
                    url=f"{address}/webhooks/{each.name}",
                    secrets=tuple(_shown(secret, known) for secret in each.webhook_secrets),
                )
                for each in settings.connections.values()
                if each.webhook_secrets
            },
        ),
        connections={
            each.name: _connection(each, known, stopped.get(each.name, "")) for each in settings.connections.values()
        },
        sandbox=_simulators(settings, made_here),
        processes={each.name: each for each in processes.states(settings.root, list(settings.connections))},
    )


def _simulators(settings: Settings, made_here: Mapping[str, str]) -> dict[str, SandboxInfo]:
    """Each simulator under its own name, and under those of the connections it stands for here."""
    own = {
        system: SandboxInfo(control_url=made_here[variable])
        for system, variable in CONTROLS.items()
        if variable in made_here
    }
    return own | {each.name: own[each.system] for each in settings.connections.values() if each.system in own}


def _stopped(settings: Settings) -> dict[str, str]:
    """By connection, what was found behind it instead of the system that is remembered."""
    asked = {each.name: _store(each) for each in settings.connections.values()}
    wait_for(asked.values(), ASK_WITHIN_S)
    strangers = {name: each.answer.stranger for name, each in asked.items() if each.answer is not None}
    return {
        name: sentence(stranger.code, stranger.values | {"connection": name}).happened
        for name, stranger in strangers.items()
        if stranger is not None
    }


def _store(connection: Connection) -> Question[StoreStanding]:
    return Question(f"store of {connection.name}", lambda: queues.standing(connection))


def _connection(connection: Connection, known: frozenset[str], stopped: str) -> ConnectionInfo:
    return ConnectionInfo(
        system=connection.system,
        url=connection.url,
        user=connection.user,
        password=_shown(connection.password, known) if connection.password else "",
        odbc=_shown(connection.odbc, known) if connection.odbc else "",
        stopped=stopped,
    )


def _shown(secret: Any, known: frozenset[str]) -> str:
    """A secret the sandbox made is printed; a real one never is."""
    value = str(secret.reveal())
    return value if value in known else f"({secret.reference or 'set'})"
