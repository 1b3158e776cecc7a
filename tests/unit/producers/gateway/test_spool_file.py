"""The spool's file: what it says it has it has, whatever happens to the process or to the end of the file."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from errors import ConfigurationError, RetryableError
from producers.gateway import spool_file
from producers.gateway.spool_file import Record, SpoolFile, file_system_of, look
from schemas import topics
from schemas.bus.change import Change

ROOT = Path(__file__).resolve().parents[4]
NOW = datetime(2026, 3, 2, 14, tzinfo=UTC)


def change(number: int, document: int = 1001) -> Record:
    return Record(
        topic=topics.CLARITY_CHANGES.name,
        key=f"clarity-main:{document}",
        value=Change(
            connection="clarity-main",
            record="order",
            id=str(document),
            noticed_at=NOW,
            cause="webhook",
            delivery_id=f"msg_{number}",
        ),
        headers=(("ce_id", f"ce-{number}".encode()),),
    )


def ids(file: SpoolFile) -> list[str]:
    return [
        entry.record.value.delivery_id
        for entry in file.first(100_000)
        if entry.record is not None and isinstance(entry.record.value, Change)
    ]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SpoolFile]:
    made = SpoolFile(tmp_path, "clarity-main")
    yield made
    made.close()


def test_what_is_kept_comes_back_whole_and_in_order(file: SpoolFile, tmp_path: Path) -> None:
    file.append([change(1), change(2)])
    file.append([change(3)])

    first, *_ = file.first(2)
    assert first.record == change(1)
    assert ids(file) == ["msg_1", "msg_2", "msg_3"]
    file.remove([first.id])
    assert ids(file) == ["msg_2", "msg_3"]
    waits = look(tmp_path, "clarity-main")
    assert (waits.count, waits.refused) == (2, 0)
    assert waits.since is not None
    assert look(tmp_path, "other").count == 0


def test_number_is_never_used_twice(file: SpoolFile) -> None:
    """Else what comes next could be taken for what was there."""
    file.append([change(1)])
    (before,) = file.first(1)
    file.remove([before.id])
    file.append([change(2)])

    (after,) = file.first(1)
    assert after.id > before.id


def test_damaged_record_is_known_as_such_and_set_aside(file: SpoolFile, tmp_path: Path) -> None:
    file.append([change(1), change(2)])
    with sqlite3.connect(tmp_path / "clarity-main.spool") as wire:
        ((content,),) = wire.execute("SELECT content FROM spooled WHERE id = 1")
        # still a record, and not the one that was accepted
        wire.execute("UPDATE spooled SET content = ? WHERE id = 1", [content.replace(b"msg_1", b"msg_7")])

    damaged, whole = file.first(10)
    assert damaged.record is None
    assert whole.record == change(2)
    file.refuse(damaged.id, "damaged")
    assert ids(file) == ["msg_2"]
    assert file.waits().refused == 1


@pytest.mark.parametrize("seed", range(6))
def test_torn_end_costs_nothing_that_was_told(tmp_path: Path, seed: int) -> None:
    """As a machine that loses its power leaves it: the log's last commits are half there, or rubbish."""
    folder, torn = tmp_path / "file", tmp_path / "torn"
    folder.mkdir()
    file = SpoolFile(folder, "clarity-main")
    sizes = []
    for number in range(20):
        file.append([change(number)])
        sizes.append((folder / "clarity-main.spool-wal").stat().st_size)
    shutil.copytree(folder, torn)
    file.close()
    chance = random.Random(seed)
    kept = chance.randrange(1, 19)
    log = torn / "clarity-main.spool-wal"
    with log.open("r+b") as wire:
        wire.truncate(chance.randrange(sizes[kept - 1], sizes[kept]))
        wire.seek(0, os.SEEK_END)
        wire.write(chance.randbytes(3000))
    (torn / "clarity-main.spool-shm").unlink()

    again = SpoolFile(torn, "clarity-main")

    assert ids(again) == [f"msg_{number}" for number in range(kept)]
    again.append([change(99)])
    assert ids(again)[-1] == "msg_99"
    again.close()


#: Says what it kept after each commit, and is killed at any moment.
KEEPING = """
import sys
from pathlib import Path
from producers.gateway.spool_file import SpoolFile
from tests.unit.producers.gateway.test_spool_file import change
file = SpoolFile(Path(sys.argv[1]), "clarity-main")
number = int(sys.argv[2])
while True:
    file.append([change(number)])
    print(number, flush=True)
    number += 1
"""


def test_process_killed_at_any_moment_has_kept_what_it_said(tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(3):
        command = [sys.executable, "-c", KEEPING, str(tmp_path), str(len(said))]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as keeper:
            assert keeper.stdout is not None
            said += [keeper.stdout.readline().strip() for _ in range(random.Random(len(said)).randrange(3, 40))]
            keeper.send_signal(signal.SIGKILL)
            said += keeper.stdout.read().split()

        file = SpoolFile(tmp_path, "clarity-main")
        kept = ids(file)
        file.close()
        assert kept[: len(said)] == [f"msg_{number}" for number in said]
        # the last one may be there though nobody was told
        assert len(kept) - len(said) in (0, 1)
        said = [each.removeprefix("msg_") for each in kept]


def test_one_process_writes(file: SpoolFile, tmp_path: Path) -> None:
    assert file.waits().count == 0
    with pytest.raises(ConfigurationError, match="another process's"):
        SpoolFile(tmp_path, "clarity-main")


def test_full_disk_refuses_and_keeps_what_is_there(file: SpoolFile) -> None:
    file.append([change(1)])
    file._wire.execute("PRAGMA max_page_count = 1")

    many = [change(number) for number in range(1000)]

    with pytest.raises(RetryableError):
        file.append(many)

    assert len(ids(file)) == 1
    assert ids(file)[0] == "msg_1"


def test_folder_that_is_not_there_or_forgets_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"connections\.clarity-main\.spool.*is no folder"):
        SpoolFile(tmp_path / "missing", "clarity-main")
    monkeypatch.setattr(spool_file, "file_system_of", lambda _: "tmpfs")
    with pytest.raises(ConfigurationError, match="tmpfs, which forgets"):
        SpoolFile(tmp_path, "clarity-main")


def test_file_system_is_the_innermost_mount(tmp_path: Path) -> None:
    mounts = f"/dev/a / ext4 rw 0 0\ntmpfs {tmp_path.resolve()} tmpfs rw 0 0\n/dev/b /elsewhere xfs rw 0 0\n"

    assert file_system_of(tmp_path / "spool", mounts) == "tmpfs"
    assert file_system_of(Path("/elsewhere"), mounts) == "xfs"
    assert file_system_of(Path("/"), mounts) == "ext4"
