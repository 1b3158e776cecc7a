"""Writes the Python of a mapping line by line, and keeps which line works out which field."""

import msgspec

#: A line's field, such as `lines[{_lines}].sku`: the list in braces is as long as turns have been made.
FieldPath = str


class Made(msgspec.Struct, frozen=True):
    """A record or a map while it is written: one line for each field."""

    opening: str
    #: Text before the value, the value, its path.
    fields: "tuple[tuple[str, str | Made, FieldPath], ...]"
    closing: str


class Writer:
    """Lines of one Python module."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.fields: dict[int, FieldPath] = {}
        self._indent = 0

    def line(self, text: str, path: FieldPath = "") -> None:
        """One line, or several that belong to one field."""
        for each in text.split("\n"):
            self.lines.append("    " * self._indent + each)
            if path:
                self.fields[len(self.lines)] = path

    def within(self) -> None:
        """What follows is in a block."""
        self._indent += 1

    def without(self) -> None:
        """The block ends."""
        self._indent -= 1

    def append(self, other: "Writer") -> None:
        """All lines of another one behind ours."""
        offset = len(self.lines)
        self.lines += other.lines
        self.fields |= {offset + number: path for number, path in other.fields.items()}

    def value(self, before: str, value: str | Made, after: str, path: FieldPath) -> None:
        """A value with what stands around it."""
        if isinstance(value, str):
            self.line(f"{before}{value}{after}", path)
            return
        self.line(before + value.opening, path)
        self.within()
        for name, inner, inner_path in value.fields:
            self.value(name, inner, ",", inner_path)
        self.without()
        self.line(value.closing + after, path)

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines) + "\n"
