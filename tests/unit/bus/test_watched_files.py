"""Files of lookup tables that are edited while a process runs."""

import os
from pathlib import Path

import pytest

from bus import metrics
from bus.watched_files import WatchedFiles
from errors import ConfigurationError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sites.csv").write_text("key,value\nnorth,NORTH\n")
    return tmp_path


def write(path: Path, text: str, at: int) -> None:
    """As an editor saves, at a moment of its own."""
    path.write_text(text)
    os.utime(path, ns=(at, at))


def refused(table: str) -> float:
    return float(metrics.LOOKUPS_REFUSED.labels(table=table)._value.get())


def test_a_changed_file_is_read_once_it_rests(folder: Path) -> None:
    watched = WatchedFiles(folder)
    write(folder / "sites.csv", "key,value\nsouth,S", 1)

    first = watched.look()
    write(folder / "sites.csv", "key,value\nsouth,SOUTH\n", 2)
    second, then, later = watched.look(), watched.look(), watched.look()

    assert not watched.changing
    assert (first, second, then, later) == (False, False, True, False)
    assert watched.tables == {"sites": {"south": "SOUTH"}}


def test_whoever_says_that_a_file_is_whole_has_it_read_at_once(folder: Path) -> None:
    watched = WatchedFiles(folder)
    write(folder / "sites.csv", "key,value\nsouth,SOUTH\n", 1)

    assert watched.read_now({"sites"})
    assert watched.tables == {"sites": {"south": "SOUTH"}}


def test_a_file_half_written_is_not_read_because_another_is_whole(folder: Path) -> None:
    watched = WatchedFiles(folder)
    write(folder / "sizes.csv", "key,value\nS,small\n", 1)
    write(folder / "sites.csv", "key,value\nsouth,S", 1)

    assert watched.read_now({"sizes"})

    assert watched.tables == {"sites": {"north": "NORTH"}, "sizes": {"S": "small"}}
    assert watched.changing


def test_a_bad_file_keeps_the_table_and_is_told_until_it_is_mended(folder: Path) -> None:
    watched = WatchedFiles(folder)
    write(folder / "sites.csv", "key,value\nnorth,A\nnorth,B\n", 1)

    changed = watched.read_now({"sites"})

    assert not changed
    assert watched.tables == {"sites": {"north": "NORTH"}}
    assert watched.faults == {"sites": "lookups/sites.csv: 'north' stands there twice, in lines 2 and 3"}
    assert refused("sites") == 1

    write(folder / "sites.csv", "key,value\nnorth,A\n", 2)

    assert watched.read_now({"sites"})
    assert watched.faults == {}
    assert refused("sites") == 0


def test_a_file_that_is_gone_keeps_its_table(folder: Path) -> None:
    watched = WatchedFiles(folder)
    (folder / "sites.csv").unlink()

    assert not watched.look()
    assert watched.tables == {"sites": {"north": "NORTH"}}
    assert "is gone" in watched.faults["sites"]


def test_a_new_file_is_a_new_table(folder: Path) -> None:
    watched = WatchedFiles(folder)
    (folder / "sizes.csv").write_text("key,value\nS,small\n")

    assert watched.read_now({"sizes"})
    assert watched.tables["sizes"] == {"S": "small"}


def test_a_file_that_only_was_touched_changes_nothing(folder: Path) -> None:
    watched = WatchedFiles(folder)
    write(folder / "sites.csv", "key,value\nnorth,NORTH\n", 7)

    assert not watched.read_now({"sites"})


def test_nothing_starts_with_a_bad_file(folder: Path) -> None:
    (folder / "sites.csv").write_text("key\n")

    with pytest.raises(ConfigurationError, match="the first line must be"):
        WatchedFiles(folder)
