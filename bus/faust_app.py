"""Faust bent so that nothing is lost: the app, stream and consumer every agent of the bus runs on.

What stock faust loses, and why each override is here, is told in `docs/decisions/0015-faust-with-ordered-acks.md`. The
overridden parts are private to faust-streaming 0.15.3 and mode-streaming 0.7.1, which are therefore pinned.
"""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import faust
import structlog
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport import conductor as faust_conductor
from faust.transport import consumer as faust_consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.transports import TransportT
from mode import CrashingSupervisor, ServiceT
from mode.utils.futures import notify

from bus import partitioner
from bus.acks import OrderedAcks, Written
from bus.events import Incoming, Outgoing
from bus.faust_producer import KafkaProducer
from bus.logs import described
from bus.slices import MOST_BYTES_AT_ONCE, Progress, Slice, cut
from errors import FatalError

log = structlog.get_logger(__name__)

#: A partition whose buffer was full is looked at again after so long.
_ROOM_S = 0.02
#: After this long a crash that hangs ends by SIGKILL; the supervisor starts the process again.
KILL_AFTER_S = 30.0
#: Faust's own patience is thirty seconds, and its end is taken for a stop.
ENDS_WITHIN_S = 15.0
#: How long a rebalance or a stop waits for what is in flight; below the rebalance timeout.
DRAIN_LIMIT_S = 5.0

#: Store's positions: (topic, partitions) -> next offset of those it knows.
Positions = Callable[[str, Sequence[int]], Awaitable[Mapping[int, int]]]


class BusStream(faust.Stream[Any]):
    """A stream read in batches that acknowledges nothing by itself."""

    app: Any  # our BusApp; faust's own annotation is an interface without what is used here

    async def batches(self, most: int) -> AsyncIterator[list[Slice]]:
        """What lies in the agent's queue, no further slice once there are `most` events or 8 MiB; never an empty batch.

        Every slice is known to the consumer as being worked on, so that a rebalance and a stop wait for it. Those of
        an older assignment, and those met while the flow is stopped, are left out: their owner reads them again.
        """
        channel: Any = self.channel
        queue, unacked = channel.queue, self.app.consumer.unacked
        self._finalized = True
        started = await self.maybe_start()
        try:
            while not self.should_stop:
                batch: list[Slice] = []
                events = size = 0
                try:
                    taken = await queue.get()
                    while True:
                        if self._is_ours(taken):
                            unacked.add(taken)
                            batch.append(taken)
                            events += len(taken)
                            size += taken.size
                        if events >= most or size >= MOST_BYTES_AT_ONCE or queue.empty():
                            break
                        taken = queue.get_nowait()
                    queue.maybe_endorse_pressure_drop()  # full slices are taken one by one, which looks at nothing
                except StopAsyncIteration:  # how faust ends a channel; let through, it would be a RuntimeError
                    for taken in batch:
                        unacked.discard(taken)
                    return
                if batch:
                    yield batch
                await asyncio.sleep(0)
        finally:
            self._channel_stop_iteration(channel)
            if started:
                await self.stop()
                self.service_reset()

    def _is_ours(self, taken: Slice) -> bool:
        return bool(taken.generation_id == self.app.consumer_generation_id and self.app.flow_control.is_active())


class NothingSkipped(faust_consumer.Consumer):
    """What the bus changes in a faust consumer, whatever the transport."""

    app: Any  # our BusApp; faust's own annotation is an interface without what is used here

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._progress = Progress()
        #: Records were fetched and not handed on: reading begins anew once the flow goes on.
        self._strayed = False

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commit before faust forgets what it read: no duplicates from a plain rebalance."""
        self.stop_flow()
        await self.commit()  # flushes the producer
        await self.commit()  # sees what that flush got acknowledged
        await super().on_partitions_revoked(revoked)
        self._progress.forget(revoked)

    async def wait_empty(self) -> None:
        """The stock one without its garbage collection in every round, which costs more than what it waits for."""
        while not self.should_stop and self._unacked_messages:
            await self.commit()
            if self._unacked_messages:
                await self._wait_for_ack(timeout=1)
                self._clean_unacked_messages()
        await self.commit_and_end_transactions()

    def wait_for_nothing(self) -> None:
        """End a wait for what is in flight; batches still in an agent's hands are dropped when it wants to add them."""
        self._unacked_messages.clear()
        notify(self._waiting_for_ack)

    async def perform_seek(self) -> None:
        """Go to the committed offsets, or to the store's where a store keeps the position.

        A partition the store does not know starts at its beginning, wherever the group stands: the store may be new.
        """
        await super().perform_seek()
        by_topic: dict[str, list[int]] = {}
        for tp in self.assignment():
            by_topic.setdefault(tp.topic, []).append(tp.partition)
        await self._begin_anew({tp for tp in self.assignment() if tp.topic not in self.app.kept_positions})
        for topic, keeper in self.app.kept_positions.items():
            if topic in by_topic:
                await self._seek_kept(topic, keeper, by_topic[topic])

    async def _begin_anew(self, partitions: set[TP]) -> None:
        """A group's offset is kept by the topic's name: where it was committed for another topic, it says nothing."""
        for tp, topic_id in (await self.committed_for(partitions)).items():
            if topic_id and topic_id != self.app.topic_ids.get(tp.topic):
                log.warning("topic.recreated", topic=tp.topic, partition=tp.partition, committed_for=topic_id)
                await self.seek(tp, 0)
                self._read_offset[tp] = None
                self._committed_offset[tp] = None

    async def committed_for(self, partitions: set[TP]) -> Mapping[TP, str]:  # noqa: ARG002 - a broker of one life
        """The id of the topic each of the group's offsets was committed for; empty where that is not known."""
        return {}

    async def _seek_kept(self, topic: str, keeper: "KeptPositions", partitions: list[int]) -> None:
        known = await keeper.read(topic, sorted(partitions))
        ends = await self._ends([TP(topic, partition) for partition in partitions])
        for partition in partitions:
            tp = TP(topic, partition)
            offset = known.get(partition)
            if offset is not None and offset > ends[tp]:
                await self._stop_for_a_person(tp, offset, ends[tp])
            keeper.cursors[partition] = offset
            await self.seek(tp, offset or 0)
            self._read_offset[tp] = offset or None
            # else acknowledgements below the group's offset would be ignored after the store was set back
            self._committed_offset[tp] = offset or None

    async def _ends(self, partitions: list[TP]) -> Mapping[TP, int]:
        """Where the log ends; a partition without a leader stops the worker, which would else wait without a word.

        Raises:
            FatalError: no answer in time; the next start asks again.
        """
        try:
            async with asyncio.timeout(ENDS_WITHIN_S):
                return await self.highwaters(*partitions)
        except TimeoutError:
            error = FatalError("log_end_unknown", f"Kafka does not say where {partitions[0].topic} ends")
            await self.app.die(error)
            raise error from None

    async def _stop_for_a_person(self, tp: TP, position: int, end: int) -> None:
        """The log lost its end, in a crash or by going back to an older copy: what comes now is not what was read.

        Raises:
            FatalError: taken for repeats, new events would be dropped without a word.
        """
        error = FatalError(
            "log_truncated",
            f"{tp.topic} ends at {end} in partition {tp.partition}, but was taken in up to {position}",
            topic=tp.topic,
            partition=tp.partition,
            position=position,
            end=end,
        )
        await self.app.die(error)
        raise error

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """The stock loop without its tasks, locks and objects for each message: what is fetched is handed on whole."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                await asyncio.sleep(0)  # records may be there at once, again and again
                await self._hand_on_fetched()
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise

    async def _hand_on_fetched(self) -> None:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # as in faust
        if self._strayed and not self.should_stop:
            await self._begin_at_the_commit()
        active = self._get_active_partitions()
        if not active:
            await asyncio.sleep(_ROOM_S)  # stock sleeps a second where all buffers are full
            return
        generation = self.app.consumer_generation_id
        # who waits for the others does not see room being made for what is fetched of a full one
        records = await self._getmany(active_partitions=active, timeout=_ROOM_S if self._buffered_partitions else 1.0)
        conductor = self.app.topics
        async with conductor._tp_to_callback_lock:  # noqa: SLF001 - no public way; held while subscriptions change
            if self.flow_active and self.app.flow_control.is_active() and generation == self.app.consumer_generation_id:
                for tp, fetched in records.items():
                    if tp in active or tp in self._buffered_partitions:
                        self._hand_on(tp, fetched)
            elif records:
                # of this assignment or of the one before, nobody knows; the fetcher is behind them in either case
                self._strayed = True

    async def _begin_at_the_commit(self) -> None:
        try:
            await self.perform_seek()
        except Exception:
            if self.flow_active:
                raise
        # taken away meanwhile, it is done again with what comes
        self._strayed = not self.flow_active

    def _hand_on(self, tp: TP, fetched: Sequence[Any]) -> None:
        """The read offset is set first: set last, a revocation in between would leave it behind for the new owner."""
        read = self._read_offset[tp]
        if read is not None and fetched[0].offset < read:
            fetched = [record for record in fetched if record.offset >= read]
        if fetched:
            self._read_offset[tp] = fetched[-1].offset
            self.app.topics._tp_to_callback[tp](fetched)  # noqa: SLF001 - no public way

    def slices(self, tp: TP, fetched: Sequence[Any], agents: int) -> Iterator[list[Slice]]:
        """Of records one after the other: the same slices for each of the agents."""
        generation = self.app.consumer_generation_id
        for records, size in cut(fetched):
            part = self._progress.begin(tp, records[-1].offset + 1, agents)
            yield [Slice(self, tp, records, size, part, generation) for _ in range(agents)]

    def through(self, taken: Slice) -> None:
        """An agent is through with the slice: it may be committed once all before it may."""
        unacked: Any = self._unacked_messages
        unacked.discard(taken)
        self._progress.end(taken.tp, taken.part)
        notify(self._waiting_for_ack)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        """Stock's has a list of offsets for each partition, sorted at every commit."""
        return (tp for tp in self._progress.reached if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self._progress.reached.pop(tp, None)

    def _to_message(self, tp: TP, record: Any) -> Any:
        """Not used: no record becomes a message of faust's."""
        raise NotImplementedError

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Not used: it looks at sensors this stream does not feed. Lag and age are measured outside."""


class StraightConductor(faust_conductor.Conductor):
    """Puts what was fetched as it is into the queues of the agents that read its topic.

    The stock way has each key and value pass through faust's codecs and makes an event and a dict of the headers; ours
    are bytes until our own codec reads them.
    """

    def _build_handler(self, tp: TP, channels: Any) -> Callable[[Sequence[Any]], None]:  # type: ignore[override]  # below
        """What is called with the records of a partition; `channels` changes while it is in use.

        Only our own consumer calls it: faust's is called with each message and waits for it.
        """
        app: Any = self.app
        consumer = app.consumer

        def waits() -> bool:
            """Whether an agent has enough; each that has calls `has_room` once it has less."""
            high = [each.queue for each in channels if each.queue.qsize() >= each.queue.pressure_high_size]
            for queue in high:
                queue.in_pressure_high_state(has_room)
            return bool(high)

        def has_room() -> None:
            if not waits():  # else a quick agent would fill the queue of a slow one without end
                consumer.on_buffer_drop(tp)

        def hand_on(fetched: Sequence[Any]) -> None:
            readers = list(channels)
            for slices in consumer.slices(tp, fetched, len(readers)):
                for channel, taken in zip(readers, slices, strict=True):
                    channel.queue.force_put_nowait(taken)
            if waits():
                consumer.on_buffer_full(tp)

        return hand_on


class KafkaConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that speaks to Kafka; its commits say for which topic they are."""

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        consumer: Any = super()._create_consumer(loop)
        app: Any = self.app
        commit, ids = consumer.commit, app.topic_ids

        async def labelled(offsets: Mapping[Any, Any]) -> None:
            await commit({tp: OffsetAndMetadata(each.offset, ids.get(tp.topic, "")) for tp, each in offsets.items()})

        consumer.commit = labelled
        return consumer

    async def committed_for(self, partitions: set[TP]) -> Mapping[TP, str]:
        """As its consumer's."""
        asked = [TopicPartition(tp.topic, tp.partition) for tp in partitions]
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001 - no public way
        found = await self.call_thread(coordinator.fetch_committed_offsets, asked)
        return {TP(place.topic, place.partition): each.metadata or "" for place, each in found.items()}


class KafkaConsumer(NothingSkipped, driver.Consumer):
    """The consumer on aiokafka."""

    _thread: KafkaConsumerThread

    def _new_consumer_thread(self) -> KafkaConsumerThread:
        return KafkaConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def committed_for(self, partitions: set[TP]) -> Mapping[TP, str]:
        """As written with each commit."""
        return await self._thread.committed_for(partitions) if partitions else {}

    def rejoin(self) -> None:
        """Ask the group for a new assignment, so that everything is read from its position again."""
        client: Any = self._thread._consumer  # noqa: SLF001 - no public way
        if client is not None:
            self._thread.thread_loop.call_soon_threadsafe(client._coordinator.request_rejoin)  # noqa: SLF001 - as above


class KafkaTransport(driver.Transport):
    """All of the above."""

    Conductor = StraightConductor
    Consumer = KafkaConsumer
    Producer = KafkaProducer


class KeptPositions:
    """Where a connection's store stands on one topic; it, not the group, says where reading starts."""

    def __init__(self, read: Positions) -> None:
        self.read = read
        #: Next offset expected of each partition; None where the store knows nothing yet.
        self.cursors: dict[int, int | None] = {}


class BusApp(faust.App):
    """A faust app with the settings and overrides without which events are lost.

    Build it inside the running event loop, attach agents (`bus.pipe`, `bus.take_in`), then `bus.worker.serve` it.
    """

    def __init__(
        self,
        group: str,
        kafka: str,
        topic_ids: Mapping[str, str],
        *,
        transport: type[TransportT] = KafkaTransport,
        drain_limit_s: float = DRAIN_LIMIT_S,
        **overrides: Any,
    ) -> None:
        """Args:
        group: Consumer group; processes of one group share the partitions.
        kafka: Bootstrap servers, `host:port,host:port`.
        topic_ids: Kafka's UUID of every topic read (`bus.verify.topic_ids`).
        transport: The in-memory one in tests.
        drain_limit_s: How long a rebalance or stop waits for work in flight.
        overrides: Further faust settings, for tests.
        """
        self._bus_transport = transport
        self._drain_limit_s = drain_limit_s
        self.kafka = kafka
        self.topic_ids = topic_ids
        self.in_flight: list[OrderedAcks] = []
        #: How often all of it was given up.
        self.given_up = 0
        self.kept_positions: dict[str, KeptPositions] = {}
        #: How long a crash may take before the process ends itself; None in tests, which live in that process.
        self.kill_after_s: float | None = KILL_AFTER_S
        #: Why the worker stops itself; None: it was told to.
        self.died_of: BaseException | None = None
        servers = ";".join(f"kafka://{server}" for server in kafka.split(","))
        super().__init__(group, **{**SETTINGS, "broker": servers, **overrides})

    def ordered_acks(self, limit: int = 5000) -> OrderedAcks:
        """The acknowledging of one agent; given up together with all others when a drain lasts too long."""
        acks = OrderedAcks(
            generation=lambda: self.consumer_generation_id,
            forget=self.forget,
            die=self.die,
            limit=limit,
        )
        self.in_flight.append(acks)
        return acks

    def forget(self, taken: Slice) -> None:
        """It will not be acknowledged here; a rebalance need not wait for it."""
        self.consumer.unacked.discard(taken)

    def rejoin(self) -> None:
        """Give the assignment back and take part in a new one, which reads from the positions again."""
        consumer: Any = self.consumer
        consumer.rejoin()

    def attach(self, name: str, source: str, body: Callable[[BusStream], Awaitable[None]]) -> None:
        """Add an agent that reads `source`; what escapes its body crashes the worker, it is not restarted."""
        channel = self.topic(source, key_serializer="raw", value_serializer="raw")
        agent: Any = self.agent(channel, name=name, supervisor_strategy=CrashingSupervisor)
        agent(body)

    def incoming(self, taken: Slice) -> list[Incoming]:
        """The records of a slice as the bus's own."""
        topic, partition = taken.tp
        topic_id = self.topic_ids[topic]
        return [
            Incoming(
                topic=topic,
                topic_id=topic_id,
                partition=partition,
                offset=record.offset,
                timestamp_ms=record.timestamp or 0,
                key=record.key,
                value=record.value,
                headers=record.headers,
            )
            for record in taken.records
        ]

    async def write_one(self, outgoing: Outgoing) -> None:
        """Until the broker has this record, which goes with whatever else is sent meanwhile."""
        key = outgoing.key.encode()
        headers = list(outgoing.headers)
        await (await self.producer.send(outgoing.topic.name, key, outgoing.value, None, None, headers))

    async def write(self, records: Sequence[Outgoing], wanted: Callable[[], bool]) -> list[Written]:
        """Hand records to the broker, those of a partition in their order; what is returned is done when it has them.

        Args:
            records: What events caused.
            wanted: Asked before each batch, as a full producer keeps us waiting: no more is sent once it says no.
        """
        producer: Any = self.producer
        written: list[Written] = await producer.write(records, wanted)
        return written

    async def die(self, why: BaseException) -> None:
        """Stop the worker because of a failure: at once if that goes well, surely within half a minute."""
        if self.died_of is None:
            self.died_of = why
            log.error("worker.dies", **described(why))
            if self.kill_after_s is not None:
                start_kill_timer(self.kill_after_s)
        await self.crash(why)

    async def _consumer_wait_empty(self, consumer: Any, logger: Any) -> None:
        """Stock, with an end: one event never acknowledged would block every rebalance and every stop."""
        timer = asyncio.get_running_loop().call_later(self._drain_limit_s, self._give_up)
        try:
            await super()._consumer_wait_empty(consumer, logger)
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        log.warning("drain.given_up", events=sum(acks.count for acks in self.in_flight), after_s=self._drain_limit_s)
        self.given_up += 1
        for acks in self.in_flight:
            acks.give_up()
        consumer: Any = self.consumer
        consumer.wait_for_nothing()

    def _new_transport(self) -> TransportT:
        return self._bus_transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> TransportT:
        return self._bus_transport(self.conf.broker_producer, self)

    def _create_directories(self) -> None:
        """Nothing: the state of the bus is in Kafka and PostgreSQL only."""


def start_kill_timer(after_s: float) -> None:
    """End this process the hard way unless it is gone by then: a graceful crash may hang."""
    timer = threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGKILL))
    timer.daemon = True
    timer.start()


def _partition(key: bytes | None, all_partitions: Sequence[int], available: Sequence[int]) -> int:  # noqa: ARG001
    return partitioner.partition_of(key or b"", len(all_partitions))


#: Why each one: `docs/decisions/0015-faust-with-ordered-acks.md`.
SETTINGS: Mapping[str, Any] = {
    "Stream": BusStream,
    "topic_allow_declare": False,
    "topic_disable_leader": True,
    "table_standby_replicas": 0,
    "store": "memory://",
    "key_serializer": "raw",
    "value_serializer": "raw",
    "web_enabled": False,
    "autodiscover": False,
    "worker_redirect_stdouts": False,
    "stream_wait_empty": True,
    # slices; a partition is fetched no further at four fifths of it
    "stream_buffer_maxsize": 40,
    "broker_max_poll_records": 5_000,
    "broker_commit_interval": 1.0,
    "broker_session_timeout": 10.0,
    "broker_heartbeat_interval": 1.0,
    "broker_rebalance_timeout": 15.0,
    "broker_request_timeout": 30.0,
    "consumer_max_fetch_size": 4 * 1024 * 1024,
    "consumer_auto_offset_reset": "earliest",
    "producer_linger": 0.005,
    "producer_partitioner": _partition,
    "producer_max_batch_size": 256 * 1024,
    "producer_request_timeout": 60.0,
    # above the largest topic's limit: each record is held against its own topic's before it is sent
    "producer_max_request_size": 9 * 1024 * 1024,
}
