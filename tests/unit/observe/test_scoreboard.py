"""The scoreboard: what is written by one process and read by others."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest

from httpd.observe.scoreboard import (
    PAUSING,
    Column,
    Mode,
    Phase,
    Scoreboard,
    _read,
    read_all,
)
from httpd.observe.shared_memory import find_kind
from tests.unit.guard import must_end, open_descriptors, opened_since
from tests.unit.site.directories import as_nobody


@pytest.fixture
def board() -> Scoreboard:
    return Scoreboard.create(2, 3, 1)


def test_board_that_is_new_is_empty(board: Scoreboard) -> None:
    assert (board.workers, board.threads) == (2, 3)
    assert board.phase is Phase.STARTING
    assert board.changes == 0
    for column in Column:
        assert list(board.column(column)) == [0] * 6
        assert board.total(column) == 0


def test_modes_are_a_bit_each(board: Scoreboard) -> None:
    assert board.modes == 0
    for mode in Mode:
        board.set_mode(mode, 1_700_000_000 + mode)
        assert board.modes == 1 << mode
        assert [board.since(each) for each in Mode if each is not mode] == [0] * (len(Mode) - 1)
        assert board.since(mode) == 1_700_000_000 + mode
        board.set_mode(mode, 0)
    assert board.facts == {}
    assert board.total(Column.CONNECTIONS) == 0
    assert 0 < PAUSING < 1 << len(Mode)


def test_board_cannot_be_shortened(board: Scoreboard) -> None:
    """A worker has a descriptor of it, and may be in the hands of another user."""
    boards = [fd for fd, to in open_descriptors().items() if to == "/memfd:phttpd.1 (deleted)"]
    assert boards
    for fd in boards:
        for size in (0, 1 << 30):
            with pytest.raises(PermissionError):
                os.ftruncate(fd, size)
    assert board.total(Column.TICKS) == 0


def test_board_that_could_be_shortened_is_ignored() -> None:
    board = Scoreboard.create(1, 1, 2_000_000)
    fd = os.memfd_create("phttpd.2000001")
    try:
        os.write(fd, board._memory[:])
        assert [
            number
            for number, path in find_kind(os.getpid(), "phttpd.").items()
            if number >= 2_000_000 and _read(path)
        ] == [2_000_000]
    finally:
        os.close(fd)


def test_facts_that_were_never_set_are_empty(board: Scoreboard) -> None:
    """An onlooker may come between the making of a board and its facts."""
    with must_end():
        assert board.facts == {}


def test_board_has_a_cell_for_each_number(board: Scoreboard) -> None:
    expected = {}
    for column in Column:
        for loop in range(6):
            value = 1000 * (column + 1) + loop
            board.column(column)[loop] = value
            expected[column, loop] = value
    board.set_pid(0, 0)  # which clears some of them
    board.phase = Phase.DRAINING
    board.facts = {"a": 1}
    for (column, loop), value in expected.items():
        if loop >= 3 or column in (Column.REQUESTS, Column.SENT, Column.TICKS):
            assert board.column(column)[loop] == value
    assert board.total(Column.SENT) == sum(range(4000, 4006))


def test_board_of_a_new_worker_has_nothing_open(board: Scoreboard) -> None:
    for column in Column:
        for loop in range(6):
            board.column(column)[loop] = 7
    board.set_pid(1, 1234)
    for column in (Column.CONNECTIONS, Column.ACTIVE, Column.REMAINING):
        assert list(board.column(column)) == [7, 7, 7, 0, 0, 0]
    for column in (Column.REQUESTS, Column.SENT):
        assert list(board.column(column)) == [7] * 6, "what was done stays done"


def test_board_keeps_large_numbers(board: Scoreboard) -> None:
    board.column(Column.SENT)[0] = 2**64 - 1
    assert board.total(Column.SENT) == 2**64 - 1


@pytest.mark.parametrize("phase", Phase)
def test_board_keeps_each_phase(board: Scoreboard, phase: Phase) -> None:
    board.phase = phase
    assert board.phase is phase


def test_board_keeps_the_number_of_changes(board: Scoreboard) -> None:
    board.count_changes(3)
    assert board.changes == 3


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"docroot": "/srv/Ωμέγα", "addresses": ["http://127.0.0.1:80/"], "outcome": [0, ""]},
        {"a": "x" * 3000},
        {"raw": os.fsdecode(b"/srv/\xff")},
    ],
    ids=["none", "some", "long", "not-utf-8"],
)
def test_board_keeps_facts(board: Scoreboard, facts: dict[str, object]) -> None:
    board.facts = {"before": "y" * 2000}
    board.facts = facts
    with must_end():
        assert board.facts == facts


def test_facts_that_are_too_long_are_an_error(board: Scoreboard) -> None:
    """Old facts in the place of new ones are a lie: a failed reload would look like a good one."""
    board.facts = {"docroot": "/srv", "outcome": [0, ""]}
    board.facts = {"docroot": "/srv", "outcome": [78, "the configuration is wrong: " + "x" * 5000]}
    with must_end():
        assert board.facts["docroot"] == "/srv"
        assert board.facts["outcome"][0] == 78
        assert board.facts["outcome"][1].startswith("the configuration is wrong: ")


def test_facts_with_a_docroot_of_the_longest_path_fit(board: Scoreboard) -> None:
    board.facts = {"version": "1", "docroot": "/" + "d/" * 2047, "outcome": [0, ""]}
    with must_end():
        assert board.facts["version"] == "1"


def test_snapshot_has_every_worker_and_loop(board: Scoreboard) -> None:
    board.set_pid(0, 10)
    board.set_pid(1, 11)
    board.column(Column.CONNECTIONS)[4] = 5
    snapshot = board.snapshot()
    assert [(row["worker"], row["pid"], len(row["loops"])) for row in snapshot] == [
        (0, 10, 3),
        (1, 11, 3),
    ]
    assert snapshot[1]["loops"][1]["connections"] == 5
    assert set(snapshot[0]["loops"][0]) == {column.name.lower() for column in Column}


def test_board_is_shared_with_children(board: Scoreboard) -> None:
    pid = os.fork()
    if pid == 0:
        board.column(Column.CONNECTIONS)[2] = 42
        board.phase = Phase.SERVING
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert board.column(Column.CONNECTIONS)[2] == 42
    assert board.phase is Phase.SERVING


@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (3, 5), (256, 256)])
def test_board_of_each_size_can_be_made(workers: int, threads: int) -> None:
    board = Scoreboard.create(workers, threads, 1)
    last = workers * threads - 1
    for column in Column:
        assert len(board.column(column)) == last + 1
        board.column(column)[last] = column + 1
    board.set_pid(workers - 1, 99)
    board.facts = {"a": "b"}
    assert board.facts == {"a": "b"}
    assert board.snapshot()[-1]["pid"] == 99
    assert board.column(Column.TICKS)[last] == Column.TICKS + 1


def test_board_has_one_descriptor_while_it_lives() -> None:
    before = open_descriptors()
    board = Scoreboard.create(1, 1, 5)
    assert opened_since(before) == ["/memfd:phttpd.5 (deleted)"]
    del board
    gc.collect()
    assert opened_since(before) == []


# ---------------------------------------------------------------- onlookers


def boards_of(pid: int) -> list[Scoreboard]:
    with must_end():
        return read_all(pid)


def test_boards_are_read_newest_first(board: Scoreboard) -> None:
    newer = Scoreboard.create(1, 1, 12)
    newest = Scoreboard.create(4, 1, 100)
    board.facts = {"generation": 1}
    newer.facts = {"generation": 12}
    newest.facts = {"generation": 100}
    # Those of other tests may still be there, until garbage is collected.
    seen = [found for found in boards_of(os.getpid()) if "generation" in found.facts]
    assert [found.facts["generation"] for found in seen] == [100, 12, 1]
    board.column(Column.REQUESTS)[0] = 77
    mine = seen[-1]
    assert mine.total(Column.REQUESTS) == 77
    board.column(Column.REQUESTS)[0] = 78
    assert mine.total(Column.REQUESTS) == 78, "it is the same memory"
    assert mine.snapshot() == board.snapshot()


def test_boards_that_are_read_cannot_be_written(board: Scoreboard) -> None:
    board.facts = {"mine": os.getpid()}
    seen = next(found for found in boards_of(os.getpid()) if found.facts.get("mine"))
    with pytest.raises(TypeError):
        seen.column(Column.REQUESTS)[0] = 1
    with pytest.raises(TypeError):
        seen.phase = Phase.DRAINING


OWNER = """
from httpd.observe.scoreboard import *
board = Scoreboard.create(1, 2, 1)
board.facts = {"docroot": "/srv"}
board.column(Column.SENT)[1] = 123
print("ready", flush=True)
input()
"""


def test_boards_of_another_process_are_read() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        (seen,) = boards_of(owner.pid)
        assert seen.facts == {"docroot": "/srv"}
        assert list(seen.column(Column.SENT)) == [0, 123]
        owner.communicate(b"\n")
    assert seen.total(Column.SENT) == 123, "also when it has ended since"
    with pytest.raises(ProcessLookupError):
        read_all(owner.pid)


def test_boards_of_a_process_without_any_are_none() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as cat:
        assert boards_of(cat.pid) == []


def test_boards_of_another_user_are_a_permission_error() -> None:
    with as_nobody(), pytest.raises(PermissionError):
        read_all(1)


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"x" * 4096], ids=["empty", "zeros", "x"])
def test_board_look_alike_is_ignored(content: bytes) -> None:
    """As one does that is just being made."""
    fd = os.memfd_create("phttpd.1000000")
    os.write(fd, content)
    try:
        assert all(found.workers < 1000 for found in boards_of(os.getpid()))
    finally:
        os.close(fd)
