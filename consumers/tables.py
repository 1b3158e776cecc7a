"""What the targets of a deployment cannot be served by in its lookup tables; pure."""

from collections.abc import Iterable

from bus.settings import Connection, Settings
from connect.systems.clarity.client import site_of_connection
from consumers.clarity import order_status_sink
from consumers.routes import mappings_to
from mapping import tables
from mapping.port import Lookups, Unfit


def unfit(settings: Settings, connections: Iterable[Connection], lookups: Lookups) -> list[Unfit]:
    """Of these connections, with the mappings that make their documents.

    Raises:
        BrokenMappingError: one of the deployment's own mappings cannot be run.
        ConfigurationError: what a connection says of its site cannot be.
    """
    found: dict[str, Unfit] = {}
    for each in connections:
        told = tables.unfit(mappings_to(each.system, settings.mappings).values(), lookups)
        if each.system == "clarity":
            told += order_status_sink.unfit(lookups, site_of_connection(each))
        found |= {one.why: one for one in told}
    return list(found.values())
