"""The agent that hands operators' commands to a connection's store; for the workers that deliver."""

from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from functools import partial

from bus.burial import Burial
from bus.codec import Codec, Codecs
from bus.events import Advance, Incoming
from bus.faust_app import BusApp
from bus.take_in import attach_take_in
from delivery.acts import Acts, OtherStage
from delivery.asking import Owner
from delivery.buried import BuriedLetters
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
    other: OtherStage | None = None,
    owner: Owner | None = None,
    buried: BuriedLetters | None = None,
    catch_up: Callable[[], Awaitable[None]] | None = None,
) -> Acts:
    """Give the app an agent that carries out what is asked of one queue of the connection, and of one other stage.

    `catch_up` is awaited before: what an operator has set before he commands must be at work by then.
    """
    name = f"{queue}.{store.connection}.commands"
    queues = {"", queue} if other is None else {"", queue, other.stage}
    acts = Acts(store, queue, COMMANDS.name, sinks, origins, other, owner, buried)
    attach_take_in(
        app,
        name,
        COMMANDS.name,
        positions=Positions(store, queue, app.topic_ids),
        read=partial(_concerning, store.connection, queues, codecs.of(COMMANDS)),
        bury=Burial(
            codecs, stage=queue, route=name, record="command", connection=store.connection, code_version=code_version
        ),
        commit=acts if catch_up is None else partial(_caught_up, catch_up, acts),
    )
    return acts


async def _caught_up(
    catch_up: Callable[[], Awaitable[None]],
    acts: Acts,
    topic_id: str,
    moves: Sequence[Advance],
    commands: Sequence[Command],
) -> None:
    if commands:
        await catch_up()
    await acts(topic_id, moves, commands)


def _concerning(connection: str, queues: Set[str], codec: Codec[Command], event: Incoming) -> Command | None:
    """The command; None for one to somebody else.

    Raises:
        DecodeError: not a command.
    """
    command = codec.decode(event.value)
    if command.connection != connection or command.queue not in queues:
        return None
    return command
