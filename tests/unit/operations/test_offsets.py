"""Where partitions end, asked while one has no leader yet."""

from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from errors import RetryableError
from operations import offsets
from operations.offsets import TopicPlaces, ends

TOPICS = {"t": TopicPlaces(name="t", topic_id="id", partitions=1)}


class Future:
    def __init__(self, code: int | None) -> None:
        self._code = code
        self.offset = 7

    def result(self) -> "Future":
        if self._code is not None:
            raise KafkaException(KafkaError(self._code))
        return self


class Admin:
    """Answers once with each of these, and then with the last one again and again."""

    def __init__(self, *codes: int | None) -> None:
        self._codes = list(codes)
        self.asked = 0

    def list_offsets(self, places: dict[Any, Any], **_: Any) -> dict[Any, Future]:
        self.asked += 1
        code = self._codes.pop(0) if len(self._codes) > 1 else self._codes[0]
        return dict.fromkeys(places, Future(code))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offsets, "ASKED_AGAIN_S", 0.001)
    monkeypatch.setattr(offsets, "SETTLED_WITHIN_S", 0.05)


def test_a_partition_that_gets_its_leader_is_asked_again() -> None:
    admin = Admin(KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, None)

    assert ends(cast("Any", admin), TOPICS) == {("t", 0): 7}


def test_a_partition_that_stays_without_a_leader_is_told() -> None:
    with pytest.raises(RetryableError, match="leader"):
        ends(cast("Any", Admin(KafkaError.NOT_LEADER_FOR_PARTITION)), TOPICS)


def test_another_refusal_is_told_at_once() -> None:
    admin = Admin(KafkaError.TOPIC_AUTHORIZATION_FAILED)

    with pytest.raises(RetryableError, match="authorization"):
        ends(cast("Any", admin), TOPICS)

    assert admin.asked == 1
