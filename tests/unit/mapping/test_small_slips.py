"""A mapping file with a slip of the hand in it: it can be run, or what is wrong is told with its place."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.routes import SALES_ORDER
from errors import BusError
from mapping.data import DataMapping
from mapping.messages import BrokenMappingError
from mapping.port import Lookups
from streams.routes import INVENTORY_LEVEL_FROM_DYNAMICS_GP, ORDER_FROM_CLARITY, ORDER_STATUS_FROM_DYNAMICS_GP
from tests.doubles.small_mappings import NOW, ORDER, mapping

SMALL: Final = mapping("""lookups: {items: {inverts: true}}
statuses:
  state_of: {values: {new: open, paid: open, void: closed}}
parts:
  label: {from: {given: text}, to: text, value: 'upper(trim(given)) + "-1"'}
let:
  net: order.total - default(order.discount, 0)
require:
  - that: net > 0
    say: "nothing is left: {net}"
    field: amount
fields:
  key: f"{order.id}"
  state: state_of(order.status)
  amount: round(net * 1.5, 2)
  lines:
    - each: line in order.lines
      where: line.quantity > 1
      group by: line.sku
      order by: key descending
      number: n
      fields:
        item: label(key)
        amount: round(sum(each.price * each.quantity for each in group), 2)
  home:
    when: order.buyer is not none
    fields: {city: 'default(order.buyer.home.city, "")'}
""")
FILES: Final = (
    SMALL,
    SMALL,
    INVENTORY_LEVEL_FROM_DYNAMICS_GP,
    ORDER_STATUS_FROM_DYNAMICS_GP,
    ORDER_FROM_CLARITY,
    SALES_ORDER,
)
WORDS: Final = (
    "none",
    "sum",
    "round",
    "order",
    "line",
    "fields",
    "each",
    "now",
    "0",
    "-1",
    "1e999",
    '""',
    "[]",
    "{}",
    "x",
)
PIECES: Final = (
    "",
    " ",
    "  ",
    "\t",
    "\n",
    "'",
    '"',
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ":",
    ": ",
    "#",
    ",",
    "-",
    "- ",
    "|",
    ">",
)
MORE: Final = (
    "&a",
    "*a",
    "!t",
    "%",
    "@",
    "`",
    "\\",
    "\x00",
    "\u2028",
    "é",
    "=",
    "..",
    "--- ",
    "<<: ",
    "?",
    "*",
    "**",
    "//",
)
_WORD: Final = re.compile(r"\w+")


def swapped(text: str, draw: Callable[..., int]) -> str:
    """A word is another one: of the file, or one that means something."""
    words = list(_WORD.finditer(text))
    at = words[draw(len(words))]
    others = [*WORDS, *sorted({each[0] for each in words})]
    return text[: at.start()] + others[draw(len(others))] + text[at.end() :]


def misspelt(text: str, draw: Callable[..., int]) -> str:
    """Two letters change places, or one is gone."""
    at = draw(len(text) - 1)
    between = text[at + 1] + text[at] if draw(2) else text[at]
    return text[:at] + between + text[at + 2 :]


def typed_in(text: str, draw: Callable[..., int]) -> str:
    """A sign somewhere, also in the place of another."""
    pieces = (*PIECES, *MORE)
    at = draw(len(text))
    return text[:at] + pieces[draw(len(pieces))] + text[at + draw(2) :]


def line_changed(text: str, draw: Callable[..., int]) -> str:
    """A line is gone, stands twice, stands elsewhere, or deeper or less deep."""
    lines = text.splitlines(keepends=True)
    at = draw(len(lines))
    line = lines.pop(at)
    match draw(5):
        case 0:
            return "".join(lines)
        case 1:
            changed, to = line + line, at
        case 2:
            changed, to = line, draw(len(lines) + 1)
        case 3:
            changed, to = "  " + line, at
        case _:
            changed, to = line.removeprefix(" " * (1 + draw(4))), at
    return "".join((*lines[:to], changed, *lines[to:]))


def cut_short(text: str, draw: Callable[..., int]) -> str:
    """It ends somewhere."""
    return text[: draw(len(text))]


SLIPS: Final = (swapped, swapped, misspelt, typed_in, line_changed, line_changed, cut_short)


@st.composite
def slipped(draw: st.DrawFn) -> DataMapping:
    right = draw(st.sampled_from(FILES))
    text = right.own.document.text
    for slip in draw(st.lists(st.sampled_from(SLIPS), min_size=1, max_size=3)):
        if len(text) > 2 and _WORD.search(text):
            text = slip(text, lambda size: draw(st.integers(min_value=0, max_value=size - 1)))
    return DataMapping(text.encode(), right.file, rules=right.rules, records=right._records)


@settings(max_examples=120, deadline=None)
@given(slipped())
def test_a_slip_of_the_hand_is_told_with_its_place_or_changes_what_it_makes(slip: DataMapping) -> None:
    try:
        slip.require_runnable()
    except BrokenMappingError as error:
        lines = (slip._given.decode() if isinstance(slip._given, bytes) else "").split("\n")
        for each in error.messages:
            assert each.file == slip.file
            assert 1 <= each.line <= len(lines) + 1
            assert 1 <= each.column <= len([*lines, ""][each.line - 1]) + 1
            assert each.text
        return
    if slip.file == SMALL.file and slip.compiled.given[0] == "order":
        with suppress(BusError):
            slip(ORDER, Lookups({"items": {}}), NOW)


@pytest.mark.parametrize("right", FILES)
def test_what_is_slipped_in_was_right(right: DataMapping) -> None:
    right.require_runnable()
