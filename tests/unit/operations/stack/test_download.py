"""Downloads are verified, never half, and refused by name; against a small repository on the loopback."""

import functools
import hashlib
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from errors import FatalError, RetryableError
from operations.stack.artifacts import Artifact, Purpose
from operations.stack.download import fetch
from operations.stack.progress import Silent

CONTENT = b"a jar, by courtesy" * 1000


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the standard library's word
        pass


class Counting(Silent):
    def __init__(self) -> None:
        self.announced = 0
        self.arrived = 0

    def downloading(self, size_bytes: int) -> None:
        self.announced = size_bytes

    def received(self, size_bytes: int) -> None:
        self.arrived += size_bytes


def artifact(content: bytes = CONTENT, name: str = "bridge") -> Artifact:
    return Artifact(
        purpose=Purpose.KAFKA,
        coordinate=f"org.example:{name}:1.0",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
    )


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The file as the repository serves it."""
    file = tmp_path / "repository/org/example/bridge/1.0/bridge-1.0.jar"
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    return file


@pytest.fixture
def repository(tmp_path: Path, published: Path) -> Iterator[str]:
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "repository"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def files_in(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file()]


def test_an_artifact_is_fetched_into_the_cache_and_counted(tmp_path: Path, repository: str) -> None:
    watched = Counting()

    fetch([artifact()], tmp_path / "cache", repository, watched)

    assert artifact().path_in(tmp_path / "cache").read_bytes() == CONTENT
    assert (watched.announced, watched.arrived) == (len(CONTENT), len(CONTENT))


def test_what_is_cached_needs_no_repository(tmp_path: Path, repository: str) -> None:
    fetch([artifact()], tmp_path / "cache", repository, Silent())

    fetch([artifact()], tmp_path / "cache", "http://127.0.0.1:1/", Silent())


@pytest.mark.parametrize("served", [CONTENT[:-1] + b"!", CONTENT[:100], CONTENT + b"more", b""])
def test_another_content_than_locked_is_refused_by_name(
    tmp_path: Path, repository: str, published: Path, served: bytes
) -> None:
    published.write_bytes(served)

    with pytest.raises(FatalError) as caught:
        fetch([artifact()], tmp_path / "cache", repository, Silent())

    assert "org.example:bridge:1.0" in str(caught.value)
    assert "expected" in str(caught.value)
    assert "found" in str(caught.value)
    assert files_in(tmp_path / "cache") == []


def test_a_wrong_digest_names_what_was_expected_and_what_was_found(
    tmp_path: Path, repository: str, published: Path
) -> None:
    served = CONTENT[:-1] + b"!"
    published.write_bytes(served)

    with pytest.raises(FatalError) as caught:
        fetch([artifact()], tmp_path / "cache", repository, Silent())

    assert artifact().sha256 in str(caught.value)
    assert hashlib.sha256(served).hexdigest() in str(caught.value)


def test_a_cached_file_that_was_changed_is_fetched_again(tmp_path: Path, repository: str) -> None:
    fetch([artifact()], tmp_path / "cache", repository, Silent())
    cached = artifact().path_in(tmp_path / "cache")
    cached.write_bytes(CONTENT[:-1] + b"!")

    fetch([artifact()], tmp_path / "cache", repository, Silent())

    assert cached.read_bytes() == CONTENT


def test_a_cached_file_is_held_to_a_changed_lock(tmp_path: Path, repository: str) -> None:
    fetch([artifact()], tmp_path / "cache", repository, Silent())
    tampered = artifact(CONTENT[:-1] + b"?")

    with pytest.raises(FatalError, match=tampered.sha256):
        fetch([tampered], tmp_path / "cache", repository, Silent())


def test_a_missing_artifact_is_named_with_the_variable_for_another_repository(tmp_path: Path, repository: str) -> None:
    with pytest.raises(RetryableError, match=r"org\.example:ferry:1\.0.*TOWPATH_MAVEN"):
        fetch([artifact(name="ferry")], tmp_path / "cache", repository, Silent())

    assert files_in(tmp_path / "cache") == []


def test_an_unreachable_repository_is_a_failed_download(tmp_path: Path) -> None:
    with pytest.raises(RetryableError, match=r"org\.example:bridge:1\.0"):
        fetch([artifact()], tmp_path / "cache", "http://127.0.0.1:1", Silent())
