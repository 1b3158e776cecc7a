"""The lock file of the stack's downloads."""

from pathlib import Path

import msgspec
import pytest

from errors import ConfigurationError
from operations.stack.artifacts import Artifact, Purpose, format_lock, parse_lock, read_lock, version_of

JAR = Artifact(purpose=Purpose.KAFKA, coordinate="org.example:bridge:1.2", sha256="a" * 64, size_bytes=7)
ARCHIVE = Artifact(
    purpose=Purpose.REGISTRY,
    coordinate="org.example.deep:lock-gate:3.0.Final",
    classifier="all",
    packaging="tar.gz",
    sha256="b" * 64,
    size_bytes=9,
)


def test_what_is_written_is_read_back() -> None:
    assert parse_lock(format_lock([ARCHIVE, JAR])) == (JAR, ARCHIVE)


def test_files_lie_where_every_maven_tool_looks() -> None:
    assert JAR.path_in(Path("/c")) == Path("/c/artifacts/org/example/bridge/1.2/bridge-1.2.jar")
    assert ARCHIVE.path_in(Path("/c")) == Path(
        "/c/artifacts/org/example/deep/lock-gate/3.0.Final/lock-gate-3.0.Final-all.tar.gz"
    )


def test_an_artifact_is_named_by_its_coordinate_in_messages() -> None:
    assert str(ARCHIVE) == "org.example.deep:lock-gate:3.0.Final:all:tar.gz"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("org.example:bridge:1.2", "org.example:bridge"),
        lambda text: text.replace("a" * 64, "a" * 63),
        lambda text: text.replace("a" * 64, "g" * 64),
        lambda text: text.replace("bridge:1.2", "../../bridge:1.2"),
        lambda text: text.replace("size_bytes = 7", "size_bytes = -7"),
        lambda text: text.replace('purpose = "kafka"', 'purpose = "kavka"'),
        lambda text: text.replace("size_bytes", "bytes"),
    ],
)
def test_a_damaged_lock_is_refused(change) -> None:  # type: ignore[no-untyped-def]  # a lambda has nowhere to say it
    with pytest.raises(msgspec.ValidationError):
        parse_lock(change(format_lock([JAR])))


def test_a_damaged_lock_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "artifacts.toml"
    file.write_text("artifacts = [ {")

    with pytest.raises(ConfigurationError, match=str(file)):
        read_lock(file)


def test_the_committed_lock_is_in_its_one_format_and_names_each_file_once() -> None:
    from operations.stack.artifacts import LOCK_FILE

    artifacts = read_lock()

    assert LOCK_FILE.read_text() == format_lock(artifacts)
    assert len({(each.purpose, str(each)) for each in artifacts}) == len(artifacts)
    assert version_of(artifacts, "kafka_2.13").startswith("4.3.")


def test_kafka_can_log() -> None:
    assert version_of(read_lock(), "log4j-slf4j-impl") == version_of(read_lock(), "log4j-core")


def test_the_converter_brings_no_second_copy_of_the_workers_classes() -> None:
    converter = {each.name for each in read_lock() if each.purpose is Purpose.CONVERTER}

    assert not converter & {"kafka-clients", "connect-api", "connect-json", "slf4j-api", "lz4-java", "zstd-jni"}
    assert "apicurio-registry-utils-converter" in converter
