"""What the local stack can be told from outside: its root, ports, cache and where jars come from."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import msgspec
import platformdirs

from errors import ConfigurationError

REPOSITORY_ROOT = Path(__file__).resolve().parents[2]


class PortName(StrEnum):
    """One listener of the stack; `TOWPATH_<NAME>_PORT` fixes its port."""

    KAFKA = "kafka"
    KAFKA_CONTROLLER = "kafka-controller"
    REGISTRY = "registry"
    REGISTRY_MANAGEMENT = "registry-management"
    CONNECT = "connect"
    BUS = "bus"
    SANDBOX = "sandbox"

    @property
    def variable(self) -> str:
        return f"TOWPATH_{self.value.upper().replace('-', '_')}_PORT"


class StackSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where one stack lives and what of it is prescribed; built by `load`, or by hand in tests."""

    #: The checkout the stack belongs to; its state lives in `.towpath/` there.
    root: Path
    #: Downloads and what is unpacked from them, shared by all checkouts of one user.
    cache: Path
    #: Ports that somebody prescribed; the others are chosen at the first `up` and kept.
    ports: Mapping[PortName, int]
    #: Another Maven repository than the public one, such as a company's mirror.
    maven: str | None = None
    #: How long one part may take to become ready; generous, because a busy machine is not a broken one.
    ready_within_s: float = 180.0


def load(root: Path, environ: Mapping[str, str]) -> StackSettings:
    """Read the settings of the stack of one checkout.

    Raises:
        ConfigurationError: a port is no port, or two listeners are given the same one.
    """
    cache = environ.get("TOWPATH_CACHE") or platformdirs.user_cache_dir("towpath")
    return StackSettings(
        root=root.resolve(),
        cache=Path(cache).expanduser().absolute(),
        ports=_prescribed_ports(environ),
        maven=environ.get("TOWPATH_MAVEN") or None,
    )


def _prescribed_ports(environ: Mapping[str, str]) -> dict[PortName, int]:
    prescribed: dict[PortName, int] = {}
    for name in PortName:
        text = environ.get(name.variable, "").strip()
        if not text:
            continue
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
            raise ConfigurationError(name.variable, f"{text!r} is not a port (1 to 65535)")
        for other, port in prescribed.items():
            if port == int(text):
                raise ConfigurationError(name.variable, f"port {port} is already given to {other.variable}")
        prescribed[name] = int(text)
    return prescribed
