"""What an operator asks the workers of a connection to do; answered by outcomes that carry its id, who and why."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Act(StrEnum):
    """Values of `Command.act`."""

    #: Try parked rows now instead of later.
    RELEASE = "release"
    #: Try refused rows again in their place, mapped anew.
    REDRIVE = "redrive"
    #: Leave parked rows dead and let their keys go on.
    SKIP = "skip"
    #: End parked rows for good.
    DISCARD = "discard"
    #: Tell of each dead letter what a redrive would come to now; nothing is changed.
    PREFLIGHT = "preflight"
    #: Tell what the target would be sent for a dead letter; nothing is changed or sent.
    RENDER = "render"
    #: Look in the system of record for the thing `values.waits_for` names, and have it go its way once more.
    ASK = "ask"
    #: Start nothing new until `until`, or until resumed.
    PAUSE = "pause"
    RESUME = "resume"
    #: The system that is behind the connection now is the right one, though another is remembered; go on, with it.
    #: `values.seen` and `values.seen_newest`: the one that was shown to whoever accepts it, and no other.
    ACCEPT = "accept"
    #: Take events of the past once more into this one connection's queue, or tell what that would come to.
    REPLAY = "replay"
    #: Map the source event of a record once more, as the mapping that made it (`mapping`) was mended since.
    RECALL = "recall"
    #: End a replay; what of it was not tried yet is not sent.
    STOP = "stop"
    UNKNOWN = "unknown"


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keyed `<connection>:commands`, so that those of a connection are carried out in order.

    The fields from `root_key` to `offset` select rows: all that are given must hold; none given selects all.
    """

    id: str
    at: datetime
    who: str
    why: str = ""
    connection: str
    #: Whose rows: `fetchers` or `consumers`; empty: of both. `streams`, `gateway`: their dead letters.
    queue: str = ""
    act: str
    root_key: str = ""
    record: str = ""
    #: Why they are parked: a code of the sentence catalogue, values its outcome had, a cause of `delivery/states.py`.
    code: str = ""
    values: dict[str, str] = {}
    cause: str = ""
    #: One event, with its topic's id; -1: any. For `streams` and `gateway`: where the dead letter itself lies; of a
    #: recall: where the source event does, on `topic`.
    topic_id: str = ""
    partition: int = -1
    offset: int = -1
    #: So many rows are let go in a minute; 0: all at once.
    per_minute: int = 0
    #: End of a pause, None: until resumed; end of a replay's time.
    until: datetime | None = None
    #: From here to `mapping`, with `root_key`, `record` and `until`: which events a replay takes again. By the time
    #: stamps of their topic.
    since: datetime | None = None
    topic: str = ""
    #: Offsets of `partition` from `first` up to, not including, `last`; -1: any. Of a recall: from which offset on
    #: nobody has looked for a newer record, in the partition of `message_key` on the topic the mapping writes.
    first: int = -1
    last: int = -1
    #: `id@version` of the mapping of an event's last delivery; of a recall: that made the record.
    mapping: str = ""
    #: Of a recall: the record that is corrected, and its source version; no other part of its event is made anew, and
    #: nothing is where a newer one has come. Empty: all parts, as releases before asked.
    message_key: str = ""
    source_version: int = 0
    #: Tell what a replay would come to; nothing is changed.
    plan: bool = False
    #: The replay that is to stop: its command's id.
    replay: str = ""
