"""Equal values tell where a field came from; what is too common to tell anything needs a name that fits."""

import pytest

from operations.field_origins import Origin, leaves, origins

SOURCE = {
    "ID": 1001,
    "OrderedDate": "2026-03-02T09:00:00-05:00",
    "Totals": {"Total": 120.5, "Tax": 0},
    "SalesItems": [{"Sku": "SKU-77", "Quantity": 2}, {"Sku": "SKU-78", "Quantity": 2}],
    "Notes": "",
}
RECORD = {
    "number": "1001",
    "ordered_at": "2026-03-02T14:00:00Z",
    "total": "120.50000",
    "currency": "USD",
    "lines": [{"sku": "sku-77 ", "quantity": "2.00000"}, {"sku": "SKU-78", "quantity": "2.00000"}],
}
TARGET = {"CSTPONBR": "1001", "DOCAMNT": "120.50", "lines": [{"ITEMNMBR": "SKU-77", "QUANTITY": "2"}]}


def test_each_field_stands_beside_its_value_at_both_ends() -> None:
    assert origins(RECORD, SOURCE, TARGET) == (
        Origin(field="number", value="1001", source=("ID",), target=("CSTPONBR",)),
        Origin(field="ordered_at", value="2026-03-02T14:00:00Z", source=("OrderedDate",), target=()),
        Origin(field="total", value="120.50000", source=("Totals.Total",), target=("DOCAMNT",)),
        Origin(field="currency", value="USD", source=(), target=()),
        Origin(field="lines[1].sku", value="sku-77 ", source=("SalesItems[1].Sku",), target=("lines[1].ITEMNMBR",)),
        Origin(
            field="lines[1].quantity",
            value="2.00000",
            source=("SalesItems[1].Quantity",),
            target=("lines[1].QUANTITY",),
        ),
        Origin(field="lines[2].sku", value="SKU-78", source=("SalesItems[2].Sku",), target=()),
        Origin(
            field="lines[2].quantity",
            value="2.00000",
            source=("SalesItems[2].Quantity",),
            target=("lines[1].QUANTITY",),
        ),
    )


@pytest.mark.parametrize(
    ("value", "there", "found"),
    [
        (1, {"Anything": 1}, ()),
        (1, {"Quantity": 1, "Active": True}, ("Quantity",)),
        (True, {"Held": True}, ()),
        ("NaN", {"Name": "nan"}, ()),
    ],
)
def test_what_stands_everywhere_tells_nothing_by_itself(value: object, there: object, found: tuple[str, ...]) -> None:
    ((origin),) = origins({"quantity": value}, there)

    assert origin.source == found


def test_what_is_empty_is_left_out() -> None:
    assert list(leaves({"a": None, "b": "", "c": [], "d": {"e": False}})) == [("d.e", "false")]
