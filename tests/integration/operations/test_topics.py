"""What topics say when Kafka does not answer."""

import pytest

from errors import RetryableError
from operations import topics
from operations.offsets import admin_of


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(topics, "TIMEOUT_S", 1.0)
    return "127.0.0.1:1"


def test_settings_cannot_be_read_while_kafka_is_away(nobody: str) -> None:
    with pytest.raises(RetryableError, match="Kafka does not answer"):
        topics._configs(admin_of(nobody), ["canonical.orders.v1"])


def test_settings_cannot_be_corrected_while_kafka_is_away(nobody: str) -> None:
    with pytest.raises(RetryableError, match="Kafka does not answer"):
        topics._alter(admin_of(nobody), "canonical.orders.v1", {"retention.ms": "1"})
