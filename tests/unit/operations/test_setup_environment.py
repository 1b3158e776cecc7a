"""What set-up decides before any package of ours is there."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from operations import setup_environment
from operations.setup_environment import SetupError


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a finished environment of one package."""
    venv = tmp_path / ".venv"
    place = venv / "lib" / "python3.11" / "site-packages"
    (place / "bridge-1.0.dist-info").mkdir(parents=True)
    (place / "bridge.py").write_text("")
    (place / "bridge-1.0.dist-info" / "RECORD").write_text(
        "bridge.py,sha256=x,0\nbridge.pyc,,\n../../../bin/python,,\n"
    )
    (venv / "bin").mkdir()
    (venv / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "dev.txt").write_text("bridge==1.0")
    (venv / "towpath-stamp").write_text(setup_environment._stamp(tmp_path / "dev.txt"))
    return venv


def test_a_finished_environment_is_left_alone(environment: Path) -> None:
    assert setup_environment._is_usable(environment, environment.parent / "dev.txt")


def test_an_unfinished_environment_is_made_anew(environment: Path) -> None:
    (environment / "towpath-stamp").unlink()

    assert not setup_environment._is_usable(environment, environment.parent / "dev.txt")


def test_an_environment_of_another_lock_is_brought_to_this_one(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs from the environment, such as the stack's Java, must not lose its files to an update."""
    ran: list[str] = []
    monkeypatch.setattr(setup_environment, "_uv", lambda: "uv")
    monkeypatch.setattr(setup_environment, "_run", lambda command, _: ran.append(" ".join(command[1:3])))
    (environment.parent / "dev.txt").write_text("bridge==1.1")

    setup_environment._set_up_packages(environment, environment.parent / "dev.txt")
    setup_environment._set_up_packages(environment, environment.parent / "dev.txt")

    assert ran == ["pip sync"]


def test_an_interrupted_update_is_begun_anew(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_command: list[str], _environment: dict[str, str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(setup_environment, "_uv", lambda: "uv")
    monkeypatch.setattr(setup_environment, "_run", interrupted)
    (environment.parent / "dev.txt").write_text("bridge==1.1")

    with pytest.raises(KeyboardInterrupt):
        setup_environment._set_up_packages(environment, environment.parent / "dev.txt")

    assert not setup_environment._is_usable(environment, environment.parent / "dev.txt")


def test_an_environment_of_a_moved_checkout_is_made_anew(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_environment, "ROOT", Path("/elsewhere"))

    assert not setup_environment._is_usable(environment, environment.parent / "dev.txt")


def test_an_environment_without_its_python_is_made_anew(environment: Path) -> None:
    (environment / "bin" / "python").unlink()
    (environment / "bin" / "python").symlink_to("/usr/bin/python-that-was-removed")

    assert not setup_environment._is_usable(environment, environment.parent / "dev.txt")


def test_an_environment_with_a_file_gone_is_made_anew(environment: Path) -> None:
    (environment / "lib" / "python3.11" / "site-packages" / "bridge.py").unlink()

    assert not setup_environment._is_usable(environment, environment.parent / "dev.txt")


def test_settings_of_pip_reach_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in setup_environment.PIP_TO_UV.values():
        monkeypatch.delenv(variable, raising=False)
    pip = {
        "index-url": "https://packages.example/simple",
        "extra-index-url": "https://a.example\nhttps://b.example",
        "find-links": "/opt/wheels\n/srv/wheels",
        "cert": "/etc/company.pem",
        "proxy": "http://proxy.example:3128",
    }

    environment = setup_environment._uv_environment(pip)

    assert environment["UV_DEFAULT_INDEX"] == "https://packages.example/simple"
    assert environment["UV_INDEX"] == "https://a.example https://b.example"
    assert environment["UV_FIND_LINKS"] == "/opt/wheels,/srv/wheels"
    assert environment["SSL_CERT_FILE"] == "/etc/company.pem"
    assert environment["ALL_PROXY"] == "http://proxy.example:3128"


def test_what_is_set_for_uv_goes_before_what_is_set_for_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv.example")

    environment = setup_environment._uv_environment({"index-url": "https://pip.example"})

    assert environment["UV_DEFAULT_INDEX"] == "https://uv.example"


def test_the_nearer_setting_of_pip_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    said = (
        "global.index-url='https://global.example'\n"
        "global.timeout='60'\n"
        "install.index-url='https://install.example'\n"
        ":env:.index-url='https://env.example'\n"
        "user.name='nobody asked'\n"
    )
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0, stdout=said))

    assert setup_environment._pip_settings() == {"index-url": "https://env.example", "timeout": "60"}


def test_where_nobody_may_install_the_administrator_is_told_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _program: None)

    with pytest.raises(SetupError, match=r"apt-get install --yes --no-install-recommends unixodbc odbc-postgresql"):
        setup_environment._unpack_odbc(tmp_path / "odbc")


def test_set_up_and_stack_share_one_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    from operations.stack.settings import load

    for environ in ({"TOWPATH_CACHE": str(tmp_path)}, {"XDG_CACHE_HOME": str(tmp_path)}, {}):
        for variable in ("TOWPATH_CACHE", "XDG_CACHE_HOME"):
            monkeypatch.delenv(variable, raising=False)
        for variable, value in environ.items():
            monkeypatch.setenv(variable, value)
        assert setup_environment._cache() == load(tmp_path, os.environ).cache
