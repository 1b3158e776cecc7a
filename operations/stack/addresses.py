"""Where the five servers answer, whoever runs them: the local stack, containers, or somebody's own."""

from collections.abc import Mapping

import msgspec

from errors import ConfigurationError
from operations.stack.state import StackState


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """What a client of the stack needs to know, and nothing about how it runs."""

    #: `host:port`
    kafka: str
    #: Base address of the Confluent API.
    registry: str
    connect: str
    bus_dsn: str
    sandbox_dsn: str

    def __repr__(self) -> str:
        return f"Addresses(kafka={self.kafka}, registry={self.registry}, connect={self.connect})"


def of_local_stack(state: StackState) -> Addresses:
    return Addresses(
        kafka=state.kafka,
        registry=state.registry,
        connect=state.connect,
        bus_dsn=state.bus.dsn,
        sandbox_dsn=state.sandbox.dsn,
    )


def from_environment(environ: Mapping[str, str]) -> Addresses | None:
    """The addresses given as `TOWPATH_TEST_*`, or None where none is.

    Raises:
        ConfigurationError: some are given and others not; a test run on half of each would prove nothing.
    """
    variables = {field: f"TOWPATH_TEST_{field.upper()}" for field in Addresses.__struct_fields__}
    given = {field: environ[variable] for field, variable in variables.items() if environ.get(variable)}
    if not given:
        return None
    missing = [variable for field, variable in variables.items() if field not in given]
    if missing:
        raise ConfigurationError(
            missing[0], f"not set, while others of its kind are: set all of {', '.join(variables.values())}"
        )
    return Addresses(**given)
