"""The lock file of everything the stack fetches by Maven coordinate: what it says and where its files lie."""

import re
import tomllib
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from errors import ConfigurationError

COORDINATE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(:[A-Za-z0-9_-][A-Za-z0-9._-]*){2}")
SHA256 = re.compile(r"[0-9a-f]{64}")
LOCK_FILE = Path(__file__).with_name("artifacts.toml")


class Purpose(StrEnum):
    """What an artifact is fetched for."""

    KAFKA = "kafka"  # broker, Connect and their libraries: one class path
    CONVERTER = "converter"  # the Avro converter, a Connect plugin of its own
    DEBEZIUM = "debezium"  # archives of Connect plugins
    REGISTRY = "registry"  # the archive of the schema registry


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """One file to fetch: who it is, and what it must be."""

    purpose: Purpose
    #: `group:artifact:version`
    coordinate: str
    classifier: str = ""
    packaging: str = "jar"
    sha256: str
    size_bytes: int

    @property
    def group(self) -> str:
        return self.coordinate.split(":")[0]

    @property
    def name(self) -> str:
        return self.coordinate.split(":")[1]

    @property
    def version(self) -> str:
        return self.coordinate.split(":")[2]

    @property
    def file_name(self) -> str:
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{classifier}.{self.packaging}"

    @property
    def path(self) -> str:
        """Where it lies in every Maven repository, relative to its root."""
        return "/".join((*self.group.split("."), self.name, self.version, self.file_name))

    def path_in(self, cache: Path) -> Path:
        """Where the verified file lies in a cache."""
        return cache / "artifacts" / self.path

    def __str__(self) -> str:
        return ":".join(word for word in (self.coordinate, self.classifier, self.packaging) if word)


class _LockFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    artifacts: list[Artifact]


def read_lock(path: Path = LOCK_FILE) -> tuple[Artifact, ...]:
    """Read the lock file.

    Raises:
        ConfigurationError: the file is not a lock file; the message says where.
    """
    try:
        return parse_lock(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(str(path), str(error)) from error


def parse_lock(text: str) -> tuple[Artifact, ...]:
    """The artifacts of a lock file's text."""
    artifacts = tuple(msgspec.convert(tomllib.loads(text), _LockFile).artifacts)
    for artifact in artifacts:
        # these words become paths and addresses
        if not COORDINATE.fullmatch(artifact.coordinate):
            raise msgspec.ValidationError(f"{artifact.coordinate!r} is not group:artifact:version")
        if not SHA256.fullmatch(artifact.sha256):
            raise msgspec.ValidationError(f"{artifact}: {artifact.sha256!r} is not a SHA-256")
        if artifact.size_bytes <= 0:
            raise msgspec.ValidationError(f"{artifact}: {artifact.size_bytes} is not a size")
    return artifacts


def format_lock(artifacts: Sequence[Artifact]) -> str:
    """The text of a lock file: one line per artifact, sorted, so that a change of version reads as one."""
    lines = [
        "# Every file the local stack fetches, by Maven coordinate; made by `make lock-stack`, not by hand.",
        "artifacts = [",
    ]
    for artifact in sorted(artifacts, key=lambda each: (each.purpose, each.coordinate, each.classifier)):
        words = [f'purpose = "{artifact.purpose}"', f'coordinate = "{artifact.coordinate}"']
        if artifact.classifier:
            words.append(f'classifier = "{artifact.classifier}"')
        if artifact.packaging != "jar":
            words.append(f'packaging = "{artifact.packaging}"')
        words += [f"size_bytes = {artifact.size_bytes}", f'sha256 = "{artifact.sha256}"']
        lines.append(f"  {{ {', '.join(words)} }},")
    return "\n".join([*lines, "]", ""])


def version_of(artifacts: Sequence[Artifact], name: str) -> str:
    """The locked version of the artifact with this name."""
    return next(artifact.version for artifact in artifacts if artifact.name == name)
