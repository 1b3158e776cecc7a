"""The deployment a command works on, loaded when it is needed and not before."""

from bus.settings import Settings


def settings() -> Settings:
    """The settings of this checkout's deployment.

    Raises:
        ConfigurationError: a setting is missing or impossible; names it.
    """
    from bus.settings import current  # noqa: PLC0415  keeps `towpath --help` fast

    return current()
