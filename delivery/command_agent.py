"""The agent that hands operators' commands to a connection's store; for the workers that deliver."""

from collections.abc import Mapping
from functools import partial

from bus.burial import Burial
from bus.codec import Codec, Codecs
from bus.events import Incoming
from bus.faust_app import BusApp
from bus.take_in import attach_take_in
from delivery.acts import Acts
from delivery.intake import Positions
from delivery.ports import Sink
from delivery.replay_reading import Origin
from delivery.store import Store
from schemas.bus.command import Command
from schemas.topics import COMMANDS


def attach_commands(
    app: BusApp,
    store: Store,
    queue: str,
    sinks: Mapping[str, Sink],
    codecs: Codecs,
    code_version: str,
    origins: Mapping[str, Origin] | None = None,
) -> None:
    """Give the app an agent that carries out what is asked of one queue of the connection."""
    name = f"{queue}.{store.connection}.commands"
    attach_take_in(
        app,
        name,
        COMMANDS.name,
        positions=Positions(store, queue, app.topic_ids),
        read=partial(_concerning, store.connection, queue, codecs.of(COMMANDS)),
        bury=Burial(
            codecs, stage=queue, route=name, record="command", connection=store.connection, code_version=code_version
        ),
        commit=Acts(store, queue, COMMANDS.name, sinks, origins),
    )


def _concerning(connection: str, queue: str, codec: Codec[Command], event: Incoming) -> Command | None:
    """The command; None for one to somebody else.

    Raises:
        DecodeError: not a command.
    """
    command = codec.decode(event.value)
    if command.connection != connection or command.queue not in {"", queue}:
        return None
    return command
