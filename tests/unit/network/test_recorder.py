"""The records of downloads: what a watcher sees of a loop."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from httpd.observe.scoreboard import Scoreboard
from httpd.observe.transfers import State, Transfer, TransferTable, checksum
from tests.process.events import until
from tests.support.raw import Client, request
from tests.unit.network.running import HUGE, SETTINGS, RunningLoop

BUFFER = 65536


class Watched:
    """A running loop, and a watcher of its transfers."""

    def __init__(self, site: Path) -> None:
        self.table = TransferTable.create(1, 1, SETTINGS.max_connections, 1)
        board = Scoreboard.create(1, 1, 1)
        self.running = RunningLoop(site, SETTINGS, board, transfers=self.table)
        self.running.start()
        self.counts = self.table.ended_counts()

    def client(self) -> Client:
        return Client(self.running.port, receive_buffer=BUFFER)

    def wait(self, check: Callable[[list[Transfer]], bool]) -> list[Transfer]:
        """Watch until the running transfers are as expected, and return them."""

        def look() -> list[Transfer] | None:
            self.table.watch(time.monotonic())
            found = self.table.running()
            return [*found] or [_NONE] if check(found) else None

        return [one for one in until(look, "the transfers are as expected") if one is not _NONE]

    def wait_for_ended(self) -> Transfer:
        """Watch until a transfer has ended, and return it."""

        def look() -> Transfer | None:
            self.table.watch(time.monotonic())
            ended = self.table.ended_since(self.counts)
            assert len(ended) < 2
            return ended[0] if ended else None

        return until(look, "a transfer has ended")


_NONE = Transfer(b"", b"", b"", b"", 0, 0, 0, 0, (), 0.0)


@pytest.fixture
def watched(site: Path) -> Iterator[Watched]:
    made = Watched(site)
    try:
        yield made
    finally:
        made.running.close()


def test_transfer_shows_what_the_client_has_acknowledged(watched: Watched) -> None:
    with watched.client() as client:
        client.send(request("/x/%2e./huge%2Ebin?session=1"))
        etag = client.head()["ETag"]
        received = 0
        for size in (0, 1_000_000, 3_000_000):
            client.body(size)
            received += size
            least = received

            def is_there(found: list[Transfer], least: int = least) -> bool:
                # What the client's kernel holds is acknowledged, and not read.
                return len(found) == 1 and found[0].acknowledged >= least

            (one,) = watched.wait(is_there)
            in_kernel = client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
            assert one.acknowledged <= received + len(client._buffer) + in_kernel
        assert one.client == b"127.0.0.1"
        assert one.path == b"/huge.bin"
        assert (one.site, one.user) == (b"", b"")
        assert one.etag == checksum(etag.encode())
        assert (one.status, one.size, one.ranges) == (200, HUGE, ((0, 0, HUGE),))
        assert one.state is State.RUNNING
        assert one.started <= one.changed <= time.monotonic()


def test_transfer_of_a_range_shows_which(watched: Watched) -> None:
    with watched.client() as client:
        client.send(request("/huge.bin", f"Range: bytes={HUGE // 2}-"))
        client.head()
        (one,) = watched.wait(bool)
        assert (one.status, one.size) == (206, HUGE)
        assert one.ranges == ((0, HUGE // 2, HUGE),)


def test_transfer_of_several_ranges_shows_where_each_begins(watched: Watched) -> None:
    with watched.client() as client:
        client.send(request("/huge.bin", "Range: bytes=0-9999999,20000000-"))
        client.head()
        beginning = client.body(200)
        (one,) = watched.wait(bool)
        (first, *_), (second, *_) = one.ranges
        assert beginning[first - 4 : first] == b"\r\n\r\n"
        assert one.ranges == ((first, 0, 10_000_000), (second, 20_000_000, HUGE))
        assert second > first + 10_000_000
        assert one.size == HUGE


def test_transfer_that_is_complete_ends_as_sent(watched: Watched) -> None:
    size = 8_000_000
    with watched.client() as client:
        client.send(request("/huge.bin", f"Range: bytes=0-{size - 1}"))
        client.head()
        watched.wait(bool)
        client.body(size)
        ended = watched.wait_for_ended()
        assert (ended.state, ended.acknowledged) == (State.SENT, size)
        watched.wait(lambda found: not found)
        client.send(request("/huge.bin"))
        client.head()
        (one,) = watched.wait(bool)
        assert one.number == ended.number + 1


def test_transfer_that_the_client_ends_is_cut(watched: Watched) -> None:
    with watched.client() as client:
        client.send(request("/huge.bin"))
        client.head()
        client.body(2_000_000)
        watched.wait(lambda found: bool(found) and found[0].acknowledged >= 2_000_000)
    ended = watched.wait_for_ended()
    assert ended.state is State.CUT
    assert 2_000_000 <= ended.acknowledged <= 2_000_000 + 4 * BUFFER
    assert watched.table.running() == []


def test_transfer_between_two_ticks_is_found_when_it_has_ended(watched: Watched) -> None:
    with watched.client() as first, watched.client() as client:
        first.send(request("/huge.bin"))
        first.head()
        watched.wait(bool)
        size = 3_000_000
        client.send(request("/huge.bin", f"Range: bytes=5-{size + 4}"))
        client.response()
        ended = watched.wait_for_ended()
        assert (ended.ranges, ended.acknowledged) == (((0, 5, size + 5),), size)


def test_transfers_are_not_written_while_no_process_watches(
    watched: Watched, clock: pytest.MonkeyPatch
) -> None:
    with watched.client() as client:
        client.send(request("/huge.bin"))
        client.head()
        board = watched.running.board
        ticks = board.snapshot()[0]["loops"][0]["ticks"]
        until(lambda: board.snapshot()[0]["loops"][0]["ticks"] > ticks, "a tick")
        assert watched.table.updated_at() == [0.0]
        assert watched.table.running() == []
        watched.wait(bool)
        clock.setattr("httpd.observe.transfers.WATCH_SECONDS", -1)
        until(lambda: not watched.table.running(), "the records are gone")
        clock.setattr("httpd.observe.transfers.WATCH_SECONDS", 5)
        watched.wait(lambda found: len(found) == 1)


def test_transfer_of_an_error_page_has_no_record(watched: Watched) -> None:
    with watched.client() as client, watched.client() as other:
        other.send(request("/huge.bin"))
        other.head()
        for _ in range(3000):  # more than the socket takes
            client.send(request("/missing"))
        (one,) = watched.wait(bool)
        assert one.path == b"/huge.bin"
