"""python -m benchmarks.apart ROOT (make | drop | run PROCESS): a bus of the benchmarks' own, real but for its names.

Started by `benchmarks.apart.bus`; ROOT is where its processes write down that they run.
"""

import contextlib
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.apart import names

# the first thing this process does
names.rename_topics()

from bus.settings import Settings, load  # noqa: E402 - see above

GONE_WITHIN_S = 30.0


def main(root: str, what: str, process: str = "") -> int:
    """Do one of the three; the exit code."""
    settings = load(os.environ, Path(root))
    if what == "run":
        if process == "streams":
            worker: Any = import_module("streams.worker")
            worker.GROUP = names.named(worker.GROUP)
        return int(import_module("operations.workers").run_one(settings, process))
    _drop_stores(settings)
    _drop_topics(settings)
    if what == "make":
        import_module("operations.topics").apply(settings)
        for each in settings.connections.values():
            import_module("delivery.migrate").migrate(each.store_dsn.reveal(), each.name)
    return 0


def _drop_topics(settings: Settings) -> None:
    wanted = import_module("operations.topics").wanted(settings)
    admin = import_module("operations.offsets").admin_of(settings.kafka)
    there = [each.name for each in wanted if each.name in admin.list_topics(timeout=30).topics]
    for future in admin.delete_topics(there).values() if there else ():
        future.result()
    until = time.monotonic() + GONE_WITHIN_S
    while any(name in admin.list_topics(timeout=30).topics for name in there):
        if time.monotonic() > until:
            raise TimeoutError(f"topics of an earlier run do not go away: {there[0]} and others")
        time.sleep(0.1)
    with contextlib.closing(import_module("bus.registry").Registry(settings.registry)) as registry:
        for each in wanted:
            if each.record is not None:
                registry.delete(f"{each.name}-value")


def _drop_stores(settings: Settings) -> None:
    schema_of = import_module("delivery.migrate").schema_of
    for each in settings.connections.values():
        with import_module("psycopg").connect(each.store_dsn.reveal(), autocommit=True) as wire:
            wire.execute(f'DROP SCHEMA IF EXISTS "{schema_of(each.name)}" CASCADE')


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
