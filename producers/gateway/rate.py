"""How many webhooks of one connection are taken in a minute; pure, the time is an argument."""


class Allowance:
    """A bucket of tokens that fills evenly: a minute's worth may come at once."""

    def __init__(self, per_minute: int) -> None:
        self._most = float(per_minute)
        self._per_second = per_minute / 60
        self._tokens = self._most
        self._filled_at = 0.0

    def wait_s(self, now_s: float) -> float:
        """0 where one more may pass, which is then counted; else the seconds until one may.

        Args:
            now_s: A clock that never goes back.
        """
        passed = max(now_s - self._filled_at, 0.0)
        self._tokens = min(self._most, self._tokens + passed * self._per_second)
        self._filled_at = now_s
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._per_second
