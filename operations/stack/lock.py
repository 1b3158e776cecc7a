"""Makes the lock file anew (`make lock-stack`): resolves once what the stack needs, for whoever raises a version."""

import hashlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from jgo.maven import MavenContext

from operations.stack.artifacts import LOCK_FILE, Artifact, Purpose, format_lock

KAFKA = "4.3.1"
DEBEZIUM = "3.6.1.Final"
#: 3.x of the converter does not resolve: its parent POM was never published. 2.6 speaks the API that 3.3 still serves.
CONVERTER = "2.6.13.Final"
REGISTRY = "3.3.3"

KAFKA_ROOTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA}",
    f"org.apache.kafka:kafka-tools:{KAFKA}",
    f"org.apache.kafka:connect-runtime:{KAFKA}",
    f"org.apache.kafka:connect-json:{KAFKA}",
    f"org.apache.kafka:connect-transforms:{KAFKA}",
)
#: Kafka's own archive carries this binding, its POMs do not; without it nothing is logged. It is no root: jgo would
#: take its parent's versions for everything, Kafka's own clients included.
LOG_BINDING = "log4j-slf4j-impl"
CONVERTER_ROOTS = (
    f"io.apicurio:apicurio-registry-utils-converter:{CONVERTER}",
    f"io.apicurio:apicurio-registry-serdes-avro-serde:{CONVERTER}",
)
#: What the worker brings itself; a second copy in the plugin's folder would be a second, different class.
FROM_THE_WORKER = frozenset(
    {"kafka-clients", "connect-api", "connect-json", "slf4j-api", "snappy-java", "lz4-java", "zstd-jni"}
)
ARCHIVES = (
    (Purpose.DEBEZIUM, f"io.debezium:debezium-connector-postgres:{DEBEZIUM}", "plugin"),
    (Purpose.DEBEZIUM, f"io.debezium:debezium-connector-sqlserver:{DEBEZIUM}", "plugin"),
    (Purpose.REGISTRY, f"io.apicurio:apicurio-registry-app:{REGISTRY}", "all"),
)


def resolve(repository: Path) -> Iterator[Artifact]:
    """Everything the stack needs, downloaded into a throw-away repository and measured."""
    context = MavenContext(repo_cache=repository, timeout=60)
    for artifact in _closure(context, Purpose.KAFKA, KAFKA_ROOTS):
        yield artifact
        if artifact.name == "log4j-core":
            yield measured(context, Purpose.KAFKA, artifact.coordinate.replace(artifact.name, LOG_BINDING), "", "jar")
    for artifact in _closure(context, Purpose.CONVERTER, CONVERTER_ROOTS):
        if artifact.name not in FROM_THE_WORKER:
            yield artifact
    for purpose, coordinate, classifier in ARCHIVES:
        yield measured(context, purpose, coordinate, classifier, "tar.gz")


def _closure(context: MavenContext, purpose: Purpose, roots: tuple[str, ...]) -> Iterator[Artifact]:
    given, needed = context.resolver.resolve([context.create_dependency(root) for root in roots])
    for dependency in [*given, *needed]:
        if not dependency.optional:
            coordinate = f"{dependency.groupId}:{dependency.artifactId}:{dependency.version}"
            yield measured(context, purpose, coordinate, dependency.classifier, dependency.type)


def measured(context: MavenContext, purpose: Purpose, coordinate: str, classifier: str, packaging: str) -> Artifact:
    """One file, downloaded, with its size and digest."""
    group, name, version = coordinate.split(":")
    file: Path = context.project(group, name).at_version(version).artifact(classifier, packaging).resolve()
    content = file.read_bytes()
    return Artifact(
        purpose=purpose,
        coordinate=coordinate,
        classifier=classifier,
        packaging=packaging,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
    )


def main() -> None:
    """Write the lock file next to this module."""
    with tempfile.TemporaryDirectory() as folder:
        artifacts = tuple(resolve(Path(folder)))
    LOCK_FILE.write_text(format_lock(artifacts), encoding="utf-8")
    sys.stderr.write(f"{LOCK_FILE}: {len(artifacts)} artifacts\n")


if __name__ == "__main__":
    main()
