"""A demonstration plays with simulators only, whatever deployment it is given."""

import shutil
from pathlib import Path

import pytest

from bus.settings import Settings, load
from errors import ConfigurationError
from operations import local
from operations.demo.start import require_simulators
from operations.stack.settings import REPOSITORY_ROOT

STACK = {
    "TOWPATH_KAFKA": "127.0.0.1:20001",
    "TOWPATH_REGISTRY": "http://127.0.0.1:20002/apis/ccompat/v7",
    "TOWPATH_CONNECT": "http://127.0.0.1:20003",
    "TOWPATH_STORE_DSN": "postgresql://bus:one@127.0.0.1:20004/towpath",
    "TOWPATH_PROJECTION_DSN": "postgresql://bus:one@127.0.0.1:20004/towpath",
}
SANDBOX = {
    "TOWPATH_CLARITY_URL": "http://127.0.0.1:20005/API",
    "TOWPATH_CLARITY_USER": "bus",
    "TOWPATH_CLARITY_PASSWORD": "one",
    "TOWPATH_CLARITY_WEBHOOK_SECRET": "whsec_b25l",
    "TOWPATH_GP_ODBC": "Driver=x;Server=127.0.0.1;Port=20006",
    "TOWPATH_GP_CDC_HOST": "127.0.0.1",
    "TOWPATH_GP_CDC_PORT": "20007",
    "TOWPATH_GP_CDC_DATABASE": "TWO",
    "TOWPATH_GP_CDC_USER": "debezium",
    "TOWPATH_GP_CDC_PASSWORD": "one",
}


def deployed(root: Path, environ: dict[str, str], was: str = "", becomes: str = "") -> Settings:
    """The demo's deployment, with one line of it changed."""
    local.write(root, "stack", STACK)
    local.write(root, "sandbox", SANDBOX)
    local.write(root, "gateway", {"TOWPATH_GATEWAY_PORT": "20008"})
    folder = root / "deployments" / "demo"
    shutil.copytree(REPOSITORY_ROOT / "deployments" / "demo", folder)
    text = (folder / "towpath.toml").read_text()
    assert was in text
    (folder / "towpath.toml").write_text(text.replace(was, becomes))
    return load(environ, root)


def test_what_the_sandbox_wrote_is_played_with(tmp_path: Path) -> None:
    require_simulators(deployed(tmp_path, {}))


@pytest.mark.parametrize(
    ("setting", "was", "becomes"),
    [
        (r"connections\.clarity-main\.url", '"env:TOWPATH_CLARITY_URL"', '"https://shop.example.com/API"'),
        (r"connections\.gp-two\.capture\.host", '"env:TOWPATH_GP_CDC_HOST"', '"gp.example.com"'),
        (r"connections\.gp-two\.capture\.port", '"env:TOWPATH_GP_CDC_PORT"', "1433"),
        (r"kafka\.bootstrap", '"env:TOWPATH_KAFKA"', '"kafka.example.com:9092"'),
    ],
)
def test_any_other_address_is_refused_by_name(tmp_path: Path, setting: str, was: str, becomes: str) -> None:
    settings = deployed(tmp_path, {}, was, becomes)

    with pytest.raises(ConfigurationError, match=f"{setting}: the demonstration plays with simulators only"):
        require_simulators(settings)


@pytest.mark.parametrize("variable", ["TOWPATH_GP_ODBC", "TOWPATH_STORE_DSN", "TOWPATH_CLARITY_URL"])
def test_another_address_from_the_environment_is_refused_without_showing_it(tmp_path: Path, variable: str) -> None:
    settings = deployed(tmp_path, {variable: "Server=gp.example.com;Pwd=hidden"})

    with pytest.raises(ConfigurationError, match="simulators only") as refused:
        require_simulators(settings)
    assert "hidden" not in str(refused.value)
