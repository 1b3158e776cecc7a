"""What a shell offers while somebody types."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("words", "at", "offered"),
    [
        ("towpath st", 1, {"stack", "statement", "status", "stop", "store"}),
        ("towpath ex", 1, {"explain"}),
        ("towpath stack ", 2, {"up", "down", "status", "restart"}),
        ("towpath mapping test streams/orders/", 3, {"streams/orders/from_clarity"}),
        ("towpath run --", 2, {"--detach", "--wait", "--no-wait", "--help"}),
    ],
)
def test_shells_complete_commands_and_options(words: str, at: int, offered: set[str]) -> None:
    asked = {"_TOWPATH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}

    answer = subprocess.run(
        [sys.executable, "-m", "operations.cli"],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert set(answer.stdout.split()) == offered
