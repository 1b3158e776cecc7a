"""The ports of our own listeners."""

from pathlib import Path

from operations import local
from operations.stack.places import Places
from operations.stack.ports import FIRST, LAST
from operations.stack.state import Database, StackState, save


def stack(root: Path, ports: dict[str, int]) -> None:
    database = Database(host="127.0.0.1", port=1, user="one", password="one")
    save(
        Places(root=root),
        StackState(kafka="", registry="", connect="", bus=database, sandbox=database, ports=ports, parts={}),
    )


def test_gateway_keeps_a_port_that_no_outgoing_connection_can_have(tmp_path: Path) -> None:
    port = int(local.write_gateway(tmp_path)["TOWPATH_GATEWAY_PORT"])

    assert FIRST <= port < LAST
    assert local.write_gateway(tmp_path) == {"TOWPATH_GATEWAY_PORT": str(port)}


def test_ports_of_the_stack_and_of_others_are_left_to_them_also_while_these_are_down(tmp_path: Path) -> None:
    first = int(local.free_port(tmp_path, "A_PORT", {}))
    second = int(local.free_port(tmp_path, "B_PORT", {"A_PORT": str(first)}))
    stack(tmp_path, {"kafka": first})

    third = int(local.free_port(tmp_path, "C_PORT", {"B_PORT": str(second)}))

    assert len({first, second, third}) == 3
