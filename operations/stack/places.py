"""Where the files of one checkout's stack lie; for every module that reads or writes them."""

import hashlib
import os
from pathlib import Path

import msgspec

#: PostgreSQL refuses to run as root. Then its data lies here, owned by `UNPRIVILEGED_USER`, because a checkout
#: in a root-only folder cannot be entered by anybody else.
OUTSIDE = Path("/var/lib/towpath")
UNPRIVILEGED_USER = "nobody"


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """The paths of one checkout's stack, all derived from its root."""

    root: Path

    @property
    def digest(self) -> str:
        """Ten characters that stand for the root, in process markers and outside folders."""
        return hashlib.sha256(os.fsencode(self.root)).hexdigest()[:10]

    @property
    def state_file(self) -> Path:
        return self.root / ".towpath" / "stack.json"

    @property
    def home(self) -> Path:
        """Everything the stack itself writes in the checkout; `down --purge` removes it."""
        return self.root / ".towpath" / "stack"

    @property
    def identity_file(self) -> Path:
        return self.home / "identity.json"

    @property
    def lock_file(self) -> Path:
        # beside the home, so that a purge never removes the lock somebody else is waiting on
        return self.root / ".towpath" / "stack.lock"

    @property
    def config(self) -> Path:
        return self.home / "config"

    @property
    def kafka_data(self) -> Path:
        return self.home / "kafka"

    @property
    def postgresql_home(self) -> Path:
        """The folder of both clusters, inside the checkout unless we are root."""
        return OUTSIDE / self.digest if runs_as_root() else self.home / "postgresql"

    def log(self, part: str) -> Path:
        return self.home / "logs" / f"{part}.log"

    def marker(self, part: str) -> str:
        """A word on the command line of a part, by which it is known whatever its process id."""
        return f"towpath-{self.digest}-{part}"


def runs_as_root() -> bool:
    return os.geteuid() == 0
