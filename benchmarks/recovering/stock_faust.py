"""python -m benchmarks.recovering.stock_faust KAFKA SOURCE TARGET GROUP SCHEMA_ID FOLDER: as Faust's guide has it.

The same bytes in and out as the streams worker's route of stock; with Faust's own settings of sessions and commits.
"""

import logging
import sys
from typing import Any

import faust
from mode import Worker

from benchmarks.catching_up.stock import header, level_of


def main(kafka: str, source: str, target: str, group: str, schema_id: str, folder: str) -> None:
    """Until SIGTERM."""
    app = faust.App(
        group,
        broker=f"kafka://{kafka}",
        store="memory://",
        datadir=folder,
        key_serializer="raw",
        value_serializer="raw",
        producer_acks=-1,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
    )
    begin = header(int(schema_id))
    to = app.topic(target)

    @app.agent(app.topic(source))
    async def stock(stream: Any) -> None:
        async for event in stream.events():
            key, value = level_of(event.value, int(event.message.timestamp * 1000), begin)
            await to.send(key=key, value=value)

    sys.exit(Worker(app, loglevel=logging.WARNING).execute_from_commandline())


if __name__ == "__main__":
    main(*sys.argv[1:])
