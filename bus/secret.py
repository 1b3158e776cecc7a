"""A value that must not be seen: it prints masked, and is read only where it is used."""


class Secret:
    """A password, a connection string with one in it, a signing key."""

    __slots__ = ("_value", "reference")

    def __init__(self, value: str, reference: str = "") -> None:
        """Args:
        value: The secret itself.
        reference: Where it came from, `env:NAME` or `file:PATH`; may be shown.
        """
        self._value = value
        self.reference = reference

    def reveal(self) -> str:
        """The value, for the one call that needs it."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"Secret({self.reference or '***'})"

    __str__ = __repr__
