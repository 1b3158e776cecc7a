"""The values of what runs on this machine, kept where `bus/settings.py` finds them: addresses, ports, secrets."""

import zlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from errors import ConfigurationError
from operations.stack import ports, state
from operations.stack.places import Places
from operations.stack.state import write_private

LOOPBACK = "127.0.0.1"
#: The file with the addresses of the local stack.
STACK = "stack"


def folder(root: Path) -> Path:
    """Where the files lie; each is a flat JSON object of variable to value, readable by its owner alone."""
    return root / ".towpath" / "environment"


def read(root: Path, name: str) -> dict[str, str]:
    """The values of one file; empty where there is none."""
    path = folder(root) / f"{name}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as error:
        raise ConfigurationError(str(path), f"not a flat JSON object of strings: {error}") from error


def write(root: Path, name: str, values: Mapping[str, str]) -> None:
    """Keep the values of one file, in one step and for the owner alone."""
    content = msgspec.json.format(msgspec.json.encode(dict(sorted(values.items()))), indent=2) + b"\n"
    write_private(folder(root) / f"{name}.json", content)


def forget(root: Path, name: str) -> None:
    """Drop the values of one file, whose servers are gone."""
    (folder(root) / f"{name}.json").unlink(missing_ok=True)


def write_stack(root: Path) -> dict[str, str]:
    """Keep the addresses of the running stack, and a port for the gateway.

    Raises:
        ConfigurationError: the stack was never started.
    """
    stack = state.load(root)
    if stack is None:
        raise ConfigurationError("stack", "there is none here: `towpath stack up` first")
    values = {
        "TOWPATH_KAFKA": stack.kafka,
        "TOWPATH_REGISTRY": stack.registry,
        "TOWPATH_CONNECT": stack.connect,
        "TOWPATH_STORE_DSN": stack.bus.dsn,
        "TOWPATH_PROJECTION_DSN": stack.bus.dsn,
    }
    write(root, STACK, values)
    return values | write_gateway(root)


def write_gateway(root: Path) -> dict[str, str]:
    """Keep the gateway's port, chosen free once so that senders need not be told again."""
    values = read(root, "gateway")
    if "TOWPATH_GATEWAY_PORT" not in values:
        values = {"TOWPATH_GATEWAY_PORT": free_port(root, "TOWPATH_GATEWAY_PORT", read(root, "sandbox"))}
        write(root, "gateway", values)
    return values


def free_port(root: Path, variable: str, given: Mapping[str, str]) -> str:
    """A port for one of our own listeners, to be kept; as the stack's, none an outgoing connection can have.

    Args:
        root: Of the checkout.
        variable: Under which it will be kept.
        given: Variables of others; their ports stay theirs while they are down.

    Raises:
        ConfigurationError: no port is left.
    """
    stack = state.load(root)
    taken = {int(value) for name, value in given.items() if name.endswith("_PORT")}
    taken.update(stack.ports.values() if stack is not None else ())
    seed = zlib.crc32(Places(root=root.resolve()).digest.encode())
    return str(ports.choose_one(variable, taken, seed, ports.is_free))
