"""A deployment's own mappings in the place of ours: custom attributes and user-defined fields by mapping alone."""

import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bus.codec import Codecs
from bus.events import Incoming
from bus.headers import from_headers
from bus.registry import MemoryRegistry
from bus.settings import ROOT, Settings, demo, of_connection, offline
from consumers import routes as consumers
from consumers.dynamics_gp.econnect import user_defined_call
from consumers.dynamics_gp.target import TARGET
from mapping.messages import BrokenMappingError
from operations import mapping_cases, mapping_files, mapping_versions
from operations.check import check
from operations.mapping_faults import look
from operations.route_table import arrows, way_of
from schemas import topics
from schemas.bus.fetched import Fetched
from schemas.canonical.order import Order
from streams import routes as streams
from streams.agents import Way

NOW = datetime(2026, 3, 2, 16, tzinfo=UTC)
BODY = (ROOT / "schemas/examples/clarity.orders.v1/full_order.json").read_bytes()
GIFTS = """
mapping: mappings/orders
extends: streams/orders/from_clarity@{order}
version: 1
let:
  gift: default(order.serializable_attributes["gift"].value, "")
fields:
  note: f"{order.shipping_detail.ship_carrier_method_key}, gift {gift}"
  custom:
    fields:
      Packing: '"paper" if gift == "yes" else "box"'
"""
PACKING = """
mapping: mappings/gp_orders
extends: consumers/dynamics_gp/sales_order@{sales_order}
version: 4
fields:
  user_defined:
    fields:
      USERDEF2: cut(default(order.custom["Packing"], ""), 20)
      USRTAB01: order.payment_method
"""

Deploy = Callable[..., Settings]


@pytest.fixture
def deploy(tmp_path: Path) -> Deploy:
    """A deployment with mappings of its own, by their file's name."""
    folder = tmp_path / "deployments" / "demo"
    shutil.copytree(ROOT / "deployments" / "demo", folder)
    (folder / "mappings").mkdir(exist_ok=True)
    versions = {
        "order": streams.ORDER_FROM_CLARITY.version,
        "sales_order": consumers.SALES_ORDER.version,
    }

    def deployed(**files: str) -> Settings:
        for name, text in files.items():
            for called, version in versions.items():
                text = text.replace(f"{{{called}}}", str(version))  # noqa: PLW2901
            text = re.sub(r"^mapping: mappings/\w+", f"mapping: mappings/{name}", text.lstrip())  # noqa: PLW2901
            (folder / "mappings" / f"{name}.yaml").write_text(text, encoding="utf-8")
        return offline({}, tmp_path)

    return deployed


def test_an_attribute_of_the_store_reaches_a_user_defined_field_by_mapping_alone(deploy: Deploy) -> None:
    settings = deploy(orders=GIFTS, gp_orders=PACKING)
    codecs = Codecs(MemoryRegistry())
    way = Way(streams.deployed(settings.mappings)[0], codecs, settings.lookups, "1")
    fetched = Fetched(connection="clarity-main", id="1001", read_at=NOW, source_version=5, body=BODY)

    (made,) = way.go(
        Incoming(
            topic=topics.CLARITY_ORDERS.name,
            topic_id="topic-id",
            partition=2,
            offset=17,
            timestamp_ms=int(NOW.timestamp() * 1000),
            key=b"clarity-main:1001",
            value=codecs.of(topics.CLARITY_ORDERS).encode(fetched),
        )
    )
    order = codecs.of(topics.ORDERS).decode(made.value)
    lookups = settings.lookups.also(of_connection("gp-two"), known_as=TARGET)
    document = consumers.mappings_to("dynamics-gp", settings.mappings)["order"](order, lookups, NOW)
    _, sent = user_defined_call(document, "ORD1")

    # the route keeps its name, so that an event has the same id whoever's mapping made it
    lineage = from_headers(made.headers)
    assert (lineage.ce_source, lineage.mapping.partition("+")[0]) == (
        "/streams/orders/from_clarity",
        "mappings/orders@1",
    )
    assert order.note == "GROUND, gift yes"
    assert (sent["I_vUSERDEF1"], sent["I_vUSERDEF2"], sent["I_vUSRTAB01"]) == (
        "clarity-main:1001",
        "paper",
        "Credit Card",
    )


def test_without_own_mappings_nothing_is_sent_of_user_defined_fields() -> None:
    settings = offline({}, ROOT)
    lookups = settings.lookups.also(of_connection("gp-two"), known_as=TARGET)
    example = ROOT / "schemas/examples/canonical.orders.v1/full_order.json"
    order = msgspec.json.decode(example.read_bytes(), type=Order)

    _, sent = user_defined_call(consumers.mappings_to("dynamics-gp", {})["order"](order, lookups, NOW), "ORD1")

    assert set(sent) == {"I_vSOPTYPE", "I_vSOPNUMBE", "I_vUSERDEF1"}


def test_check_tells_what_collides_when_ours_moves_on(deploy: Deploy) -> None:
    old = PACKING.replace("@{sales_order}", "@1").replace("      USRTAB01", "  comment: order.note\n#")
    settings = deploy(gp_orders=old)

    told = [each for each in check(settings).problems if "gp_orders" in each]

    assert told[0].startswith("mappings/gp_orders.yaml:8:3: comment replaces ours, which moved from version 1 to")
    assert "and says now: fit(order.note, 500, page)" in told[0]


def test_a_whole_mapping_can_stand_in_the_place_of_ours(deploy: Deploy) -> None:
    ours = (ROOT / "streams/order_statuses/from_dynamics_gp.yaml").read_text(encoding="utf-8")
    version = streams.ORDER_STATUS_FROM_DYNAMICS_GP.version
    own = ours.replace(
        "mapping: streams/order_statuses/from_dynamics_gp\n",
        f"mapping: mappings/status\nreplaces: streams/order_statuses/from_dynamics_gp@{version}\n",
    )

    settings = deploy(status=own.replace('"backordered" if', '"processing" if'))
    moved = deploy(status=own.replace(f"@{version}\n", "@1\n"))

    assert [each.mapping.id for each in mapping_files.own(settings)] == ["mappings/status"]
    with pytest.raises(BrokenMappingError, match="and this stands in its place: look what changed"):
        streams.deployed(moved.mappings)
    streams.deployed(settings.mappings)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GIFTS.replace("from_clarity", "from_clarty"), "there is no mapping streams/orders/from_clarty: did you mean"),
        (GIFTS.replace("extends: streams/orders/from_clarity@{order}\n", ""), "`from:` is missing"),
        (GIFTS.replace("extends: streams", "extends: stream"), "there is no mapping stream/orders/from_clarity"),
        (
            GIFTS.replace("mapping: mappings/orders", "mapping: orders"),
            "it says it is orders, and stands elsewhere: mapping: mappings/own",
        ),
        (GIFTS.replace("default(order", "default(ordr"), "ordr"),
        (PACKING.replace("USERDEF2", "USERDEF9"), "UserDefined has no field USERDEF9: did you mean"),
    ],
)
def test_an_own_mapping_that_would_not_run_is_told_by_check_and_stops_its_stage(
    deploy: Deploy, text: str, said: str
) -> None:
    settings = deploy(own=text)

    assert [each for each in check(settings).problems if each.startswith("mappings/own.yaml") and said in each]
    stopped = 0
    for deployed in (streams.deployed, consumers.deployed):
        try:
            deployed(settings.mappings)
        except BrokenMappingError:
            stopped += 1
    assert stopped


def test_own_mappings_are_compiled_but_once(deploy: Deploy) -> None:
    files = deploy(own=PACKING, orders=GIFTS).mappings

    for stage in (streams, consumers):
        assert stage.deployed(files) is stage.deployed(dict(files))
        assert stage.deployed(files) != stage.deployed({})


def test_two_own_mappings_for_one_of_ours_are_refused(deploy: Deploy) -> None:
    settings = deploy(a=GIFTS, b=GIFTS)

    with pytest.raises(BrokenMappingError, match="from_clarity has a mapping of yours already: mappings/a"):
        streams.deployed(settings.mappings)


def test_own_mappings_have_examples_and_versions_of_their_own(deploy: Deploy) -> None:
    settings = deploy(orders=GIFTS)
    (each,) = mapping_files.own(settings)
    assert any("mappings/orders: version 1 is not sealed yet" in problem for problem in check(settings).problems)

    mapping_versions.seal([each.mapping], settings.folder / mapping_versions.OWN)
    before = mapping_cases.tested(each, settings.lookups)
    written = mapping_cases.accept(each, settings.lookups)

    assert check(settings).problems == ()
    # beside what ours makes of it
    assert [str(each) for case in before.cases for each in case.differences if case.name == "full_order"] == [
        'note: "Please ring the bell twice." -> "GROUND, gift yes"',
        'custom.gift: "yes" -> nothing there',
        'custom.Packing: nothing there -> "paper"',
    ]
    assert {path.parent for path in written} == {settings.folder / "examples" / "canonical.orders.v1"}
    assert mapping_cases.tested(each, settings.lookups).right
    changed = deploy(orders=GIFTS.replace("gift {gift}", "present {gift}"))
    assert any("version 1 stands and said something else" in problem for problem in check(changed).problems)


def test_an_own_mapping_in_a_folder_of_its_own_is_known_by_its_place(deploy: Deploy) -> None:
    folder = deploy(orders=GIFTS).folder / "mappings"
    (folder / "shop").mkdir()
    text = (folder / "orders.yaml").read_text(encoding="utf-8")
    (folder / "orders.yaml").rename(folder / "shop" / "gifts.yaml")

    wrong = deploy()
    (told,) = [each for each in check(wrong).problems if each.startswith("mappings/shop/gifts.yaml")]
    file = str(folder / "shop" / "gifts.yaml")
    (by_itself,) = look(file, demo()).messages
    (folder / "shop" / "gifts.yaml").write_text(text.replace("mappings/orders", "mappings/shop/gifts"), "utf-8")

    said = "mappings/shop/gifts.yaml:1:10: it says it is mappings/orders, and stands elsewhere: "
    assert told == f"{said}mapping: mappings/shop/gifts"
    assert str(by_itself).endswith(told.removeprefix("mappings/shop/gifts.yaml"))
    assert look(file, deploy()).messages == ()
    assert [each.mapping.id for each in mapping_files.own(deploy())] == ["mappings/shop/gifts"]


def test_routes_name_the_mapping_at_work(deploy: Deploy) -> None:
    files = deploy(orders=GIFTS, gp_orders=PACKING).mappings

    named = {(each.stage, each.record): each.by for each in arrows(files)}

    assert named["streams", "order"] == "mappings/orders v1"
    assert named["consumers", "order"] == "mappings/gp_orders v4, consumers/dynamics_gp/sink.py SalesOrderSink"
    assert named["streams", "shipment"].startswith("streams/shipments/from_dynamics_gp v")
    assert way_of("order", files)[-2].by in named.values()


def test_who_changes_a_version_that_stands_is_warned_while_writing(deploy: Deploy) -> None:
    settings = deploy(orders=GIFTS)
    known = mapping_files.named("mappings/orders", settings)
    mapping_versions.seal([known.mapping], settings.folder / mapping_versions.OWN)

    unchanged = look("mappings/orders", settings)
    changed = look("mappings/orders", deploy(orders=GIFTS.replace("paper", "cloth")))
    raised = look("mappings/orders", deploy(orders=GIFTS.replace("paper", "cloth").replace("version: 1", "version: 2")))

    assert (unchanged.messages, changed.messages) == ((), ())
    assert (unchanged.warnings, raised.warnings) == ((), ())
    (warning,) = changed.warnings
    assert (warning.line, warning.column) == (3, 10)
    assert warning.text.startswith("version 1 stands and said something else: write version: 2")


def test_a_broken_mapping_beside_it_is_not_told_of_a_file(deploy: Deploy) -> None:
    settings = deploy(orders=GIFTS, gp_orders=PACKING.replace("cut(", "ct("))

    assert look(str(settings.folder / "mappings" / "orders.yaml"), settings).messages == ()
    assert look("streams/orders/from_clarity", settings).messages == ()
    assert [each.file for each in look("mappings/gp_orders", settings).messages] == ["mappings/gp_orders.yaml"]


def test_a_file_is_checked_with_the_tables_of_the_folder_it_lies_in(deploy: Deploy) -> None:
    text = (
        GIFTS.replace("let:", "lookups: [gifts, sizes]\nlet:")
        .replace('else "box"', 'else lookup("gifts", gift, "box")')
        .replace("  gift:", "  size: order.id\n  gift:")
    )
    settings = deploy(orders=text)
    file = str(settings.folder / "mappings" / "orders.yaml")

    told = look(file, settings)
    (settings.folder / "lookups" / "gifts.csv").write_text("key,value\nyes,paper\n", "utf-8")
    (settings.folder / "lookups" / "sizes.csv").write_text("key;value\n", "utf-8")
    mended = look(file, deploy())
    elsewhere = look(file, demo())

    assert [(each.line, each.column, each.text.partition(",")[0]) for each in told.messages] == [
        (4, 11, "lookups/gifts.csv: missing"),
        (4, 18, "lookups/sizes.csv: missing"),
    ]
    assert [each.text for each in told.warnings] == ["nothing reads the lookup table sizes", "nothing uses size"]
    assert [(each.line, each.column) for each in told.warnings] == [(4, 18), (6, 3)]
    (unreadable,) = mended.messages
    assert "lookups/sizes.csv: the first line must be" in unreadable.text
    assert [each.text for each in elsewhere.messages] == [unreadable.text]


def test_a_declared_way_back_lies_beside_and_holds_every_example(deploy: Deploy) -> None:
    page = (ROOT / "docs/how-to/write-a-mapping.md").read_text(encoding="utf-8")
    there, back = re.findall(r"```yaml\n(mapping: mappings/stock.*?)```", page, re.DOTALL)
    there = re.sub(r"@\d+", f"@{consumers.STOCK_SECTION.version}", there)

    settings = deploy(stock=there, stock_back=back)
    (stock,) = mapping_files.own(settings)
    told = mapping_cases.tested(stock, settings.lookups)
    wrong = deploy(stock_back=back.replace("section.quantity\n", "section.quantity + 1\n"))
    forgetful = mapping_cases.tested(stock, wrong.lookups)

    assert [each for each in check(settings).problems if "sealed" not in each] == []
    assert [
        each for each in check(settings).problems if each.startswith("mappings/stock_back: version 1 is not sealed")
    ]
    assert told.cases
    assert all(each.lost == () for each in told.cases)
    assert {each.field for case in forgetful.cases for each in case.lost} == {"on_hand"}
    assert mapping_files.named("mappings/stock_back", settings).file.name == "stock_back.yaml"
    assert look("mappings/stock_back", settings).messages == ()
    (settings.folder / "lookups" / "clarity_sections.csv").write_text("key,value\na,s\nb,s\n", encoding="utf-8")
    doubled = deploy()
    assert [each for each in check(doubled).problems if "mappings/stock_back reads it back" in each]
    assert any(
        "mappings/stock_back reads it back" in each.text for each in look("mappings/stock_back", doubled).messages
    )
    alone = deploy(stock=there.replace("  by: mappings/stock_back", "  by: mappings/stock_bakc"))
    assert any("stock_back.yaml:1:1: it says neither" in each for each in check(alone).problems)


ORDERS = "mapping: mappings/own\nextends: streams/orders/from_clarity@{order}\nversion: 1\n"
NOTE = "fields:\n  note: order.purchase_order_number\n"
PART = (
    "mapping: mappings/own\nextends: consumers/dynamics_gp/sales_order@{sales_order}\nversion: 1\nparts:\n  net_price:"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ORDERS.replace("{order}", "99") + NOTE, "2:10: streams/orders/from_clarity is at version"),
        (ORDERS.replace("{order}", "99"), "and there is no 99: write extends: streams/orders/from_clarity@"),
        (ORDERS + "to: canonical.product.Product\n" + NOTE, "4:5: ours makes canonical.order.Order: leave `to:` out"),
        (ORDERS + "from: {got: bus.fetched.Fetched}\n" + NOTE, "4:8: ours reads fetched: bus.fetched.Fetched: leave"),
        (ORDERS + "replaces: streams/orders/from_clarity@{order}\n" + NOTE, "4:11: it extends ours already"),
        (
            PART + "\n    from: {line: canonical.order.OrderLine}\n    to: decimal\n    value: line.unit_price\n",
            "5:3: net_price is from canonical.order.OrderLine, integer to decimal in ours, which calls it so",
        ),
        (ORDERS + "rules: [site_of]\n" + NOTE, "4:9: there is no rule site_of"),
    ],
)
def test_what_an_own_mapping_says_against_ours_is_told(deploy: Deploy, text: str, said: str) -> None:
    settings = deploy(own=text)

    (by_check,) = [each for each in check(settings).problems if each.startswith("mappings/own.yaml")]
    (by_itself,) = look(str(settings.folder / "mappings/own.yaml"), settings).messages

    assert said in by_check
    assert said in str(by_itself)


def test_what_an_own_mapping_leaves_out_of_ours_is_a_warning(deploy: Deploy) -> None:
    own = "fields:\n  lines:\n    each: i in order.sales_items\n    fields: {sku: i.sku}\n"
    settings = deploy(own=ORDERS + "statuses:\n  idle: {values: {a: b}}\n" + own)

    told = look(str(settings.folder / "mappings/own.yaml"), settings)

    assert told.messages == ()
    whole, idle = sorted(told.warnings, key=lambda each: -each.line)
    assert (whole.line, idle.line) == (7, 5)
    assert whole.text.startswith(
        "lines stands for the whole block of ours, which also sets line_id, description, quant"
    )
    assert idle.text == "nothing asks the status map idle"


def test_a_way_back_that_is_not_there_is_told_of_the_file_too(deploy: Deploy) -> None:
    settings = deploy(own=ORDERS + "round trip: mappings/nowhere\n" + NOTE)

    (told,) = look(str(settings.folder / "mappings/own.yaml"), settings).messages

    assert (told.line, told.text) == (4, "there is no mapping mappings/nowhere")
    assert "mappings/own" not in told.write
