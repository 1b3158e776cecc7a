"""What the life cycle needs of a part of the stack; one module per part builds it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

from operations.stack.identity import Identity
from operations.stack.places import Places
from operations.stack.ports import LOOPBACK
from operations.stack.processes import Launch
from operations.stack.settings import PortName
from operations.stack.software import Software


class PartName(StrEnum):
    """The parts of the stack, in the order in which they are shown."""

    BUS = "bus"
    SANDBOX = "sandbox"
    KAFKA = "kafka"
    REGISTRY = "registry"
    CONNECT = "connect"


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What all parts of one checkout's stack stand on."""

    places: Places
    software: Software
    ports: Mapping[PortName, int]
    identity: Identity

    def address(self, name: PortName) -> str:
        return f"{LOOPBACK}:{self.ports[name]}"


class Part(Protocol):
    """One server of the stack.

    Called in this order, each at most once at a start: `prepare`, `launch`, `is_ready` until it says so, `complete`.
    All of it repeats safely on what an earlier start left behind, finished or not.
    """

    @property
    def name(self) -> PartName: ...

    @property
    def listeners(self) -> tuple[PortName, ...]:
        """Every port it opens, the one its clients use first."""

    @property
    def after(self) -> tuple[PartName, ...]:
        """The parts that must be ready before this one is launched."""

    def prepare(self) -> None:
        """Write its configuration, and its empty data where there is none."""

    def launch(self) -> Launch:
        """The process to start."""

    def is_ready(self) -> bool:
        """Whether it does its work for clients; False also where it cannot be reached."""

    def complete(self) -> None:
        """What can only be done once it is ready."""


def java_command(ground: Ground, part: PartName, options: tuple[str, ...], main: tuple[str, ...]) -> tuple[str, ...]:
    """A Java process that carries the part's marker and writes nothing beside its log."""
    return (
        str(ground.software.java),
        f"-Dtowpath.part={ground.places.marker(part)}",
        "-XX:+UseSerialGC",  # a fifth of G1's memory for heaps this small
        "-XX:-UsePerfData",  # or every process leaves a file in /tmp
        "-Djava.net.preferIPv4Stack=true",
        "-Djava.awt.headless=true",
        "-Djava.io.tmpdir=tmp",  # native libraries are unpacked there; relative to the stack's home, as all paths here
        *options,
        *main,
    )


#: Passed to every Java part that logs by it. The path is relative: Log4j takes an absolute one for an address, and
#: stumbles over a space in it.
LOG4J_OPTION = "-Dlog4j2.configurationFile=config/log4j2.properties"
LOG4J_CONFIGURATION = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %m (%c)%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
logger.reflections.name = org.reflections
logger.reflections.level = error
logger.admin.name = org.apache.kafka.clients.admin
logger.admin.level = warn
"""


def properties_text(settings: Mapping[str, str | int]) -> str:
    """A Java properties file, which is Latin-1 by definition: what is not ASCII is written as UTF-16 escapes."""
    return "".join(f"{key}={_escaped(str(value))}\n" for key, value in settings.items())


def _escaped(value: str) -> str:
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    return "".join(chr(code) if 0x20 <= code < 0x7F else f"\\u{code:04x}" for code in codes)


def write_configuration(places: Places, name: str, settings: Mapping[str, str | int]) -> None:
    """Write the configuration of a Java part, and what all of them share."""
    for folder in (places.config, places.home / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    (places.config / "log4j2.properties").write_text(LOG4J_CONFIGURATION)
    (places.config / name).write_text(properties_text(settings))
