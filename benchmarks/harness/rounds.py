"""Contenders in turn: every one once a round, each run in processes of its own, so that all meet the same machine."""

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeAlias, TypeVar

from benchmarks.harness.result import Figures, told

T = TypeVar("T")

#: One run of a contender, ready to be called; its work happens in a process of its own (`alone`, `Started`).
Run: TypeAlias = Callable[[], Figures]


def rounds(runs: Mapping[str, Run], repeats: int) -> dict[str, list[Figures]]:
    """Every contender once a round, each round beginning with another one; says each run as it ends."""
    found: dict[str, list[Figures]] = {name: [] for name in runs}
    order = list(runs)
    for round_ in range(repeats if order else 0):
        first = round_ % len(order)
        for name in order[first:] + order[:first]:
            figures = runs[name]()
            found[name].append(figures)
            say(f"{round_ + 1}/{repeats}  {name:34} {told(figures)}")
    return found


def alone(do: Callable[..., T], *arguments: object) -> T:
    """What a function of a module answers in a fresh process, whose processor time and memory are its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        return processes.submit(do, *arguments).result()


def say(line: str) -> None:
    """One line of progress."""
    print(line, flush=True)
