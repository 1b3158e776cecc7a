"""How Debezium files are filled and compared with what Connect has."""

import pytest

from errors import ConfigurationError
from operations.connectors import differences, fill, registry_v2


def test_placeholders_are_filled() -> None:
    text = '{"slot.name": "towpath_${connection.identifier}", "poll.interval.ms": "50"}'

    assert fill(text, {"connection.identifier": "gp_two"}) == {"slot.name": "towpath_gp_two", "poll.interval.ms": "50"}


def test_missing_value_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"capture\.host"):
        fill('{"database.hostname": "${capture.host}"}', {})


def test_kafka_connects_own_groups_are_left_alone() -> None:
    assert fill('{"regex": "(.+)", "replacement": "$1.v1"}', {}) == {"regex": "(.+)", "replacement": "$1.v1"}


def test_only_what_differs_is_named() -> None:
    there = {"name": "gp-two", "a": "1", "b": "2", "gone": "x"}

    assert differences({"a": "1", "b": "3", "new": "y"}, there) == ("b", "gone", "new")
    assert differences({"a": "1"}, {"name": "gp-two", "a": "1"}) == ()


def test_converters_find_the_registry_beside_our_api() -> None:
    assert registry_v2("http://127.0.0.1:8081/apis/ccompat/v7") == "http://127.0.0.1:8081/apis/registry/v2"
