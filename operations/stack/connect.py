"""The Kafka Connect worker of the stack, with Debezium's connectors and the Avro converter as plugins."""

import httpx
import msgspec

from operations.stack.parts import LOG4J_OPTION, Ground, PartName, java_command, write_configuration
from operations.stack.processes import Launch
from operations.stack.settings import PortName


class Connect(msgspec.Struct, frozen=True, kw_only=True):
    """The worker."""

    ground: Ground
    name: PartName = PartName.CONNECT
    listeners: tuple[PortName, ...] = (PortName.CONNECT,)
    #: Not even after Kafka: it spends its first seconds on its own classes and plugins, and waits for the broker.
    after: tuple[PartName, ...] = ()

    def prepare(self) -> None:
        write_configuration(self.ground.places, "connect.properties", self._settings())

    def launch(self) -> Launch:
        places = self.ground.places
        options = (
            "-Xms64m",
            "-Xmx512m",
            "-XX:TieredStopAtLevel=1",
            LOG4J_OPTION,
            *("-cp", self.ground.software.kafka_class_path),
        )
        main = ("org.apache.kafka.connect.cli.ConnectDistributed", "config/connect.properties")
        return Launch(
            command=java_command(self.ground, self.name, options, main),
            directory=places.home,
            log=places.log(self.name),
        )

    def is_ready(self) -> bool:
        try:
            # `/` answers long before the worker has joined its group; `/health` does not
            return httpx.get(f"http://{self.ground.address(PortName.CONNECT)}/health", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def complete(self) -> None:
        pass

    def _settings(self) -> dict[str, str | int]:
        address = self.ground.address(PortName.CONNECT)
        host, port = address.split(":")
        json = "org.apache.kafka.connect.json.JsonConverter"
        return {
            "bootstrap.servers": self.ground.address(PortName.KAFKA),
            "group.id": "connect",
            # how long it waits for the broker when both start together
            "default.api.timeout.ms": 180_000,
            "listeners": f"http://{address}",
            "rest.advertised.host.name": host,
            "rest.advertised.port": port,
            "plugin.path": str(self.ground.software.connect_plugins),
            "plugin.discovery": "service_load",
            # connectors name their own converters; these are for one that does not
            "key.converter": json,
            "key.converter.schemas.enable": "false",
            "value.converter": json,
            "value.converter.schemas.enable": "false",
            "config.storage.topic": "connect.configs",
            "config.storage.replication.factor": 1,
            "offset.storage.topic": "connect.offsets",
            "offset.storage.replication.factor": 1,
            "offset.storage.partitions": 5,
            "status.storage.topic": "connect.statuses",
            "status.storage.replication.factor": 1,
            "status.storage.partitions": 1,
            "offset.flush.interval.ms": 5000,
            # one worker: nobody else can be waited for when it comes back
            "scheduled.rebalance.max.delay.ms": 0,
        }
