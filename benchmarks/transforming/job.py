"""What a contender's program is told: one JSON argument; imports nothing that a peer's environment may lack."""

import json
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Job:
    """From one topic to another, until told to stop by SIGTERM."""

    kafka: str
    source: str
    target: str
    #: Of the source's values: `avro` or `json`.
    form: str
    group: str
    #: Where a program may leave what it must leave somewhere.
    folder: str

    @property
    def argument(self) -> str:
        """As a program is given it."""
        return json.dumps(asdict(self))


def given() -> Job:
    """What this program was told."""
    return Job(**json.loads(sys.argv[1]))
