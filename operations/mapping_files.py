"""Every mapping that is written as data: whose it is, where it stands, what it reads and makes."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from bus.settings import ROOT, Settings
from consumers import routes as consumers
from errors import ConfigurationError
from mapping import overlay
from mapping.data import DataMapping
from mapping.extend import base_of
from mapping.messages import BrokenMappingError, Message, WrongError, nearest
from mapping.records import Records
from mapping.spec import Spec, read
from schemas.topics import TOPICS, Topic
from streams import routes as streams


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping with its place on the map."""

    mapping: DataMapping
    #: Its file; below the root of the tree where it stands there.
    file: Path
    #: Where what it reads lies; None: what it reads lies on no topic, or on several.
    source: Topic | None = None
    #: Where what it makes is written; None for documents of a system.
    target: Topic | None = None
    #: The system it makes documents for.
    system: str = ""
    #: The arrow of the streams it does the work of.
    route: streams.Route | None = None
    #: The deployment's whose own it is; None: it comes with the bus.
    folder: Path | None = None


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping as `towpath mapping list` tells it; field names are a contract."""

    id: str
    version: int
    digest: str
    source: str
    target: str
    file: str


def ours() -> tuple[Known, ...]:
    """Those that come with the bus, in the order of the routes."""
    return (*_inbound(streams.ROUTES), *_outbound(consumers.ROUTES))


def own(settings: Settings) -> tuple[Known, ...]:
    """The deployment's own, in the order of the routes.

    Raises:
        BrokenMappingError: one cannot be run, or stands for nothing; all that is wrong in any of them.
    """
    stand_for = {each.mapping.id for each in ours()}
    return tuple(
        msgspec.structs.replace(each, file=below_root(settings.folder / each.mapping.file), folder=settings.folder)
        for each in running(settings)
        if each.mapping.id not in stand_for
    )


def ways_back(settings: Settings) -> tuple[Known, ...]:
    """Mappings of the deployment that stand for none of ours and turn back what another one of it makes."""
    return tuple(
        Known(
            mapping=DataMapping(settings.mappings[file], file),
            file=below_root(settings.folder / file),
            folder=settings.folder,
        )
        for file, spec in overlay.ways_back(settings.mappings).items()
        if base_of(spec) is None
    )


def running(settings: Settings) -> tuple[Known, ...]:
    """Those a deployment runs: its own in the place of ours.

    Raises:
        BrokenMappingError: as `own`.
    """
    messages: list[Message] = []
    inbound, outbound = streams.ROUTES, consumers.ROUTES
    try:
        inbound = streams.deployed(settings.mappings)
    except BrokenMappingError as error:
        messages += error.messages
    try:
        outbound = consumers.deployed(settings.mappings)
    except BrokenMappingError as error:
        # a file that stands for nothing was told by both
        messages += [each for each in error.messages if each not in messages]
    if messages:
        raise BrokenMappingError(messages)
    return (*_inbound(inbound), *_outbound(outbound))


def listed(each: Known) -> Listed:
    """One line about it.

    Raises:
        BrokenMappingError: it cannot be run.
    """
    spec = each.mapping.spec
    return Listed(
        id=spec.id,
        version=spec.version,
        digest=each.mapping.digest,
        source=", ".join(record.text for _, record in spec.given),
        target=spec.to.text if spec.to is not None else "",
        file=str(each.file),
    )


def named(name: str, settings: Settings | None = None) -> Known:
    """The mapping in a file, or the one with that id.

    Args:
        name: A file, or an id of ours or of the deployment's own.
        settings: The deployment; without it only ours are known by id.

    Raises:
        ConfigurationError: there is neither.
        BrokenMappingError: the file cannot be understood.
    """
    by_id = {each.mapping.id: each for each in ours()}
    path = Path(name)
    if name in by_id and not path.is_file():
        return by_id[name]
    if settings is not None and not path.is_file():
        by_id |= _theirs(settings)
        if name in by_id:
            return by_id[name]
    try:
        content = path.read_bytes()
    except OSError as error:
        said = nearest(name, by_id) or "`towpath mapping list` names them"
        raise ConfigurationError(name, f"no file and no mapping: {said}") from error
    place = below_root(path.resolve()) if path.resolve().is_relative_to(ROOT) else path
    text = read(content, str(place))
    base = base_of(text)
    wanted = base[0] if base is not None else text.id
    if wanted not in by_id and settings is not None:
        # only here: one of them that is broken is nobody else's fault
        by_id |= _theirs(settings)
    of = by_id.get(wanted)
    if of is None and base is not None:
        written = text.extends if text.extends is not None else text.replaces
        assert written is not None
        raise text.document.wrong(written.node.start, f"there is no mapping {base[0]}", nearest(base[0], by_id))
    if of is None:
        alone = None if path.resolve().is_relative_to(ROOT) else path.resolve().parent
        return Known(mapping=DataMapping(content, str(place)), file=place, source=_topic_read(text), folder=alone)
    mapping = DataMapping(content, str(place), rules=of.mapping.rules, of=of.mapping if base is not None else None)
    folder = settings.folder if settings is not None and path.resolve().is_relative_to(settings.folder) else None
    return msgspec.structs.replace(of, mapping=mapping, file=place, folder=folder or of.folder)


def _theirs(settings: Settings) -> dict[str, Known]:
    return {each.mapping.id: each for each in (*own(settings), *ways_back(settings))}


def below_root(path: Path) -> Path:
    """A path as people name it: below the root of the tree where it is there."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _topic_read(spec: Spec) -> Topic | None:
    """The one topic that holds what a mapping reads which no route names."""
    with suppress(WrongError):
        record = Records().class_named(spec.given[0][1].text) if spec.given else None
        found = [topic for topic in TOPICS if topic.record is record]
        return found[0] if len(found) == 1 else None
    return None


def _inbound(routes: Iterable[streams.Route]) -> list[Known]:
    return [
        Known(
            mapping=route.mapping,
            file=Path(route.mapping.file),
            source=route.source,
            target=route.target,
            route=route,
        )
        for route in routes
    ]


def _outbound(routes: Iterable[consumers.Route]) -> list[Known]:
    return [
        Known(mapping=route.mapping, file=Path(route.mapping.file), source=route.source, system=route.system)
        for route in routes
    ]
