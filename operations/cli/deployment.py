"""The deployment a command works on, loaded when it is needed and not before."""

from bus.settings import Settings


def settings() -> Settings:
    """The settings of this checkout's deployment.

    Raises:
        ConfigurationError: a setting is missing or impossible; names it.
    """
    from bus import logs  # noqa: PLC0415  keeps `towpath --help` fast
    from bus.settings import current  # noqa: PLC0415

    logs.of_a_command()
    return current()


def examined() -> tuple[Settings, tuple[str, ...]]:
    """The same as far as it can be read, and all that is wrong with it.

    Raises:
        ConfigurationError: there is no such deployment, or its file is no TOML.
    """
    import os  # noqa: PLC0415

    from bus.settings import ROOT  # noqa: PLC0415
    from bus.settings import examined as read  # noqa: PLC0415

    return read(os.environ, ROOT)
