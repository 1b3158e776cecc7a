"""What all fetchers read first: the thin event that says which document changed."""

from typing import Protocol

from schemas.bus.change import Change


class ChangeDecoder(Protocol):
    """Turns a row's payload into the thin event."""

    def decode(self, data: bytes) -> Change:
        """The change."""
