"""Which function each process of the bus runs; imported one at a time, as each brings its own libraries."""

from collections.abc import Callable
from importlib import import_module
from typing import cast

from bus import logs, scrape
from bus.process import spare_the_collector
from bus.settings import Settings
from operations import processes

#: Process to the module whose `run(settings)` it is.
MODULES = {
    "gateway": "producers.gateway.worker",
    "pollers": "producers.pollers.worker",
    "fetchers": "producers.fetchers.worker",
    "streams": "streams.worker",
    "consumers": "consumers.worker",
    "projector": "operations.projection.worker",
}


def run_one(settings: Settings, name: str) -> int:
    """Be the process of that name until told to stop; its exit code."""
    process, _, connection = name.partition("@")
    logs.set_up(name, level=settings.log_level)
    port = processes.metrics_port(settings.metrics.port, name, list(settings.connections))
    with scrape.served(settings.metrics.host, port) as address:
        mark = processes.announce(settings.root, name, address)
        try:
            if process == "projector":
                import_module("operations.gauges").keep_measuring(settings)
                import_module("operations.census_rounds").keep_counting(settings)
            run = import_module(MODULES[process]).run
            spare_the_collector()
            if process in processes.PER_CONNECTION:
                return cast("Callable[[Settings, str | None], int]", run)(settings, connection or None)
            return cast("Callable[[Settings], int]", run)(settings)
        finally:
            mark.unlink(missing_ok=True)
