"""Brings every table of a deployment to this version: the connections' stores and the projection."""

from bus.settings import Settings
from delivery import migrate as store
from operations.projection import migrate as projection


def migrate(settings: Settings) -> tuple[str, ...]:
    """Take the steps that are missing; says which, nothing when all is up to date.

    Raises:
        ConfigurationError: tables are newer than this code.
        RetryableError: a database cannot be reached.
    """
    steps = [
        step for each in settings.connections.values() for step in store.migrate(each.store_dsn.reveal(), each.name)
    ]
    return (*steps, *projection.migrate(settings.projection_dsn.reveal()))
