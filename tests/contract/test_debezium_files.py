"""The Debezium files and the topics agree: what is captured has a topic, each capture topic has its table."""

import re
from pathlib import Path

import msgspec
import pytest

from connect.systems.dynamics_gp import statements
from operations import connectors
from schemas import topics
from schemas.systems.dynamics_gp.captured import ItemSiteRow
from schemas.topics import Stage

FILES = sorted(connectors.FILES.glob("*.json"))
#: Both databases of a system are captured alike.
SAME_IN_BOTH = (
    "table.include.list",
    "column.include.list",
    "message.key.columns",
    "snapshot.mode",
    "skip.messages.without.change",
    "tombstones.on.delete",
    "time.precision.mode",
    "decimal.handling.mode",
    "heartbeat.interval.ms",
    "transforms.table.regex",
    "transforms.table.replacement",
)


def config_of(file: Path) -> dict[str, str]:
    return msgspec.json.decode(file.read_bytes(), type=dict[str, str])


def topics_of(file: Path, source_name: str) -> set[str]:
    """Where the captured tables' rows go, as Kafka Connect's RegexRouter sends them."""
    config = config_of(file)
    pattern, replacement = config["transforms.table.regex"], config["transforms.table.replacement"].replace("$1", r"\1")
    tables = [table.removeprefix("dbo.") for table in config["table.include.list"].split(",")]
    return {re.sub(f"^{pattern}$", replacement, source_name.format(table=table)) for table in tables}


def columns(select: str) -> list[str]:
    return re.findall(r'"(\w+)"', select.split(" FROM ", maxsplit=1)[0])


READ_OF = {
    "SOP10100": columns(statements.HEADER_IN_WORK),
    "SOP30200": columns(statements.HEADER_IN_HISTORY),
    "SOP10200": [*columns(statements.LINES_IN_WORK), "SOPTYPE", "SOPNUMBE"],
    "SOP30300": [*columns(statements.LINES_IN_HISTORY), "SOPTYPE", "SOPNUMBE"],
    "SOP10107": [*columns(statements.TRACKING), "SOPTYPE", "SOPNUMBE"],
    "IV00102": list(ItemSiteRow.__struct_fields__),
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@pytest.mark.parametrize("table", READ_OF)
def test_a_change_of_any_column_we_read_is_captured(file: Path, table: str) -> None:
    """Rows whose captured columns did not change are skipped: one left out here would never be heard of."""
    captured = [re.compile(part) for part in config_of(file)["column.include.list"].split(",dbo")]
    patterns = [part if part.pattern.startswith("dbo") else re.compile("dbo" + part.pattern) for part in captured]

    missing = [name for name in READ_OF[table] if not any(part.fullmatch(f"dbo.{table}.{name}") for part in patterns)]

    assert missing == []


@pytest.mark.parametrize(
    ("file", "source_name"),
    [("dynamics-gp.sandbox.json", "gp-two.dbo.{table}"), ("dynamics-gp.sql-server.json", "gp-two.TWO.dbo.{table}")],
)
def test_captured_tables_are_the_capture_topics(file: str, source_name: str) -> None:
    expected = {topic.name for topic in topics.TOPICS if topic.written_by is Stage.CONNECT}

    assert topics_of(connectors.FILES / file, source_name) == expected


def test_heartbeats_go_to_the_connections_topic() -> None:
    for file in FILES:
        config = config_of(file)
        replacement = config["transforms.heartbeat.replacement"].replace("$1", r"\1")

        routed = re.sub(f"^{config['transforms.heartbeat.regex']}$", replacement, "__debezium-heartbeat.gp-two")

        assert routed == topics.heartbeats("gp-two").name


def test_rows_of_a_document_share_a_partition() -> None:
    for file in FILES:
        keyed = dict(entry.split(":") for entry in config_of(file)["message.key.columns"].split(";"))

        assert keyed == dict.fromkeys(("dbo.SOP10200", "dbo.SOP30300", "dbo.SOP10107"), "SOPTYPE,SOPNUMBE")


def test_both_databases_of_a_system_are_captured_alike() -> None:
    one, other = (config_of(file) for file in FILES)

    assert {name: one[name] for name in SAME_IN_BOTH} == {name: other[name] for name in SAME_IN_BOTH}


def test_no_file_holds_a_secret() -> None:
    for file in FILES:
        assert config_of(file)["database.password"] == "${capture.password}"
