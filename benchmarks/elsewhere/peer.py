"""The same mapping in another language, timed in a process of its own; runs in the peers' environment.

python -m benchmarks.elsewhere.peer jsonata|jmespath CALLS

Given an order as JSON on stdin, it prints what came out and the times.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import jmespath
from jsonata import Jsonata

HERE: Final = Path(__file__).parent


def main(language: str, calls: int) -> None:
    """Print `{"made": …, "wall_s": …, "cpu_s": …}`."""
    order = json.load(sys.stdin)
    run = {"jsonata": _in_jsonata, "jmespath": _in_jmespath}[language]()
    made = run(order)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        run(order)
    print(json.dumps({"made": made, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}))


def _in_jsonata() -> Callable[[Any], Any]:
    expression = Jsonata((HERE / "order.jsonata").read_text())
    run: Callable[[Any], Any] = expression.evaluate
    return run


def _in_jmespath() -> Callable[[Any], Any]:
    run: Callable[[Any], Any] = jmespath.compile((HERE / "order_renamed.jmespath").read_text()).search
    return run


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
