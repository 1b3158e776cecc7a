"""The Kafka broker of the stack: one process that is its own controller (KRaft)."""

import confluent_kafka
import confluent_kafka.admin
import msgspec

from operations.stack.parts import LOG4J_OPTION, Ground, PartName, java_command, write_configuration
from operations.stack.processes import Launch, run
from operations.stack.settings import PortName

CONFIGURATION = "config/kafka.properties"


class Kafka(msgspec.Struct, frozen=True, kw_only=True):
    """The broker."""

    ground: Ground
    name: PartName = PartName.KAFKA
    listeners: tuple[PortName, ...] = (PortName.KAFKA, PortName.KAFKA_CONTROLLER)
    after: tuple[PartName, ...] = ()

    def prepare(self) -> None:
        places = self.ground.places
        write_configuration(places, "kafka.properties", self._settings())
        if not (places.kafka_data / "meta.properties").exists():
            places.kafka_data.mkdir(parents=True, exist_ok=True)
            format_command = (
                "kafka.tools.StorageTool",
                "format",
                "--ignore-formatted",
                *("--cluster-id", self.ground.identity.cluster),
                *("--config", CONFIGURATION),
            )
            run(self._java("-Xmx256m", *format_command))

    def launch(self) -> Launch:
        return self._java("-Xms128m", "-Xmx768m", "kafka.Kafka", CONFIGURATION)

    def is_ready(self) -> bool:
        client = confluent_kafka.admin.AdminClient(
            # refused connections are expected here: they are the answer, not news for the log
            {"bootstrap.servers": self.ground.address(PortName.KAFKA), "log_level": 0, "socket.timeout.ms": 2000},
        )
        try:
            return bool(client.list_topics(timeout=2).brokers)
        except confluent_kafka.KafkaException:
            return False

    def complete(self) -> None:
        pass

    def _java(self, *words: str) -> Launch:
        places = self.ground.places
        options = (LOG4J_OPTION, "-cp", self.ground.software.kafka_class_path)
        return Launch(
            command=java_command(self.ground, self.name, options, words),
            directory=places.home,
            log=places.log(self.name),
        )

    def _settings(self) -> dict[str, str | int]:
        broker, controller = (self.ground.address(name) for name in self.listeners)
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{broker}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self.ground.places.kafka_data.name,
            "auto.create.topics.enable": "false",
            "default.replication.factor": 1,
            "min.insync.replicas": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 10,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 10,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            # A killed broker is back when its old session has run out; with a shorter one a lone broker fences itself
            # on a busy machine.
            "broker.session.timeout.ms": 9000,
            "num.network.threads": 2,
            "num.io.threads": 4,
        }
