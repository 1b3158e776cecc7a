"""What is told of a deployment without asking anybody."""

import re
import shutil
from pathlib import Path

import pytest

from bus.settings import Settings, load
from delivery.ports import Intent, Row, Settlement, Sink
from delivery.promises import refused
from delivery.states import Repeats
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
