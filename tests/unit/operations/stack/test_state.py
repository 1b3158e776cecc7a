"""The page by which the product finds the stack, and who the stack is."""

import stat
from pathlib import Path

import pytest

from errors import ConfigurationError
from operations.stack import identity, state
from operations.stack.addresses import from_environment, of_local_stack
from operations.stack.parts import properties_text
from operations.stack.places import Places
from operations.stack.state import Database, PartState, StackState

STATE = StackState(
    kafka="127.0.0.1:20001",
    registry="http://127.0.0.1:20002/apis/ccompat/v7",
    connect="http://127.0.0.1:20003",
    bus=Database(host="127.0.0.1", port=20004, user="towpath", password="secret", database="towpath"),
    sandbox=Database(host="127.0.0.1", port=20005, user="postgres", password="secret"),
    ports={"kafka": 20001},
    parts={"kafka": PartState(pid=7, started=1.5, port=20001, log="/logs/kafka.log")},
)


def test_a_state_is_read_as_it_was_saved_by_its_owner_alone(tmp_path: Path) -> None:
    places = Places(root=tmp_path)

    state.save(places, STATE)

    assert state.load(tmp_path) == STATE
    assert stat.S_IMODE(places.state_file.stat().st_mode) == 0o600
    assert [path.name for path in places.state_file.parent.iterdir()] == ["stack.json"]


def test_where_there_never_was_a_stack_there_is_no_state(tmp_path: Path) -> None:
    assert state.load(tmp_path) is None


def test_passwords_do_not_print() -> None:
    assert "secret" not in repr(STATE)
    assert "secret" not in repr(of_local_stack(STATE))


def test_addresses_for_clients() -> None:
    addresses = of_local_stack(STATE)

    assert addresses.bus_dsn == "postgresql://towpath:secret@127.0.0.1:20004/towpath"
    assert addresses.sandbox_dsn == "postgresql://postgres:secret@127.0.0.1:20005/postgres"


def test_addresses_of_the_environment_are_all_or_none() -> None:
    given = {
        "TOWPATH_TEST_KAFKA": "k:1",
        "TOWPATH_TEST_REGISTRY": "http://r",
        "TOWPATH_TEST_CONNECT": "http://c",
        "TOWPATH_TEST_BUS_DSN": "postgresql://b",
    }

    assert from_environment({}) is None
    with pytest.raises(ConfigurationError, match="TOWPATH_TEST_SANDBOX_DSN"):
        from_environment(given)
    complete = from_environment({**given, "TOWPATH_TEST_SANDBOX_DSN": "postgresql://s"})
    assert complete is not None
    assert (complete.kafka, complete.sandbox_dsn) == ("k:1", "postgresql://s")


def test_a_checkouts_stack_keeps_its_identity(tmp_path: Path) -> None:
    first = identity.establish(Places(root=tmp_path))

    assert identity.establish(Places(root=tmp_path)) == first
    assert len(first.cluster) == 22
    assert not first.cluster.startswith("-")


def test_a_moved_checkout_is_told_what_to_do(tmp_path: Path) -> None:
    identity.establish(Places(root=tmp_path / "here"))
    (tmp_path / "here").rename(tmp_path / "there")

    with pytest.raises(ConfigurationError, match="--purge"):
        identity.establish(Places(root=tmp_path / "there"))


def test_properties_are_ascii_whatever_the_path() -> None:
    text = properties_text({"log.dirs": "C:\\data", "plugin.path": "/ö/日/😀"})

    assert text == "log.dirs=C:\\\\data\nplugin.path=/\\u00f6/\\u65e5/\\ud83d\\ude00\n"
