"""Mappings tried with examples: what differs is told, and written down when somebody says so."""

import shutil
from pathlib import Path

import pytest

from bus.settings import ROOT, demo
from errors import ConfigurationError
from operations import mapping_cases
from operations.mapping_files import Known, named

FILE = "streams/orders/from_clarity.yaml"
LOOKUPS = demo().lookups


def changed(folder: Path, old: str, new: str) -> Known:
    text = (ROOT / FILE).read_text(encoding="utf-8")
    assert old in text
    path = folder / "mine.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return named(str(path))


def test_a_change_is_told_field_by_field_with_its_example(tmp_path: Path) -> None:
    each = changed(tmp_path, "unit_price: price", "unit_price: round((full - off) / quantity, 5)")

    found = mapping_cases.tested(each, LOOKUPS)

    told = {case.example: [str(each) for each in case.differences] for case in found.cases if not case.right}
    assert told == {
        "schemas/examples/canonical.orders.v1/camel_case_order.json": ["lines[1].unit_price: 8.23 -> 8.23333"],
        "schemas/examples/canonical.orders.v1/full_order.json": ["lines[1].unit_price: 22.50 -> 21.83333"],
    }
    assert not found.right


def test_fields_that_came_out_empty_everywhere_are_told(tmp_path: Path) -> None:
    each = changed(tmp_path, "company: trim(given.company)", 'company: "given.company if false else unset"')

    assert mapping_cases.tested(each, LOOKUPS).never == ("address: company",)


def test_a_refusal_is_told_and_can_be_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = tmp_path / "examples"
    shutil.copytree(mapping_cases.EXAMPLES, examples)
    monkeypatch.setattr(mapping_cases, "EXAMPLES", examples)
    each = changed(tmp_path, "that: order.sales_items", "that: count(order.sales_items) > 99")

    before = mapping_cases.tested(each, LOOKUPS)
    written = mapping_cases.accept(each, LOOKUPS)

    assert {case.refused for case in before.cases} == {"lines: the order has no lines"}
    assert len(written) == len(before.cases)
    assert mapping_cases.tested(each, LOOKUPS).right
    # and what is not refused any more is told
    again = mapping_cases.tested(named(FILE), LOOKUPS)
    assert {case.refused for case in again.cases} == {"should be refused: lines: the order has no lines"}


def test_what_is_written_down_anew_reads_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = tmp_path / "examples"
    shutil.copytree(mapping_cases.EXAMPLES, examples)
    monkeypatch.setattr(mapping_cases, "EXAMPLES", examples)
    each = named(FILE)
    path = mapping_cases.case(each, "full_order").written
    before = path.read_bytes()
    path.write_bytes(before.replace(b'"22.50"', b'"1.00"'))

    assert mapping_cases.accept(each, LOOKUPS, ["guest_order"]) == ()
    assert mapping_cases.accept(each, LOOKUPS) == (path,)
    assert path.read_bytes().startswith(before.rstrip(b"\n}")[:800])
    assert mapping_cases.tested(each, LOOKUPS).right


def test_what_a_declared_way_back_loses_is_told_for_each_example(tmp_path: Path) -> None:
    back = tmp_path / "back.yaml"
    back.write_text(
        "mapping: streams/stock/from_clarity\nversion: 1\n"
        "from: {section: systems.clarity.stock_section.UpsertStockSection}\n"
        "to: canonical.inventory_level.InventoryLevel\n"
        "fields:\n  id: section.custom_key\n  source_version: '0'\n  occurred_at: now\n"
        "  sku: section.product_key\n  on_hand: section.quantity + 1\n"
    )
    ours = (ROOT / "consumers/clarity/stock_section.yaml").read_text(encoding="utf-8")
    there = tmp_path / "there.yaml"
    there.write_text(f"{ours}round trip: {{by: {back}, without: [id, source_version, occurred_at]}}\n")

    (case,) = mapping_cases.tested(named(str(there)), LOOKUPS).cases

    assert not case.right
    assert [str(each) for each in case.lost] == ["on_hand: 118.00000 -> 119.00000"]


def test_a_case_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="there are camel_case_order, full_order, guest_order"):
        mapping_cases.case(named(FILE), "full")


def test_a_mapping_nobody_knows_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="did you mean streams/orders/from_clarity"):
        named("streams/orders/from_clarit")


ALONE = """mapping: my/notes
version: 1
from: {order: canonical.order.Order}
to: canonical.address.Address
fields:
  name: order.customer_name
  company: f"{count(order.lines)} lines"
"""


def alone(folder: Path, text: str = ALONE) -> Known:
    path = folder / "notes.yaml"
    path.write_text(text, encoding="utf-8")
    return named(str(path))


def test_a_mapping_nobody_runs_is_tried_with_the_examples_of_what_it_reads(tmp_path: Path) -> None:
    each = alone(tmp_path)

    assert all(case.new for case in mapping_cases.tested(each, LOOKUPS).cases)
    written = mapping_cases.accept(each, LOOKUPS)

    assert {path.parent for path in written} == {tmp_path / "examples" / "my.notes"}
    assert mapping_cases.tested(each, LOOKUPS).right


def test_an_example_may_lie_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_bytes((mapping_cases.EXAMPLES / "canonical.orders.v1" / "guest_order.json").read_bytes())

    case = mapping_cases.case(alone(tmp_path), str(path))

    assert (case.name, case.record.connection) == ("odd", "clarity-main")


def test_what_a_system_answered_is_an_example_of_its_record(tmp_path: Path) -> None:
    text = ALONE.replace("canonical.order.Order", "systems.clarity.order.ClarityOrder")
    each = alone(tmp_path, text.replace("order.customer_name", "order.account_name").replace("lines)", "sales_items)"))
    body = mapping_cases.EXAMPLES / "clarity.orders.v1" / "full_order.json"

    made = each.mapping(mapping_cases.case(each, str(body)).record, LOOKUPS, mapping_cases.NOW)

    assert made.company == "2 lines"


def test_an_example_of_a_route_is_read_as_the_route_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes((mapping_cases.EXAMPLES / "clarity.orders.v1" / "full_order.json").read_bytes())
    each = named(FILE)

    assert each.mapping(mapping_cases.case(each, str(path)).record, LOOKUPS, mapping_cases.NOW).lines


def test_a_file_that_is_no_such_record_is_told_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text('{"id": 7}', encoding="utf-8")

    with pytest.raises(ConfigurationError, match=r"odd\.json: is no example of canonical\.orders\.v1"):
        mapping_cases.case(alone(tmp_path), str(path))


def test_a_mapping_that_reads_no_record_has_no_example(tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text("{}", encoding="utf-8")
    each = alone(tmp_path, ALONE.partition("fields:")[0].replace("canonical.order.Order", "text") + "fields: {}\n")

    with pytest.raises(ConfigurationError, match=r"odd\.json: is no example of text: text is no name of a record"):
        mapping_cases.case(each, str(path))


def test_where_an_example_belongs_is_told(tmp_path: Path) -> None:
    each = alone(tmp_path, ALONE.replace("canonical.order.Order", "canonical.address.Address").replace("order.", ""))

    with pytest.raises(ConfigurationError, match=r"put one into .*examples/canonical\.address\.Address/"):
        mapping_cases.cases(each)
