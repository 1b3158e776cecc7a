"""Which port each listener gets: prescribed, kept from last time, or free; and who sits on a taken one."""

import errno
import socket
from collections.abc import Callable, Iterable, Mapping

import psutil

from errors import ConfigurationError
from operations.stack.settings import PortName

LOOPBACK = "127.0.0.1"
#: Below the range from which the kernel takes the ports of outgoing connections, so that none of those can be in the
#: way at the next start.
FIRST, LAST = 20_000, 32_000


def choose(
    prescribed: Mapping[PortName, int],
    kept: Mapping[PortName, int],
    seed: int,
    is_free: Callable[[int], bool],
) -> dict[PortName, int]:
    """A port for every listener; `seed` spreads the checkouts of a machine over the range.

    Raises:
        ConfigurationError: no port is left in the range.
    """
    chosen = {**kept, **prescribed}
    # a port prescribed now may be one that another listener chose earlier
    for name, port in kept.items():
        if name not in prescribed and port in prescribed.values():
            del chosen[name]
    for name in PortName:
        if name not in chosen:
            chosen[name] = choose_one(name.variable, chosen.values(), seed, is_free)
    return chosen


def choose_one(variable: str, taken: Iterable[int], seed: int, is_free: Callable[[int], bool]) -> int:
    """A port for one more listener, beside those already given away.

    Raises:
        ConfigurationError: no port is left in the range.
    """
    given = set(taken)
    candidates = (FIRST + (seed + step) % (LAST - FIRST) for step in range(LAST - FIRST))
    free = next((port for port in candidates if port not in given and is_free(port)), None)
    if free is None:
        raise ConfigurationError(variable, f"no port from {FIRST} to {LAST} is free; set one")
    return free


def require_free(name: PortName, port: int) -> None:
    """Refuse to start a part on a port that somebody else has.

    Raises:
        ConfigurationError: the port is taken, or not ours to take; names the variable, the port and its holder.
    """
    try:
        _bind(port)
    except PermissionError as error:
        raise ConfigurationError(name.variable, f"port {port} may only be opened by root") from error
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        message = f"port {port} is taken{_by(port)}; set {name.variable} to another one, or free it"
        raise ConfigurationError(name.variable, message) from error


def is_free(port: int) -> bool:
    try:
        _bind(port)
    except OSError:
        return False
    return True


def _bind(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        # as the servers do: a connection closed a moment ago does not keep a port, a listener does
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))


def _by(port: int) -> str:
    """Who holds a port, as far as we may see."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return ""
    for connection in connections:
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
            if connection.pid is None:
                return " by a process of another user"
            try:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.Error:
                return f" by process {connection.pid}"
    return ""
