"""What to do about a server that does not answer: start our own, or look at the setting that names somebody else's."""

from collections.abc import Callable, Mapping

from bus.settings import Settings
from errors import BusError, ConfigurationError
from operations import local
from operations.cli.deployment import settings

#: Setting, its values in a deployment, and the variable the local stack keeps its own under.
Server = tuple[str, Callable[[Settings], set[str]], str]

KAFKA: Server = ("kafka.bootstrap", lambda given: {given.kafka}, "TOWPATH_KAFKA")
REGISTRY: Server = ("registry.url", lambda given: {given.registry}, "TOWPATH_REGISTRY")
CONNECT: Server = ("connect.url", lambda given: {given.connect}, "TOWPATH_CONNECT")
PROJECTION: Server = ("projection.dsn", lambda given: {given.projection_dsn.reveal()}, "TOWPATH_PROJECTION_DSN")
STORES: Server = (
    "store_dsn of each connection",
    lambda given: {each.store_dsn.reveal() for each in given.connections.values()},
    "TOWPATH_STORE_DSN",
)
#: Code of an error to who did not answer.
AWAY: Mapping[str, Server] = {
    "kafka.away": KAFKA,
    "broker_away": KAFKA,
    "registry_away": REGISTRY,
    "connect.away": CONNECT,
    "projection.away": PROJECTION,
    "store.away": STORES,
    "store_unavailable": STORES,
}


def hint(error: BusError) -> str:
    """What to do about an error, for behind its message; empty where nothing more is known."""
    if error.code not in AWAY:
        return ""
    try:
        return hint_for(error.code, settings())
    except ConfigurationError:
        return ""


def hint_for(code: str, given: Settings) -> str:
    """What to do about a server that is away, in this deployment."""
    setting, values, variable = AWAY[code]
    if values(given) == {local.read(given.root, local.STACK).get(variable)}:
        return "Start it with `./towpath stack up`."
    return f"Its address is the setting {setting}."
