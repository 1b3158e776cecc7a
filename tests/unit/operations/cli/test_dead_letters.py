"""How the bytes of a dead letter are shown."""

import pytest

from operations.cli.dead_letters import _readable


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
