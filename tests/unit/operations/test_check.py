"""What is told of a deployment without asking anybody."""

import re
import shutil
from pathlib import Path

import pytest

from bus.settings import Settings, examined, load
from delivery.ports import Intent, Row, Settlement, Sink
from delivery.promises import refused
from delivery.states import Repeats
from errors import ConfigurationError
from operations import mapping_versions
from operations.check import check
from operations.stack.settings import REPOSITORY_ROOT


class WithoutFind:
    repeats = Repeats.PROBED

    async def prepare(self, row: Row) -> Intent | Settlement:
        raise NotImplementedError

    async def deliver(self, intent: Intent) -> Settlement:
        raise NotImplementedError


class WithoutClass(WithoutFind):
    repeats = None  # type: ignore[assignment]  # what is refused

    async def find(self, intent: Intent) -> None:
        raise NotImplementedError


class OnlyTheProtocolsFind(Sink):
    repeats = Repeats.ATOMIC


def demo(root: Path) -> Settings:
    variables = re.findall(r"env:(\w+)", (root / "deployments" / "demo" / "towpath.toml").read_text())
    return load(dict.fromkeys(variables, "20001"), root)


def test_each_route_to_a_target_is_told_with_what_a_repeat_does_there() -> None:
    found = check(demo(REPOSITORY_ROOT))

    assert [(each.connection, each.system, each.record, each.sink, each.repeats) for each in found.sinks] == [
        ("gp-two", "dynamics-gp", "order", "SalesOrderSink", "atomic"),
        ("clarity-main", "clarity", "order_status", "OrderStatusSink", "repeatable"),
        ("clarity-main", "clarity", "shipment", "ShipmentSink", "repeatable"),
        ("clarity-main", "clarity", "inventory_level", "InventoryLevelSink", "repeatable"),
    ]


@pytest.mark.parametrize(
    ("sink", "lacks"), [(WithoutFind, "find"), (OnlyTheProtocolsFind, "find"), (WithoutClass, "repeats")]
)
def test_sink_that_cannot_look_or_declares_no_class_is_refused(sink: type, lacks: str) -> None:
    (problem,) = refused([("order", sink)])

    assert problem.startswith(f"order: {sink.__name__} ")
    assert f"`{lacks}`" in problem


def test_row_of_a_lookup_table_may_hold_line_breaks(tmp_path: Path) -> None:
    folder = tmp_path / "deployments" / "demo"
    shutil.copytree(REPOSITORY_ROOT / "deployments" / "demo", folder)
    (folder / "lookups" / "sizes.csv").write_text('key,value\nS,"small\nor less"\nM,medium\n')

    found = check(demo(tmp_path))

    assert found.lookups["sizes"] == 2
    assert found.problems == ()


def test_a_table_that_a_mapping_reads_and_nobody_has_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "deployments" / "demo"
    shutil.copytree(REPOSITORY_ROOT / "deployments" / "demo", folder)
    (folder / "lookups" / "gp_units.csv").unlink()

    (problem,) = check(demo(tmp_path)).problems

    assert problem.startswith("lookups/gp_units.csv: missing, and consumers/dynamics_gp/sales_order reads it")


def test_a_table_that_cannot_be_read_is_not_missing_too(tmp_path: Path) -> None:
    folder = tmp_path / "deployments" / "demo"
    shutil.copytree(REPOSITORY_ROOT / "deployments" / "demo", folder)
    (folder / "lookups" / "gp_units.csv").write_text("key,worth\na,b\n", encoding="utf-8")

    (problem,) = check(demo(tmp_path)).problems

    assert problem.startswith("lookups/gp_units.csv: ")
    assert "missing" not in problem


def test_all_that_is_wrong_is_told_in_one_go_and_variables_are_missing_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "deployments" / "demo"
    shutil.copytree(REPOSITORY_ROOT / "deployments" / "demo", folder)
    text = (folder / "towpath.toml").read_text(encoding="utf-8")
    text = text.replace("[connections.gp-two]", '[connections.gp-two]\nmaintenance = ["whenever"]\nin_fligth = 3', 1)
    (folder / "towpath.toml").write_text(text, encoding="utf-8")
    (folder / "mappings").mkdir(exist_ok=True)
    (folder / "mappings" / "own.yaml").write_text("mapping: mappings/other\n", encoding="utf-8")
    (folder / "lookups" / "gp_units.csv").unlink()

    settings, faults = examined({}, tmp_path)
    problems = check(settings, faults).problems

    variables = set(re.findall(r'"env:(\w+)"', text))
    named = {name for name in variables if any(re.search(rf"\b{name}\b", each) for each in problems)}
    # the one secret that may be gone
    assert variables - named == {"TOWPATH_CLARITY_WEBHOOK_SECRET_OLD"}
    for told in (
        "connections.gp-two.maintenance[1]: ",
        "connections.gp-two.in_fligth: no such setting",
        "mappings/own.yaml:1:1: `version:` is missing",
    ):
        assert [each for each in problems if told in each], told
    assert "gp-two" in settings.connections
    with pytest.raises(ConfigurationError):
        load({}, tmp_path)


def test_what_needs_a_variable_hides_no_seal_that_was_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = tmp_path / "sealed.csv"
    text = mapping_versions.OURS.read_text(encoding="utf-8")
    sealed.write_text(re.sub(r"(from_clarity,4,)\w+", r"\g<1>000000000000", text), encoding="utf-8")
    monkeypatch.setattr(mapping_versions, "OURS", sealed)

    problems = check(*examined({}, REPOSITORY_ROOT)).problems

    assert [each for each in problems if each.startswith("streams/orders/from_clarity: version 4 stands and said")]
