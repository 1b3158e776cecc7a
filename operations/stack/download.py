"""Brings the locked artifacts into the user's cache: in parallel, verified, never half."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import requests
from jgo.maven import MavenContext, PythonResolver

from errors import FatalError, RetryableError
from operations.stack.artifacts import Artifact
from operations.stack.progress import Progress

ATTEMPTS = 3
PARALLEL = 8


def fetch(artifacts: Sequence[Artifact], cache: Path, maven: str | None, progress: Progress) -> None:
    """Make sure that the cache holds every artifact with the locked content.

    A cached file with another content than the locked one is fetched again, not trusted.

    Raises:
        FatalError: what the repository serves is not what the lock says; the message names the artifact.
        RetryableError: the repository cannot be reached, or does not have it.
    """
    with ThreadPoolExecutor(PARALLEL) as pool:
        cached = list(pool.map(lambda artifact: is_intact(artifact, artifact.path_in(cache)), artifacts))
        missing = [artifact for artifact, intact in zip(artifacts, cached, strict=True) if not intact]
        if not missing:
            return
        progress.downloading(sum(artifact.size_bytes for artifact in missing))
        # the largest first, so that none of them is left running alone at the end
        missing.sort(key=lambda artifact: -artifact.size_bytes)
        futures = [pool.submit(_fetch_one, artifact, cache, maven, progress) for artifact in missing]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def is_intact(artifact: Artifact, file: Path) -> bool:
    """Whether a file has the locked size and digest."""
    try:
        return file.stat().st_size == artifact.size_bytes and digest_of(file) == artifact.sha256
    except FileNotFoundError:
        return False


def digest_of(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def verify(artifact: Artifact, file: Path) -> None:
    """Refuse a file that is not what the lock says.

    Raises:
        FatalError: it differs in size or digest.
    """
    size_bytes = file.stat().st_size
    if size_bytes != artifact.size_bytes:
        _refuse(artifact, f"{artifact.size_bytes} bytes", f"{size_bytes} bytes")
    digest = digest_of(file)
    if digest != artifact.sha256:
        _refuse(artifact, f"sha256 {artifact.sha256}", f"sha256 {digest}")


def _refuse(artifact: Artifact, expected: str, found: str) -> None:
    raise FatalError(
        "wrong-digest",
        f"{artifact} is not what the lock file says, and is refused: expected {expected}, found {found}",
        artifact=str(artifact),
        expected=expected,
        found=found,
    )


def _fetch_one(artifact: Artifact, cache: Path, maven: str | None, progress: Progress) -> None:
    target = artifact.path_in(cache)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = cache / "partial"
    partial.mkdir(parents=True, exist_ok=True)
    # a folder of its own on the same file system: the rename is the moment the file is in the cache
    with tempfile.TemporaryDirectory(dir=partial) as folder:
        file = _download(artifact, Path(folder), maven, progress)
        verify(artifact, file)
        file.replace(target)


def _download(artifact: Artifact, folder: Path, maven: str | None, progress: Progress) -> Path:
    """Download without resolving anything; the repository's address is jgo's own unless one is given."""
    failure: Exception | None = None
    for _ in range(ATTEMPTS):
        context = MavenContext(
            resolver=PythonResolver(progress_callback=_reporting_to(progress)),
            repo_cache=folder,
            remote_repos={"configured": maven.rstrip("/")} if maven else None,
            timeout=60,
        )
        component = context.project(artifact.group, artifact.name).at_version(artifact.version)
        try:
            return Path(component.artifact(artifact.classifier, artifact.packaging).resolve())
        except (requests.RequestException, RuntimeError) as error:
            failure = error
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
    raise RetryableError(
        "download",
        f"{artifact} could not be downloaded: {failure} (TOWPATH_MAVEN names another repository)",
        artifact=str(artifact),
    ) from failure


def _reporting_to(progress: Progress) -> Callable[[str, int], AbstractContextManager[Callable[[int], None]]]:
    @contextmanager
    def callback(_file_name: str, _size_bytes: int) -> Iterator[Callable[[int], None]]:
        yield progress.received

    return callback
