"""Which mapping does which work in a deployment, by the ids people know it by."""

import msgspec

from bus.settings import Settings
from consumers import routes as consumers
from mapping.data import DataMapping
from mapping.messages import nearest
from streams import routes as streams


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping at the arrow it does the work of; one of the two is given."""

    mapping: DataMapping
    inbound: streams.Route | None = None
    outbound: consumers.Route | None = None


def at_work(settings: Settings) -> dict[str, Work]:
    """By id; a deployment's own also by that of ours it stands for: either id means what is at work.

    Raises:
        BrokenMappingError: one of the deployment's own cannot be run.
    """
    found: dict[str, Work] = {}
    for route in streams.deployed(settings.mappings):
        found[route.name] = found[route.mapping.id] = Work(mapping=route.mapping, inbound=route)
    for ours, way in zip(consumers.ROUTES, consumers.deployed(settings.mappings), strict=True):
        found[ours.mapping.id] = found[way.mapping.id] = Work(mapping=way.mapping, outbound=way)
    return found


def those_there_are(id_: str, found: dict[str, Work]) -> str:
    """The nearest to an id that is not at work, or all there are; pure."""
    return nearest(id_, found) or f"there are {', '.join(sorted(found))}"
