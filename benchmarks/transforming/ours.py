"""Ours, as the streams worker runs it: its agent with everything it does, a mapping from YAML, the headers of a record.

python -m benchmarks.transforming.ours '{"kafka": …}'
"""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from benchmarks.transforming.job import Job, given
from benchmarks.transforming.mapping import codecs, route
from bus import worker
from bus.faust_app import BusApp
from bus.verify import topic_ids
from mapping.port import Lookups
from streams import agents


def main(job: Job) -> int:
    """Until SIGTERM; the exit code."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))

    @asynccontextmanager
    async def build() -> AsyncIterator[BusApp]:
        app = BusApp(job.group, job.kafka, topic_ids(job.kafka, [job.source]))
        agents.attach(app, route(job.form, job.source, job.target), codecs(job.form), Lookups({}), "benchmark")
        yield app

    return worker.run(build)


if __name__ == "__main__":
    sys.exit(main(given()))
