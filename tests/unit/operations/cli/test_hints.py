"""What people are told to do about a server that does not answer."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException

from bus.registry import Registry
from bus.secret import Secret
from bus.settings import Capture, Connection, Settings, load
from delivery import migrate as store
from errors import BusError, ConfigurationError
from operations import connectors, local, offsets
from operations.cli import app as command_line
from operations.cli import hints
from operations.cli import lag as lag_command
from operations.projection import migrate, open_work
from operations.stack.settings import REPOSITORY_ROOT
from tests.doubles.deployment import deployment as settings_of

NOBODY = "127.0.0.1:1"
DSN = f"postgresql://bus:hidden@{NOBODY}/bus"
HERE = {
    "TOWPATH_KAFKA": NOBODY,
    "TOWPATH_REGISTRY": f"http://{NOBODY}",
    "TOWPATH_CONNECT": f"http://{NOBODY}",
    "TOWPATH_STORE_DSN": DSN,
    "TOWPATH_PROJECTION_DSN": DSN,
}
CAPTURE = Capture(host="127.0.0.1", port=1, database="TWO", user="cdc", password=Secret("hidden"))
SHOP = Connection(name="shop", system="clarity", store_dsn=Secret(DSN), capture=CAPTURE)


def deployment(root: Path) -> Settings:
    """All of it on the stack of this checkout."""
    local.write(root, local.STACK, HERE)
    return settings_of(SHOP, root=root, address=NOBODY, dsn=DSN)


def kafka(_given: Settings) -> None:
    raise offsets.away(KafkaException(KafkaError(KafkaError._TRANSPORT)))


#: Who is asked, and the setting with his address.
AWAY: dict[str, tuple[Callable[[Settings], object], str]] = {
    "kafka": (kafka, "kafka.bootstrap"),
    "registry": (lambda given: Registry(given.registry).latest("subject"), "registry.url"),
    "connect": (connectors.status, "connect.url"),
    "projection": (lambda given: migrate.connect(given.projection_dsn.reveal()), "projection.dsn"),
    "store": (lambda _given: open_work.read(SHOP), "store_dsn of each connection"),
    "store's tables": (lambda _given: store.migrate(DSN, SHOP.name), "store_dsn of each connection"),
}


def error_of(ask: Callable[[Settings], object], given: Settings) -> BusError:
    with pytest.raises(BusError) as raised:
        ask(given)
    return raised.value


@pytest.mark.parametrize(("ask", "_setting"), AWAY.values(), ids=AWAY)
def test_our_own_server_is_to_be_started(tmp_path: Path, ask: Callable[[Settings], object], _setting: str) -> None:
    given = deployment(tmp_path)

    assert hints.hint_for(error_of(ask, given).code, given) == "Start it with `./towpath stack up`."


@pytest.mark.parametrize(("ask", "setting"), AWAY.values(), ids=AWAY)
def test_somebody_else_s_server_is_named_by_its_setting(
    tmp_path: Path, ask: Callable[[Settings], object], setting: str
) -> None:
    given = deployment(tmp_path)
    local.write(tmp_path, local.STACK, dict.fromkeys(HERE, "elsewhere"))

    told = hints.hint_for(error_of(ask, given).code, given)

    assert told == f"Its address is the setting {setting}."
    assert "hidden" not in told


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({}, "Set it; where all of it runs here, `./towpath stack up` does."),
        (HERE | {"TOWPATH_GATEWAY_PORT": "2"}, "Set it; where all of it runs here, `./towpath sandbox up` does."),
    ],
)
def test_variable_that_is_not_set_is_led_to_who_sets_it_here(
    tmp_path: Path, written: dict[str, str], told: str
) -> None:
    shutil.copytree(REPOSITORY_ROOT / "deployments" / "demo", tmp_path / "deployments" / "demo")
    local.write(tmp_path, local.STACK, written)

    assert hints.hint(error_of(lambda _given: load({}, tmp_path), deployment(tmp_path / "other"))) == told


def test_variable_of_somebody_else_s_is_not_explained() -> None:
    assert hints.hint(ConfigurationError("smtp.host", "the environment variable COMPANY_MAIL is not set")) == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (offsets.away(KafkaException(KafkaError(KafkaError._TRANSPORT))), "Start it with `./towpath stack up`."),
        (BusError("projection.behind", "the projector is behind"), "towpath: the projector is behind"),
    ],
)
def test_command_ends_with_the_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, error: BusError, line: str
) -> None:
    def refuse(_given: Settings) -> None:
        raise error

    for module in (lag_command, hints):
        monkeypatch.setattr(module, "settings", lambda: deployment(tmp_path))
    monkeypatch.setattr(lag_command, "behind", refuse)
    monkeypatch.setattr(sys, "argv", ["towpath", "lag"])

    with pytest.raises(SystemExit) as ended:
        command_line.main()

    assert ended.value.code == 1
    assert capsys.readouterr().err.endswith(f"{line}\n")
