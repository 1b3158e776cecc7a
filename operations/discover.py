"""Asks a system what its records are, keeps what it said and tells what changed; values are never kept nor written."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import aclosing, closing
from datetime import UTC, datetime, timedelta
from glob import escape
from pathlib import Path

import msgspec

from bus.codec import Codecs
from bus.registry import Registry
from bus.settings import Connection, Settings
from connect import metadata, openapi, samples
from connect.discovered import Discovered, Record
from connect.systems.clarity.client import open_client
from connect.systems.dynamics_gp.client import open_company
from errors import ConfigurationError, DecodeError, NotFoundError, RejectedError
from operations import read_topics
from operations.discovery import Change, Seen, changes, chosen
from operations.offsets import admin_of, describe
from operations.proposals import Proposal, proposals
from schemas.bus.fetched import Fetched
from schemas.topics import TOPICS, Topic

CATALOGUE, OPENAPI, METADATA, SAMPLES = "catalogue", "openapi", "metadata", "samples"
#: Recorded documents that are looked at, the newest, and how far back.
MOST_SAMPLES = 500
RECORDED_FOR = timedelta(days=30)
#: Blanks, and the marks of UTF-8 and UTF-16.
_BEFORE_XML = b" \t\r\n\0\xef\xbb\xbf\xff\xfe"


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """What was found; field names are a contract."""

    connection: str
    system: str
    #: `catalogue`, `openapi`, `metadata` or `samples`.
    how: str
    records: tuple[Record, ...]
    #: When somebody looked before; None: nobody did, or in another way.
    since: datetime | None
    changes: tuple[Change, ...]
    #: Where it is kept for the next time.
    kept_in: Path


def discover(
    settings: Settings,
    name: str,
    kept_in: Path,
    *,
    only: Iterable[str] = (),
    description: Path | None = None,
    documents: Path | None = None,
    recorded: bool = False,
) -> Discovery:
    """Ask, compare with the last time, and keep the answer.

    Args:
        settings: The deployment.
        name: Of the connection.
        kept_in: `gp-two.json`: what was seen is beside it, in a file for each way of looking, `gp-two.catalogue.json`.
        only: Names of records to tell of, `SOP1*`; all are kept.
        description: What the system says of itself, in a file: OpenAPI, or OData `$metadata`; read instead of asking.
        documents: A sample document, or a folder of them, of one record: looked at instead of asking.
        recorded: Look at documents the bus has read there, instead of asking.

    Raises:
        NotFoundError: it says nothing of itself.
        ConfigurationError: no such connection, or the kept file is none.
        BusError: by kind: the system, Kafka or the registry does not answer.
    """
    connection, patterns = settings.connection(name), list(only)
    found = _found(settings, connection, description, documents, recorded=recorded)
    place = kept_in.with_name(f"{kept_in.stem}.{found.how}.json")
    # one file held the last look of whichever way, once
    before = last_seen(place) or last_seen(kept_in)
    before = before if before is not None and before.how == found.how else None
    was, others = _as_before(before, found)
    at = datetime.now(UTC)
    keep(
        place, Seen(connection=name, system=connection.system, how=found.how, at=at, records=(*found.records, *others))
    )
    told = chosen(found.records, patterns)
    if patterns and not told:
        raise NotFoundError("discover.none", f"{name} has no record called {', '.join(patterns)}")
    return Discovery(
        connection=name,
        system=connection.system,
        how=found.how,
        records=told,
        since=before.at if before is not None and was else None,
        changes=differ(chosen(was, patterns), told, found.how) if was else (),
        kept_in=place,
    )


def differ(before: Iterable[Record], after: Iterable[Record], how: str) -> tuple[Change, ...]:
    """What changed; what these samples happen not to have breaks nothing; pure."""
    found = changes(before, after)
    if how != SAMPLES:
        return found
    return tuple(
        msgspec.structs.replace(each, breaks=False) if each.what in {"removed", "required"} else each for each in found
    )


def _as_before(before: Seen | None, found: Discovered) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """What was seen of what is looked at now, and of the rest: samples are of some records only; pure."""
    if before is None or found.how != SAMPLES:
        return (before.records if before is not None else ()), ()
    inside = {field.record for each in found.records for field in each.fields}
    roots = {each.name for each in found.records} - inside
    was = chosen(before.records, map(escape, roots)) if roots else ()
    taken = {each.name for each in (*was, *found.records)}
    return was, tuple(each for each in before.records if each.name not in taken)


def write(found: Discovery, folder: Path) -> tuple[list[Path], list[Path]]:
    """Put the proposals into a folder; the files written, and those that were there and say something else."""
    written, left = [], []
    folder.mkdir(parents=True, exist_ok=True)
    for each in proposals(found.records, found.system, found.connection):
        for path, text in _files(each, folder):
            if path.exists() and path.read_text(encoding="utf-8") != text:
                left.append(path)
            else:
                path.write_text(text, encoding="utf-8")
                written.append(path)
    return written, left


def last_seen(path: Path) -> Seen | None:
    """What was kept; None: nothing was.

    Raises:
        ConfigurationError: the file is none of ours.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Seen)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise ConfigurationError(str(path), f"holds nothing that was discovered: {error}") from error


def keep(path: Path, seen: Seen) -> None:
    """For the next time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".new")
    half.write_bytes(msgspec.json.format(msgspec.json.encode(seen), indent=2) + b"\n")
    half.replace(path)


def _found(
    settings: Settings, connection: Connection, description: Path | None, documents: Path | None, *, recorded: bool
) -> Discovered:
    if description is not None:
        return _from_description(description)
    if documents is not None:
        return Discovered(how=SAMPLES, records=samples.records(documents.stem, _documents(documents)))
    if recorded:
        return _recorded(settings, connection)
    match connection.system:
        case "dynamics-gp":
            return Discovered(how=CATALOGUE, records=asyncio.run(_catalogue(connection)))
        case "clarity":
            described = asyncio.run(_described(connection))
            found = openapi.records(described) if described is not None else ()
            # a site may describe its routes and none of its records
            return Discovered(how=OPENAPI, records=found) if found else _recorded(settings, connection)
    raise ConfigurationError(
        f"connections.{connection.name}.system",
        f"{connection.system!r} is not asked: give what it says of itself, "
        "--description, or documents of it, --samples",
    )


def _from_description(path: Path) -> Discovered:
    document = _read(path)
    if document.lstrip(_BEFORE_XML).startswith(b"<"):
        found = Discovered(how=METADATA, records=metadata.records(document))
    else:
        found = Discovered(how=OPENAPI, records=openapi.records(document))
    if not found.records:
        raise NotFoundError("discover.none", f"{path} names no record with fields: give documents, --samples")
    return found


async def _catalogue(connection: Connection) -> tuple[Record, ...]:
    async with aclosing(open_company(connection)) as company:
        return await company.catalogue()


async def _described(connection: Connection) -> bytes | None:
    async with open_client(connection) as site:
        return await site.described()


def _documents(path: Path) -> Iterator[bytes]:
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise NotFoundError("discover.none", f"{path} has no *.json")
    for file in files:
        yield _read(file)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(str(file), f"cannot be read: {error.strerror}") from error


def _recorded(settings: Settings, connection: Connection) -> Discovered:
    topics = [topic for topic in TOPICS if topic.record is Fetched and topic.name.startswith(f"{connection.system}.")]
    made: list[Record] = []
    with closing(Registry(settings.registry)) as registry:
        for topic in topics:
            bodies = _bodies(settings, Codecs(registry), topic, connection.name)
            made += samples.records(topic.name.split(".")[1], bodies) if bodies else ()
    if not made:
        raise NotFoundError(
            "discover.none",
            f"{connection.name} does not describe its records, and the bus has read none of its documents: "
            "give some, --samples",
        )
    return Discovered(how=SAMPLES, records=tuple(made))


def _bodies(settings: Settings, codecs: Codecs, topic: Topic, connection: str) -> list[bytes]:
    """The newest documents of the connection that are JSON."""
    places = describe(admin_of(settings.kafka), [topic.name])
    if topic.name not in places:
        return []
    codec = codecs.of(topic)
    newest: deque[bytes] = deque(maxlen=MOST_SAMPLES)
    span = read_topics.span(settings.kafka, places[topic.name], datetime.now(UTC) - RECORDED_FOR)
    for batch in read_topics.read(settings.kafka, topic, span):
        for message in batch:
            try:
                fetched = codec.decode(message.value())
            except RejectedError:
                continue
            if fetched.connection == connection:
                newest.append(fetched.body)
    return [body for body in newest if _is_object(body)]


def _is_object(body: bytes) -> bool:
    try:
        samples.records("document", [body])
    except DecodeError:
        return False
    return True


def _files(each: Proposal, folder: Path) -> Iterator[tuple[Path, str]]:
    yield folder / f"{each.file}.avsc", each.avsc
    yield folder / f"{each.file}.py", each.module
