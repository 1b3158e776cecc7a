"""Tables on a terminal and on a pipe."""

import sys

import pytest

from operations.cli.tables import print_table


def test_empty_table_says_none_to_people(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    print_table(("at", "key"), [])

    assert capsys.readouterr().out == "none\n"


def test_empty_table_is_its_header_on_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("at", "key"), [])

    assert capsys.readouterr().out == "at\tkey\n"
