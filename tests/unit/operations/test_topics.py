"""Kafka's settings of a topic, and what applying it says."""

import httpx
import pytest

from bus.registry import Registry
from operations.topics import _register, settings_of
from schemas import topics


@pytest.mark.parametrize(("copies", "in_step"), [(1, "1"), (2, "1"), (3, "2")])
def test_a_record_counts_only_when_more_than_one_copy_has_it(copies: int, in_step: str) -> None:
    assert settings_of(topics.ORDERS, copies)["min.insync.replicas"] == in_step


@pytest.mark.parametrize("topic", topics.TOPICS, ids=lambda each: each.name)
def test_nothing_that_was_changed_is_told_twice(topic: topics.Topic) -> None:
    empty = httpx.MockTransport(lambda request: httpx.Response(404 if request.method == "GET" else 200, json={"id": 1}))

    told = _register(Registry("http://registry", transport=empty), topic)

    assert told
    assert len(told) == len(set(told))
