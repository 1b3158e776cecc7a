"""Who asks for the fates of records, told by a library that fails once."""

import asyncio
from typing import Any

from bus.producer import BusProducer
from schemas import topics


class Failing:
    """Stands in for librdkafka's producer: its first look in the loop fails, the second tells of all records."""

    def __init__(self) -> None:
        self._told: list[Any] = []
        self._looks = 0

    def produce(self, *_: Any, on_delivery: Any, **__: Any) -> None:
        self._told.append(on_delivery)

    def poll(self, timeout_s: float) -> None:
        if timeout_s:
            return
        self._looks += 1
        if self._looks == 1:
            raise RuntimeError
        while self._told:
            self._told.pop()(None, self)

    def flush(self, _: float) -> None:
        self.poll(0)

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 7


async def test_a_look_that_fails_is_followed_by_the_next() -> None:
    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))
    async with BusProducer("127.0.0.1:9", delivery_timeout_s=0.1) as producer:
        producer._producer = Failing()  # type: ignore[assignment]  # as much of it as is asked for
        async with asyncio.timeout(5):
            told = await asyncio.gather(*(producer.send(topics.GP_CHANGES, f"gp:{each}", b"x") for each in range(9)))

    assert told == [(0, 7)] * 9
    assert [type(each) for each in failures] == [RuntimeError]
