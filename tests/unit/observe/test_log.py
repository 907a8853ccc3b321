"""Messages: one line each, whatever they say and wherever they go."""

from __future__ import annotations

import os
import re
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.observe.log import MAX_LINE, Log, append_lines, name_thread, open_console
from tests.unit.guard import must_end

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (error|warning|notice|debug) "
    r"([a-z]+(?: [0-9.]+)?)\[(\d+)\]: (.*)\n"
)
LEVELS = ["error", "warning", "notice", "debug"]


class Pipe:
    """A pipe whose contents are read once all is written."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe()
        os.set_blocking(self.read_fd, False)

    def text(self) -> str:
        try:
            return os.read(self.read_fd, 1 << 20).decode()
        except BlockingIOError:
            return ""

    def close(self) -> None:
        os.close(self.read_fd)
        os.close(self.write_fd)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


@pytest.fixture
def other() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def say(log: Log, level: str, text: str) -> None:
    getattr(log, level)(text)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("role", ["supervisor", "worker 1", "loop 0.3"])
def test_message_has_time_level_role_and_pid(pipe: Pipe, level: str, role: str) -> None:
    say(Log(role, pipe.write_fd, pipe.write_fd, verbose=True), level, "what “happened”")
    match = LINE.fullmatch(pipe.text())
    assert match
    assert match.groups() == (level, role, str(os.getpid()), "what “happened”")


@pytest.mark.parametrize("verbose", [True, False])
@pytest.mark.parametrize("level", LEVELS)
def test_message_goes_where_its_level_belongs(
    pipe: Pipe, other: Pipe, level: str, verbose: bool
) -> None:
    """Errors and warnings always to the one, the rest to the other if at all."""
    say(Log("supervisor", pipe.write_fd, other.write_fd, verbose), level, "text")
    is_trouble = level in ("error", "warning")
    assert bool(other.text()) is is_trouble
    assert bool(pipe.text()) is (verbose and not is_trouble)


def test_message_has_the_role_of_a_named_log(pipe: Pipe) -> None:
    log = Log("supervisor", pipe.write_fd, pipe.write_fd, verbose=True)
    log.named("worker 7").notice("text")
    log.notice("text")
    assert re.findall(r" (\S+(?: \d+)?)\[", pipe.text()) == ["worker 7", "supervisor"]


@pytest.mark.parametrize(
    "text",
    ["a\nb", "\n", "a\n\n\nb\n", "Traceback (most recent call last):\n  File\nValueError: x\n", ""],
    ids=repr,
)
def test_message_is_one_line(pipe: Pipe, text: str) -> None:
    Log("supervisor", pipe.write_fd, pipe.write_fd, verbose=True).error(text)
    assert LINE.fullmatch(pipe.text())


@pytest.mark.parametrize("char", ["\r", "\x1b", "\0", "\x07", "\x7f", "\x9b"], ids=repr)
def test_message_has_no_control_characters(pipe: Pipe, char: str) -> None:
    """A message may hold the name of a file, and a file may have any name: it must not move the
    cursor of who looks at the log.
    """
    log = Log("loop 0.0", pipe.write_fd, pipe.write_fd, verbose=True)
    log.warning(f"/a{char}b changed during a download")
    assert char not in pipe.text()


@given(st.text(max_size=200), st.sampled_from("xé€𝄞\n"), st.sampled_from([0, 1000, 2000, 4000]))
def test_message_of_any_text_is_one_line_of_utf_8(text: str, char: str, count: int) -> None:
    pipe = Pipe()
    try:
        Log("supervisor", pipe.write_fd, pipe.write_fd, True).error(text + char * count)
        data = os.read(pipe.read_fd, 1 << 16)
        assert len(data) <= MAX_LINE
        assert data.count(b"\n") == 1
        assert data.endswith(b"\n")
        data.decode()
    finally:
        pipe.close()


@pytest.mark.parametrize("shift", range(4))
def test_message_that_is_long_is_not_cut_inside_of_a_character(pipe: Pipe, shift: int) -> None:
    text = "x" * shift + "𝄞" * 2000
    Log("supervisor", pipe.write_fd, pipe.write_fd, verbose=True).error(text)
    assert LINE.fullmatch(pipe.text())


def test_message_with_a_name_that_is_not_utf_8_is_escaped(pipe: Pipe) -> None:
    name = os.fsdecode(b"/raw-\xff")
    Log("supervisor", pipe.write_fd, pipe.write_fd, verbose=True).error(name)
    assert r"/raw-\udcff" in pipe.text()


@pytest.mark.parametrize(
    ("zone", "offset"),
    [("UTC", "+00:00"), ("XXX-5:30", "+05:30"), ("XXX+3:30", "-03:30"), ("XXX-14", "+14:00")],
)
def test_message_has_the_time_zone(
    pipe: Pipe, zone: str, offset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        Log("supervisor", pipe.write_fd, pipe.write_fd, verbose=True).error("text")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert pipe.text()[23:29] == offset


# ---------------------------------------------------------------- where nothing can be written


def test_full_disk_is_survived() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    Log("supervisor", fd, fd, verbose=True).error("text")
    os.close(fd)
    Log("supervisor", fd, fd, verbose=True).error("to a descriptor that is closed")


def test_reader_that_has_gone_is_survived(pipe: Pipe) -> None:
    os.close(pipe.read_fd)
    Log("supervisor", pipe.write_fd, pipe.write_fd, verbose=True).error("text")
    pipe.read_fd = os.open("/dev/null", os.O_RDONLY)


def test_reader_that_does_not_read_blocks_nothing(pipe: Pipe) -> None:
    fd = open_console(pipe.write_fd)
    log = Log("supervisor", fd, fd, verbose=True)
    with must_end():
        for _ in range(5000):
            log.notice("text" * 10)
    lines = pipe.text().splitlines(keepends=True)
    assert lines
    assert all(LINE.fullmatch(line) for line in lines)
    if fd != pipe.write_fd:
        os.close(fd)


def test_lost_messages_are_counted_and_logged(pipe: Pipe) -> None:
    fd = open_console(pipe.write_fd)
    log = Log("supervisor", fd, fd, verbose=True)
    count = 3000
    for _ in range(count):
        log.notice("text" * 10)
    kept = len(pipe.text().splitlines())
    assert 0 < kept < count
    log.named("worker 0").notice("again")
    told, again = pipe.text().splitlines()
    assert told.endswith(f"messages lost, since they could not be written: {count - kept}")
    assert again.endswith("again")
    os.close(fd)


def test_console_that_others_share_keeps_its_flags(pipe: Pipe) -> None:
    """O_NONBLOCK would also hit the shell that started us."""
    fd = open_console(pipe.write_fd)
    assert not os.get_blocking(fd)
    assert os.get_blocking(pipe.write_fd)
    os.close(fd)


def test_console_that_is_a_file_is_used_as_it_is(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    assert open_console(fd) == fd
    os.close(fd)


def test_console_that_may_not_be_opened_again_is_used_as_it_is() -> None:
    """As with a socket, which `systemd` and `ssh` give."""
    one, other = os.pipe()
    assert open_console(one) >= 0
    os.close(one)
    os.close(other)


# ---------------------------------------------------------------- whole lines


def limited_write(path: Path, lines: bytes, limit: int) -> int | OSError:
    """Append with so much room in the file, as on a full disk."""
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        return append_lines(fd, lines)
    except OSError as error:
        return error
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        os.close(fd)


@pytest.mark.parametrize("room", range(13))
def test_full_disk_leaves_whole_lines(tmp_path: Path, room: int) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    lines = b"one\ntwo\nsix\n"
    written = limited_write(path, lines, 7 + room)
    whole = room // 4 * 4
    assert path.read_bytes() == b"before\n" + lines[:whole]
    if whole:
        assert written == whole
    else:
        assert isinstance(written, OSError)


def test_messages_of_many_processes_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "log"
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    children = []
    for number in range(4):
        pid = os.fork()
        if pid == 0:
            try:
                log = Log(f"worker {number}", fd, fd, verbose=True)
                for count in range(300):
                    log.notice(f"{count} " + "x" * (count % 7 * 500))
            finally:
                os._exit(0)
        children.append(pid)
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    os.close(fd)
    lines = path.read_text().splitlines(keepends=True)
    assert len(lines) == 1200
    for line in lines:
        assert LINE.fullmatch(line)


# ---------------------------------------------------------------- names of threads


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("supervisor", "supervisor"),
        ("worker 0", "phttpd worker 0"),
        ("worker 255", "worker 255"),
        ("loop 0.1", "phttpd loop 0.1"),
        ("loop 255.255", "loop 255.255"),
    ],
)
def test_thread_gets_its_name(role: str, name: str) -> None:
    """Fifteen bytes at the most, so that what tells them apart comes first."""
    seen = []

    def run() -> None:
        name_thread(role)
        with open(f"/proc/self/task/{threading.get_native_id()}/comm") as comm:
            seen.append(comm.read().strip())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [name]
