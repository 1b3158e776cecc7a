"""Every mapping that is written as data: whose it is, where it stands, what it reads and makes."""

from pathlib import Path

import msgspec

from bus.settings import ROOT
from errors import ConfigurationError
from mapping.data import DataMapping
from mapping.extend import base_of
from mapping.messages import nearest
from mapping.spec import read
from schemas.topics import Topic
from streams import routes as streams


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping with its place on the map."""

    mapping: DataMapping
    #: Its file; below the root of the tree where it stands there.
    file: Path
    #: The arrow it does the work of; None: nobody runs it.
    route: streams.Route | None = None

    @property
    def source(self) -> Topic | None:
        """Where what it reads lies."""
        return self.route.source if self.route is not None else None

    @property
    def target(self) -> Topic | None:
        """Where what it makes is written; None for documents of a system."""
        return self.route.target if self.route is not None else None


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping as `towpath mapping list` tells it; field names are a contract."""

    id: str
    version: int
    digest: str
    source: str
    target: str
    file: str


def known() -> tuple[Known, ...]:
    """Those of the routes, in their order."""
    return tuple(
        Known(mapping=route.mapping, file=Path(f"{route.mapping.id}.yaml"), route=route)
        for route in streams.ROUTES
        if isinstance(route.mapping, DataMapping)
    )


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


def named(name: str) -> Known:
    """The mapping in a file, or the one of ours with that id.

    Raises:
        ConfigurationError: there is neither.
        BrokenMappingError: the file cannot be understood.
    """
    ours = {each.mapping.id: each for each in known()}
    if name in ours and not Path(name).is_file():
        return ours[name]
    path = Path(name)
    try:
        content = path.read_bytes()
    except OSError as error:
        said = nearest(name, ours) or "`towpath mapping list` names them"
        raise ConfigurationError(name, f"no file and no mapping of ours: {said}") from error
    place = path.resolve().relative_to(ROOT) if path.resolve().is_relative_to(ROOT) else path
    own = read(content, str(place))
    base = base_of(own)
    of = ours.get(base[0] if base is not None else own.id)
    mapping = DataMapping(
        content,
        str(place),
        rules=of.mapping.rules if of is not None and base is None else None,
        extends=of.mapping if of is not None and base is not None else None,
    )
    return Known(mapping=mapping, file=place, route=of.route if of is not None else None)
