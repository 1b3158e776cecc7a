"""Slices: pieces of bounded size, and how far a partition is done whatever ends first."""

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from bus.slices import Progress, Slice, cut
from tests.doubles.kafka import Record

HERE, THERE = TP("orders", 0), TP("orders", 1)


def records(*sizes: int) -> list[Record]:
    return [Record("orders", 0, at, b"", b"x" * size, ()) for at, size in enumerate(sizes)]


@given(st.lists(st.integers(0, 30)), st.integers(1, 5), st.integers(1, 40))
def test_pieces_are_all_of_it_in_order_and_none_is_large(sizes: list[int], most: int, most_bytes: int) -> None:
    whole = records(*sizes)

    cuts = list(cut(whole, most, most_bytes))

    pieces = [piece for piece, _ in cuts]
    assert [size for _, size in cuts] == [sum(len(record.value) for record in piece) for piece in pieces]
    assert [record for piece in pieces for record in piece] == whole
    assert all(0 < len(piece) <= most for piece in pieces)
    assert all(sum(len(record.value) for record in piece[:-1]) < most_bytes for piece in pieces)


def test_tombstone_has_no_size() -> None:
    assert [(len(piece), size) for piece, size in cut([Record("orders", 0, 0, b"", None, ())] * 3, 2, 1)] == [
        (2, 0),
        (1, 0),
    ]


@given(st.permutations(range(6)), st.integers(1, 3))
def test_partition_is_done_up_to_the_first_slice_somebody_is_not_through_with(order: list[int], agents: int) -> None:
    progress = Progress()
    parts = [progress.begin(HERE, 10 * (at + 1), agents) for at in range(6)]
    ended: set[int] = set()

    for at in order:
        for _ in range(agents):
            first_open = next((n for n in range(6) if n not in ended), 6)
            assert progress.reached.get(HERE, 0) == 10 * first_open
            progress.end(HERE, parts[at])
        ended.add(at)

    assert progress.reached == {HERE: 60}


def test_partition_that_went_away_is_not_done_by_what_was_read_of_it_before() -> None:
    progress = Progress()
    before, other = progress.begin(HERE, 5, 1), progress.begin(THERE, 7, 1)
    progress.forget({HERE})
    progress.begin(HERE, 5, 1)

    progress.end(HERE, before)
    progress.end(THERE, other)

    assert progress.reached == {THERE: 7}


def test_slice_is_through_once() -> None:
    class Owner:
        def __init__(self) -> None:
            self.told: list[Slice] = []

        def through(self, taken: Slice) -> None:
            self.told.append(taken)

    owner = Owner()
    taken = Slice(owner, HERE, records(1, 1), 2, Progress().begin(HERE, 2, 1), 3)

    taken.ack()
    taken.ack()

    assert owner.told == [taken]
    assert len(taken) == 2
