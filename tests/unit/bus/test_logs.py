"""One JSON object a line, whoever logs; nothing of what variables held."""

import asyncio
import contextlib
import io
import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from prometheus_client import REGISTRY

from bus import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What a process of that name wrote."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.set_up("streams", level="INFO", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def lines_lost() -> float:
    return REGISTRY.get_sample_value("towpath_log_lines_lost_total") or 0.0


def test_a_line_says_process_level_and_time(stream: io.StringIO) -> None:
    structlog.get_logger("bus.worker").info("worker.ready", agents=["a"])

    [line] = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "worker.ready", "level": "info", "process": "streams", "agents": ["a"]}


@pytest.mark.parametrize("told", ["Zürich \u2028 \x9b31m", "\ud800", 2**80, float("nan"), {1: "one"}, object])
def test_a_line_is_ascii_and_tells_whatever_it_is_given(stream: io.StringIO, told: object) -> None:
    structlog.get_logger("bus.worker").info("worker.ready", told=told)

    [line] = lines(stream)
    assert stream.getvalue().isascii()
    assert line["told"] in [told, repr(told), None, {"1": "one"}]


def test_what_is_below_the_level_is_not_written(stream: io.StringIO) -> None:
    log = structlog.get_logger("bus.pipe")

    log.debug("pipe.batch")
    log.warning("event.dead")

    assert [line["event"] for line in lines(stream)] == ["event.dead"]


def test_libraries_log_the_same_way(stream: io.StringIO) -> None:
    logging.getLogger("confluent").warning("broker %s is away", 1)
    logging.getLogger("httpx").info("GET")

    [line] = lines(stream)
    assert (line["event"], line["logger"], line["process"]) == ("broker 1 is away", "confluent", "streams")


def test_a_line_nobody_reads_is_lost_and_counted_and_its_caller_goes_on(stream: io.StringIO) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    before = lines_lost()

    no_reader, no_room = os.fdopen(writes, "w", buffering=1), os.fdopen(os.open("/dev/full", os.O_WRONLY), "w")
    for broken in (no_reader, no_room, stream):
        logs.set_up("streams", stream=broken)
        if broken is stream:
            stream.close()
        log = structlog.get_logger("bus.pipe")
        for tell in (log.info, log.warning, log.error, log.critical, log.exception):
            tell("event.dead")
        with contextlib.suppress(OSError):
            broken.close()

    assert lines_lost() - before == 15


async def test_lines_of_one_turn_are_written_together_and_a_warning_at_once(stream: io.StringIO) -> None:
    log = structlog.get_logger("bus.worker")

    log.info("one")
    log.info("two")
    assert lines(stream) == []
    await asyncio.sleep(0)
    assert [line["event"] for line in lines(stream)] == ["one", "two"]

    log.info("three")
    log.warning("four")
    assert [line["event"] for line in lines(stream)] == ["one", "two", "three", "four"]


def test_the_last_lines_of_a_process_are_written(stream: io.StringIO) -> None:
    async def main() -> None:
        structlog.get_logger("bus.worker").info("worker.stopped")

    asyncio.run(main())

    assert [line["event"] for line in lines(stream)] == ["worker.stopped"]


def test_lines_of_a_loop_that_ended_in_the_middle_are_written_with_the_next(stream: io.StringIO) -> None:
    log = structlog.get_logger("bus.worker")
    loop = asyncio.new_event_loop()
    loop.call_soon(lambda: (loop.stop(), log.info("one")))
    loop.run_forever()
    loop.close()

    log.info("two")

    assert [line["event"] for line in lines(stream)] == ["one", "two"]


async def test_lines_of_a_turn_that_nobody_reads_are_each_counted(stream: io.StringIO) -> None:
    log, before = structlog.get_logger("bus.worker"), lines_lost()
    stream.close()

    log.info("one")
    log.info("two")
    await asyncio.sleep(0)

    assert lines_lost() - before == 2


def test_a_traceback_tells_places_and_no_values(stream: io.StringIO) -> None:
    try:
        secret = "4711"
        raise ValueError(len(secret))
    except ValueError:
        structlog.get_logger("bus.worker").exception("worker.died")

    [line] = lines(stream)
    assert line["level"] == "error"
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert "4711" not in stream.getvalue()
