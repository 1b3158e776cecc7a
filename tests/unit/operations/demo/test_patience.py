"""Waiting as long as anything moves."""

from operations.demo.patience import Patience


def test_patience_lasts_while_something_moves() -> None:
    patience = Patience(0.0, stall_s=10, most_s=100)

    assert not patience.is_over(9.0, 1)
    assert not patience.is_over(18.0, 2)


def test_patience_ends_when_nothing_moves() -> None:
    patience = Patience(0.0, stall_s=10, most_s=100)

    assert not patience.is_over(5.0, 1)
    assert patience.is_over(15.1, 1)


def test_patience_ends_however_much_moves() -> None:
    patience = Patience(0.0, stall_s=10, most_s=20)

    assert patience.is_over(20.1, 1)
