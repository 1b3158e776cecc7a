"""What Prometheus sees of a process."""

import httpx
import pytest

from bus import metrics
from bus.scrape import served
from errors import ConfigurationError


def test_metrics_are_shown_until_the_process_ends() -> None:
    metrics.POLLED.labels(connection="shop").inc(0)

    with served("127.0.0.1", 0) as address:
        shown = httpx.get(address).text

    assert 'towpath_polled_total{connection="shop"}' in shown
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


def test_a_port_somebody_has_keeps_no_process_from_working() -> None:
    with served("127.0.0.1", 0) as first:
        wanted = int(first.split(":")[2].split("/")[0])
        with served("127.0.0.1", wanted) as second:
            assert second != first
            assert httpx.get(second).status_code == 200


def test_a_host_of_another_machine_is_a_setting_to_mend() -> None:
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1"), served("192.0.2.1", 0):
        raise AssertionError
