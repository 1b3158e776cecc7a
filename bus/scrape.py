"""Serves a process's metrics to Prometheus, on an address of its own: never where strangers send webhooks to."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import start_http_server

from errors import ConfigurationError

log = structlog.get_logger(__name__)


@contextmanager
def served(host: str, port: int) -> Iterator[str]:
    """Serve all metrics of this process; yields the address, `http://127.0.0.1:9470/metrics`.

    A port somebody has (a second process of the same name, another deployment on the machine) is no reason not to
    work: then any free one is taken. `towpath info` tells which.

    Args:
        host: To listen on.
        port: The wanted one; 0: any.

    Raises:
        ConfigurationError: the host is none of this machine's, or the port none this user may take.
    """
    try:
        server, thread = start_http_server(port, host)
    except OverflowError as error:
        raise ConfigurationError("metrics.port", f"{port} is no port: 1 to 65535, one for each process") from error
    except OSError as error:
        if error.errno == errno.EACCES:
            raise ConfigurationError("metrics.port", f"{port}: {error.strerror}; take one above 1023") from error
        if error.errno != errno.EADDRINUSE or not port:
            raise ConfigurationError("metrics.host", f"{host}: {error.strerror}") from error
        server, thread = start_http_server(0, host)
    address = f"http://{host}:{server.server_port}/metrics"
    log.info("metrics.served", address=address)
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
