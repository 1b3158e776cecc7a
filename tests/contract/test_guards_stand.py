"""The guards' scenarios are not part of every run: what they take out must be there by the name they know it by."""

import pytest

from delivery import statements
from tests.guards.conditions import CONDITIONS


@pytest.mark.parametrize(("statement", "condition", "instead"), [each for of in CONDITIONS.values() for each in of])
def test_guard_is_written_as_its_scenario_takes_it_out(statement: str, condition: str, instead: str) -> None:
    assert condition in getattr(statements, statement, "")
    assert condition != instead
