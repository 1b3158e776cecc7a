"""How far a reader is behind on one partition."""

import pytest

from operations.lag import behind


@pytest.mark.parametrize(
    ("first", "end", "following", "expected"),
    [
        (0, 10, 4, 6),
        (5, 10, 0, 5),  # what was deleted unread is not waited for
        (0, 10, 12, 0),  # read on since the end was asked for: must not hide another partition's lag
    ],
)
def test_nobody_is_less_than_not_behind(first: int, end: int, following: int, expected: int) -> None:
    assert behind(first, end, following) == expected
