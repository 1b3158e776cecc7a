"""`towpath mapping shadow` as a gate: its exit code, and what it says of an empty sample."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from bus.settings import at_rest
from operations.cli import mapping, shadow_view
from operations.shadow import FieldTold, RefusalTold, Sample, Shadow

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SAMPLE = Sample(key="shop:[red]1", position="t/0/7", field="lines[0].sku", before='"a"', after='"A"')
SKU = FieldTold(field="lines[].sku", kind="changed", count=3, expected=False, samples=(SAMPLE,))
FOUND = Shadow(
    live="m@1+a",
    new="m@2+b",
    topic="clarity.orders.v1",
    since=NOON,
    first=NOON,
    last=NOON,
    events=5,
    unreadable=0,
    left_out=1,
    compared=4,
    same=1,
    differ=3,
    differences=(SKU,),
    new_refusals=(),
    refused_no_more=(),
    refused_by_both=0,
)


def run(monkeypatch: pytest.MonkeyPatch, found: Shadow, *words: str, new: str = "") -> Any:
    """Without a `new` to look at, what is asked for is right."""
    if not new:
        monkeypatch.setattr(shadow_view, "_used_rightly", lambda *_given: None)
    monkeypatch.setattr(shadow_view, "settings", at_rest)
    monkeypatch.setattr(shadow_view, "with_lookups_now", lambda given: given)
    monkeypatch.setattr(shadow_view, "shadow", lambda *_given, **_named: found)
    return CliRunner().invoke(mapping.app, ["shadow", new or "new.yaml", *words])


def test_what_cannot_be_run_is_no_difference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "new.yaml"
    broken.write_text("mapping: streams/orders/from_clarity\nversion: 9\n")

    for new in (str(broken), "nope.yaml"):
        assert run(monkeypatch, FOUND, new=new).exit_code == 2


@pytest.mark.parametrize(
    ("expected", "code"), [("lines", 1), ("lines[].sku", 1), ("lines[2].sku", 1), ("lines.skuu", 2)]
)
def test_only_fields_that_are_there_can_be_expected(monkeypatch: pytest.MonkeyPatch, expected: str, code: int) -> None:
    assert run(monkeypatch, FOUND, "--expect", expected, new="streams/orders/from_clarity").exit_code == code


def test_a_field_nobody_expects_is_exit_code_one_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = run(monkeypatch, FOUND)

    assert answer.exit_code == 1
    assert "Differs in fields nobody expects: lines[].sku" in answer.output
    assert "shop:[red]1" in answer.output


def test_what_is_expected_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = msgspec.structs.replace(FOUND, differences=(msgspec.structs.replace(SKU, expected=True),))

    assert run(monkeypatch, expected).exit_code == 0


def test_a_new_refusal_never_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = RefusalTold(field="sku", reason="unknown", count=2, samples=())

    answer = run(monkeypatch, msgspec.structs.replace(FOUND, differences=(), new_refusals=(refusal,)))

    assert answer.exit_code == 1
    assert "2 records would be refused that are not now" in answer.output


@pytest.mark.parametrize(("events", "told"), [(0, "has no event of that time"), (5, "of 5 events none became")])
def test_an_empty_sample_says_so_and_has_an_exit_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, events: int, told: str
) -> None:
    empty = msgspec.structs.replace(FOUND, events=events, compared=0, same=0, differ=0, differences=())

    answer = run(monkeypatch, empty)

    assert answer.exit_code == 3
    assert "NOTHING WAS COMPARED" in answer.output
    assert told in " ".join(answer.output.split())


def test_programs_are_told_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = run(monkeypatch, FOUND, "--json")

    printed = msgspec.json.decode(answer.stdout)
    assert (printed["passes"], printed["empty"], printed["differences"][0]["count"]) == (False, False, 3)
