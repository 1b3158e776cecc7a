"""Brings the locked artifacts into the user's cache: in parallel, verified, never half."""

import hashlib
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from jgo.constants import MAVEN_CENTRAL_URL

from errors import FatalError, RetryableError
from operations.stack.artifacts import Artifact
from operations.stack.progress import Progress

ATTEMPTS = 3
PARALLEL = 8
#: The bytes of the file itself are wanted, not some encoding of them.
UNCOMPRESSED = {"Accept-Encoding": "identity"}


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
        base = maven or MAVEN_CENTRAL_URL
        with httpx.Client(base_url=base, timeout=60, follow_redirects=True, headers=UNCOMPRESSED) as client:
            futures = [pool.submit(_fetch_one, artifact, cache, client, progress) for artifact in missing]
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


def _fetch_one(artifact: Artifact, cache: Path, client: httpx.Client, progress: Progress) -> None:
    target = artifact.path_in(cache)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = cache / "partial"
    partial.mkdir(parents=True, exist_ok=True)
    # a folder of its own on the same file system: the rename is the moment the file is in the cache
    with tempfile.TemporaryDirectory(dir=partial) as folder:
        file = Path(folder) / artifact.file_name
        _download(artifact, file, client, progress)
        verify(artifact, file)
        file.replace(target)


def _download(artifact: Artifact, file: Path, client: httpx.Client, progress: Progress) -> None:
    """Write what the repository serves into a file; a broken connection is tried again.

    jgo would do this too, but asks twice for each file and does not close what it asked.
    """
    attempt = 0
    while True:
        attempt += 1
        received_bytes = 0
        try:
            with client.stream("GET", artifact.path) as response, file.open("wb") as content:
                response.raise_for_status()
                for chunk in response.iter_raw():
                    content.write(chunk)
                    received_bytes += len(chunk)
                    progress.received(len(chunk))
            return
        except httpx.HTTPError as error:
            progress.received(-received_bytes)
            if attempt == ATTEMPTS or _is_final(error):
                message = f"{artifact} could not be downloaded: {_said(error)} (TOWPATH_MAVEN names another repository)"
                raise RetryableError("download", message, artifact=str(artifact)) from error


def _is_final(error: httpx.HTTPError) -> bool:
    """Whether the repository said no, so that asking again is of no use."""
    return isinstance(error, httpx.HTTPStatusError) and error.response.is_client_error


def _said(error: httpx.HTTPError) -> str:
    """What went wrong, without the address, which may hold a password."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"the repository answered {error.response.status_code}"
    return f"{type(error).__name__} {error}".rstrip()
