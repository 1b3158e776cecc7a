"""Which port each listener gets."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from errors import ConfigurationError
from operations.stack.ports import FIRST, LAST, choose, is_free, require_free
from operations.stack.settings import PortName, StackSettings, load


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def every_port_free(_port: int) -> bool:
    return True


def test_unset_ports_are_chosen_free_and_differ() -> None:
    chosen = choose({}, {}, seed=5, is_free=lambda port: port % 2 == 0)

    assert set(chosen) == set(PortName)
    assert len(set(chosen.values())) == len(PortName)
    assert all(port % 2 == 0 and FIRST <= port < LAST for port in chosen.values())


def test_ports_are_kept_from_one_start_to_the_next_even_if_they_are_taken_now() -> None:
    kept = choose({}, {}, seed=5, is_free=every_port_free)

    assert choose({}, kept, seed=99, is_free=lambda _: False) == kept


def test_a_prescribed_port_goes_before_a_kept_one() -> None:
    kept = choose({}, {}, seed=5, is_free=every_port_free)

    chosen = choose({PortName.KAFKA: 9092}, kept, seed=5, is_free=every_port_free)

    assert chosen == {**kept, PortName.KAFKA: 9092}


def test_a_listener_gives_up_its_kept_port_to_the_one_it_is_prescribed_for() -> None:
    kept = choose({}, {}, seed=5, is_free=every_port_free)

    chosen = choose({PortName.BUS: kept[PortName.KAFKA]}, kept, seed=5, is_free=every_port_free)

    assert chosen[PortName.BUS] == kept[PortName.KAFKA]
    assert len(set(chosen.values())) == len(PortName)


def test_two_checkouts_begin_at_different_ports() -> None:
    one = choose({}, {}, seed=1, is_free=every_port_free)
    other = choose({}, {}, seed=4711, is_free=every_port_free)

    assert not set(one.values()) & set(other.values())


def test_no_free_port_is_said() -> None:
    with pytest.raises(ConfigurationError, match="TOWPATH_KAFKA_PORT"):
        choose({}, {}, seed=1, is_free=lambda _: False)


def test_a_taken_port_is_refused_with_its_variable_its_number_and_its_holder(taken: int) -> None:
    with pytest.raises(ConfigurationError) as caught:
        require_free(PortName.REGISTRY, taken)

    assert "TOWPATH_REGISTRY_PORT" in str(caught.value)
    assert str(taken) in str(caught.value)
    assert "process" in str(caught.value)
    assert not is_free(taken)


def test_a_free_port_is_not_refused(taken: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]

    require_free(PortName.REGISTRY, free)


def settings_with(**environ: str) -> StackSettings:
    return load(Path("/somewhere"), environ)


def test_ports_cache_and_repository_come_from_the_environment() -> None:
    settings = settings_with(
        TOWPATH_KAFKA_PORT="9092",
        TOWPATH_KAFKA_CONTROLLER_PORT=" 9093 ",
        TOWPATH_CACHE="/cache",
        TOWPATH_MAVEN="http://mirror.example/m2",
        TOWPATH_BUS_PORT="",
    )

    assert settings.ports == {PortName.KAFKA: 9092, PortName.KAFKA_CONTROLLER: 9093}
    assert settings.cache == Path("/cache")
    assert settings.maven == "http://mirror.example/m2"


@pytest.mark.parametrize("text", ["0", "65536", "-1", "80a", "9092.0", "٣", "kafka"])
def test_what_is_no_port_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigurationError, match="TOWPATH_CONNECT_PORT"):
        settings_with(TOWPATH_CONNECT_PORT=text)


def test_one_port_for_two_listeners_is_refused_with_both_names() -> None:
    with pytest.raises(ConfigurationError, match=r"TOWPATH_SANDBOX_PORT.*TOWPATH_BUS_PORT"):
        settings_with(TOWPATH_BUS_PORT="5432", TOWPATH_SANDBOX_PORT="5432")
