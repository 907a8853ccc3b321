"""Sending a file that changes: at every moment of a transfer, and in every way."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from httpd.files.docroot import Docroot
from httpd.files.fingerprint import COUNT
from httpd.files.open_file import SMALL_FILE, OpenFile
from httpd.network.transfer import TAIL, FileChangedError, Transfer, send_beginning
from httpd.network.transport import Transport
from httpd.protocol.response import Body, Response
from httpd.protocol.tally import NO_NAME, Tally
from tests.unit.protocol.responses import DATES
from tests.unit.site.directories import open_path, write

SIZE = SMALL_FILE + 3 * TAIL
BUDGET = SIZE // 4
OLD = b"o" * SIZE
HEAD = Response(Tally(NO_NAME, 200), b"\r\n", DATES).head
LAST = 100 * TAIL
"""More than there are moments."""

Alter = Callable[[], None]


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"n" * SIZE)


def overwrite_by_more(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"n" * 2 * SIZE)


def overwrite_as_old(path: Path) -> None:
    """As `cp -p` does where both files have the same time."""
    overwrite(path)
    os.utime(path, (1e9, 1e9))


def overwrite_the_end(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(SIZE - 2)
        file.write(b"n")


def truncate(path: Path) -> None:
    os.truncate(path, SIZE - 2)


def write_anew(path: Path) -> None:
    path.write_bytes(b"n" * SIZE)


def vanish_and_overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        path.unlink()
        file.write(b"n" * SIZE)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"n")


def replace(path: Path) -> None:
    write(path.with_name("new"), b"n" * SIZE).rename(path)


def replace_by_link(path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to(write(path.with_name("new"), b"n"))
    link.rename(path)


def append_and_vanish(path: Path) -> None:
    append(path)
    path.unlink()


def write_the_same(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(OLD)


def touch(path: Path) -> None:
    path.touch()


def change_mode(path: Path) -> None:
    path.chmod(0o600)


def to(end: socket.socket) -> Transport:
    return Transport(end.fileno(), ("127.0.0.1", 1))


def make_response(directory: Path, segments: tuple[bytes | range, ...]) -> Response:
    (directory / "file").unlink(missing_ok=True)  # it may be a link
    path = write(directory / "file", OLD)
    os.utime(path, (1e9, 1e9))
    opened = open_path(Docroot(str(directory), ()), b"/file")
    source = OpenFile(opened, int(time.time()))
    return Response(Tally(NO_NAME, 200), b"\r\n", DATES, Body(b"", segments, source))


def make_lasting(directory: Path, segments: tuple[bytes | range, ...]) -> Response:
    """Make a response from a snapshot, whose file has been overwritten since."""
    response = make_response(directory, segments)
    assert isinstance(response.body.source, OpenFile)
    snapshot = response.body.source.snapshot()
    assert snapshot is not None
    overwrite(directory / "file")
    return Response(Tally(NO_NAME, 200), b"\r\n", DATES, response.body._replace(source=snapshot))


def begin(directory: Path, segments: tuple[bytes | range, ...]) -> Transfer:
    response = make_response(directory, segments)
    return Transfer(response, (response.head,), 0)


def expected(segments: tuple[bytes | range, ...]) -> bytes:
    return HEAD + b"".join(
        OLD[part.start : part.stop] if isinstance(part, range) else part for part in segments
    )


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * SIZE)
    with ours, theirs:
        yield ours, theirs


SEGMENTS = pytest.mark.parametrize(
    "segments",
    [
        (range(SIZE),),
        (range(SIZE - TAIL, SIZE),),
        (range(1, SIZE - 1),),
        (b"--a", range(10), b"--b", range(SIZE // 2, SIZE), b"--c"),
    ],
    ids=["whole", "tail", "part", "parts"],
)


def send_all(
    ends: tuple[socket.socket, socket.socket], transfer: Transfer, moment: int, alter: Alter
) -> tuple[bytes, int]:
    """Send until the end, or the transfer is given up; `alter` the file after `moment` steps.

    Returns:
        What came, and the number of steps.
    """
    ours, theirs = ends
    received = b""
    steps = 0
    with suppress(FileChangedError):
        while transfer.unsent():
            if steps == moment:
                alter()
            steps += 1
            sent = transfer.send(to(ours), BUDGET, SIZE)
            received += theirs.recv(sent, socket.MSG_WAITALL)
    theirs.setblocking(False)
    with suppress(BlockingIOError):  # what was sent before the error
        received += theirs.recv(1 << 20)
    theirs.setblocking(True)
    return received, steps


@pytest.mark.parametrize(
    "alter",
    [
        *(overwrite, overwrite_by_more, overwrite_as_old, overwrite_the_end),
        *(truncate, write_anew, vanish_and_overwrite),
    ],
    ids=lambda alter: alter.__name__,
)
@SEGMENTS
def test_transfer_of_a_changed_file_is_never_complete(
    tmp_path: Path,
    ends: tuple[socket.socket, socket.socket],
    alter: Callable[[Path], None],
    segments: tuple[bytes | range, ...],
) -> None:
    """Whenever it changes: what has come is the file as it was, or less than was announced."""
    whole = expected(segments)
    for moment in range(LAST):
        transfer = begin(tmp_path, segments)
        received, steps = send_all(ends, transfer, moment, lambda: alter(tmp_path / "file"))
        assert received == whole or len(received) < len(whole)
        assert moment > 1 or len(received) < len(whole), "nothing of the file was sent before"
        if steps <= moment:  # it has ended before it was changed
            break
    assert 2 <= moment < LAST


@pytest.mark.parametrize(
    "alter",
    [
        *(append, replace, replace_by_link, Path.unlink, append_and_vanish),
        *(write_the_same, touch, change_mode),
    ],
    ids=lambda alter: alter.__name__,
)
@SEGMENTS
def test_transfer_whose_bytes_stay_is_finished(
    tmp_path: Path,
    ends: tuple[socket.socket, socket.socket],
    alter: Callable[[Path], None],
    segments: tuple[bytes | range, ...],
) -> None:
    """Whenever that happens to the file or its name."""
    for moment in range(LAST):
        transfer = begin(tmp_path, segments)
        received, steps = send_all(ends, transfer, moment, lambda: alter(tmp_path / "file"))
        assert received == expected(segments)
        if steps <= moment:
            break
    assert 2 <= moment < LAST


def test_transfer_goes_on_after_a_change_beyond_its_part(
    tmp_path: Path, ends: tuple[socket.socket, socket.socket]
) -> None:
    segments = (range(10, SIZE // 2),)

    def alter() -> None:
        overwrite_the_end(tmp_path / "file")
        os.truncate(tmp_path / "file", SIZE // 2)

    assert send_all(ends, begin(tmp_path, segments), 1, alter)[0] == expected(segments)


def test_transfer_of_a_growing_file_samples_it_once_a_second_and_at_the_end(
    tmp_path: Path, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the number of slices, of which each sees new times."""
    transfer = begin(tmp_path, (range(SIZE),))
    monkeypatch.setattr(time, "monotonic", lambda: 7.0)
    read, reads = os.pread, []

    def note(fd: int, size: int, offset: int) -> bytes:
        reads.append(offset)
        return read(fd, size, offset)

    monkeypatch.setattr(os, "pread", note)
    received = b""
    while transfer.unsent():
        append(tmp_path / "file")
        sent = transfer.send(to(ends[0]), SIZE // 50, SIZE)
        received += ends[1].recv(sent, socket.MSG_WAITALL)
    assert received == HEAD + OLD
    assert len(reads) == 2 * COUNT + 1, "the last bytes as well"


def test_transfer_notices_a_change_as_the_last_bytes_are_read(
    tmp_path: Path, ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last look comes after that."""
    transfer = begin(tmp_path, (range(SIZE),))
    read = os.pread

    def overwrite_and_read(fd: int, size: int, offset: int) -> bytes:
        overwrite(tmp_path / "file")
        return read(fd, size, offset)

    monkeypatch.setattr(os, "pread", overwrite_and_read)
    with pytest.raises(FileChangedError):
        while transfer.unsent():
            ends[1].recv(transfer.send(to(ends[0]), BUDGET, SIZE), socket.MSG_WAITALL)
    assert transfer.unsent() >= TAIL


def test_transfer_to_a_full_socket_is_blocked(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        transfer = begin(tmp_path, (range(SIZE),))
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUDGET)
        for size in len(HEAD), 10:
            assert transfer.send(to(ours), 10, SIZE) == size
            assert not transfer.is_blocked
        assert 0 < transfer.send(to(ours), SIZE, SIZE) < SIZE - TAIL - 10
        assert transfer.is_blocked


@pytest.mark.parametrize("error", [BlockingIOError, ConnectionResetError])
def test_transfer_that_fails_after_a_piece_counts_the_piece(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ends: tuple[socket.socket, socket.socket],
    error: type[OSError],
) -> None:
    """What was sent before counts; the failure comes again if there is nothing before it."""
    moving = begin(tmp_path, (range(SIZE),))
    sendfile, calls = os.sendfile, 0

    def fail_every_third(out: int, file: int, start: int, size: int) -> int:
        nonlocal calls
        calls += 1
        if calls % 3 == 0:
            raise error
        return sendfile(out, file, start, size)

    client = to(ends[0])
    assert moving.send(client, BUDGET, 5000) == len(HEAD)
    monkeypatch.setattr(Transport, "sendfile", staticmethod(fail_every_third))
    assert moving.send(client, BUDGET, 5000) == 10_000
    assert moving.is_blocked
    assert moving.unsent() == SIZE - 10_000
    calls = 2
    with pytest.raises(error):
        moving.send(client, BUDGET, 5000)
    assert moving.unsent() == SIZE - 10_000


def test_transfer_asks_for_the_segment_size_until_it_has_grown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = iter([100, 200, 200, 300])
    monkeypatch.setattr(Transport, "segment_size", lambda _: next(sizes))
    transfer = begin(tmp_path, (range(SIZE),))
    transport = Transport(-1, ("127.0.0.1", 1))
    assert [transfer.segment_size(transport) for _ in range(5)] == [100, 200, 200, 200, 200]


@SEGMENTS
def test_transfer_of_a_snapshot_is_complete(
    tmp_path: Path,
    ends: tuple[socket.socket, socket.socket],
    segments: tuple[bytes | range, ...],
) -> None:
    ours, theirs = ends
    response = make_lasting(tmp_path, segments)
    transfer = Transfer(response, (response.head,), 0)
    received = b""
    while transfer.unsent():
        received += theirs.recv(transfer.send(to(ours), BUDGET, SIZE), socket.MSG_WAITALL)
    assert received == expected(segments)


@SEGMENTS
@pytest.mark.parametrize("make", [make_response, make_lasting])
@pytest.mark.parametrize("budget", [1, BUDGET, SIZE])
def test_send_beginning_and_transfer_send_all_of_it(
    tmp_path: Path,
    ends: tuple[socket.socket, socket.socket],
    segments: tuple[bytes | range, ...],
    make: Callable[[Path, tuple[bytes | range, ...]], Response],
    budget: int,
) -> None:
    """Of a file that may change it is the head only, so that each slice is followed by a look."""
    ours, theirs = ends
    response = make(tmp_path, segments)
    sent = send_beginning(to(ours), response.head, response.body, budget)
    first = len(segments[0]) if make is make_lasting and isinstance(segments[0], range) else 0
    assert sent == len(HEAD) + min(budget, first)
    received = theirs.recv(sent, socket.MSG_WAITALL)
    transfer = Transfer(response, (response.head,), sent)
    assert transfer.unsent() == len(HEAD) + response.after_head - sent
    while transfer.unsent():
        received += theirs.recv(transfer.send(to(ours), BUDGET, SIZE), socket.MSG_WAITALL)
    assert received == expected(segments)


@pytest.mark.parametrize("room", [1, BUDGET])
def test_send_beginning_to_a_full_socket_sends_what_fits(tmp_path: Path, room: int) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        response = make_lasting(tmp_path, (range(SIZE),))
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
        sent = send_beginning(to(ours), response.head, response.body, SIZE)
        assert len(HEAD) <= sent < len(HEAD) + SIZE
        transfer = Transfer(response, (response.head,), sent)
        received = theirs.recv(sent, socket.MSG_WAITALL)
        while transfer.unsent():
            received += theirs.recv(transfer.send(to(ours), BUDGET, SIZE), socket.MSG_WAITALL)
        assert received == HEAD + OLD
