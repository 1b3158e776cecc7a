"""What a start came to: the first event after it."""

from benchmarks.harness.result import CPU_US_PER_EVENT, EVENTS_PER_S

SECONDS = "seconds"


def first_event(seconds: float, cpu_s: float) -> dict[str, float]:
    """One event in so many seconds, for so much processor time of the new process."""
    return {EVENTS_PER_S: 1 / seconds, CPU_US_PER_EVENT: cpu_s * 1e6, SECONDS: seconds}
