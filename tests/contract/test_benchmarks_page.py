"""The page of the benchmarks says what the kept results say."""

import json

import pytest

from benchmarks.harness.result import RESULTS
from benchmarks.telling import FILES, QUESTIONS, page
from operations.stack.settings import REPOSITORY_ROOT

PAGE = REPOSITORY_ROOT / "docs" / "reference" / "benchmarks.md"
TOLD = [name for name in QUESTIONS if f"## {name}\n" in PAGE.read_text(encoding="utf-8")]


@pytest.mark.parametrize("name", TOLD)
def test_a_section_is_its_result(name: str) -> None:
    result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))

    section = page({name: result}).partition(f"## {name}\n")[2].strip()

    assert section in PAGE.read_text(encoding="utf-8"), "run `make bench`, or `python -m benchmarks.page` as it does"
    assert (PAGE.parent / FILES / f"{name}.svg").exists()
    assert result["environment"]["command"] in section
