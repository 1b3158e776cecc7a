"""Who reads what, as the ledger asks it, agrees with the workers that do."""

from pathlib import Path

from bus.settings import Pair, Settings
from consumers import agents as consumers
from operations.cli.filters import stages
from operations.readers import FETCHERS_GROUP, STREAMS_GROUP, readers, routed
from operations.workers import MODULES
from producers import agents as producers
from producers.gateway import written as gateway
from schemas import topics
from schemas.topics import Stage
from streams import agents as streams
from streams.worker import GROUP
from tests.doubles.deployment import deployment, of_system

ROOT = Path(__file__).resolve().parents[2]


def deployed() -> Settings:
    return deployment(
        of_system("shop", "clarity"), of_system("erp", "dynamics-gp"), root=ROOT, pairs=(Pair(store="shop", erp="erp"),)
    )


def test_groups_are_those_of_the_workers() -> None:
    text = (ROOT / "producers" / "fetchers" / "worker.py").read_text(encoding="utf-8")

    assert STREAMS_GROUP == GROUP
    assert f'f"{FETCHERS_GROUP.replace("{connection}", "{connection.name}")}"' in text


def test_queues_are_those_of_the_agents() -> None:
    assert {reader.queue for reader in readers(deployed())} == {"", producers.QUEUE, consumers.QUEUE}


def test_every_topic_of_the_way_has_a_reader() -> None:
    on_the_way = {topic.name for topic in topics.TOPICS if topic.written_by is not Stage.BUS}

    assert {reader.topic for reader in readers(deployed())} == on_the_way


def test_readers_are_asked_upstream_first() -> None:
    order = [reader.process.partition("@")[0] for reader in readers(deployed())]

    assert list(dict.fromkeys(order)) == ["fetchers", "streams", "consumers"]


def test_canonical_records_go_to_the_connections_of_their_pair() -> None:
    ways = {(way.record, way.owner, way.target) for way in routed(deployed())}

    assert ways == {
        ("order", "shop", "erp"),
        ("order_status", "shop", "shop"),
        ("shipment", "shop", "shop"),
        ("inventory_level", "erp", "shop"),
    }


def test_every_process_has_its_worker() -> None:
    for module in MODULES.values():
        assert "\ndef run(" in (ROOT / Path(*module.split(".")).with_suffix(".py")).read_text(encoding="utf-8")


def test_every_stage_that_tells_outcomes_can_be_asked_for() -> None:
    assert {gateway.STAGE, "router", producers.QUEUE, streams.STAGE, consumers.QUEUE} <= set(stages())
