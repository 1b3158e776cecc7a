"""A deployment's mapping changes ours in place, and is told when ours has moved on."""

import pytest

from mapping.data import DataMapping
from mapping.extend import collisions
from mapping.messages import BrokenMappingError
from mapping.port import Lookups
from mapping.spec import read
from tests.doubles.small_mappings import NOW, ORDER, mapping, records

OURS = """
let:
  doubled: order.id * 2
statuses:
  state_of: {values: {new: open, paid: closed}, otherwise: open}
fields:
  key: order.number
  state: state_of(order.status)
  whole: doubled
  lines:
    each: line in order.lines
    fields: {item: line.sku, amount: "1"}
"""
HEAD = "mapping: mappings/try\nextends: try/it@1\nversion: 4\n"


def extension(text: str, ours: str = OURS) -> DataMapping:
    return DataMapping((HEAD + text).encode(), "own.yaml", of=mapping(ours), records=records())


def test_what_is_named_anew_replaces_and_the_rest_stays() -> None:
    made = extension(
        """
let:
  doubled: order.id * 3
  more: doubled + 1
statuses:
  state_of: {values: {paid: open, void: closed}}
require:
  - {that: order.id > 0, say: no number}
fields:
  note: f"{more}"
  lines:
    fields: {item: upper(line.sku + "x")}
"""
    )

    found = made({**ORDER, "status": "void"}, Lookups({}), NOW)

    assert (made.id, made.version) == ("mappings/try", 4)
    assert (found["key"], found["state"], found["whole"], found["note"]) == (" W-7 ", "closed", 21, "22")
    assert [line["item"] for line in found["lines"]] == ["AX", "BX", "AX"]
    assert found["lines"][0]["amount"] == 1


def test_what_is_wrong_is_said_of_its_own_file() -> None:
    with pytest.raises(BrokenMappingError) as caught:
        _ = extension("fields:\n  note: order.nubmer\n").compiled

    assert "own.yaml:5:9: ShopOrder has no field nubmer" in caught.value.message


def test_both_texts_are_in_its_digest() -> None:
    one, other = extension("fields: {}\n"), extension("fields: {}\n", OURS.replace("order.id * 2", "order.id * 3"))

    assert one.digest != other.digest
    assert one.own_digest == other.own_digest
    assert one.digest == extension("fields: {}  # none\n", OURS + "# a word\n").digest


def moved(text: str) -> str:
    head = "mapping: try/it\nversion: 2\nfrom: {order: shop.Order}\nto: erp.Order\n"
    return head + OURS.replace("whole: doubled", "whole: order.id")


def test_an_extension_that_only_adds_goes_on_with_ours() -> None:
    made = extension("let: {more: order.id}\nfields:\n  note: f'{more}'\n", moved(OURS))

    assert made(ORDER, Lookups({}), NOW)["note"] == "7"


def test_one_that_replaces_is_told_what_ours_says_now() -> None:
    with pytest.raises(BrokenMappingError) as caught:
        _ = extension("fields:\n  whole: order.id + 1\n  note: order.number\n", moved(OURS)).compiled

    assert caught.value.message == (
        "own.yaml:5:3: whole replaces ours, which moved from version 1 to 2 and says now: order.id: "
        "look whether yours still holds, then write extends: try/it@2"
    )


def test_with_the_old_text_at_hand_only_what_changed_is_told() -> None:
    own = read((HEAD + "let: {doubled: order.id}\nfields:\n  whole: order.id + 1\n").encode(), "own.yaml")
    base = read(moved(OURS).encode(), "it.yaml")
    then = read(mapping(OURS)._content, "it.yaml")

    assert [message.text.split()[0] for message in collisions(own, base, then)] == ["whole"]
    assert [message.text.split()[0] for message in collisions(own, base)] == ["let", "whole"]


BASE = """
unmapped: ignore
parts:
  label: {from: {x: text}, to: text, value: upper(x)}
statuses:
  state_of: {values: {new: open, paid: closed}, otherwise: open}
fields:
  key: order.number
  state: state_of(order.status)
  note: label(order.number)
  home: {when: order.buyer is not None, fields: {city: order.number}}
  texts: [order.number, order.status]
  lines:
    each: line in order.lines
    where: line.quantity > 0
    order by: line.sku
    fields: {item: line.sku, amount: "1"}
"""


@pytest.mark.parametrize(
    ("old", "new", "own", "told"),
    [
        ("otherwise: open", "otherwise: closed", "statuses:\n  state_of: {values: {}, otherwise: closed}", []),
        ("otherwise: open", "otherwise: none", "statuses:\n  state_of: {values: {}, otherwise: closed}", ["statuses"]),
        ("closed}, ", "closed}, inverts: true, ", "statuses:\n  state_of: {values: {}}", []),
        ("unmapped: ignore", "unmapped: keep in more", "unmapped: refuse", ["unmapped"]),
        ("upper(x)", "lower(x)", "parts:\n  label: {from: {x: text}, to: text, value: x}", ["parts"]),
        ("> 0", "> 1", "fields:\n  lines: {each: l in order.lines, fields: {item: l.sku}}", ["lines"]),
        ("> 0", "> 1", "fields:\n  lines: {fields: {item: line.sku}}", []),
        ("order by: line.sku", "order by: line.price", "fields:\n  lines: order.lines", ["lines"]),
        ("when: order.buyer is not None", "when: order.id > 1", "fields:\n  home: none", ["home"]),
        ("home: {when: order.buyer is not None, fields: {city: order.number}}", "home: none",
         "fields:\n  home: {fields: {city: order.note}}", ["home.city"]),
        (", order.status]", ", order.note]", "fields:\n  texts: [order.number]", ["texts"]),
        ("fields:\n  key", "require:\n  - {that: order.id > 0, say: none}\nfields:\n  key",
         "require:\n  - {that: order.id > 1, say: none}", []),
    ],
)  # fmt: skip
def test_whatever_an_extension_replaces_is_told_if_it_moved(old: str, new: str, own: str, told: list[str]) -> None:
    head = "mapping: try/it\nversion: 1\nfrom: {order: shop.Order}\nto: erp.Order\n"
    assert old in BASE
    then = read((head + BASE).encode(), "it.yaml")
    base = read((head.replace("version: 1", "version: 2") + BASE.replace(old, new, 1)).encode(), "it.yaml")

    found = collisions(read((HEAD + own + "\n").encode(), "own.yaml"), base, then)

    assert [message.text.split()[0] for message in found] == told


@pytest.mark.parametrize("extends", ["try/it", "other@1", "try/it@x"])
def test_it_names_mapping_and_version(extends: str) -> None:
    text = HEAD.replace("try/it@1", extends) + "fields: {}\n"

    with pytest.raises(BrokenMappingError) as caught:
        _ = DataMapping(text.encode(), "own.yaml", of=mapping(OURS), records=records()).compiled

    assert "extends: try/it@1" in caught.value.message


def test_what_is_wrong_besides_is_told_with_what_collides() -> None:
    head = "mapping: try/it\nversion: 2\nfrom: {order: shop.Order}\nto: erp.Order\n"
    own = extension("fields:\n  key: trim(order.number)\n  note: order.nubmer\n", head + OURS)

    with pytest.raises(BrokenMappingError) as caught:
        _ = own.compiled

    assert [message.line for message in caught.value.messages] == [5, 6]


def test_a_named_value_of_another_kind_is_told_where_it_stands() -> None:
    with pytest.raises(BrokenMappingError) as caught:
        _ = extension("let:\n  doubled: order.number\n  more: order.id\nfields:\n  note: f'{more}'\n").compiled

    first, second = caught.value.messages
    assert (first.file, first.line) == ("own.yaml", 5)
    assert "make it the kind of value that ours is" in first.write
    assert second.file == "it.yaml"
