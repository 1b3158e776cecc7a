"""Starts, finds and ends the stack's processes, which outlive the command that started them."""

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import psutil

from bus.settings import NICEST

SHARES_ASKED, SHARE_ASKED_AGAIN_S = 20, 0.02
#: What a part inherits; the user's own JAVA_TOOL_OPTIONS, QUARKUS_* or PG* must not leak into it.
INHERITED = ("PATH", "HOME", "TMPDIR")


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How one process is started."""

    command: Sequence[str]
    directory: Path
    log: Path
    environment: Mapping[str, str] = {}
    #: Another user to run as, where we are root and the program refuses to be.
    user: str | None = None


def start_daemon(launch: Launch) -> int:
    """Start a process in a session of its own, logging to its file, and give its process id.

    A shell stands between, and ends at once: the part then belongs to no process of ours, so it neither dies with us
    nor lingers as a zombie.
    """
    launch.log.parent.mkdir(parents=True, exist_ok=True)
    with launch.log.open("ab") as log:
        answer = subprocess.run(  # noqa: S603  commands are built by the stack's own parts
            ["/bin/sh", "-c", f"umask 077; {shlex.join(launch.command)} >&2 & echo $!"],
            cwd=launch.directory,
            env=_environment(launch.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            check=True,
            **_as(launch.user),  # type: ignore[call-overload]  # the overloads cannot see into a dict
        )
    return int(answer.stdout)


def be_nicer(pid: int, by: int) -> None:
    """Have a process that leads a session give way to others by so much, as far as the system lets us."""
    if not by:
        return
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        process.nice(min(process.nice() + by, NICEST))
    # where the system shares by session, niceness counts within one only, and the session has its own
    share = Path(f"/proc/{pid}/autogroup")
    for _ in range(SHARES_ASKED):
        try:
            share.write_text(str(by), encoding="ascii")
        except BlockingIOError:  # one such change each tenth of a second, of all sessions
            time.sleep(SHARE_ASKED_AGAIN_S)
        except OSError:  # it shares otherwise
            return
        else:
            return


def run(launch: Launch) -> None:
    """Run a process to its end, logging to its file.

    Raises:
        subprocess.CalledProcessError: it failed; the log says why.
    """
    launch.log.parent.mkdir(parents=True, exist_ok=True)
    with launch.log.open("ab") as log:
        subprocess.run(  # noqa: S603  see above
            launch.command,
            cwd=launch.directory,
            env=_environment(launch.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=True,
            **_as(launch.user),  # type: ignore[call-overload]  # the overloads cannot see into a dict
        )


def find(process_id: int, marker: str) -> psutil.Process | None:
    """The living process with this id, if its command line carries the marker.

    A process id alone proves nothing: after a crash the system may have given it to somebody else.
    """
    try:
        process = psutil.Process(process_id)
        return process if _carries(process, marker) else None
    except psutil.Error:
        return None


def search(marker: str) -> list[psutil.Process]:
    """All living processes whose command line carries the marker, for those nobody wrote down."""
    found = []
    for process in psutil.process_iter():
        try:
            if _carries(process, marker):
                found.append(process)
        except psutil.Error:
            continue
    return found


def stop(process: psutil.Process, how: signal.Signals, within_s: float) -> None:
    """Ask a process to end, wait, and kill it with its children if it has not."""
    try:
        family = [process, *process.children(recursive=True)]
        process.send_signal(how)
    except psutil.NoSuchProcess:
        return
    end_all(family, within_s)


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log, for a message about why a part died."""
    try:
        size_bytes = log.stat().st_size
        with log.open("rb") as file:
            file.seek(max(0, size_bytes - 16_384))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-count:])


def titled(beginning: str) -> list[psutil.Process]:
    """All processes whose title begins so, as PostgreSQL names its backends."""
    return [
        each for each in psutil.process_iter(["cmdline"]) if "".join(each.info["cmdline"] or ()).startswith(beginning)
    ]


def end_all(processes: Sequence[psutil.Process], within_s: float) -> None:
    """Wait until processes that are about to end are gone, and kill those that stay."""
    _, stubborn = psutil.wait_procs(processes, timeout=within_s)
    for each in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(stubborn, timeout=10)


def _carries(process: psutil.Process, marker: str) -> bool:
    if process.status() == psutil.STATUS_ZOMBIE:
        return False
    return any(marker in word.split("=") for word in process.cmdline())


def _environment(additions: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**inherited, "LANG": "C.UTF-8", **additions}


def _as(user: str | None) -> dict[str, object]:
    if user is None:
        return {}
    import pwd  # noqa: PLC0415 only POSIX has it, and only root needs it

    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
