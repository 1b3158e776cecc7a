"""How long a run waits: as long as anything moves, and not for ever. Pure."""


class Patience:
    """Ends when nothing has moved for a while, or when it has been stretched far enough."""

    def __init__(self, now_s: float, *, stall_s: float, most_s: float) -> None:
        """Begin to wait.

        Args:
            now_s: A monotonic clock.
            stall_s: How long nothing may move.
            most_s: How long in all.
        """
        self._stall_s = stall_s
        self._moved_at = now_s
        self._until = now_s + most_s
        self._seen: object = None

    def is_over(self, now_s: float, seen: object) -> bool:
        """Whether to give up; `seen` is whatever shows that something moves."""
        if seen != self._seen:
            self._seen, self._moved_at = seen, now_s
        return now_s - self._moved_at > self._stall_s or now_s > self._until
