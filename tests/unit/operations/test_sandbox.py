"""How simulators are started, and what a purge leaves of them."""

import os
from pathlib import Path

import pytest

from operations import local, sandbox
from operations.sandbox import SIMULATORS, Simulator

VALUES = {
    **{variable: "20001" for each in SIMULATORS for variable in each.ports},
    **{variable: f"secret-{variable}" for each in SIMULATORS for variable in each.made},
    "TOWPATH_GATEWAY_PORT": "20002",
    "TOWPATH_CLARITY_USER": "bus",
}


@pytest.mark.parametrize("simulator", SIMULATORS, ids=lambda each: each.name)
def test_secrets_are_handed_over_where_other_users_cannot_read_them(simulator: Simulator) -> None:
    words = simulator.arguments(Path("home"), VALUES)

    assert [word for word in words if "secret" in word] == []
    assert set(simulator.secrets.values()) == set(simulator.made)


def test_clarity_takes_its_secrets_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from sandbox.clarity.__main__ import _parser

    monkeypatch.setattr(os, "environ", dict.fromkeys(SIMULATORS[0].secrets, "hidden"))

    given = _parser().parse_args(["--port", "1", "--data", "."])

    assert (given.password, given.webhook_secret) == ("hidden", "hidden")


def test_gp_takes_its_secrets_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from sandbox.dynamics_gp.__main__ import _parser

    monkeypatch.setattr(os, "environ", dict.fromkeys(SIMULATORS[1].secrets, "hidden"))

    given = _parser().parse_args(["--port", "1", "--proxy-port", "2"])

    assert {given.towpath_password, given.debezium_password, given.user_password} == {"hidden"}


def test_purge_forgets_the_simulated_store_and_keeps_the_addresses(tmp_path: Path) -> None:
    orders = tmp_path / ".towpath" / "sandbox" / "clarity" / "orders.db"
    orders.parent.mkdir(parents=True)
    orders.write_text("yesterday's")
    local.write(tmp_path, sandbox.KEPT, {"TOWPATH_CLARITY_PORT": "20001"})

    sandbox.purge(tmp_path)

    assert not orders.exists()
    assert local.read(tmp_path, sandbox.KEPT) == {"TOWPATH_CLARITY_PORT": "20001"}
