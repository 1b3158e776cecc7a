"""Who runs against whom, and how each is started."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.harness import peers
from benchmarks.transforming import jvm
from benchmarks.transforming.job import Job
from benchmarks.transforming.run import Commands

HERE = "benchmarks.transforming"


def contenders(python_of_peers: Callable[[], Path] = peers.python) -> Mapping[str, Commands]:
    """By name, in the order of a first round; their environment is made when one of the peers is first started."""
    here = partial(_python, lambda: Path(sys.executable))
    there = partial(_python, python_of_peers)
    return {
        "floor": partial(here, "floor"),
        "ours": partial(here, "ours"),
        "quixstreams": partial(there, "quix"),
        "kafka-streams": _on_the_jvm,
        "faststream-batched": partial(there, "fast_stream", more=("batched",)),
        "faust-stock": partial(here, "stock_faust"),
        "faststream-one-by-one": partial(there, "fast_stream", more=("one-by-one",)),
    }


def _python(
    python: Callable[[], Path], module: str, job: Job, workers: int, more: Sequence[str] = ()
) -> list[list[str]]:
    return [[str(python()), "-m", f"{HERE}.{module}", job.argument, *more] for _ in range(workers)]


def _on_the_jvm(job: Job, workers: int) -> list[list[str]]:
    """One process with a thread for each worker, as it is run."""
    return [jvm.command(job.argument, workers)]
