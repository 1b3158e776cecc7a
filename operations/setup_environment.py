"""Makes the environment of this checkout (`make setup`); for a machine with nothing but Python 3.11, pip and make.

Runs before any package of ours is there, so it uses the standard library alone. Repeated, it does nothing; interrupted,
it begins anew. What it makes: `.venv`, from the locked requirements, and the ODBC libraries that pyodbc loads.
With the argument `lock` (`make lock`) it chooses the versions of those requirements anew; with `bench` it makes the
environment of the benchmarks' peers instead.
"""

# ruff: noqa: S603, S607  every command here is written here, and is found on the path of whoever sets up

from __future__ import annotations

import ast
import ctypes
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = "towpath-stamp"
#: The libraries we are measured beside, which do not fit into one environment with ours (`make bench`).
BENCH = ROOT / ".cache" / "bench"
BENCH_LOCK = ROOT / "requirements" / "bench.txt"
ODBC_LINK = VENV / "odbc"
LOCK = ROOT / "requirements" / "dev.txt"
UV_LOCK = ROOT / "requirements" / "uv.txt"

ODBC_PACKAGES = ("unixodbc", "odbc-postgresql")
ODBC_DRIVER_LIBRARY = "psqlodbcw.so"

#: Settings of pip, and the variable by which uv knows the same; uv reads none of pip's.
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "proxy": "ALL_PROXY",
}
#: Where Debian keeps the machine's certificates; Debian's pip uses them, uv has its own unless told.
MACHINE_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class SetupError(Exception):
    """Set-up cannot go on; the message says what the reader can do."""


def main() -> int:
    """Set up what is missing: 0 done, 1 not possible (said on stderr)."""
    try:
        _require_python()
        with _only_one():
            if sys.argv[1:] == ["lock"]:
                _lock_requirements()
            elif sys.argv[1:] == ["bench"]:
                _set_up_packages(BENCH, BENCH_LOCK)
            else:
                _set_up_packages(VENV, LOCK)
                _set_up_odbc()
    except SetupError as error:
        sys.stderr.write(f"setup: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _require_python() -> None:
    if not (3, 11) <= sys.version_info[:2] <= (3, 12):
        found = ".".join(str(number) for number in sys.version_info[:3])
        raise SetupError(f"Python 3.11 or 3.12 is needed, this is {found}; name one with `make PYTHON=python3.11 …`")


class _only_one:  # noqa: N801 reads as the words it stands for
    """Two set-ups of one checkout at a time would undo each other."""

    def __enter__(self) -> None:
        place = ROOT / ".towpath"
        place.mkdir(exist_ok=True)
        self._file = (place / "setup.lock").open("ab")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()


# --- Python packages ---


def _set_up_packages(venv: Path, lock: Path) -> None:
    usable, stamp = _is_usable(venv, lock), venv / STAMP
    if usable and stamp.read_text() == _stamp(lock):
        return
    uv, environment = _uv(), _uv_environment(_pip_settings())
    # until the end of this there is no finished environment, whatever interrupts it
    stamp.unlink(missing_ok=True)
    if not usable:
        _say(f"making {venv.name}")
        # a half-made environment may have packages without their files: begin anew
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)], environment)
    _say("installing the locked packages")
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    python = str(venv / "bin" / "python")
    _run([uv, "pip", "sync", *quiet, "--require-hashes", "--python", python, str(lock)], environment)
    stamp.write_text(_stamp(lock))


def _is_usable(venv: Path, lock: Path) -> bool:
    """Whether an earlier set-up finished here, and none of its files has gone; its packages may be of another lock."""
    try:
        # a link to a Python that was removed is no Python
        if not (venv / "bin" / "python").exists():
            return False
        if (venv / STAMP).read_text().split("\n")[0] != _stamp(lock).split("\n")[0]:
            return False
    except FileNotFoundError:
        return False
    places = list((venv / "lib").glob("python3.*/site-packages"))
    return bool(places) and all(_files_are_there(record) for record in places[0].glob("*.dist-info/RECORD"))


def _files_are_there(record: Path) -> bool:
    place = os.fspath(record.parents[1])
    with record.open(encoding="utf-8") as lines:
        names = (line.split(",", 1)[0] for line in lines if not line.startswith('"'))
        return all(name.endswith(".pyc") or os.path.lexists(f"{place}/{name}") for name in names)


def _stamp(lock: Path) -> str:
    """What the environment is made of: on the first line what can only be made anew, on the second what can change."""
    base = [sys.version.encode(), os.fsencode(Path(sys.executable).resolve()), os.fsencode(ROOT)]
    return f"{hashlib.sha256(b'|'.join(base)).hexdigest()}\n{hashlib.sha256(lock.read_bytes()).hexdigest()}\n"


def _uv() -> str:
    """The locked uv, from PyPI, in the user's cache.

    Debian's pip may not touch the system's packages, and python3-venv may be missing: a target folder needs neither.
    """
    version = re.findall(r"^uv==(\S+)", UV_LOCK.read_text(), re.MULTILINE)[0]
    home = _cache() / "uv" / version
    program = home / "bin" / "uv"
    if not program.exists():
        _say(f"fetching uv {version}")
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as folder:
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-user"]
            target = ["--target", f"{folder}/whole", "--no-deps", "--require-hashes", "-r", str(UV_LOCK)]
            # nothing is installed where this guard looks
            _run([*pip, *target], {**os.environ, "PIP_REQUIRE_VIRTUALENV": "0"})
            shutil.rmtree(home, ignore_errors=True)
            Path(folder, "whole").rename(home)
    return str(program)


def _lock_requirements() -> None:
    """Choose versions within `pyproject.toml` and write them down with their hashes; no host's name is among it."""
    uv, environment = _uv(), _uv_environment(_pip_settings())
    style = ["--quiet", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate"]
    project = str(ROOT / "pyproject.toml")
    chosen = {
        "run.txt": [project],
        "dev.txt": [project, "--group", "dev"],
        BENCH_LOCK.name: ["--group", f"{project}:bench"],
    }
    for lock, of in chosen.items():
        _run([uv, "pip", "compile", *of, *style, "--upgrade", "-o", str(LOCK.with_name(lock))], environment)


def _pip_settings() -> dict[str, str]:
    """How the user's pip is set up, by its files and variables: the nearer one wins."""
    answer = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    by_scope: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in answer.splitlines():
        name, separator, value = line.partition("=")
        scope, _, key = name.rpartition(".")
        if separator and scope in by_scope:
            by_scope[scope][key] = str(ast.literal_eval(value))
    return {**by_scope["global"], **by_scope["install"], **by_scope[":env:"]}


def _uv_environment(pip: dict[str, str]) -> dict[str, str]:
    """The environment for uv: the user's own, and what only his pip knows."""
    environment = dict(os.environ)
    environment.pop("VIRTUAL_ENV", None)
    environment["UV_PYTHON_DOWNLOADS"] = "never"
    for key, variable in PIP_TO_UV.items():
        if key in pip and not environment.get(variable):
            several = "," if variable == "UV_FIND_LINKS" else " "
            environment[variable] = several.join(pip[key].split())
    if not environment.get("SSL_CERT_FILE") and MACHINE_CERTIFICATES.exists():
        environment["SSL_CERT_FILE"] = str(MACHINE_CERTIFICATES)
    return environment


# --- ODBC ---


def _set_up_odbc() -> None:
    """The libraries of unixODBC and PostgreSQL's driver: the system's, else unpacked for this user."""
    if _system_has_odbc():
        ODBC_LINK.unlink(missing_ok=True)
        return
    unpacked = _cache() / "odbc"
    if not (unpacked / ODBC_DRIVER_LIBRARY).exists():
        administrator = _administrator()
        if administrator is not None:
            _say(f"installing {' and '.join(ODBC_PACKAGES)}")
            _install_odbc(administrator)
            return
        _say(f"unpacking {' and '.join(ODBC_PACKAGES)} for this user")
        _unpack_odbc(unpacked)
    if not (ODBC_LINK.is_symlink() and ODBC_LINK.resolve() == unpacked.resolve()):
        ODBC_LINK.unlink(missing_ok=True)
        ODBC_LINK.symlink_to(unpacked)


def _system_has_odbc() -> bool:
    try:
        ctypes.CDLL("libodbc.so.2")
        return "[PostgreSQL Unicode]" in Path("/etc/odbcinst.ini").read_text(encoding="utf-8")
    except OSError:
        return False


def _administrator() -> list[str] | None:
    """What to put before a command to run it as administrator, or None where we may not."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ["sudo", "-n"]
    return None


def _install_odbc(administrator: list[str]) -> None:
    apt = [*administrator, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    install = [*apt, "install", "--yes", "--no-install-recommends", *ODBC_PACKAGES]
    if _succeeds(install):
        return
    # no package lists yet, or too old ones
    try:
        _run([*apt, "update"], dict(os.environ))
        _run(install, dict(os.environ))
    except SetupError as error:
        raise SetupError(f"{error}\n{_by_hand()}") from error


def _unpack_odbc(target: Path) -> None:
    """The same packages and those they need, fetched and unpacked without touching the system."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise SetupError(f"unixODBC and PostgreSQL's ODBC driver are missing.\n{_by_hand()}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        home = Path(folder)
        for name in ("state/lists/partial", "cache/archives/partial", "files", "whole"):
            (home / name).mkdir(parents=True)
        apt = [
            "apt-get",
            "-q",
            "--yes",
            f"-oDir::State={home / 'state'}",
            "-oDir::State::status=/var/lib/dpkg/status",  # what the system has need not be fetched
            f"-oDir::Cache={home / 'cache'}",
            "-oDebug::NoLocking=1",  # the system's locks are not ours to take, and guard nothing of ours
        ]
        try:
            _run([*apt, "update"], dict(os.environ))
            install = ["install", "--download-only", "--no-install-recommends", "--reinstall", *ODBC_PACKAGES]
            _run([*apt, *install], dict(os.environ))
            for package in (home / "cache" / "archives").glob("*.deb"):
                _run(["dpkg-deb", "-x", str(package), str(home / "files")], dict(os.environ))
        except SetupError as error:
            raise SetupError(f"{error}\n{_by_hand()}") from error
        for library in (home / "files").rglob("*.so*"):
            if library.is_file():
                shutil.copyfile(library, home / "whole" / library.name)
        _require_loadable(home / "whole")
        shutil.rmtree(target, ignore_errors=True)
        (home / "whole").rename(target)


def _require_loadable(libraries: Path) -> None:
    attempt = f"import ctypes; ctypes.CDLL('libodbc.so.2'); ctypes.CDLL({str(libraries / ODBC_DRIVER_LIBRARY)!r})"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
    try:
        _run([sys.executable, "-c", attempt], environment)
    except SetupError as error:
        raise SetupError(f"the unpacked ODBC libraries do not load: {error}\n{_by_hand()}") from error


def _by_hand() -> str:
    return (
        "Ask the administrator of this machine to run:\n"
        f"  apt-get update && apt-get install --yes --no-install-recommends {' '.join(ODBC_PACKAGES)}"
    )


# --- running and telling ---


def _cache() -> Path:
    """The user's cache for everything of ours; the stack computes the same."""
    told = os.environ.get("TOWPATH_CACHE")
    if told:
        return Path(told).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME", "").strip() or Path.home() / ".cache") / "towpath"


def _run(command: list[str], environment: dict[str, str]) -> None:
    """Run a command: its output is shown on a terminal as it comes, elsewhere only if it fails."""
    if sys.stderr.isatty():
        done = subprocess.run(command, env=environment, stdout=sys.stderr, text=True, check=False)
    else:
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    if done.returncode != 0:
        said = done.stdout or ""
        raise SetupError(f"`{' '.join(command[:6])} …` failed with {done.returncode}\n{said}".rstrip())


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _say(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"setup: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
