"""Tables on a terminal and on a pipe."""

import json
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from operations.cli.output import print_json
from operations.cli.tables import print_table
from schemas.systems.clarity.wire import FreeText, Ticks


def test_empty_table_says_none_to_people(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    print_table(("at", "key"), [])

    assert capsys.readouterr().out == "none\n"


def test_empty_table_is_its_header_on_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("at", "key"), [])

    assert capsys.readouterr().out == "at\tkey\n"


def test_kinds_of_their_own_of_texts_and_numbers_are_plain_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    class Amount(Decimal):
        pass

    print_json({"text": FreeText("5"), "ticks": Ticks(7), "path": Path("a/b"), "by": {FreeText("k"): Amount("1.50")}})

    assert json.loads(capsys.readouterr().out) == {"text": "5", "ticks": 7, "path": "a/b", "by": {"k": "1.50"}}
