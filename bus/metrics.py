"""Every metric of the bus with its type and meaning; the one catalogue the documentation is made from."""

from prometheus_client import Counter, Gauge, Histogram

EVENTS_IN = Counter("towpath_events_in_total", "Events taken from a topic by an agent.", ["agent"])
RECORDS_OUT = Counter(
    "towpath_records_out_total", "Records an agent handed to the producer, dead letters included.", ["agent"]
)
DEAD_LETTERS = Counter(
    "towpath_dead_letters_total", "Events that became dead letters, by their code.", ["agent", "code"]
)
FILTERED = Counter("towpath_filtered_total", "Events or parts a rule kept out, by the rule's code.", ["agent", "code"])
PARTITIONS_LOST = Counter(
    "towpath_partitions_lost_total", "Times the store's position had been moved by somebody else.", ["agent"]
)
COMMIT_SECONDS = Histogram("towpath_take_in_seconds", "Duration of a take-in transaction.", ["agent"])
PRODUCE_FAILURES = Counter("towpath_produce_failures_total", "Records the broker did not confirm.", ["topic"])
LOG_LINES_LOST = Counter(
    "towpath_log_lines_lost_total", "Log lines that could not be written: nobody reads them, or there is no room."
)

WEBHOOKS = Counter(
    "towpath_webhooks_total",
    "Requests to webhook addresses by what became of them; an unknown connection is empty.",
    ["connection", "result"],
)
WEBHOOK_SECONDS = Histogram(
    "towpath_webhook_seconds", "From a webhook's first byte to the broker's acknowledgement.", ["connection"]
)
WEBHOOK_AGE_SECONDS = Histogram(
    "towpath_webhook_age_seconds",
    "From the change at the sender, by its clock, to its acceptance here.",
    ["connection"],
    buckets=(0.1, 0.5, 1, 2, 5, 15, 60, 300, 1800, 7200, 43_200, 86_400, 259_200),
)
WEBHOOK_MEMORY_FAILURES = Counter(
    "towpath_webhook_memory_failures_total",
    "Times a connection's store could not be asked about or told a webhook's id.",
    ["connection"],
)
SPOOLED = Gauge(
    "towpath_gateway_spooled",
    "Accepted webhooks that wait in the gateway's spool: in flight, and not in Kafka yet.",
    ["connection"],
)
SPOOLED_BYTES = Gauge("towpath_gateway_spooled_bytes", "What they take of the spool's room.", ["connection"])
SPOOL_REFUSED = Counter(
    "towpath_gateway_spool_refused_total", "Spooled webhooks set aside, as they can never be sent.", ["connection"]
)
POLLS = Counter("towpath_polls_total", "Rounds of a poller by how they ended.", ["connection", "result"])
POLLED = Counter("towpath_polled_total", "Changes a poller announced.", ["connection"])
POLL_CURSOR_SECONDS = Gauge(
    "towpath_poll_cursor_seconds", "How far a poller has read, in seconds since 1970.", ["connection"]
)
CIRCUIT = Gauge(
    "towpath_circuit",
    "Circuit of a connection's queue: 0 closed, 1 ramp, 2 half open, 3 open as the target is away.",
    ["connection", "queue"],
)
STRANGER = Gauge(
    "towpath_stranger",
    "1 while nothing is delivered, as another system or an older copy is behind the connection.",
    ["connection"],
)
FULL = Gauge(
    "towpath_full", "1 while nothing more is taken in, as the connection's queue is full.", ["connection", "queue"]
)

LOOKUPS_REFUSED = Gauge(
    "towpath_lookups_refused",
    "1 while a lookup table is none, or says what cannot be, and the process goes on with the rows from before.",
    ["table"],
)
LOOKUP_ROWS_ASIDE = Gauge(
    "towpath_lookup_rows_put_aside",
    "Rows on bus.lookups.v1 that cannot be applied: what stood before each stands.",
    ["table"],
)

FINDINGS = Gauge(
    "towpath_findings",
    "What `towpath status` tells: how much of a severity and kind there is about a connection, process or server.",
    ["severity", "kind", "about"],
)
FINDINGS_EVENTS = Gauge("towpath_findings_events", "Events those findings speak of.", ["severity", "kind", "about"])
REMAINDER = Gauge(
    "towpath_ledger_remainder",
    "Events of the last 24 hours nobody knows of, by topic (intake) or record and target (delivery).",
    ["book", "of", "target"],
)
UNCOUNTED = Gauge("towpath_ledger_uncounted", "Records of a topic the projector passed and never counted.", ["topic"])
UNCAPTURED = Gauge(
    "towpath_uncaptured",
    "Documents a source lists as changed of which nothing arrived, by its last census.",
    ["connection"],
)
CENSUS_SECONDS = Gauge(
    "towpath_census_timestamp_seconds", "When that census was taken, in seconds since 1970.", ["connection"]
)
OPEN = Gauge("towpath_open", "Events a connection's store works on.", ["connection", "queue", "state", "cause"])
OLDEST_OPEN_SECONDS = Gauge(
    "towpath_oldest_open_seconds", "How long ago the oldest of them was taken in.", ["connection", "queue"]
)
MEASURED_SECONDS = Gauge(
    "towpath_measured_timestamp_seconds",
    "When the projector last could tell status, ledger and stores as metrics, in seconds since 1970.",
    ["what"],
)

CATALOGUE = (
    EVENTS_IN,
    RECORDS_OUT,
    DEAD_LETTERS,
    FILTERED,
    PARTITIONS_LOST,
    COMMIT_SECONDS,
    PRODUCE_FAILURES,
    LOG_LINES_LOST,
    WEBHOOKS,
    WEBHOOK_SECONDS,
    WEBHOOK_AGE_SECONDS,
    WEBHOOK_MEMORY_FAILURES,
    SPOOLED,
    SPOOLED_BYTES,
    SPOOL_REFUSED,
    POLLS,
    POLLED,
    POLL_CURSOR_SECONDS,
    CIRCUIT,
    STRANGER,
    FULL,
    LOOKUPS_REFUSED,
    LOOKUP_ROWS_ASIDE,
    FINDINGS,
    FINDINGS_EVENTS,
    REMAINDER,
    UNCOUNTED,
    UNCAPTURED,
    CENSUS_SECONDS,
    OPEN,
    OLDEST_OPEN_SECONDS,
    MEASURED_SECONDS,
)
