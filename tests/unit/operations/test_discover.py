"""Systems that are asked for their records; a site that describes none is known by what it sent."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from connect.samples import records as of_samples
from errors import ConfigurationError, NotFoundError
from operations.discover import discover, keep, last_seen
from operations.discovery import Seen
from tests.doubles.deployment import deployment, of_system

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
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
    assert second.kept_in == tmp_path / "seen.samples.json"
    assert b"now a text" not in second.kept_in.read_bytes()


def test_a_look_at_one_record_keeps_what_was_seen_of_others_and_in_other_ways(tmp_path: Path) -> None:
    settings, kept = deployment(of_system("shop", "x-cart")), tmp_path / "shop.json"
    for name in ("order", "order_status"):
        (tmp_path / f"{name}.json").write_text('{"id": 1, "by": {"name": "x"}}')
    catalogue = Seen(connection="shop", system="x-cart", how="catalogue", at=NOON, records=())
    keep(tmp_path / "shop.catalogue.json", catalogue)

    discover(settings, "shop", kept, documents=tmp_path / "order.json")
    other = discover(settings, "shop", kept, documents=tmp_path / "order_status.json")
    again = discover(settings, "shop", kept, documents=tmp_path / "order.json")

    assert other.since is None
    assert again.since is not None
    assert again.changes == ()
    seen = last_seen(again.kept_in)
    assert seen is not None
    assert {each.name for each in seen.records} == {"order", "order_by", "order_status", "order_status_by"}
    assert last_seen(tmp_path / "shop.catalogue.json") == catalogue


def test_what_was_kept_before_there_was_a_file_for_each_way_is_compared(tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text('{"id": 1}')
    records = of_samples("order", [b'{"id": "a"}'])
    keep(tmp_path / "shop.json", Seen(connection="shop", system="x-cart", how="samples", at=NOON, records=records))

    found = discover(
        deployment(of_system("shop", "x-cart")), "shop", tmp_path / "shop.json", documents=tmp_path / "order.json"
    )

    assert (found.since, [each.what for each in found.changes]) == (NOON, ["type"])


def test_a_system_that_cannot_be_asked_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--description, or documents of it, --samples"):
        discover(deployment(of_system("shop", "x-cart")), "shop", tmp_path / "seen.json")


@pytest.mark.parametrize(
    ("description", "how"),
    [
        (
            '<Edmx xmlns="http://docs.oasis-open.org/odata/ns/edmx"><Schema Namespace="N" '
            'xmlns="http://docs.oasis-open.org/odata/ns/edm"><EntityType Name="Order">'
            '<Property Name="Note" Type="Edm.String" MaxLength="30"/></EntityType></Schema></Edmx>',
            "metadata",
        ),
        (
            '{"swagger": "2.0", "definitions": {"Order": {"properties": {"Note": {"type": "string", '
            '"maxLength": 30, "x-nullable": true}}}}}',
            "openapi",
        ),
    ],
)
def test_what_a_system_says_of_itself_in_a_file_is_compared(description: str, how: str, tmp_path: Path) -> None:
    settings, kept, file = deployment(of_system("erp", "acumatica")), tmp_path / "erp.json", tmp_path / "said"
    file.write_text(description)
    first = discover(settings, "erp", kept, description=file)
    file.write_text(description.replace("30", "10"))

    second = discover(settings, "erp", kept, description=file)

    assert (first.how, first.since, second.kept_in) == (how, None, tmp_path / f"erp.{how}.json")
    (change,) = second.changes
    assert (change.record, change.field, change.before, change.after, change.breaks) == (
        ("Order", "Note", "30", "10", True)
    )


def test_a_description_without_records_says_what_to_give(tmp_path: Path) -> None:
    (tmp_path / "said.xml").write_text('<Edmx xmlns="http://docs.oasis-open.org/odata/ns/edmx"/>')

    with pytest.raises(NotFoundError, match="names no record with fields: give documents, --samples"):
        discover(
            deployment(of_system("erp", "acumatica")), "erp", tmp_path / "e.json", description=tmp_path / "said.xml"
        )


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
