"""Systems that are asked for their records; a site that describes none is known by what it sent."""

from pathlib import Path

import msgspec
import pytest

from errors import ConfigurationError, NotFoundError
from operations.discover import discover
from tests.doubles.deployment import deployment, of_system

EXAMPLE = Path(__file__).parents[3] / "schemas" / "examples" / "clarity.orders.v1"


def test_documents_that_are_given_are_looked_at_and_compared(tmp_path: Path) -> None:
    settings = deployment(of_system("shop", "x-cart"))
    folder, kept = tmp_path / "order", tmp_path / "seen.json"
    folder.mkdir()
    (folder / "1.json").write_bytes((EXAMPLE / "full_order.json").read_bytes())

    first = discover(settings, "shop", kept, documents=folder)
    (folder / "2.json").write_text('{"ID": "now a text", "Extra": 1}')
    second = discover(settings, "shop", kept, documents=folder, only=["order"])

    assert (first.how, first.records[0].name, first.since) == ("samples", "order", None)
    assert len(first.records) > 3
    assert second.since is not None
    told = {(each.field, each.what): each for each in second.changes}
    assert told["ID", "type"].breaks
    assert ("Extra", "added") in told
    assert b"now a text" not in kept.read_bytes()


def test_a_system_that_cannot_be_asked_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="give documents of it, --samples"):
        discover(deployment(of_system("shop", "x-cart")), "shop", tmp_path / "seen.json")


def test_a_record_nobody_has_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text("{}")
    (tmp_path / "order.json").write_bytes(msgspec.json.encode({"a": 1}))

    with pytest.raises(NotFoundError, match="no record called nope"):
        discover(
            deployment(of_system("shop", "x-cart")),
            "shop",
            tmp_path / "seen.json",
            documents=tmp_path / "order.json",
            only=["nope"],
        )
