"""Contenders in turn, and programs that are measured from outside."""

import os
import sys
from functools import partial

import pytest

from benchmarks.harness.processes import DiedError, NotInTimeError, started, wait_until
from benchmarks.harness.result import Figures
from benchmarks.harness.rounds import alone, rounds

BUSY = "import time; t = time.process_time\nwhile t() < 0.2: pass\nprint('done', flush=True); time.sleep(60)"


def test_each_round_begins_with_another_contender() -> None:
    ran: list[str] = []

    def run(name: str) -> Figures:
        ran.append(name)
        return {"events_per_s": 1.0}

    found = rounds({name: partial(run, name) for name in "abc"}, 3)

    assert "".join(ran) == "abcbcacab"
    assert {name: len(runs) for name, runs in found.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_function_runs_in_a_process_of_its_own() -> None:
    assert alone(os.getpid) != os.getpid()


def test_the_processor_time_of_a_program_is_its_own() -> None:
    with started([sys.executable, "-c", BUSY]) as program:
        wait_until(lambda: "done" in program.said(), "the work", within_s=30, programs=[program])

        assert 0.15 < program.cpu_s() < 2.0
        assert program.memory_mb() > 1


def test_a_program_that_died_is_not_waited_for() -> None:
    dying = [sys.executable, "-c", "raise SystemExit('no such topic')"]

    with started(dying) as program, pytest.raises(DiedError, match="no such topic"):
        wait_until(lambda: False, "never", within_s=30, programs=[program])


def test_what_does_not_happen_is_named() -> None:
    with pytest.raises(NotInTimeError, match="rain"):
        wait_until(lambda: False, "rain", within_s=0.1)
