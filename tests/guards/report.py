"""What the scenarios said, for the table at the end."""

from typing import Final

LINES: Final[list[str]] = []
WIDTH: Final = 18
LONGEST: Final = 90


def note(guard: str, seed: int, *, taken_out: bool, defects: list[str]) -> None:
    """One scenario came to its end."""
    how = "without" if taken_out else "with"
    said = f"{len(defects)} defects, as {defects[0][:LONGEST]}" if defects else "no defect"
    LINES.append(f"{guard:<{WIDTH}} seed {seed}  {how:<7}  {said}")
