"""How a dead letter and its bytes are shown."""

import pytest

from operations.cli.dead_letters import _original, _readable


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b'{"id": 1}\n', '{"id": 1}\n'),
        ("Gr\u00fc\u00dfe [bold]".encode(), "Gr\u00fc\u00dfe [bold]"),
        (b"\x1b]0;title\x07\nbelow", "\\x1b]0;title\\x07\nbelow"),
        ("\u202egpj".encode(), "\\u202egpj"),
        (b"\xff\xfe", "//4="),
    ],
)
def test_what_would_command_the_terminal_is_escaped(value: bytes, shown: str) -> None:
    assert _readable(value) == shown


@pytest.mark.parametrize(
    ("topic", "partition", "offset", "shown"),
    [
        ("clarity.orders.v1", 4, 7, "clarity.orders.v1/4/7"),
        ("", -1, -1, "the request itself, kept in the dead letter"),
    ],
)
def test_original_is_a_place_on_a_topic_or_the_request_that_reached_none(
    topic: str, partition: int, offset: int, shown: str
) -> None:
    assert _original(topic, partition, offset) == shown
