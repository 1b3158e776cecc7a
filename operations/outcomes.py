"""What became of events: outcomes as they are listed, each with its sentence."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from bus.settings import Settings
from delivery.announcements import ANSWERED, FOUND_OUT, REPLAYED
from delivery.states import State
from operations.projection import migrate, stories
from operations.projection.stories import OutcomeTold
from operations.sentences import sentence

#: States of events, and what is told of a whole queue, of commands and of replays.
STATES = (
    *(state.value for state in State),
    "circuit",
    "maintenance",
    "intake",
    "identity",
    "store",
    ANSWERED,
    FOUND_OUT,
    REPLAYED,
)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An outcome and what it means."""

    outcome: OutcomeTold
    happened: str
    to_do: str


def outcomes(
    settings: Settings, filters: Mapping[str, str], since: datetime, until: datetime, limit: int
) -> tuple[Told, ...]:
    """Outcomes of a time, newest first.

    Args:
        settings: The deployment.
        filters: Column to what it must be: connection, state, code, stage, root_key, record.
        since: By time of the outcome.
        until: Exclusive.
        limit: At most so many.
    """
    with migrate.opened(settings.projection_dsn.reveal()) as wire:
        return tuple(tell(each) for each in stories.outcomes(wire, filters, since, until, limit))


def tell(outcome: OutcomeTold) -> Told:
    """An outcome with its sentence."""
    values = outcome.code_values | {"document_number": outcome.document_number, "connection": outcome.connection}
    said = sentence(outcome.code, {name: value for name, value in values.items() if value})
    return Told(outcome=outcome, happened=said.happened, to_do=said.to_do)
