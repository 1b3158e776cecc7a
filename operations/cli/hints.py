"""What to do about a server that does not answer or is not named: start our own, or look at somebody else's setting."""

import re
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
    "explain.away": PROJECTION,
    "store.away": STORES,
    "store_unavailable": STORES,
}

#: How settings name a variable that is missing.
UNSET = re.compile(r"environment variable (\w+) is not set")
OF_SANDBOX = ("TOWPATH_CLARITY_", "TOWPATH_GP_")
OF_STACK = ("TOWPATH_GATEWAY_PORT", *(variable for _, _, variable in AWAY.values()))


def hint(error: BusError) -> str:
    """What to do about an error, for behind its message; empty where nothing more is known."""
    if (unset := UNSET.search(error.message)) is not None:
        return _hint_to_set(unset[1])
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


def _hint_to_set(variable: str) -> str:
    """Which command keeps a variable; empty for one that is the operator's own."""
    if not variable.startswith((*OF_SANDBOX, *OF_STACK)):
        return ""
    command = "sandbox" if variable.startswith(OF_SANDBOX) else "stack"
    return f"Set it; where all of it runs here, `./towpath {command} up` does."
