"""Kafka's settings of a topic."""

import pytest

from operations.topics import settings_of
from schemas import topics


@pytest.mark.parametrize(("copies", "in_step"), [(1, "1"), (2, "1"), (3, "2")])
def test_a_record_counts_only_when_more_than_one_copy_has_it(copies: int, in_step: str) -> None:
    assert settings_of(topics.ORDERS, copies)["min.insync.replicas"] == in_step
