"""Workers on real Kafka: killed, stopped, fed poison and records too large; nothing may be lost."""

import json
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial

from confluent_kafka import Message, Producer

from bus.partitioner import partition_of
from tests.integration.bus.conftest import Place, Reader, eventually

ReadAll = Callable[[str], Reader]

EVENTS = 10_000
KEYS = 500
POISON_EVERY = 1000
KILLS = 4


def feed(place: Place, bodies: list[dict[str, int]]) -> None:
    producer = Producer({"bootstrap.servers": place.kafka, "acks": "all", "linger.ms": 5})
    for body in bodies:
        key = f"shop:{body['n'] % KEYS}"
        producer.produce(place.source, json.dumps(body).encode(), key.encode(), partition=partition_of(key, 6))
        producer.poll(0)
    assert producer.flush(10) == 0


def test_workers_that_are_killed_lose_nothing_and_keep_the_order(place: Place, read_all: ReadAll) -> None:
    place.create()
    victims = [place.start(), place.start()]
    target, dead = read_all(place.target), read_all(place.dead)
    killed = 0
    for first in range(0, EVENTS, EVENTS // 20):
        before = len(target.read())
        feed(place, [{"n": n, "poison": n % POISON_EVERY == 0} for n in range(first, first + EVENTS // 20)])
        if first % (EVENTS // 5) == 0 and killed < KILLS and first:
            at_work = partial(more_than, target, before)
            eventually(at_work, within_s=20, what="the workers are at work")
            victims[killed % 2].kill()
            victims[killed % 2].wait()
            victims[killed % 2] = place.start()
            killed += 1
    good = {n for n in range(EVENTS) if n % POISON_EVERY}
    eventually(lambda: {number(m) for m in target.read()} >= good, within_s=60, what="every event has its output")
    eventually(lambda: place.lag() == 0, within_s=20, what="all is committed")

    assert killed == KILLS
    assert {number(message) for message in target.read()} == good
    assert {number(message) for message in dead.read()} == {n for n in range(EVENTS) if n % POISON_EVERY == 0}
    for numbers in first_occurrences(target.read()).values():
        assert numbers == sorted(numbers)
    for worker in victims:
        worker.send_signal(signal.SIGTERM)
    assert [worker.wait(timeout=15) for worker in victims] == [0, 0]


def test_stopping_by_sigterm_repeats_nothing(place: Place, read_all: ReadAll) -> None:
    place.create()
    worker = place.start()
    target = read_all(place.target)
    feed(place, [{"n": n} for n in range(2000)])
    eventually(lambda: len(target.read()) > 0, within_s=20, what="the worker is at work")

    worker.send_signal(signal.SIGTERM)
    told = time.monotonic()
    assert worker.wait(timeout=15) == 0
    assert time.monotonic() - told < 8

    place.start()
    eventually(lambda: len({number(m) for m in target.read()}) == 2000, within_s=20, what="the rest is done")
    assert len(target.read()) == 2000


def test_missing_topic_is_said_and_ends_the_worker(place: Place) -> None:
    worker = place.start()

    assert worker.wait(timeout=20) == 1
    assert f"topic {place.source}" in place.logs()
    assert "towpath topics apply" in place.logs()


def test_output_too_large_becomes_a_dead_letter(place: Place, read_all: ReadAll) -> None:
    place.create()
    place.start()
    target, dead = read_all(place.target), read_all(place.dead)

    feed(place, [{"n": 1}, {"n": 2, "grow": 1_100_000}, {"n": 3}])

    eventually(lambda: len(target.read()) == 2 and len(dead.read()) == 1, within_s=20, what="two pass, one is buried")
    assert number(dead.messages[0]) == 2
    assert dict(dead.messages[0].headers() or ())["code"] == b"too_large"
    eventually(lambda: place.lag() == 0, within_s=10, what="all is committed")


def test_output_just_below_the_limit_passes(place: Place, read_all: ReadAll) -> None:
    place.create()
    place.start()
    target = read_all(place.target)

    # headers and key are part of it; the framing allowance must be wide enough for the broker not to refuse
    feed(place, [{"n": 1, "grow": 1024 * 1024 - 1024 - 120}])

    eventually(lambda: len(target.read()) == 1, within_s=20, what="it passes")


def test_too_many_dead_letters_in_a_row_stop_the_worker(place: Place, read_all: ReadAll) -> None:
    place.create()
    dead = read_all(place.dead)
    feed(place, [{"n": n, "poison": 1} for n in range(200)])

    worker = place.start(most_dead=50)

    assert worker.wait(timeout=30) == 1
    assert "too_many_dead_letters" in place.logs()
    assert place.lag() > 0
    assert len(dead.read()) <= 50


def more_than(reader: Reader, messages: int) -> bool:
    return len(reader.read()) > messages


def number(message: Message) -> int:
    return int(json.loads(message.value() or b"")["n"])


def first_occurrences(messages: Iterable[Message]) -> dict[bytes, list[int]]:
    """Numbers of each key in the order they were first written; repeats left out."""
    seen: set[int] = set()
    found: dict[bytes, list[int]] = defaultdict(list)
    for message in sorted(messages, key=lambda m: (m.partition(), m.offset())):
        if number(message) not in seen:
            seen.add(number(message))
            found[bytes(message.key() or b"")].append(number(message))
    return found
