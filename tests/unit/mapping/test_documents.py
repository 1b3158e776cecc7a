"""What editors and people are told of the language holds."""

import json
import re
from pathlib import Path

import pytest

from mapping.data import DataMapping, from_file
from mapping.json_schema import text
from mapping.spec import BLOCK_KEYS, FILE_KEYS, read
from streams.orders import rules
from streams.routes import ORDER_FROM_CLARITY

ROOT = Path(__file__).parents[3]
HOW_TO = (ROOT / "docs/how-to/write-a-mapping.md").read_text(encoding="utf-8")
YAML = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


def test_the_schema_for_editors_is_in_step() -> None:
    written = (ROOT / "mapping/mapping.schema.json").read_text(encoding="utf-8")

    assert written == text()
    assert set(json.loads(written)["properties"]) == set(FILE_KEYS)
    assert set(json.loads(written)["$defs"]["block"]["properties"]) == set(BLOCK_KEYS) - {"text"}


def test_the_how_to_s_change_of_one_field_can_be_made() -> None:
    step = YAML.findall(HOW_TO)[0].strip()
    ours = (ROOT / "streams/orders/from_clarity.yaml").read_text(encoding="utf-8")

    changed = ours.replace("unit_price: price", step)
    forgotten = ours.replace("unit_price: price", "unit_price: (full - off) / quantity")

    named = {each: getattr(rules, each) for each in rules.__all__}
    assert changed != ours
    assert DataMapping(changed.encode(), "from_clarity.yaml", rules=named).digest
    said = re.search(r"`(from_clarity.yaml:.*?)`", HOW_TO)
    assert said is not None
    with pytest.raises(Exception, match="is a quotient") as caught:
        _ = DataMapping(forgotten.encode(), "from_clarity.yaml", rules=named).compiled
    assert said[1] in str(caught.value)


def test_the_how_to_s_extension_fits() -> None:
    example = next(each for each in YAML.findall(HOW_TO) if "extends:" in each)

    assert DataMapping(example.encode(), "own.yaml", extends=ORDER_FROM_CLARITY).digest


def test_the_decision_s_example_is_one() -> None:
    page = (ROOT / "docs/decisions/0050-the-mapping-language.md").read_text(encoding="utf-8")

    assert read(YAML.findall(page)[0].encode(), "example.yaml").id == "streams/orders/from_my_shop"


def test_our_own_files_are_whole() -> None:
    assert from_file("streams/orders/from_clarity.yaml", rules).digest == ORDER_FROM_CLARITY.digest
