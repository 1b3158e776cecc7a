"""The simulated outside: starts each simulator as a process of its own and keeps its ports and secrets for settings."""

import base64
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import msgspec
import psycopg
from psutil import Process

from errors import ConfigurationError, FatalError, RetryableError
from operations import local
from operations.stack import odbc, ports
from operations.stack import state as stack_state
from operations.stack.places import Places
from operations.stack.processes import Launch, last_lines, search, start_daemon, stop
from operations.stack.progress import Progress, Silent
from operations.stack.state import StackState

KEPT = "sandbox"
UP_WITHIN_S = 90.0
STOP_WITHIN_S = 15.0
#: As on a site whose content management is DNN.
CLARITY_BASE_PATH = "/DesktopModules/ClarityEcommerce/API"
#: The store connection the simulated store sends its webhooks for.
STORE = "clarity-main"
GP_DATABASE = "TWO"
#: The product's own table, given to a database's administrator as SQL; the sandbox's administrator is us.
RECEIPTS = Path("connect", "systems", "dynamics_gp", "receipts_postgresql.sql")

Values = Mapping[str, str]


class Simulator(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated system."""

    name: str
    module: str
    #: Its own ports, by variable.
    ports: tuple[str, ...]
    #: Secrets made once, by variable.
    made: Mapping[str, Callable[[], str]]
    #: How the simulator is told them: its variable to ours. A command line can be read by every user of the machine.
    secrets: Mapping[str, str]
    #: What follows from ports and secrets.
    told: Callable[[Values], Values]
    #: How it is started.
    arguments: Callable[[Path, Values], tuple[str, ...]]
    #: Variable with the base address of its control API.
    control: str


class SimulatorState(msgspec.Struct, frozen=True, kw_only=True):
    """How a simulator is."""

    name: str
    running: bool
    healthy: bool
    pid: int | None
    control_url: str
    log: Path


def _password() -> str:
    return secrets.token_urlsafe(24)


def _webhook_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _clarity_told(values: Values) -> Values:
    address = f"http://{local.LOOPBACK}:{values['TOWPATH_CLARITY_PORT']}"
    return {
        "TOWPATH_CLARITY_URL": address + CLARITY_BASE_PATH,
        "TOWPATH_CLARITY_CONTROL": address + "/control",
        "TOWPATH_CLARITY_USER": "bus",
    }


def _clarity_arguments(home: Path, values: Values) -> tuple[str, ...]:
    return (
        *("--port", values["TOWPATH_CLARITY_PORT"]),
        *("--data", str(home)),
        *("--base-path", CLARITY_BASE_PATH),
        *("--user", values["TOWPATH_CLARITY_USER"]),
        *("--webhook-url", f"http://{local.LOOPBACK}:{values['TOWPATH_GATEWAY_PORT']}/webhooks/{STORE}"),
    )


def _gp_told(values: Values) -> Values:
    proxy = values["TOWPATH_GP_PROXY_PORT"]
    # 7.4-1: an error ends the transaction, as a deadlock does at SQL Server. The driver's default puts each statement
    # into a savepoint of its own and prepares it anew, which is ten times as long.
    connection_string = (
        f"Driver={odbc.driver()};Server={local.LOOPBACK};Port={proxy};Database={GP_DATABASE};"
        f"Uid=towpath;Pwd={values['TOWPATH_GP_PASSWORD']};Protocol=7.4-1"
    )
    return {
        "TOWPATH_GP_ODBC": connection_string,
        "TOWPATH_GP_CONTROL": f"http://{local.LOOPBACK}:{values['TOWPATH_GP_PORT']}/control",
        "TOWPATH_GP_CDC_HOST": local.LOOPBACK,
        "TOWPATH_GP_CDC_PORT": values["TOWPATH_GP_DATABASE_PORT"],
        "TOWPATH_GP_CDC_DATABASE": GP_DATABASE,
        "TOWPATH_GP_CDC_USER": "debezium",
    }


def _gp_arguments(_home: Path, values: Values) -> tuple[str, ...]:
    return (
        *("--port", values["TOWPATH_GP_PORT"]),
        *("--proxy-port", values["TOWPATH_GP_PROXY_PORT"]),
        *("--database", GP_DATABASE),
    )


SIMULATORS: tuple[Simulator, ...] = (
    Simulator(
        name="clarity",
        module="sandbox.clarity",
        ports=("TOWPATH_CLARITY_PORT",),
        made={"TOWPATH_CLARITY_PASSWORD": _password, "TOWPATH_CLARITY_WEBHOOK_SECRET": _webhook_secret},
        secrets={
            "CLARITY_SANDBOX_PASSWORD": "TOWPATH_CLARITY_PASSWORD",
            "CLARITY_SANDBOX_WEBHOOK_SECRET": "TOWPATH_CLARITY_WEBHOOK_SECRET",
        },
        told=_clarity_told,
        arguments=_clarity_arguments,
        control="TOWPATH_CLARITY_CONTROL",
    ),
    Simulator(
        name="dynamics-gp",
        module="sandbox.dynamics_gp",
        ports=("TOWPATH_GP_PORT", "TOWPATH_GP_PROXY_PORT"),
        made={
            "TOWPATH_GP_PASSWORD": _password,
            "TOWPATH_GP_CDC_PASSWORD": _password,
            "TOWPATH_GP_USER_PASSWORD": _password,
        },
        secrets={
            "GP_SANDBOX_TOWPATH_PASSWORD": "TOWPATH_GP_PASSWORD",
            "GP_SANDBOX_DEBEZIUM_PASSWORD": "TOWPATH_GP_CDC_PASSWORD",
            "GP_SANDBOX_USER_PASSWORD": "TOWPATH_GP_USER_PASSWORD",
        },
        told=_gp_told,
        arguments=_gp_arguments,
        control="TOWPATH_GP_CONTROL",
    ),
)


def up(root: Path, progress: Progress | None = None) -> tuple[SimulatorState, ...]:
    """Start what does not run yet, wait until all of it answers, and keep what settings need to know.

    Raises:
        ConfigurationError: the stack does not run.
        FatalError: a simulator died at its start; says how its log ends.
    """
    progress = progress or Silent()
    stack = stack_state.load(root)
    if stack is None:
        raise ConfigurationError("stack", "the simulators need it: `towpath stack up` first")
    values = _establish(root, stack)
    for simulator in SIMULATORS:
        if not _processes(root, simulator):
            progress.part(simulator.name, "starting")
            _start(root, simulator, values, stack)
    for simulator in SIMULATORS:
        _wait_until_healthy(root, simulator, values)
        progress.part(simulator.name, "ready")
    _apply_receipts(root, stack)
    return status(root)


def down(root: Path) -> tuple[str, ...]:
    """Stop the simulators; their data stays. Says which ran."""
    stopped = []
    for simulator in SIMULATORS:
        for process in _processes(root, simulator):
            stop(process, signal.SIGTERM, STOP_WITHIN_S)
            stopped.append(simulator.name)
    return tuple(dict.fromkeys(stopped))


def purge(root: Path) -> None:
    """Stop the simulators and drop what they keep beside their database; ports and secrets stay."""
    down(root)
    shutil.rmtree(root / ".towpath" / "sandbox", ignore_errors=True)


def reset(root: Path) -> tuple[str, ...]:
    """Bring every simulator back to its seed: no documents, master data as at first; numbers go on.

    Raises:
        RetryableError: a simulator does not run.
    """
    values = local.read(root, KEPT)
    for simulator in SIMULATORS:
        try:
            response = httpx.post(values.get(simulator.control, "") + "/reset", timeout=60)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RetryableError("sandbox.away", f"the simulator {simulator.name} does not run") from error
        if response.is_error:
            raise RetryableError("sandbox.reset", f"{simulator.name} answered {response.status_code} to its reset")
    return tuple(simulator.name for simulator in SIMULATORS)


def status(root: Path) -> tuple[SimulatorState, ...]:
    """How each simulator is."""
    values = local.read(root, KEPT)
    return tuple(_state(root, simulator, values) for simulator in SIMULATORS)


def _state(root: Path, simulator: Simulator, values: Values) -> SimulatorState:
    process = next(iter(_processes(root, simulator)), None)
    return SimulatorState(
        name=simulator.name,
        running=process is not None,
        healthy=process is not None and _is_healthy(simulator, values),
        pid=None if process is None else process.pid,
        control_url=values.get(simulator.control, ""),
        log=_log(root, simulator),
    )


def _establish(root: Path, stack: StackState) -> dict[str, str]:
    """The kept values, with what is missing made now; ports that others took meanwhile are chosen anew."""
    kept = local.read(root, KEPT)
    running = frozenset(simulator.name for simulator in SIMULATORS if _processes(root, simulator))
    values = kept | local.write_stack(root) | {"TOWPATH_GP_DATABASE_PORT": str(stack.sandbox.port)}
    for simulator in SIMULATORS:
        for variable in simulator.ports:
            taken = variable in values and simulator.name not in running and not ports.is_free(int(values[variable]))
            if variable not in values or taken:
                values[variable] = local.free_port(root, variable, values)
        for variable, make in simulator.made.items():
            values.setdefault(variable, make())
        values |= simulator.told(values)
    ours = {name: value for name, value in values.items() if name.startswith(("TOWPATH_CLARITY_", "TOWPATH_GP_"))}
    local.write(root, KEPT, ours)
    return values


def _start(root: Path, simulator: Simulator, values: Values, stack: StackState) -> None:
    home = _home(root, simulator)
    home.mkdir(parents=True, exist_ok=True)
    start_daemon(
        Launch(
            # Python ignores -X options it does not know: this one lets us find the process again
            command=(
                *(sys.executable, "-P", "-X", _marker(root, simulator), "-m", simulator.module),
                *simulator.arguments(home, values),
            ),
            directory=root,
            log=_log(root, simulator),
            environment={
                "PYTHONPATH": str(root),
                "GP_SANDBOX_DSN": stack.sandbox.dsn,
                **{theirs: values[ours] for theirs, ours in simulator.secrets.items()},
            },
        )
    )


def _wait_until_healthy(root: Path, simulator: Simulator, values: Values) -> None:
    deadline = time.monotonic() + UP_WITHIN_S
    while not _is_healthy(simulator, values):
        if not _processes(root, simulator) or time.monotonic() > deadline:
            raise FatalError(
                "sandbox.start", f"{simulator.name} did not start:\n{last_lines(_log(root, simulator), 30)}"
            )
        time.sleep(0.1)


def _is_healthy(simulator: Simulator, values: Values) -> bool:
    try:
        return httpx.get(values[simulator.control] + "/health", timeout=5).is_success
    except (httpx.HTTPError, KeyError):
        return False


def _apply_receipts(root: Path, stack: StackState) -> None:
    """Do what a customer's database administrator does with the SQL the product prints."""
    path = root / RECEIPTS
    if not path.exists():
        return
    company = stack.sandbox.dsn.rsplit("/", 1)[0] + f"/{GP_DATABASE}"
    with psycopg.connect(company) as wire:
        wire.execute(path.read_bytes())


def _processes(root: Path, simulator: Simulator) -> list[Process]:
    return search(_marker(root, simulator))


def _marker(root: Path, simulator: Simulator) -> str:
    return Places(root=root.resolve()).marker(f"sandbox-{simulator.name}")


def _home(root: Path, simulator: Simulator) -> Path:
    return root / ".towpath" / "sandbox" / simulator.name


def _log(root: Path, simulator: Simulator) -> Path:
    return root / ".towpath" / "sandbox" / "logs" / f"{simulator.name}.log"
