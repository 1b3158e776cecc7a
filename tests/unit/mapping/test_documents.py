"""What editors and people are told of the language holds."""

import json
import re
from pathlib import Path

import pytest

from consumers.routes import SALES_ORDER
from mapping.data import DataMapping, from_file
from mapping.json_schema import text
from mapping.messages import BrokenMappingError
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


def net_price(value: str) -> DataMapping:
    """Ours with another net price: whoever changes the file itself, as the page says, breaks no test of the page."""
    (own,) = (each for each in YAML.findall(HOW_TO) if "extends:" in each and "net_price:" in each)
    text = re.sub(r"value: .*", lambda _: value, re.sub(r"@\d+", f"@{SALES_ORDER.version}", own))
    return DataMapping(text.encode(), "sales_order.yaml", of=SALES_ORDER)


def test_the_how_to_s_change_of_one_field_can_be_made() -> None:
    step = YAML.findall(HOW_TO)[0].strip()

    assert net_price(step).digest
    said = re.search(r"`(sales_order.yaml:.*?)`", HOW_TO)
    assert said is not None
    with pytest.raises(BrokenMappingError) as caught:
        _ = net_price("value: round(line.unit_prise, decimals)").compiled
    # lines move
    place = re.compile(r":\d+:\d+")
    assert place.sub("", said[1]) == place.sub("", caught.value.message)


def test_the_how_to_s_extensions_fit() -> None:
    examples = [each for each in YAML.findall(HOW_TO) if "extends:" in each and "round trip:" not in each]
    # their numbers are those of the day they were written
    for example, ours in zip(examples, (ORDER_FROM_CLARITY, SALES_ORDER, SALES_ORDER), strict=True):
        text = re.sub(r"@\d+", f"@{ours.version}", example)
        assert DataMapping(text.encode(), "own.yaml", of=ours).digest


def test_the_decision_s_example_is_one() -> None:
    page = (ROOT / "docs/decisions/0050-the-mapping-language.md").read_text(encoding="utf-8")

    assert read(YAML.findall(page)[0].encode(), "example.yaml").id == "streams/orders/from_my_shop"


def test_our_own_files_are_whole() -> None:
    assert from_file("streams/orders/from_clarity.yaml", rules).digest == ORDER_FROM_CLARITY.digest
