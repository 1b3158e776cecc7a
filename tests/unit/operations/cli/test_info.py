"""`towpath info` for people."""

from pathlib import Path

from operations.cli.info import _lines
from operations.info import ConnectionInfo, GatewayInfo, Info, SandboxInfo
from operations.processes import ProcessState

STORE, ERP = (
    SandboxInfo(control_url="http://127.0.0.1:1/control"),
    SandboxInfo(control_url="http://127.0.0.1:2/control"),
)


def test_each_simulator_is_listed_once_for_people() -> None:
    found = Info(
        deployment="demo",
        kafka="127.0.0.1:3",
        registry="",
        connect="",
        gateway=GatewayInfo(url="", webhooks={}),
        connections={"clarity-main": ConnectionInfo(system="clarity")},
        sandbox={"clarity": STORE, "dynamics-gp": ERP, "clarity-main": STORE, "gp-two": ERP},
        processes={
            "streams": ProcessState(
                name="streams", pids=(7,), running=True, log=Path("log"), metrics=("http://127.0.0.1:4/metrics",)
            )
        },
    )

    assert [line for line in _lines(found) if line[0].startswith("simulator")] == [
        ("simulator clarity", STORE.control_url),
        ("simulator dynamics-gp", ERP.control_url),
    ]
    assert _lines(found)[-2:] == [("process streams", "7"), ("  metrics", "http://127.0.0.1:4/metrics")]
