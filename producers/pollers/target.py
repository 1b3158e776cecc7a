"""The topic a poller announces on: which one stands there, and how far the connection's fetchers have taken it in."""

import asyncio
from collections.abc import Mapping

from bus import topic_ends
from bus.topic_ends import TopicEnds
from delivery.edges import Edges
from schemas.topics import Topic

#: The queue that takes the topic in.
QUEUE = "fetchers"


class ChangesTopic:
    """Implements `rounds.Target`."""

    def __init__(self, kafka: str, topic: Topic, edges: Edges) -> None:
        self._kafka = kafka
        self._topic = topic
        self._edges = edges

    async def look(self) -> TopicEnds:
        """RetryableError: the broker does not answer, or the topic is not there."""
        return await asyncio.to_thread(topic_ends.look, self._kafka, self._topic.name)

    async def taken_in(self, topic_id: str) -> Mapping[int, int]:
        """Next offset of each partition that was ever taken in."""
        return await self._edges.positions(QUEUE, topic_id)
