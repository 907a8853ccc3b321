"""The transfer table: records that one process writes and others read."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from httpd.observe.transfers import (
    MOST_RANGES,
    RING,
    WATCH_SECONDS,
    State,
    Transfer,
    TransferTable,
    checksum,
    find_tables,
    open_table,
    read_all,
)
from tests.unit.guard import must_end, open_descriptors
from tests.unit.site.directories import as_nobody

READS = 1_000_000
"""Reads of a record that is being written."""


def make(path: bytes = b"/iso/debian.iso", **more: object) -> Transfer:
    """Return a transfer of a whole file of a gigabyte."""
    size = 1 << 30
    plain = Transfer(
        client=b"192.0.2.17",
        user=b"",
        site=b"",
        path=path,
        path_check=checksum(path),
        etag=checksum(b'"1"'),
        status=200,
        size=size,
        ranges=((0, 0, size),),
        started=1000.25,
        changed=1000.25,
    )
    return plain._replace(**more)  # type: ignore[arg-type]


@pytest.fixture
def table() -> TransferTable:
    return TransferTable.create(2, 3, 1000, 1)


def test_table_that_is_new_has_no_transfers(table: TransferTable) -> None:
    assert (table.loops, table.threads) == (6, 3)
    assert table.running() == []
    assert table.ended_since([0] * 6) == []
    assert table.updated_at() == [0.0] * 6


def test_record_is_read_as_it_was_written(table: TransferTable) -> None:
    written = make(
        client=b"2001:db8::7",
        user=b"ana",
        site=b"files.example",
        status=206,
        ranges=((90, 10, 20), (200, 1 << 40, (1 << 40) + 5)),
        acknowledged=93,
        changed=1003.5,
    )
    table.writer(4).add(written)
    assert table.running() == [written._replace(loop=4, number=1)]


def test_record_has_the_first_ranges_of_many(table: TransferTable) -> None:
    ranges = tuple((place, place * 2, place * 2 + 1) for place in range(MOST_RANGES + 3))
    table.writer(0).add(make(ranges=ranges))
    assert table.running()[0].ranges == ranges[:MOST_RANGES]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"/" + b"x" * 190, b"/" + b"x" * 190),
        (b"/" + b"a" * 100 + b"b" * 91, b"/" + b"a" * 62 + "…".encode() + b"a" * 34 + b"b" * 91),
        (b"/" + "ä".encode() * 200, "/" + "ä" * 31 + "…" + "ä" * 62),
        (b"/" + b"\xff" * 300, None),
    ],
    ids=["fits", "long", "characters", "no-utf-8"],
)
def test_path_that_is_too_long_is_cut_between_characters(
    table: TransferTable, path: bytes, shown: bytes | str | None
) -> None:
    table.writer(0).add(make(path))
    (read,) = table.running()
    assert len(read.path) <= 191
    assert read.path_check == checksum(path)
    if isinstance(shown, str):
        shown = shown.encode()
    if shown is not None:
        assert read.path == shown


def test_update_changes_the_figures_alone(table: TransferTable) -> None:
    writer = table.writer(0)
    slot = writer.add(make())
    assert slot is not None
    writer.update(slot, 12345, 1001.5)
    assert table.running() == [make(acknowledged=12345, changed=1001.5, number=1)]


def test_ended_transfer_moves_to_the_ring(table: TransferTable) -> None:
    writer = table.writer(1)
    first, second = writer.add(make(b"/1")), writer.add(make(b"/2"))
    assert first is not None
    assert second is not None
    counts = table.ended_counts()
    writer.end(first, 77, 1002.0, State.CUT)
    assert [one.path for one in table.running()] == [b"/2"]
    (ended,) = table.ended_since(counts)
    assert ended == make(b"/1", acknowledged=77, changed=1002.0, state=State.CUT, number=1, loop=1)
    assert table.ended_since(counts) == [], "each is found once"
    third = writer.add(make(b"/3"))
    assert third == first, "the slot is used again"
    assert {one.path: one.number for one in table.running()} == {b"/2": 2, b"/3": 3}


def test_ring_keeps_the_last_ones(table: TransferTable) -> None:
    writer = table.writer(0)
    counts = table.ended_counts()
    for number in range(RING + 10):
        slot = writer.add(make(b"/%d" % number))
        assert slot is not None
        writer.end(slot, 1, 2.0, State.SENT)
    paths = [one.path for one in table.ended_since(counts)]
    assert paths == [b"/%d" % number for number in range(10, RING + 10)]


def test_transfer_without_a_free_slot_has_no_record() -> None:
    table = TransferTable.create(1, 1, 3, 1)
    writer = table.writer(0)
    assert [writer.add(make()) for _ in range(4)] == [0, 1, 2, None]


def test_loops_do_not_share_records(table: TransferTable) -> None:
    writers = [table.writer(loop) for loop in range(6)]
    for loop, writer in enumerate(writers):
        while (slot := writer.add(make(b"/%d" % loop))) is not None:
            pass
        assert slot is None
    for loop in range(6):
        slot = 0
        writers[loop].end(slot, loop, 5.0, State.SENT)
        writers[loop].publish(10.0 + loop)
    assert all(one.path == b"/%d" % one.loop for one in table.running())
    assert [one.acknowledged for one in table.ended_since([0] * 6)] == list(range(6))
    assert table.updated_at() == [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]


def test_records_of_a_dead_worker_are_forgotten(table: TransferTable) -> None:
    for loop in range(6):
        table.writer(loop).add(make())
    table.forget_worker(1)
    assert [one.loop for one in table.running()] == [0, 1, 2]
    table.writer(3).add(make())  # of the worker that replaces it
    assert [(one.loop, one.number) for one in table.running()][-1] == (3, 2)


def test_record_that_a_killed_worker_has_left_half_written_is_skipped(
    table: TransferTable,
) -> None:
    writer = table.writer(0)
    slot = writer.add(make(b"/1"))
    assert slot is not None
    _, index = writer._place(slot)
    writer._cells[index] |= 1
    writer.add(make(b"/2"))
    with must_end():
        assert [one.path for one in table.running()] == [b"/2"]
    writer.clear()
    writer.add(make(b"/3"))
    assert [one.path for one in table.running()] == [b"/3"], "the slot is used again"


def test_loop_is_watched_for_some_seconds_after_a_look(table: TransferTable) -> None:
    writer = table.writer(0)
    assert not writer.is_watched(1000.0)
    table.watch(1000.9)
    assert writer.is_watched(1000.95)
    assert writer.is_watched(1000.0 + WATCH_SECONDS - 0.01)
    assert not writer.is_watched(1000.0 + WATCH_SECONDS)


def test_transfer_has_received_what_was_acknowledged_of_each_range() -> None:
    ranges = ((100, 0, 50), (250, 1000, 1100))
    received = {
        acknowledged: make(ranges=ranges, acknowledged=acknowledged).received()
        for acknowledged in (0, 100, 101, 150, 250, 251, 10**9)
    }
    assert received == {
        0: [],
        100: [],
        101: [range(1)],
        150: [range(50)],
        250: [range(50)],
        251: [range(50), range(1000, 1001)],
        10**9: [range(50), range(1000, 1100)],
    }


def test_table_takes_memory_only_for_what_is_used() -> None:
    TransferTable.create(4, 4, 10_000, 7_000_001)  # whose memory may stay for a while
    table = TransferTable.create(4, 4, 10_000, 7_000_002)
    assert len(table._memory) > 8 << 20
    (fd,) = [
        fd
        for fd, to in open_descriptors().items()
        if to == "/memfd:phttpd.transfers.7000002 (deleted)"
    ]
    before = os.fstat(fd).st_blocks
    table.writer(3).add(make())
    assert before * 512 <= 8192
    assert os.fstat(fd).st_blocks * 512 <= before * 512 + 4096


# ---------------------------------------------------------------- other processes

WRITER = f"""
from httpd.observe.transfers import *
table = TransferTable.create(1, 1, 8, 1)
writer = table.writer(0)
number = 0
print(flush=True)
while True:
    number += 1
    text = b"%d" % number
    slot = writer.add(Transfer(text, text, text, text * 10, number % 2**32, number % 2**32, 200,
        number, ((number, number, number),) * {MOST_RANGES}, number, number, number))
    for more in range(3):
        number += 1
        writer.update(slot, number, number)
    writer.end(slot, number, number, State.SENT)
"""


@contextmanager
def writing() -> Iterator[TransferTable]:
    """Run a process that writes one slot again and again, and yield its table."""
    with subprocess.Popen([sys.executable, "-c", WRITER], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            (table,) = read_all(process.pid)
            yield table
        finally:
            process.kill()


@pytest.mark.slow
def test_record_that_is_being_written_is_never_torn() -> None:
    seen = set()
    with writing() as table:
        for _ in range(READS):
            for one in table.running():
                number, last = one.size, one.acknowledged
                text = b"%d" % number
                assert one[:6] == (text, text, text, text * 10, number, number)
                assert one.ranges == ((number, number, number),) * MOST_RANGES
                assert (one.started, one.changed) == (number, last)
                assert number <= last <= number + 3
                seen.add(last)
    assert len(seen) > 1000, "the record was written meanwhile"


OWNER = """
from httpd.observe.transfers import *
table = TransferTable.create(1, 1, 8, 3)
newer = TransferTable.create(1, 2, 8, 12)
writer = newer.writer(1)
print(flush=True)
input()
print(writer.is_watched(1000), table.writer(0).is_watched(1000), flush=True)
"""


def test_tables_of_another_process_are_watched() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        newer, older = read_all(owner.pid)
        assert (newer.generation, newer.loops) == (12, 2)
        assert (older.generation, older.loops) == (3, 1)
        newer.watch(1000)
        out, _ = owner.communicate(b"\n")
        assert out == b"True False\n"
    with pytest.raises(ProcessLookupError):
        read_all(owner.pid)


def test_tables_of_another_user_are_a_permission_error() -> None:
    with as_nobody(), pytest.raises(PermissionError):
        read_all(1)


def test_table_cannot_be_shortened(table: TransferTable) -> None:
    fds = [fd for fd, to in open_descriptors().items() if "/memfd:phttpd.transfers.1 " in to]
    assert fds
    for fd in fds:
        with pytest.raises(PermissionError):
            os.ftruncate(fd, 0)
    assert table.running() == []


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 4096, b"\1" * 8192], ids=["empty", "zeros", "ones"]
)
def test_table_look_alike_is_ignored(content: bytes) -> None:
    fd = os.memfd_create("phttpd.transfers.5000000", os.MFD_ALLOW_SEALING)
    try:
        os.write(fd, content)
        assert open_table(1, find_tables(os.getpid())[5_000_000]) is None
    finally:
        os.close(fd)


def test_nonsense_in_a_table_is_no_transfer(table: TransferTable) -> None:
    """A worker may be in the hands of another user."""
    writer = table.writer(0)
    for _ in range(3):
        writer.add(make())
    memory: mmap.mmap = writer._memory
    start, _ = writer._place(0)
    memory[start + 8 : start + 512] = b"\xff" * 504
    memory[start + 1024 + 24 : start + 1024 + 32] = b"\x07" * 8
    with must_end():
        assert [one.path for one in table.running()] == [make().path]
        memory[start + 24 : start + 32] = (1).to_bytes(8, "little")
        nonsense = table.running()[0]
        assert nonsense.received() == []
        writer._own[0] = 2**63  # slots in use
        writer._own[2] = 2**63  # ended
        assert len(table.running()) < 1000
        assert len(table.ended_since([0] * 6)) <= RING
