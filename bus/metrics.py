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
TAKEN_IN = Counter("towpath_taken_in_total", "Events a connection's store has taken in.", ["agent"])
PARTITIONS_LOST = Counter(
    "towpath_partitions_lost_total", "Times the store's position had been moved by somebody else.", ["agent"]
)
COMMIT_SECONDS = Histogram("towpath_take_in_seconds", "Duration of a take-in transaction.", ["agent"])
IN_FLIGHT = Gauge("towpath_in_flight", "Events taken and not yet acknowledged.", ["agent"])
PRODUCE_FAILURES = Counter("towpath_produce_failures_total", "Records the broker did not confirm.", ["topic"])

CATALOGUE = (
    EVENTS_IN,
    RECORDS_OUT,
    DEAD_LETTERS,
    FILTERED,
    TAKEN_IN,
    PARTITIONS_LOST,
    COMMIT_SECONDS,
    IN_FLIGHT,
    PRODUCE_FAILURES,
)
