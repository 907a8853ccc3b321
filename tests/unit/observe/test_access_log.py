"""The access log: its form, what clients cannot do to it, and what becomes of it in trouble."""

from __future__ import annotations

import json
import os
import re
import resource
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.observe.access_formats import FORMATS, choose_format, describe_combined, quote
from httpd.observe.access_log import FLUSH_AT, AccessLog
from httpd.observe.line_writer import MAX_BACKLOG, LineWriter
from httpd.observe.log import MAX_LINE, Log
from httpd.site.names import MAX_NAME
from tests.unit.guard import must_end
from tests.unit.protocol.heads import head as head_of
from tests.unit.protocol.heads import mutated_heads

SAFE = re.compile(rb"(?:[ !#-\[\]-~]|\\x[0-9a-f]{2})+")
LINE = re.compile(
    rb"([0-9a-f.:]+) - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "
    rb'"((?:[ !#-\[\]-~]|\\x[0-9a-f]{2})+)" (\d{3}) (\d+) '
    rb'"((?:[ !#-\[\]-~]|\\x[0-9a-f]{2})+)" "((?:[ !#-\[\]-~]|\\x[0-9a-f]{2})+)" '
    rb"(\d+\.\d{6}) (\d+) ([a-z0-9.*-]+)\n"
)
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Trouble:
    """Collects what a log says of errors."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe()
        os.set_blocking(self.read_fd, False)
        self.log = Log("loop 0.0", self.write_fd, self.write_fd, verbose=True)

    def lines(self) -> list[str]:
        try:
            return os.read(self.read_fd, 1 << 16).decode().splitlines()
        except BlockingIOError:
            return []

    def close(self) -> None:
        os.close(self.read_fd)
        os.close(self.write_fd)


@pytest.fixture
def trouble() -> Iterator[Trouble]:
    trouble = Trouble()
    yield trouble
    assert trouble.lines() == [], "a test has to look at what was said"
    trouble.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


@pytest.fixture
def fd(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    yield fd
    os.close(fd)


def add(access: AccessLog, count: int = 1, first: int = 0) -> None:
    for number in range(first, first + count):
        access.add(b"127.0.0.1", HEAD, 200, number, 0.000123, number + 300, "-")


def numbers(data: bytes) -> list[int]:
    """Return the body lengths of all lines, each of which must be whole."""
    found = []
    for line in data.splitlines(keepends=True):
        match = LINE.fullmatch(line)
        assert match, line
        found.append(int(match[4]))
    return found


# ---------------------------------------------------------------- the form of a line


def test_access_line_has_all_fields(path: Path, fd: int, trouble: Trouble) -> None:
    head = head_of("Referer: http://a/", "User-Agent: curl/8.0 (x)", target="/a%20b?c")
    access = AccessLog(FORMATS["combined"], [LineWriter(fd, trouble.log)])
    access.add(b"::1", head, 206, 1234, 1.5, 1534, "a.example")
    access.flush()
    match = LINE.fullmatch(path.read_bytes())
    assert match
    assert match.groups() == (
        *(b"::1", b"GET /a%20b?c HTTP/1.1", b"206", b"1234"),
        *(b"http://a/", b"curl/8.0 (x)", b"1.500000", b"1534", b"a.example"),
    )


@pytest.mark.parametrize(
    ("head", "line", "referer", "agent"),
    [
        (b"", b"-", b"-", b"-"),
        (b"\r\n", b"-", b"-", b"-"),
        (b"GET /", b"GET /", b"-", b"-"),
        (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1", b"-", b"-"),
        (b"GET / HTTP/1.1\n\n", b"GET / HTTP/1.1", b"-", b"-"),
        (b"\r\nGET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1", b"-", b"-"),
        (b"G\r\nReferer:\r\n\r\n", b"G", b"-", b"-"),
        (b"G\r\nREFERER: \t a \t\r\nuser-agent:b\r\n\r\n", b"G", b"a", b"b"),
        (b"G\r\nX-Referer: a\r\nX: Referer: b\r\n\r\n", b"G", b"-", b"-"),
        (b"G\r\nReferer: a\r\nReferer: b\r\n\r\n", b"G", b"a", b"-"),
        (b"G\r\nUser-Agent: a", b"G", b"-", b"a"),
        (b'G "x" \\y\x00\x7f\xff', rb"G \x22x\x22 \x5cy\x00\x7f\xff", b"-", b"-"),
        (b'G\r\nUser-Agent: "\t\\"\r\n\r\n', b"G", b"-", rb"\x22\x09\x5c\x22"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_access_line_of_each_request_is_described(
    head: bytes, line: bytes, referer: bytes, agent: bytes
) -> None:
    described = b'"%b" 400 5 "%b" "%b" ' % (line, referer, agent)
    assert describe_combined(head, 400, 5, 99, "-") == (described, b" 99 -\n")


@given(st.binary(max_size=300), st.integers(1, 100))
@settings(max_examples=500)
def test_access_line_quotes_unsafe_bytes(text: bytes, limit: int) -> None:
    """No quote, no backslash but before “x” and two digits, and so also where it is cut."""
    quoted = quote(text, limit)
    assert SAFE.fullmatch(quoted)
    assert len(quoted) <= max(limit, 1)


@pytest.mark.parametrize("cut", range(1, 10))
def test_access_line_cuts_no_escape(cut: int) -> None:
    """A backslash at the end would swallow the quote after it."""
    assert SAFE.fullmatch(quote(b"a\x01b\x02", cut))


def test_access_line_has_every_byte_quoted_or_plain() -> None:
    for byte in range(256):
        plain = 0x20 <= byte < 0x7F and byte not in b'"\\'
        assert quote(bytes([byte]), 100) == (bytes([byte]) if plain else b"\\x%02x" % byte)


@given(st.binary(max_size=200) | mutated_heads())
def test_access_line_cannot_be_broken_by_a_client(head: bytes) -> None:
    read_fd, write_fd = os.pipe()
    access = AccessLog(
        FORMATS["combined"], [LineWriter(write_fd, Log("loop 0.0", 2, 2, verbose=False))]
    )
    access.add(b"127.0.0.1", head, 400, 0, 0.0, 0, "-")
    access.flush()
    os.close(write_fd)
    with open(read_fd, "rb") as pipe:
        assert LINE.fullmatch(pipe.read())


def test_access_line_of_the_greatest_length_is_atomic_on_a_pipe() -> None:
    """Longer ones would tear among those of other processes (pipe(7))."""
    nasty = b"\x01" * 32768
    parts = describe_combined(
        b"%b\r\nReferer: %b\r\nUser-Agent: %b\r\n\r\n" % (nasty, nasty, nasty),
        414,
        10**18,
        10**18,
        "a" * MAX_NAME,
    )
    line = b"%b%b%b" % (b"f" * 45, *parts)
    assert len(line) + 80 <= MAX_LINE


def test_access_line_of_hostile_bytes_is_quoted_fast() -> None:
    with must_end():
        for piece in (b"\r\n", b"\r\nreferer:", b"\r\nreferer: \t", b" ", b'"'):
            describe_combined(piece * 300_000, 400, 0, 0, "-")


# ---------------------------------------------------------------- when lines are written


def test_access_lines_are_collected_until_the_tick(path: Path, fd: int, trouble: Trouble) -> None:
    access = AccessLog(FORMATS["combined"], [LineWriter(fd, trouble.log)])
    add(access, 3)
    assert path.read_bytes() == b""
    access.tick()
    assert numbers(path.read_bytes()) == [0, 1, 2]
    access.tick()
    access.flush()
    assert numbers(path.read_bytes()) == [0, 1, 2]


def test_access_lines_beyond_the_buffer_are_written_without_a_tick(
    path: Path, fd: int, trouble: Trouble
) -> None:
    access = AccessLog(FORMATS["combined"], [LineWriter(fd, trouble.log)])
    add(access, 2000)
    assert path.stat().st_size >= FLUSH_AT
    access.flush()
    assert numbers(path.read_bytes()) == list(range(2000))


def test_access_lines_of_many_processes_do_not_mix(path: Path, fd: int, trouble: Trouble) -> None:
    children = []
    for child in range(4):
        pid = os.fork()
        if pid == 0:
            try:
                access = AccessLog(FORMATS["combined"], [LineWriter(fd, trouble.log)])
                for number in range(2000):
                    add(access, 1, child * 10_000 + number)
                    if number % 100 == child:
                        access.tick()
                access.flush()
            finally:
                os._exit(0)
        children.append(pid)
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    seen = numbers(path.read_bytes())
    for child in range(4):
        mine = [number for number in seen if number // 10_000 == child]
        assert mine == list(range(child * 10_000, child * 10_000 + 2000))


def test_access_lines_of_many_processes_do_not_mix_on_a_pipe(trouble: Trouble) -> None:
    read_fd, write_fd = os.pipe()
    children = []
    for child in range(3):
        pid = os.fork()
        if pid == 0:
            try:
                os.close(read_fd)
                access = AccessLog(FORMATS["combined"], [LineWriter(write_fd, trouble.log)])
                for number in range(1000):
                    add(access, 1, child * 10_000 + number)
                    if number % 50 == child:
                        access.tick()
                access.flush(60.0)
            finally:
                os._exit(0)
        children.append(pid)
    os.close(write_fd)
    with open(read_fd, "rb") as pipe:
        seen = numbers(pipe.read())
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    assert sorted(seen) == [child * 10_000 + n for child in range(3) for n in range(1000)]


# ---------------------------------------------------------------- a reader that does not read


class FullPipe:
    """A pipe that is not read until the test does."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe()
        os.set_blocking(self.read_fd, False)
        self.filled = 0
        os.set_blocking(self.write_fd, False)
        try:
            while True:
                self.filled += os.write(self.write_fd, b"#" * 4095 + b"\n")
        except BlockingIOError:
            os.set_blocking(self.write_fd, True)

    def read(self) -> bytes:
        data = b""
        try:
            while piece := os.read(self.read_fd, 1 << 20):
                data += piece
        except BlockingIOError:
            pass
        return data

    def close(self) -> None:
        os.close(self.read_fd)
        os.close(self.write_fd)


@pytest.fixture
def full_pipe() -> Iterator[FullPipe]:
    pipe = FullPipe()
    yield pipe
    pipe.close()


def read_all(access: AccessLog, pipe: FullPipe) -> bytes:
    """Read until the log has nothing more to write."""
    data = b""
    while piece := pipe.read():
        data += piece
        access.flush()
    return data


def test_full_pipe_blocks_nothing_and_loses_no_line(full_pipe: FullPipe, trouble: Trouble) -> None:
    access = AccessLog(FORMATS["combined"], [LineWriter(full_pipe.write_fd, trouble.log)])
    with must_end():
        add(access, 3000)
        access.tick()
        access.flush()
    data = read_all(access, full_pipe)[full_pipe.filled :]
    assert numbers(data) == list(range(3000))


def test_reader_that_lags_within_a_second_loses_no_line(
    full_pipe: FullPipe, trouble: Trouble
) -> None:
    """It reads a pipe's worth for each half of that much that is logged."""
    access = AccessLog(FORMATS["combined"], [LineWriter(full_pipe.write_fd, trouble.log)])
    count = 4 * MAX_BACKLOG // 100
    data = b""
    for number in range(count):
        add(access, 1, number)
        if number % 300 == 299:
            data += full_pipe.read()
    access.flush()
    data += read_all(access, full_pipe)
    is_complete = numbers(data[full_pipe.filled :]) == list(range(count))
    assert is_complete


def test_lost_lines_are_counted_and_logged(full_pipe: FullPipe, trouble: Trouble) -> None:
    access = AccessLog(FORMATS["combined"], [LineWriter(full_pipe.write_fd, trouble.log)])
    count = 2 * MAX_BACKLOG // 100
    with must_end(60):
        add(access, count)
        access.flush()
    data = read_all(access, full_pipe)[full_pipe.filled :]
    kept = numbers(data)
    assert kept == list(range(len(kept))), "the first lines are kept, in their order"
    assert len(data) >= MAX_BACKLOG
    told = trouble.lines()
    assert len(told) == 1
    assert f"lines lost: {count - len(kept)}" in told[0]
    add(access, 1, 7)
    access.flush()
    assert numbers(full_pipe.read()) == [7]


def test_backlog_is_bounded_while_nothing_can_be_written(
    full_pipe: FullPipe, trouble: Trouble
) -> None:
    access = AccessLog(FORMATS["combined"], [LineWriter(full_pipe.write_fd, trouble.log)])
    with must_end(60):
        add(access, 3 * MAX_BACKLOG // 100)
        access.tick()
    kept = len(read_all(access, full_pipe)) - full_pipe.filled
    assert kept <= MAX_BACKLOG + MAX_LINE
    trouble.lines()


def test_flush_with_patience_waits_for_a_slow_reader(full_pipe: FullPipe, trouble: Trouble) -> None:
    access = AccessLog(FORMATS["combined"], [LineWriter(full_pipe.write_fd, trouble.log)])
    add(access, 2000)
    pid = os.fork()
    if pid == 0:
        os.close(full_pipe.write_fd)
        os.set_blocking(full_pipe.read_fd, True)
        while os.read(full_pipe.read_fd, 5000):
            pass
        os._exit(0)
    access.flush(60.0)
    os.close(full_pipe.write_fd)
    assert os.waitpid(pid, 0)[1] == 0
    assert full_pipe.read() == b""
    full_pipe.write_fd = os.open("/dev/null", os.O_WRONLY)


def test_reader_that_has_gone_is_survived(trouble: Trouble) -> None:
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    access = AccessLog(FORMATS["combined"], [LineWriter(write_fd, trouble.log)])
    for _ in range(5):
        add(access, 1000)
        access.tick()
    told = trouble.lines()
    assert len(told) == 1, "once is enough"
    assert "cannot write the access log: Broken pipe" in told[0]
    os.close(write_fd)


# ---------------------------------------------------------------- sites


def test_site_may_have_files_of_its_own(tmp_path: Path, trouble: Trouble) -> None:
    fds = {name: os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in "abc"}
    every, one, shared = (LineWriter(fd, trouble.log) for fd in fds.values())
    own = {"one": [every, one], "two": [shared], "three": [shared], "silent": []}
    access = AccessLog(FORMATS["combined"], [every], own)
    for number, site in enumerate(("-", "one", "two", "three", "silent", "other")):
        access.add(b"::1", HEAD, 200, number, 0.1, 9, site)
    access.flush()
    found = {name: numbers((tmp_path / name).read_bytes()) for name in fds}
    assert found == {"a": [0, 1, 5], "b": [1], "c": [2, 3]}
    for fd in fds.values():
        os.close(fd)


def test_same_head_is_logged_for_each_of_two_sites(path: Path, fd: int, trouble: Trouble) -> None:
    access = AccessLog(FORMATS["combined"], [LineWriter(fd, trouble.log)])
    for site in ("a.example", "-", "a.example"):
        access.add(b"::1", HEAD, 200, 5, 0.1, 9, site)
    access.flush()
    assert [line.split()[-1] for line in path.read_text().splitlines()] == [
        "a.example",
        "-",
        "a.example",
    ]


# ---------------------------------------------------------------- a disk that is full


def test_writers_get_the_same_lines_and_one_that_fails_keeps_none_from_the_other(
    path: Path, fd: int, trouble: Trouble
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    failing = LineWriter(full, trouble.log, "the access log /dev/full")
    access = AccessLog(FORMATS["combined"], [failing, LineWriter(fd, trouble.log)])
    add(access, 3)
    access.tick()
    assert numbers(path.read_bytes()) == [0, 1, 2]
    (told,) = trouble.lines()
    assert "cannot write the access log /dev/full: No space left on device" in told
    os.dup2(fd, full)
    access.tick()
    assert numbers(path.read_bytes()) == [0, 1, 2, 0, 1, 2]
    assert "the access log /dev/full is written again; lines lost: 0" in trouble.lines()[0]
    os.close(full)


def test_full_disk_is_logged_once_and_so_is_its_end(path: Path, fd: int, trouble: Trouble) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    access = AccessLog(FORMATS["combined"], [LineWriter(full, trouble.log)])
    for first in range(0, 50, 10):
        add(access, 10, first)
        access.tick()
    told = trouble.lines()
    assert len(told) == 1
    assert " error loop 0.0[" in told[0]
    assert "cannot write the access log: No space left on device" in told[0]
    os.dup2(fd, full)  # as after a reopening
    access.tick()
    assert numbers(path.read_bytes()) == list(range(50))
    told = trouble.lines()
    assert len(told) == 1
    assert "lines lost: 0" in told[0]
    add(access, 1, 50)
    access.tick()
    assert numbers(path.read_bytes()) == list(range(51))
    os.close(full)


def test_full_disk_counts_lost_lines(path: Path, fd: int, trouble: Trouble) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    access = AccessLog(FORMATS["combined"], [LineWriter(full, trouble.log)])
    count = 2 * MAX_BACKLOG // 100
    add(access, count)
    access.tick()
    assert len(trouble.lines()) == 1
    os.dup2(fd, full)
    access.tick()
    kept = numbers(path.read_bytes())
    assert f"lines lost: {count - len(kept)} " in trouble.lines()[0]
    os.close(full)


@pytest.mark.parametrize("room", [0, 1, 50, 99, 100, 101, 150, 250, 1000])
def test_full_disk_leaves_no_half_line(path: Path, fd: int, trouble: Trouble, room: int) -> None:
    """No line is torn, lost or written twice, neither now nor when there is room again."""
    access = AccessLog(FORMATS["combined"], [LineWriter(fd, trouble.log)])
    add(access, 20)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        access.flush()
        access.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    seen = numbers(path.read_bytes())
    assert seen == list(range(len(seen)))
    access.tick()
    assert numbers(path.read_bytes()) == list(range(20))
    trouble.lines()


def test_closed_descriptor_is_survived(trouble: Trouble) -> None:
    fd = os.open("/dev/null", os.O_WRONLY)
    access = AccessLog(FORMATS["combined"], [LineWriter(fd, trouble.log)])
    os.close(fd)
    add(access, 5)
    access.tick()
    assert "Bad file descriptor" in trouble.lines()[0]


# ---------------------------------------------------------------- JSON


def parse_json(head: bytes, status: int = 200) -> dict[str, object]:
    line_format = FORMATS["json"]
    before, after = line_format.describe(head, status, 1234, 1534, "a.example")
    line = line_format.line % (b"::1", line_format.format_time(), before, 1.5, after)
    assert line.endswith(b"}\n")
    assert line.isascii()
    assert len(line) < MAX_LINE
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def test_json_line_has_all_fields() -> None:
    head = b'GET /a?b HTTP/1.1\r\nReferer: http://a/"\\ \r\nUser-Agent: \xc3\xa4\xff\r\n\r\n'
    found = parse_json(head, 206)
    datetime.strptime(str(found.pop("time")), "%Y-%m-%dT%H:%M:%S%z")
    assert found == {
        "peer": "::1",
        "site": "a.example",
        "request": "GET /a?b HTTP/1.1",
        "status": 206,
        "body": 1234,
        "referer": 'http://a/"\\',
        "user_agent": "ä\\xff",
        "duration": 1.5,
        "sent": 1534,
    }


def test_json_line_has_null_for_missing_fields() -> None:
    found = parse_json(b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent:\r\n\r\n")
    assert found["referer"] is None
    assert found["user_agent"] == ""


@pytest.mark.parametrize(
    "text", [b"a", b"\xff", "ä".encode(), "\U0001f642".encode(), b"\0", b'"', b"\\"]
)
def test_json_line_is_never_too_long(text: bytes) -> None:
    field = text.replace(b"\0", b"\x01") * 5000
    parse_json(b"%b\r\nReferer: %b\r\nUser-Agent: %b\r\n\r\n" % (field, field, field))


@given(st.binary(max_size=300))
def test_json_line_of_any_bytes_is_valid(head: bytes) -> None:
    parse_json(head, 400)


def test_short_line_names_what_a_person_looks_for() -> None:
    first, second = FORMATS["short"].describe(HEAD, 404, 771, 1101, "-")
    assert (first, second) == (b"404 GET / ", b" s, 771 bytes\n")
    sizes = {999: b"999 bytes", 1000: b"1.0 kB", 1_234_567: b"1.2 MB", 5 * 10**9: b"5.0 GB"}
    for size, text in sizes.items():
        assert FORMATS["short"].describe(HEAD, 200, size, size, "-")[1] == b" s, %b\n" % text


def test_short_line_is_as_safe_as_others() -> None:
    first, _ = FORMATS["short"].describe(b"GET /\x1b[31m\xff HTTP/1.1\r\n\r\n", 400, 0, 0, "-")
    assert first == b"400 GET /\\x1b[31m\\xff "


@pytest.mark.parametrize(("status", "colour"), [(200, 32), (304, 36), (404, 33), (503, 31)])
def test_short_line_has_colours_on_a_terminal(
    status: int, colour: int, fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = os.openpty()
    try:
        described = choose_format("short", [theirs]).describe(HEAD, status, 0, 0, "-")
        assert described[0] == b"\x1b[%dm%d\x1b[m GET / " % (colour, status)
        assert choose_format("short", [theirs, fd]) == FORMATS["short"]
        assert choose_format("combined", [theirs]) == FORMATS["combined"]
        for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
            with monkeypatch.context() as patch:
                patch.setenv(name, value)
                assert choose_format("short", [theirs]) == FORMATS["short"]
    finally:
        os.close(ours)
        os.close(theirs)
