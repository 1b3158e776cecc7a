"""Asking several at once: one that is silent costs neither the others nor the caller's time."""

import threading
import time

from errors import RetryableError
from operations.side_by_side import Question, Silence, wait_for


def test_silent_source_hides_nothing_of_the_others() -> None:
    released = threading.Event()
    silent = Question("silent", lambda: released.wait(60))
    well = Question("well", lambda: 7)

    began = time.monotonic()
    wait_for([silent, well], 0.2)
    released.set()

    assert time.monotonic() - began < 10
    assert (well.answer, well.silence) == (7, None)
    assert silent.answer is None
    assert silent.silence == Silence(source="silent", why="no answer within 0 s")


def test_what_answers_too_late_is_not_heard() -> None:
    released = threading.Event()
    late = Question("late", lambda: released.wait(60))
    wait_for([late], 0)
    released.set()
    done = Question("another", lambda: True)
    wait_for([done], 10)

    assert late.answer is None


def test_error_is_kept_with_its_code_and_a_defect_without_its_text() -> None:
    def refuse() -> int:
        raise RetryableError("kafka.away", "Kafka does not answer")

    def break_off() -> int:
        raise ValueError("a customer's name")

    refused, broken = Question("Kafka", refuse), Question("store", break_off)
    wait_for([refused, broken], 10)

    assert refused.silence == Silence(source="Kafka", code="kafka.away", why="Kafka does not answer")
    assert broken.silence == Silence(source="store", code="defect", why="failed with ValueError")
