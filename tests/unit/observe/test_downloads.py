"""How transfers are folded to downloads."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.observe.downloads import (
    FORGET_SECONDS,
    Download,
    Downloads,
    Look,
    Outcome,
    Ranges,
    Rate,
)
from httpd.observe.transfers import State, Transfer

SIZE = 1000
TABLE = "table"


class Server:
    """Transfers that begin, go on and end, and looks at them."""

    def __init__(self) -> None:
        self.downloads = Downloads()
        self.now = 0.0
        self.running: dict[int, Transfer] = {}
        self.ended: list[Transfer] = []
        self._count = 0

    def begin(self, start: int = 0, stop: int = SIZE, *, etag: int = 1, **more: object) -> int:
        self._count += 1
        transfer = Transfer(
            client=b"192.0.2.1",
            user=b"",
            site=b"",
            path=b"/file",
            path_check=0,
            etag=etag,
            status=206 if start else 200,
            size=SIZE,
            ranges=((0, start, stop),),
            started=self.now,
            changed=self.now,
            number=self._count,
        )
        self.running[self._count] = transfer._replace(**more)  # type: ignore[arg-type]
        return self._count

    def go_on(self, number: int, size: int) -> None:
        old = self.running[number]
        self.running[number] = old._replace(acknowledged=old.acknowledged + size, changed=self.now)

    def end(self, number: int, state: State = State.CUT) -> None:
        old = self.running.pop(number)
        self.ended.append(old._replace(state=state, changed=self.now))

    def finish(self, number: int) -> None:
        _, start, stop = self.running[number].ranges[0]
        self.go_on(number, stop - start - self.running[number].acknowledged)
        self.end(number, State.SENT)

    def look(self) -> list[Download]:
        self.downloads.fold(self.now, [Look(TABLE, list(self.running.values()), self.ended)])
        self.ended = []
        return self.downloads.all()

    def only(self) -> Download:
        (download,) = self.look()
        return download


@pytest.fixture
def server() -> Server:
    return Server()


# ---------------------------------------------------------------- ranges

PARTS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=30)


@given(PARTS)
def test_ranges_are_the_union_of_what_was_added(parts: list[tuple[int, int]]) -> None:
    ranges, expected = Ranges(), set()
    for start, size in parts:
        ranges.add(range(start, start + size))
        expected |= {*range(start, start + size)}
        assert ranges.size == len(expected)
    found = list(ranges)
    assert {byte for part in found for byte in part} == expected
    for before, after in pairwise(found):
        assert before.stop < after.start, "there are as few as possible"


# ---------------------------------------------------------------- what is one download


def test_download_of_one_transfer_has_its_figures(server: Server) -> None:
    one = server.begin()
    server.now = 2.0
    server.go_on(one, 300)
    download = server.only()
    assert (download.client, download.path, download.size) == (b"192.0.2.1", b"/file", SIZE)
    assert (download.sent, download.unique, download.parts, download.resumes) == (300, 300, 1, 0)
    assert download.outcome is Outcome.RUNNING
    assert download.bytes_per_second() == 150
    assert download.seconds_left == 700 / 150


def test_download_that_is_resumed_twice_is_one(server: Server) -> None:
    """As by curl -C -: each time from what has arrived, which is less than was acknowledged."""
    for start, done in ((0, 400), (350, 300), (600, 400)):
        server.now += 10
        one = server.begin(start)
        server.look()
        server.now += 10
        if start + done == SIZE:
            server.finish(one)
        else:
            server.go_on(one, done)
            server.end(one)
            assert server.only().outcome is Outcome.INTERRUPTED
    download = server.only()
    assert download.outcome is Outcome.COMPLETE
    assert (download.unique, download.sent) == (SIZE, 1100)
    assert (download.parts, download.resumes) == (1, 2)


def test_download_in_parts_is_one(server: Server) -> None:
    """As by aria2c -x16."""
    steps = range(0, SIZE + 1, SIZE // 16)
    numbers = [server.begin(start, min(start + SIZE // 16, SIZE)) for start in steps]
    numbers = [one for one in numbers if server.running[one].ranges[0][1] < SIZE]
    for one in numbers[::-1]:
        server.now += 0.1
        server.finish(one)
    download = server.only()
    assert (download.outcome, download.unique) == (Outcome.COMPLETE, SIZE)
    assert (download.parts, download.resumes) == (len(numbers), 0)


def test_part_after_part_is_no_resumption(server: Server) -> None:
    for start in range(0, SIZE, 100):
        server.finish(server.begin(start, start + 100))
        server.now += 1
        download = server.only()
    assert (download.outcome, download.parts, download.resumes) == (Outcome.COMPLETE, 1, 0)


def test_several_ranges_in_one_transfer_count_each(server: Server) -> None:
    one = server.begin(ranges=((50, 0, 100), (200, 500, 600)), status=206)
    server.go_on(one, 210)
    assert list(server.only().covered) == [range(100), range(500, 510)]


@pytest.mark.parametrize(
    "other",
    [
        {"client": b"192.0.2.2"},
        {"user": b"ana"},
        {"site": b"example.org"},
        {"path": b"/file2"},
        {"path_check": 7},
    ],
    ids=lambda other: next(iter(other)),
)
def test_downloads_that_differ_are_two(server: Server, other: dict[str, object]) -> None:
    server.begin()
    server.begin(**other)  # type: ignore[arg-type]
    assert len(server.look()) == 2
    assert server.downloads.take_closed() == []


def test_download_of_another_version_replaces_the_one_before(server: Server) -> None:
    one = server.begin(etag=1)
    server.go_on(one, 500)
    server.end(one)
    server.look()
    server.now += 10
    two = server.begin(etag=2)
    server.go_on(two, 100)
    download = server.only()
    assert (download.outcome, download.unique) == (Outcome.RUNNING, 100)
    (closed,) = server.downloads.take_closed()
    assert (closed.outcome, closed.unique) == (Outcome.REPLACED, 500)


def test_download_of_an_older_version_may_go_on(server: Server) -> None:
    """Its transfer has the old file open."""
    old = server.begin(etag=1)
    server.now += 1
    new = server.begin(etag=2)
    assert [one.outcome for one in server.look()] == [Outcome.RUNNING] * 2
    server.now += 1
    server.finish(old)
    server.finish(new)
    server.look()
    closed = server.downloads.take_closed()
    assert [one.outcome for one in closed] == [Outcome.COMPLETE] * 2


def test_download_that_begins_anew_is_another_one(server: Server) -> None:
    for _ in range(2):
        server.finish(server.begin())
        server.now += 1
        server.look()
        (closed,) = server.downloads.take_closed()
        assert (closed.outcome, closed.sent, closed.resumes) == (Outcome.COMPLETE, SIZE, 0)
    assert server.downloads.take_closed() == []


def test_download_is_forgotten_an_hour_after_its_last_byte(server: Server) -> None:
    one = server.begin()
    server.now = 5.0
    server.go_on(one, 10)
    server.end(one)
    server.now = 5.0 + FORGET_SECONDS - 1
    assert server.only().outcome is Outcome.INTERRUPTED
    assert server.downloads.take_closed() == []
    server.now += 1
    assert server.look() == []
    (closed,) = server.downloads.take_closed()
    assert (closed.outcome, closed.unique) == (Outcome.ABANDONED, 10)
    assert server.downloads._parts == {}
    assert server.downloads._newest == {}


def test_download_of_a_killed_worker_is_interrupted(server: Server) -> None:
    one = server.begin()
    server.go_on(one, 10)
    server.look()
    del server.running[one]
    assert server.only().outcome is Outcome.INTERRUPTED


def test_transfer_that_was_out_of_sight_is_not_counted_twice(server: Server) -> None:
    """As after a stop of the watcher itself, meanwhile the records were cleared."""
    one = server.begin()
    server.go_on(one, 100)
    server.look()
    seen = server.running.pop(one)
    server.look()
    server.running[one] = seen
    server.go_on(one, 100)
    download = server.only()
    assert (download.outcome, download.sent, download.parts) == (Outcome.RUNNING, 200, 1)
    server.finish(one)
    assert server.only().outcome is Outcome.COMPLETE


def test_transfer_that_is_seen_as_running_and_as_ended_has_ended(server: Server) -> None:
    one = server.begin()
    server.look()
    running = server.running[one]
    server.end(one)
    server.running[one] = running
    assert server.only().running == 0
    del server.running[one]
    assert server.only().outcome is Outcome.INTERRUPTED


def test_nonsense_of_a_record_is_never_more_than_all(server: Server) -> None:
    one = server.begin(ranges=((0, 0, 5 * SIZE), (0, 7 * SIZE, 3 * SIZE), (0, 9 * SIZE, 2**60)))
    server.go_on(one, 2**63)
    assert server.only().unique == SIZE


# ---------------------------------------------------------------- any order

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.integers(0, SIZE - 1), st.integers(1, SIZE)),
        st.tuples(st.just("go on"), st.integers(0, 9), st.integers(1, SIZE)),
        st.tuples(st.just("end"), st.integers(0, 9), st.sampled_from([State.CUT, State.SENT])),
        st.tuples(st.just("look")),
    ),
    max_size=60,
)


@given(ACTIONS, st.floats(0, 2))
def test_union_is_right_whenever_the_looks_come(
    actions: list[tuple[Any, ...]], pause: float
) -> None:
    server = Server()
    received: set[int] = set()
    by_number: dict[int, set[int]] = {}
    for action, *values in actions:
        server.now += pause
        names = list(server.running)
        if action == "begin":
            start, size = values
            number = server.begin(start, min(SIZE, start + size))
            by_number[number] = set()
        elif action == "look":
            for download in server.look():
                assert download.unique <= SIZE
                assert download.unique <= download.sent
        elif names:
            number = names[values[0] % len(names)]
            if action == "end":
                server.end(number, values[1])
            else:
                _, start, stop = server.running[number].ranges[0]
                left = stop - start - server.running[number].acknowledged
                server.go_on(number, min(left, values[1]))
                done = server.running[number].acknowledged
                by_number[number] = {*range(start, start + done)}
    server.look()
    received = set().union(*by_number.values())
    downloads = {*server.downloads.all(), *server.downloads.take_closed()}
    covered = {byte for one in downloads for part in one.covered for byte in part}
    assert covered == received
    assert sum(one.sent for one in downloads) == sum(map(len, by_number.values()))
    assert sum(one.running for one in downloads) == len(server.running)


# ---------------------------------------------------------------- rates


def test_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate(0.0)
    assert rate.per_second() == 0
    for second in range(1, 101):
        rate.add(second, second * 100)
    assert rate.per_second() == 100
    for second in range(101, 107):
        rate.add(second, 10_000)
    assert rate.per_second() == 0
    rate.add(106, 10**6)
    assert rate.per_second() == 0, "no time has passed"


def test_rate_of_a_few_looks_far_apart_is_known() -> None:
    rate = Rate(0.0)
    rate.add(60, 6000)
    assert rate.per_second() == 100
    rate.add(120, 6600)
    assert rate.per_second() == 10


def test_time_left_counts_down_steadily(server: Server) -> None:
    one = server.begin(size=10**6, ranges=((0, 0, 10**6),))
    shown = []
    for second in range(1, 20):
        server.now = float(second)
        server.go_on(one, 1000 + second % 2 * 150)
        left = server.only().seconds_left
        assert left is not None
        shown.append(left)
    steps = [after - before for before, after in pairwise(shown[5:])]
    assert steps == pytest.approx([-1.0] * len(steps))


def test_time_left_follows_a_new_rate(server: Server) -> None:
    one = server.begin(size=10**6, ranges=((0, 0, 10**6),))
    for rate in (1000, 10_000):
        for _ in range(8):
            server.now += 1
            server.go_on(one, rate)
            download = server.only()
        assert download.seconds_left == pytest.approx((10**6 - download.unique) / rate, rel=0.15)


def test_time_left_of_a_stalled_download_is_unknown(server: Server) -> None:
    one = server.begin()
    server.now = 1.0
    server.go_on(one, 10)
    assert server.only().seconds_left is not None
    for _ in range(7):
        server.now += 1
        download = server.only()
    assert download.seconds_left is None
    assert download.bytes_per_second() == 0
