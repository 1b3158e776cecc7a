"""The agents' suite on the double."""

from collections.abc import Sequence

import pytest
from faust.types import TP

from bus.faust_app import BusApp
from tests.doubles.kafka import Broker, transport_of
from tests.suites.agents import PARTITIONS, AgentsSuite, Written


class MemoryCluster:
    source, target, dead = "source", "target", "dead"

    def __init__(self) -> None:
        self._broker = Broker()
        for name in (self.source, self.target, self.dead):
            self._broker.create(name, PARTITIONS)

    def app(self) -> BusApp:
        app = BusApp(
            "group", "memory", {self.source: "id"}, transport=transport_of(self._broker), broker_commit_interval=0.02
        )
        app.kill_after_s = None
        return app

    async def write(self, partition: int, values: Sequence[bytes]) -> None:
        for value in values:
            self._broker.write(self.source, partition, b"shop:1", value)

    async def read(self, topic: str) -> list[Written]:
        return [Written(each.partition, each.key, each.value or b"") for each in self._broker.all_of(topic)]

    async def committed(self) -> dict[int, int]:
        return {
            tp.partition: offset for tp, offset in self._broker.committed.items() if tp == TP(self.source, tp.partition)
        }


class TestAgentsInMemory(AgentsSuite):
    @pytest.fixture
    async def cluster(self) -> MemoryCluster:
        return MemoryCluster()
