"""What long work on the stack tells whoever watches; the CLI draws it, tests and scripts ignore it."""

from typing import Protocol


class Progress(Protocol):
    """Told as things happen, from several threads at once; must return at once and never raise."""

    def downloading(self, size_bytes: int) -> None:
        """A download of so many bytes in all begins."""

    def received(self, size_bytes: int) -> None:
        """So many bytes more have arrived."""

    def part(self, name: str, says: str) -> None:
        """A part of the stack has got so far."""


class Silent:
    """Nobody watches."""

    def downloading(self, size_bytes: int) -> None:
        pass

    def received(self, size_bytes: int) -> None:
        pass

    def part(self, name: str, says: str) -> None:
        pass
